"""Inspect's logs (version 2) as results: one score a sample, repeats ("epochs") taken together as their mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regress.errors import ComparisonError, ResultsError, UsageError
from regress.foreign.inspect_files import find, open_log, status
from regress.foreign.reading import member, score
from regress.foreign.records import ForeignItem, ForeignResults, ForeignTask, Kind, Wanted, excerpt, fingerprint, shown

LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}  # correct, partial, incorrect, no answer
SPEC = ("task_version", "task_args", "solver", "solver_args", "sandbox", "model_roles")  # of `eval`
LIMITS = ("limit", "sample_id", "epochs", "message_limit", "token_limit", "turn_limit", "time_limit", "working_limit")
TRANSPORT = frozenset(  # of a generation config: how requests travel, not what is asked
    {"max_connections", "adaptive_connections", "max_retries", "timeout", "attempt_timeout", "cache", "batch"}
)
HOW = ("model", "model_args", "model_base_url", "packages", "revision")
VOLATILE = frozenset({"id", "model", "source"})  # of a message: who and where, not what
MAX_ATTACHMENTS_DEPTH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """A scorer and, where it gives several values, one of them."""

    scorer: str
    key: str | None

    @property
    def label(self) -> str:
        return self.scorer if self.key is None else f"{self.scorer}/{self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """One reply to one sample."""

    epoch: int
    item: ForeignItem


def read(path: Path, wanted: Wanted) -> ForeignResults:
    """The log that `path` names, or the newest of each task in a folder; raises ResultsError."""
    if wanted.filter:
        raise UsageError("--filter is for lm-eval results; a scorer of Inspect is chosen with --metric SCORER.")
    paths, notes = find(path)
    tasks: dict[str, ForeignTask] = {}
    how: dict[str, Any] | None = None
    for each in paths:
        log, samples = open_log(each)
        status(log, each)
        spec = member(log, "eval", dict, each)
        name = member(spec, "task", str, each)
        of_log = {key: spec.get(key) for key in HOW}
        if how is not None and how["model"] != of_log["model"]:
            raise ResultsError(
                f"holds logs of several models ({shown(how['model'])}, {shown(of_log['model'])}); name one log.",
                path=path,
            )
        if name in tasks:
            raise ResultsError(f"holds two logs of task {shown(name)}; name one log.", path=path)
        how = how or of_log
        tasks[name] = _task(name, log, samples, wanted, each)
    return ForeignResults(
        kind=Kind.INSPECT,
        source=str(paths[0] if len(paths) == 1 else path),
        settings={},
        how=how or {},
        tasks=tasks,
        notes=notes,
    )


def _task(name: str, log: Mapping[str, Any], samples: Iterable[Any], wanted: Wanted, path: Path) -> ForeignTask:
    chosen = _choose(name, log, wanted, path)
    replies: dict[str, list[_Sample]] = {}
    count = 0
    for count, sample in enumerate(samples, start=1):
        found = _sample(sample, chosen, count, path)
        replies.setdefault(found.item.id, []).append(found)
    total = log["results"]["total_samples"]
    if count != total:
        raise ResultsError(
            f"holds {count} samples, and {total} in its results; restore the log, or run it again.", path=path
        )
    repeats = _repeats(log, path)
    return ForeignTask(
        name=name,
        metric=chosen.label,
        settings=_settings(log, chosen.scorer, path) | {"scorer": chosen.label},
        items={id_: _mean(id_, several, repeats, path) for id_, several in replies.items()},
    )


def _repeats(log: Mapping[str, Any], path: Path) -> int:
    config = member(log["eval"], "config", dict, path)
    return 1 if config.get("epochs") is None else int(member(config, "epochs", int, path))


def _settings(log: Mapping[str, Any], scorer: str, path: Path) -> dict[str, Any]:
    """What two logs must agree in, by name."""
    spec, plan = log["eval"], log.get("plan")
    plan = plan if isinstance(plan, dict) else {}
    config, dataset = member(spec, "config", dict, path), member(spec, "dataset", dict, path)
    generation: dict[str, Any] = {}
    for given in (spec.get("model_generate_config"), plan.get("config")):
        generation |= {k: v for k, v in given.items() if k not in TRANSPORT} if isinstance(given, dict) else {}
    return {
        **{key: spec.get(key) for key in SPEC},
        **{key: config.get(key) for key in LIMITS},
        "dataset": {key: dataset.get(key) for key in ("name", "samples")},
        "generation settings": generation,
        "solver steps": plan.get("steps"),
        "scorer options": _scorers(spec.get("scorers"), scorer),
    }


def _scorers(given: Any, chosen: str) -> Any:
    """Name and options of the scorer, else of all; their metrics are aggregates, which are not compared."""
    entries = [entry for entry in given if isinstance(entry, dict)] if isinstance(given, list) else []
    entries = [e for e in entries if str(e.get("name")).rpartition("/")[2] == chosen] or entries
    return [{key: entry.get(key) for key in ("name", "options")} for entry in entries]


def _choose(name: str, log: Mapping[str, Any], wanted: Wanted, path: Path) -> _Chosen:
    """The scorer that was asked for, or the first in the results."""
    entries = [e for e in member(log["results"], "scores", list, path) if isinstance(e, dict)]
    pairs = [(str(e.get("scorer") or e.get("name")), str(e.get("name"))) for e in entries]
    if not pairs:
        raise ResultsError("was not scored; `inspect score` does it.", path=path)
    asked = wanted.metric_of(name)
    if asked is None:
        scorer, key = pairs[0]
    else:
        scorer, _, key = asked.partition("/")
        key = key or scorer
    if scorer not in [s for s, _ in pairs]:
        choices = ", ".join(dict.fromkeys(shown(s if s == k else f"{s}/{k}") for s, k in pairs))
        raise ResultsError(
            f"task {shown(name)} has no scorer {shown(scorer)}, but {choices}; choose with --metric.", path=path
        )
    return _Chosen(scorer=scorer, key=None if key == scorer else key)


# --- one sample -------------------------------------------------------------------------------------------------------


def _sample(sample: Any, chosen: _Chosen, number: int, path: Path) -> _Sample:
    what = f"sample {number}"
    if not isinstance(sample, dict) or "input" not in sample or "target" not in sample:
        raise ResultsError(f"{what} has no input or no target; restore the log.", path=path)
    id_ = str(member(sample, "id", (int, str), path))
    what = f"sample {shown(id_)}"
    if sample.get("error") is not None or sample.get("invalidation") is not None:
        problem = "ended in an error" if sample.get("error") is not None else "was invalidated"
        raise ResultsError(f"{what} {problem}; `inspect eval-retry` asks it again.", path=path)
    value, no_answer = _value(sample, chosen, what, path)
    asked = _resolved({key: sample.get(key) for key in ("input", "choices", "target")}, sample.get("attachments"))
    target = sample["target"]
    item = ForeignItem(
        id=id_,
        asked={key: fingerprint(part) for key, part in asked.items()},
        value=value,
        no_answer=no_answer,
        prompt=excerpt(_text(asked["input"])),
        expected=excerpt(", ".join(map(str, target)) if isinstance(target, list) else str(target)),
        reply=excerpt(_reply(sample)),
    )
    return _Sample(epoch=member(sample, "epoch", int, path), item=item)


def _value(sample: Mapping[str, Any], chosen: _Chosen, what: str, path: Path) -> tuple[float, bool]:
    scores = sample.get("scores")
    entry = scores.get(chosen.scorer) if isinstance(scores, dict) else None
    if not isinstance(entry, dict) or "value" not in entry:
        raise ResultsError(f"{what} has no score of {shown(chosen.scorer)}; `inspect score` gives it one.", path=path)
    value = entry["value"]
    if isinstance(value, dict):
        if chosen.key not in value:
            raise ResultsError(
                f"{what} is scored as {shown(value)}; choose one with --metric {chosen.scorer}/KEY.", path=path
            )
        value = value[chosen.key]
    elif chosen.key is not None and not isinstance(value, dict):
        raise ResultsError(f"{what} has one score of {shown(chosen.scorer)}, not {shown(chosen.key)}.", path=path)
    if isinstance(value, str) and value in LETTERS:
        return LETTERS[value], value == "N"
    return score(value, f"{shown(chosen.label)} of {what}", path), False


def _resolved(asked: dict[str, Any], attachments: Any) -> dict[str, Any]:
    """What was asked, with the long texts that a log keeps apart, and without the random ids of messages."""
    texts = attachments if isinstance(attachments, dict) else {}

    def plain(value: Any, depth: int) -> Any:
        if isinstance(value, str) and value.startswith("attachment://"):
            return texts.get(value.removeprefix("attachment://"), value)
        if depth and isinstance(value, list):
            return [plain(inner, depth - 1) for inner in value]
        if depth and isinstance(value, dict):
            return {
                key: plain(inner, depth - 1)
                for key, inner in value.items()
                if not (key in VOLATILE and "role" in value)
            }
        return value

    return {key: plain(value, MAX_ATTACHMENTS_DEPTH) for key, value in asked.items()}


def _text(given: Any) -> str:
    """The last thing said, for a person."""
    if isinstance(given, list) and given:
        last = given[-1]
        content = last.get("content", last.get("text")) if isinstance(last, dict) else last
        return _text(content) if isinstance(content, str) else _text_of_parts(content)
    return given if isinstance(given, str) else ""


def _text_of_parts(content: Any) -> str:
    parts = content if isinstance(content, list) else []
    return " ".join(str(part["text"]) for part in parts if isinstance(part, dict) and "text" in part)


def _reply(sample: Mapping[str, Any]) -> str:
    output = sample.get("output")
    completion = output.get("completion") if isinstance(output, dict) else None
    return completion if isinstance(completion, str) else ""


def _mean(id_: str, samples: list[_Sample], repeats: int, path: Path) -> ForeignItem:
    """The item of a sample's repeats, each of which must be there once and ask the same."""
    epochs = sorted(sample.epoch for sample in samples)
    if len(epochs) != repeats or epochs != list(range(1, len(epochs) + 1)):
        raise ResultsError(
            f"sample {shown(id_)} was answered in epochs {shown(epochs)}, and {shown(repeats)} were asked for; restore "
            "the log, or run it again.",
            path=path,
        )
    first = samples[0].item
    if any(sample.item.asked != first.asked for sample in samples):
        raise ComparisonError(f"{path}: sample {shown(id_)} was asked in several wordings. Run it again.")
    values = [sample.item.value for sample in samples]
    return ForeignItem(
        id=id_,
        asked=first.asked,
        value=sum(values) / repeats,
        no_answer=all(sample.item.no_answer for sample in samples),
        prompt=first.prompt,
        expected=first.expected,
        reply=first.reply,
    )
