"""The scorer `lm_eval` with the task behind it: our replies through the task's own filters and metrics.

The task is rebuilt over its frozen documents, so that scoring reads no data set. What it would run is said first.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regress.errors import SuiteError
from regress.hashing.canonical import digest_json
from regress.lmeval import VERSION
from regress.lmeval.building import scoring_config, without_data
from regress.lmeval.configs import code_in, place_of
from regress.lmeval.figures import RIGHT, figures, value_of
from regress.lmeval.freeze import refuse_code
from regress.lmeval.trust import code_of
from regress.schema import Ask, Finish, Item, Outcome, Reply, Score, Suite
from regress.scorers import BoundScorer, Kind
from regress.scorers._scorer import broken
from regress.suite.frozen import SCORER, FrozenFile, frozen_paths, read_sidecar


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringCode:
    """What runs when replies to a suite are scored: in words, and by the digest of those and of the files."""

    clauses: tuple[str, ...]
    digest: str


def scoring_code(suite: Suite) -> ScoringCode | None:
    """The code behind a suite's scores; None where it has none."""
    beside = Path(suite.path).parent
    found: list[str] = []
    files: dict[str, str] = {}
    for name, task in _sidecar(suite).tasks.items():
        config = scoring_config(task, beside)
        found += code_of(name, config, beside)
        places = [place_of(code.file, beside) for _, code in code_in(config) if code.file is not None]
        files |= {place: task.sources.get(place, "") for place in places}
    return ScoringCode(clauses=tuple(found), digest=digest_json({"code": found, "files": files})) if found else None


def with_tasks(
    suites: Iterable[Suite], scorers: Mapping[str, BoundScorer], *, trusted: Collection[str] = ()
) -> dict[str, BoundScorer]:
    """The suites' scorers, those of lm-eval tasks ready to score; `trusted` are digests of `ScoringCode`.

    Raises SuiteError where scoring a reply would run other code, or code that is not the frozen one.
    """
    ready = dict(scorers)
    for suite in suites:
        if suite.scorer.name == SCORER:
            code = scoring_code(suite)
            if code is not None and code.digest not in trusted:
                raise SuiteError(f"{suite.path}: {refuse_code(code.clauses)}")
            ready[suite.name] = TaskScorer.of(suite, scorers[suite.name])
    return ready


def _sidecar(suite: Suite) -> FrozenFile:
    return read_sidecar(frozen_paths(Path(suite.path), suite.name)[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScorer(BoundScorer):
    """A suite's scorer that knows its tasks."""

    tasks: Mapping[str, Any]  # by name
    file: FrozenFile

    @classmethod
    def of(cls, suite: Suite, bound: BoundScorer) -> TaskScorer:
        """The tasks of a frozen suite, rebuilt from its own files; this imports the code that they name."""
        beside, file = Path(suite.path).parent, _sidecar(suite)
        if file.lm_eval != VERSION:
            raise SuiteError(
                f"{suite.path} was frozen with lm-eval {file.lm_eval}, and {VERSION} is installed, which may score "
                f"otherwise. Mend: pip install lm-eval=={file.lm_eval}; or freeze it and lock again."
            )
        documents: dict[str, list[Mapping[str, Any]]] = {name: [] for name in file.tasks}
        for item in suite.items:
            assert item.source is not None  # `read_frozen` refused it
            documents[item.source["task"]].append(item.source["doc"])
        tasks = {name: without_data(name, task, documents[name], beside) for name, task in file.tasks.items()}
        return cls(scorer=bound.scorer, settings=bound.settings, tasks=tasks, file=file)

    def score(self, reply: Reply, item: Item) -> Score:
        """The metric of one document as outcome and, where it is no plain right or wrong, value; never raises."""
        if (fault := _fault(reply, item, self.file.ask)) is not None:
            return fault
        try:
            source = item.source or {}
            task = self.tasks[source["task"]]
            found = figures(task, self.file.filter, source["doc"], self.file.ask, _answers(reply, task, self.file.ask))
            value = value_of(found[self.file.metric], self.file.measure)
        except Exception as error:  # noqa: BLE001 - lm-eval's code on an untrusted reply; a run goes on without it
            return broken(Kind.SCORER_ERROR, f"{type(error).__name__}: {error}")
        return self._score(value, reply)

    def _score(self, value: float, reply: Reply) -> Score:
        graded = value if self.file.measure != RIGHT else None
        if value >= (1.0 if graded is None else float(self.file.settings["threshold"])):
            return Score(outcome=Outcome.PASS, value=graded)
        texts = [sample.text for sample in reply.samples or (reply,) if sample.text is not None]
        if texts and not any(text.strip() for text in texts):
            return Score(outcome=Outcome.NO_ANSWER, kind=Kind.EMPTY.value, value=graded)
        kind = Kind.TRUNCATED if reply.finish is Finish.LENGTH else Kind.WRONG
        detail = None if graded is None else f"{self.file.metric} {value:.3f}"
        return Score(outcome=Outcome.FAIL, kind=kind.value, detail=detail, value=graded)


def _fault(reply: Reply, item: Item, ask: Ask) -> Score | None:
    """What keeps a reply from being scored at all: the backend's failure, never the model's."""
    if ask is Ask.GENERATE:
        if any(sample.text is None for sample in reply.samples or (reply,)):
            return broken(Kind.NO_REPLY, "the backend gave no text")
        return None
    expected = len(item.choices) if ask is Ask.CHOOSE else None
    if not reply.logprobs or len(reply.logprobs) != (expected or len(reply.logprobs)):
        return broken(Kind.NO_REPLY, f"{len(reply.logprobs)} log-likelihoods for {expected or 'a text'}")
    if ask is Ask.CHOOSE and len(reply.greedy) != len(reply.logprobs):
        return broken(Kind.NO_REPLY, "the backend did not say which choices are the greedy ones")
    if not all(math.isfinite(value) for value in reply.logprobs):
        return broken(Kind.NOT_FINITE, f"log-likelihoods {list(reply.logprobs)}")
    return None


def _answers(reply: Reply, task: Any, ask: Ask) -> Sequence[list[Any]]:
    """What lm-eval's model would have answered: for each request a list, with an entry for each repeat."""
    repeats = task.config.repeats or 1
    if ask is Ask.GENERATE:
        texts = [sample.text for sample in reply.samples] or [reply.text] * repeats
        return [texts]
    if ask is Ask.PERPLEXITY:
        return [[math.fsum(reply.logprobs)] * repeats]
    return [[pair] * repeats for pair in zip(reply.logprobs, reply.greedy, strict=True)]
