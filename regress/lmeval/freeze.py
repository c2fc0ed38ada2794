"""Freezing: an lm-eval task becomes items beside its suite file, once, before anything is trained."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regress.errors import Refused, SuiteError
from regress.hashing.canonical import digest_json
from regress.hashing.files import digest_bytes
from regress.lmeval import VERSION, building, catalog, questions
from regress.lmeval.catalog import TaskSource
from regress.lmeval.configs import digests, to_json
from regress.lmeval.figures import figures, filter_of, metric_of
from regress.lmeval.trust import code_of
from regress.schema import Ask, PromptStyle
from regress.stats.cluster import MIN_CLUSTERS
from regress.store.atomic import write_atomic
from regress.suite.frozen import FORMAT, LmEvalSection, frozen_paths, read_sidecar, settings_of
from regress.suite.items import MAX_LINE_BYTES, read_items
from regress.suite.suite_file import SuiteFile, read_suite_file

Tell = Callable[[int, int], None]
"""(documents written down, of how many so far)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freezing:
    """What was written, for people."""

    suite: str
    tasks: int
    items: int
    metric: str
    notes: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class _Draft:
    """What the tasks of one suite have in common, and their items."""

    items: list[dict[str, Any]] = field(default_factory=list)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    common: dict[str, tuple[Any, str]] = field(default_factory=dict)  # setting -> (value, the first task with it)
    code: list[str] = field(default_factory=list)

    def agree(self, key: str, value: Any, task: str) -> None:
        """All tasks of a suite are asked and scored in one way."""
        first, whose = self.common.setdefault(key, (value, task))
        if first != value:
            raise SuiteError(
                f"the tasks of the group differ in {key}: {first} in {whose!r}, {value} in {task!r}. Make two suites."
            )


def freeze(suite_path: Path, project: Path, *, trust: bool, tell: Tell | None = None) -> Freezing:
    """Write NAME.jsonl and NAME.frozen.json beside the suite file, both or neither.

    Raises SuiteError where the task is unknown, its data cannot be loaded, it would run code that nobody trusts, or no
    metric of it can be compared item by item; nothing is written then.
    """
    file, document = read_suite_file(suite_path)
    if file.lm_eval is None:
        raise SuiteError("has items of its own: there is nothing to freeze.", path=suite_path)
    try:
        draft = _draft(file, suite_path, project, trust, tell)
        return _write(file, suite_path, draft)
    except SuiteError as reason:
        if reason.path is not None:
            raise
        raise SuiteError(str(reason), path=suite_path, line=document.line_of(("lm_eval",))) from reason


def sources_of(section: LmEvalSection, suite_path: Path, project: Path) -> tuple[TaskSource, ...]:
    """The tasks that a suite file names; raises SuiteError for a folder outside the project."""
    return catalog.find(section.task, include_folder(section, suite_path, project))


def include_folder(section: LmEvalSection, suite_path: Path, project: Path) -> Path | None:
    """`include_path` from the suite file's folder, inside the project."""
    if section.include_path is None:
        return None
    folder = suite_path.parent / section.include_path
    if not folder.resolve().is_relative_to(project.resolve()):
        raise SuiteError(f"include_path {section.include_path!r} lies outside the project.")
    return folder


def untrusted(sources: Sequence[TaskSource], beside: Path) -> list[str]:
    """Everything that these tasks would run, each once."""
    return list(dict.fromkeys(clause for source in sources for clause in code_of(source.name, source.config, beside)))


def refuse_code(code: Sequence[str]) -> SuiteError:
    """The plain refusal, naming what would run."""
    more = f"; and {len(code) - 5} more" if len(code) > 5 else ""
    return SuiteError(
        f"lm-eval would run code for this task: {'; '.join(code[:5])}{more}. Read it; if you trust it, say "
        "--trust-task-code to `lock`, `suites freeze` or `suites check`; this machine remembers it, for this code."
    )


def _draft(file: SuiteFile, suite_path: Path, project: Path, trust: bool, tell: Tell | None) -> _Draft:
    assert file.lm_eval is not None
    beside = suite_path.parent
    sources = sources_of(file.lm_eval, suite_path, project)
    draft = _Draft(code=untrusted(sources, beside))
    if draft.code and not trust:
        raise refuse_code(draft.code)
    for source in sources:
        _add(draft, source, file.lm_eval, file.prompt_style, beside)
        if tell is not None:
            tell(len(draft.tasks), len(sources))
    draft.items = list(questions.labelled(draft.items, file.lm_eval.cluster, len(sources), MIN_CLUSTERS))
    return draft


