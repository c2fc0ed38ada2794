"""lm-eval's `--log_samples --output_path` files (0.4.x) as results.

A samples file has a row for each document and filter, with the document, the requests as they were sent, the answers
and one value for each metric. The results file holds versions, settings and, over all rows, a hash of each task, so
rows that were added, left out or exchanged show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from regress.errors import ResultsError
from regress.foreign.lm_eval_files import AGAIN, Files, find
from regress.foreign.reading import document, lines, member, score
from regress.foreign.records import ForeignItem, ForeignResults, ForeignTask, Kind, Wanted, excerpt, fingerprint, shown

WHOLE = ("chat_template", "system_instruction")  # of the results file
CONFIG = ("limit", "gen_kwargs")  # of its `config`
TASK = ("output_type", "generation_kwargs", "repeats", "filter_list", "metric_list", "process_results")  # of `configs`
HOW = ("model_name", "model_source", "lm_eval_version", "transformers_version", "max_length", "tokenizer_eos_token")
HOW_CONFIG = (
    "model_args",
    "model_dtype",
    "model_revision",
    "model_sha",
    "device",
    "batch_size",
    "random_seed",
    "torch_seed",
)
HASHES = ("doc_hash", "prompt_hash", "target_hash")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """The score to read, and what the results file says of it; None where there is none."""

    metric: str
    filter: str
    others: bool  # filters, so that a row must name its own
    mean: float | None


def read(path: Path, wanted: Wanted) -> ForeignResults:
    """All tasks of the evaluation that `path` names; raises ResultsError with file, line and field."""
    files = find(path)
    results = None if files.results is None else document(files.results)
    names = _tasks(files, results)
    tasks = {name: _task(name, files, results, wanted) for name in names}
    config = {} if results is None else member(results, "config", dict, _where(files))
    top = results or {}
    return ForeignResults(
        kind=Kind.LM_EVAL,
        source=str(files.results or files.samples[names[0]]),
        settings={} if results is None else {k: top.get(k) for k in WHOLE} | {k: config.get(k) for k in CONFIG},
        how={key: top.get(key) for key in HOW} | {key: config.get(key) for key in HOW_CONFIG} if top else {},
        tasks=tasks,
        groups=_groups(top, names),
        notes=files.notes,
    )


def _where(files: Files) -> Path:
    return files.results or next(iter(files.samples.values()))


def _tasks(files: Files, results: Mapping[str, Any] | None) -> list[str]:
    """The tasks to read; each that the results name must have its samples."""
    if files.only is not None:
        return [files.only]
    named = sorted(member(results, "configs", dict, _where(files)))
    missing = [name for name in named if name not in files.samples]
    if missing or not named:
        problem = (
            f"{len(missing)} of {len(named)} tasks have no samples file (first: {shown(missing[0])})"
            if missing
            else "no task"
        )
        raise ResultsError(f"{problem}: {AGAIN}.", path=_where(files))
    return named


def _groups(results: Mapping[str, Any], tasks: list[str]) -> dict[str, tuple[str, ...]]:
    """Groups that lm-eval pools into one figure, the outermost only, with those of their tasks that were read."""
    pooled, children = results.get("groups"), results.get("group_subtasks")
    if not isinstance(pooled, dict) or not isinstance(children, dict):
        return {}
    found = {}
    for group in pooled:
        leaves: set[str] = set()
        seen, pending = {group}, [group]
        while pending:
            inside = children.get(pending.pop())
            for child in inside if isinstance(inside, list) else ():
                if isinstance(child, str) and child not in seen:
                    seen.add(child)
                    pending.append(child)
        leaves = seen & set(tasks)
        if len(leaves) > 1 and group not in tasks:
            found[group] = tuple(sorted(leaves))
    return {g: leaves for g, leaves in found.items() if not any(set(leaves) < set(other) for other in found.values())}


def _task(name: str, files: Files, results: Mapping[str, Any] | None, wanted: Wanted) -> ForeignTask:
    path = files.samples[name]
    chosen = (
        _from_first_row(name, path, wanted) if results is None else _from_results(name, results, _where(files), wanted)
    )
    items: dict[str, ForeignItem] = {}
    hashes = sha256()
    for number, row in lines(path):
        recorded = [member(row, key, str, path, number) for key in HASHES]
        hashes.update("".join(recorded).encode("utf-8", "backslashreplace"))
        if chosen.others and member(row, "filter", str, path, number) != chosen.filter:
            continue
        item = _item(row, chosen, path, number)
        _check_hashes(row, path, number)
        if item.id in items:
            raise ResultsError(f"document {shown(item.id)} stands here for the second time.", path=path, line=number)
        items[item.id] = item
    if results is None:
        return ForeignTask(name=name, metric=_label(chosen), settings=_score_settings(chosen), items=items)
    _check_totals(name, results, path, items, hashes.hexdigest(), chosen)
    return ForeignTask(
        name=name,
        metric=_label(chosen),
        settings=_settings(name, results, _where(files)) | _score_settings(chosen),
        items=items,
    )


def _label(chosen: _Chosen) -> str:
    return chosen.metric if chosen.filter == "none" else f"{chosen.metric}, filter {chosen.filter}"


def _score_settings(chosen: _Chosen) -> dict[str, Any]:
    return {"metric": chosen.metric, "filter": chosen.filter}


def _settings(name: str, results: Mapping[str, Any], path: Path) -> dict[str, Any]:
    config = member(member(results, "configs", dict, path), name, dict, path)
    settings = {key: config.get(key) for key in TASK}
    for field, key in (("task version", "versions"), ("num_fewshot", "n-shot"), ("number of samples", "n-samples")):
        settings[field] = member(results, key, dict, path).get(name)
    return settings


# --- which score ------------------------------------------------------------------------------------------------------


def _from_results(name: str, results: Mapping[str, Any], path: Path, wanted: Wanted) -> _Chosen:
    """The metric and filter that were asked for, or the first in the results file."""
    figures = member(member(results, "results", dict, path), name, dict, path)
    pairs = [tuple(key.rsplit(",", 1)) for key in figures if "," in key and "_stderr," not in key]
    metric, filter_ = wanted.metric_of(name), wanted.filter_of(name)
    fitting = [p for p in pairs if metric in (None, p[0]) and filter_ in (None, p[1])]
    if not fitting:
        choices = ", ".join(shown(f"{m} (filter {f})") for m, f in pairs[:8]) or "nothing"
        raise ResultsError(
            f"task {shown(name)} has no score {shown(metric or 'at all')} with filter {shown(filter_ or 'any')}, but "
            f"{choices}; choose with --metric [TASK=]NAME and --filter [TASK=]NAME.",
            path=path,
        )
    metric, filter_ = fitting[0]
    better = results.get("higher_is_better")
    of_task = better.get(name) if isinstance(better, dict) else None
    if isinstance(of_task, dict) and of_task.get(metric) is False:
        others = ", ".join(shown(m) for m, _ in pairs if of_task.get(m) is not False) or "none"
        raise ResultsError(
            f"less is better in {shown(metric)} of task {shown(name)}, so it is no score; choose with --metric "
            f"[TASK=]NAME (there: {others}).",
            path=path,
        )
    config = member(member(results, "configs", dict, path), name, dict, path)
    mean = figures[f"{metric},{filter_}"] if _is_mean(config.get("metric_list"), metric) else None
    return _Chosen(metric=metric, filter=filter_, others=len({f for _, f in pairs}) > 1, mean=mean)


def _is_mean(metrics: Any, name: str) -> bool:
    """Whether the task's own configuration says that the figure is the mean of the rows' values."""
    entries = metrics if isinstance(metrics, list) else []
    return any(isinstance(e, dict) and e.get("metric") == name and e.get("aggregation") == "mean" for e in entries)


def _from_first_row(name: str, path: Path, wanted: Wanted) -> _Chosen:
    for number, row in lines(path):
        metrics = member(row, "metrics", list, path, number)
        metric = wanted.metric_of(name) or (metrics[0] if metrics and isinstance(metrics[0], str) else None)
        if metric is None or metric not in metrics:
            raise ResultsError(
                f"no score {shown(metric)}, but {shown(metrics)}; choose with --metric.", path=path, line=number
            )
        filter_ = wanted.filter_of(name) or member(row, "filter", str, path, number)
        return _Chosen(metric=metric, filter=filter_, others=True, mean=None)
    raise ResultsError("holds no sample.", path=path)


# --- one row ----------------------------------------------------------------------------------------------------------


def _item(row: Mapping[str, Any], chosen: _Chosen, path: Path, line: int) -> ForeignItem:
    id_ = str(member(row, "doc_id", (int, str), path, line))
    sent = member(row, "arguments", dict, path, line)
    if not sent or "target" not in row or "doc" not in row:
        raise ResultsError("a document, its target and what was sent must be there, and are not.", path=path, line=line)
    if chosen.metric not in row:
        raise ResultsError(f"document {shown(id_)} has no {shown(chosen.metric)}.", path=path, line=line)
    requests = [request if isinstance(request, dict) else {} for request in sent.values()]
    return ForeignItem(
        id=id_,
        asked={"document": fingerprint(row["doc"]), "prompt": fingerprint(sent), "target": fingerprint(row["target"])},
        value=score(row[chosen.metric], f"{shown(chosen.metric)} of document {shown(id_)}", path, line),
        prompt=excerpt(_last_block(requests[0].get("arg_0"))),
        expected=_expected(row["target"], requests),
        reply=excerpt(_reply(row, requests)),
    )


def _check_hashes(row: Mapping[str, Any], path: Path, line: int) -> None:
    """Prompt and target must be those that were hashed, where they are plain texts."""
    first = next(iter(row["arguments"].values()))
    prompt = first.get("arg_0") if isinstance(first, dict) else None
    for what, text, key in (("prompt", prompt, "prompt_hash"), ("target", row["target"], "target_hash")):
        if isinstance(text, str) and sha256(text.encode("utf-8", "backslashreplace")).hexdigest() != row[key]:
            raise ResultsError(
                f"the {what} is not the one that {key} was made of: the row was edited.", path=path, line=line
            )


def _last_block(prompt: Any) -> str:
    """The question behind the worked examples."""
    blocks = [block for block in prompt.split("\n\n") if block.strip()] if isinstance(prompt, str) else []
    return blocks[-1] if blocks else ""


def _choice(requests: list[dict[str, Any]], index: int) -> str | None:
    text = requests[index].get("arg_1") if 0 <= index < len(requests) and len(requests) > 1 else None
    return text.strip() if isinstance(text, str) else None


def _expected(target: Any, requests: list[dict[str, Any]]) -> str | None:
    text = str(target)
    choice = _choice(requests, int(text)) if text.isascii() and text.isdigit() and len(text) < 4 else None
    return excerpt(choice or text.strip())


def _reply(row: Mapping[str, Any], requests: list[dict[str, Any]]) -> str:
    """The text, or the choice with the highest log-likelihood; for a person only."""
    answers = row.get("filtered_resps")
    if not isinstance(answers, list) or not answers:
        return ""
    if len(requests) == 1 or len(answers) != len(requests):
        return answers[0] if isinstance(answers[0], str) else ""
    best, highest = -1, -math.inf
    for index, answer in enumerate(answers):
        try:
            value = float(answer[0])
        except (TypeError, ValueError, IndexError, KeyError):
            return ""
        if value > highest:
            best, highest = index, value
    return _choice(requests, best) or ""


# --- does the whole agree? --------------------------------------------------------------------------------------------


def _check_totals(
    name: str, results: Mapping[str, Any], path: Path, items: Mapping[str, ForeignItem], rows: str, chosen: _Chosen
) -> None:
    """The samples must be all those that the results were made of: their number, their hash, their mean."""
    of_task = member(results, "n-samples", dict, path).get(name)
    effective = of_task.get("effective") if isinstance(of_task, dict) else None
    restore = "samples and results are not of one run, or were edited; restore both, or run lm-eval again"
    if effective != len(items):
        raise ResultsError(f"{len(items)} documents, and {shown(effective)} in the results: {restore}.", path=path)
    hashes = results.get("task_hashes")
    recorded = hashes.get(name) if isinstance(hashes, dict) else None
    if recorded != rows:
        raise ResultsError(
            f"the task's hash is {rows[:16]}…, and {shown(recorded)} in the results: {restore}.", path=path
        )
    mean = sum(item.value for item in items.values()) / len(items) if items else math.nan
    if chosen.mean is not None and not (isinstance(chosen.mean, int | float) and abs(chosen.mean - mean) <= 1e-6):
        raise ResultsError(
            f"the mean {chosen.metric} is {mean:.6f}, and {shown(chosen.mean)} in the results: {restore}.", path=path
        )