def _add(draft: _Draft, source: TaskSource, section: LmEvalSection, prompt: PromptStyle, beside: Path) -> None:
    """One task's items."""
    task, name = building.with_data(source), source.name
    ask = questions.ask_of(task, name)
    draft.agree("ask", ask.value, name)
    fixed = section.fewshot == "fixed"
    shots = questions.shots_of(task, name, section.num_fewshot, fixed=fixed, seed=section.seed)
    found = questions.documents(task, name, section.limit)
    questions.prepare(task, shots)
    counts = []
    for index, document in enumerate(found):
        try:
            requests = questions.requests_of(task, name, index, document, shots, prompt is PromptStyle.CHAT)
            item = questions.item_of(task, name, index, document, requests, prompt)
        except SuiteError:
            raise
        except Exception as reason:
            raise SuiteError(f"document {index} of {name!r} cannot be asked: {_said(reason)}.") from reason
        draft.items.append(item)
        counts.append(len(requests))
        if ask is Ask.GENERATE:
            repeats, most = task.config.repeats, section.max_new_tokens
            kept = questions.generation_of(requests, name, repeats=repeats, seed=section.seed, most=most)
            draft.agree("generation", kept, name)
    _choose_metric(draft, task, name, section, found[0], ask, counts[0])
    draft.tasks[name] = {
        "version": str(task.VERSION),
        "num_fewshot": shots.count,
        "features": list(task.features),
        "config": _config(source, beside),
        "sources": digests(source.config, source.files, beside),
    }


def _choose_metric(
    draft: _Draft, task: Any, name: str, section: LmEvalSection, document: dict[str, Any], ask: Ask, count: int
) -> None:
    """Metric and filter, tried on a made-up reply: what cannot be scored is better known now."""
    filtered = filter_of(task, section.filter, name)
    made_up: Any = {Ask.GENERATE: "", Ask.PERPLEXITY: -1.0}.get(ask)
    replies = [[(-1.0 - index, False)] for index in range(count)] if made_up is None else [[made_up]]
    replies = [reply * (task.config.repeats or 1) for reply in replies]
    try:
        found = figures(task, filtered, document, ask, replies)
    except Exception as reason:
        raise SuiteError(f"the lm-eval task {name!r} cannot score an empty reply: {_said(reason)}.") from reason
    metric, measure = metric_of(task, section.metric, name, found)
    draft.agree("metric", metric, name)
    draft.agree("filter", filtered, name)
    draft.agree("measure", measure, name)


def _config(source: TaskSource, beside: Path) -> Any:
    try:
        return to_json(dict(source.config), beside)
    except TypeError as reason:
        raise SuiteError(
            f"the configuration of {source.name!r} holds {reason}, which JSON has no form for."
        ) from reason


def _write(file: SuiteFile, suite_path: Path, draft: _Draft) -> Freezing:
    assert file.lm_eval is not None
    items_path, sidecar = frozen_paths(suite_path, file.name)
    if items_path.exists() and not sidecar.exists():
        raise SuiteError(f"{items_path.name} stands beside this file and is no frozen task. Rename one of the two.")
    body = _lines(draft.items)
    kept = {key: value for key, (value, _) in draft.common.items()}
    record = {
        "format": FORMAT,
        "lm_eval": VERSION,
        "settings": settings_of(file.lm_eval, file.prompt_style),
        "ask": kept["ask"],
        "generation": kept.get("generation"),
        "metric": kept["metric"],
        "filter": kept["filter"],
        "measure": kept["measure"],
        "code": draft.code,
        "tasks": draft.tasks,
        "items": digest_bytes(body),
    }
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    _check_readable(items_path, body)
    write_atomic(items_path, body)
    write_atomic(sidecar, text)  # last: it names the items by their digest
    read_sidecar(sidecar)
    return Freezing(
        suite=file.name,
        tasks=len(draft.tasks),
        items=len(draft.items),
        metric=f"{kept['metric']}, filter {kept['filter']}" if kept["filter"] != "none" else str(kept["metric"]),
        notes=tuple(_notes(draft, file.lm_eval)),
    )


def _lines(items: Sequence[dict[str, Any]]) -> bytes:
    lines = []
    for item in items:
        try:
            digest_json(item)
            line = json.dumps(item, ensure_ascii=False, allow_nan=False).encode()
        except (Refused, ValueError) as reason:
            raise SuiteError(f"item {item['id']} cannot be written down: {reason}") from reason
        if len(line) > MAX_LINE_BYTES:
            raise SuiteError(f"item {item['id']} has {len(line):,} bytes, more than the {MAX_LINE_BYTES:,} of a line.")
        lines.append(line + b"\n")
    return b"".join(lines)


def _check_readable(items_path: Path, body: bytes) -> None:
    """What is about to be written must be what our own reader takes."""
    trial = items_path.with_name(f".{items_path.name}.trial")
    try:
        trial.write_bytes(body)
        read_items(trial)
    except SuiteError as reason:
        raise SuiteError(f"the task's items are not what a suite may ask: {reason}") from reason
    finally:
        trial.unlink(missing_ok=True)


def _notes(draft: _Draft, section: LmEvalSection) -> list[str]:
    """What somebody should know who compares with lm-eval's own figures."""
    notes = []
    if section.fewshot == "fixed" and any(task["num_fewshot"] for task in draft.tasks.values()):
        notes.append("the few-shot examples are the same for all items; lm-eval draws them anew for each")
    twins = Counter(item["cluster"] for item in draft.items if str(item.get("cluster", "")).startswith("twin:"))
    if twins:
        notes.append(f"{sum(twins.values())} items ask the same as another; they count as {len(twins)} clusters")
    multiple = [item for item in draft.items if item.get("choices") and not {"answer", "target"} & item.keys()]
    if multiple:
        notes.append(f"{len(multiple)} items name a right choice that there is not, and are always wrong")
    return notes


def _said(reason: Exception) -> str:
    return f"{type(reason).__name__}: {' '.join(str(reason).split())[:300]}".rstrip(".")
