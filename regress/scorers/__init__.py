"""Scorers: pure functions from a reply to an outcome, one file each, listed here by hand.

To add one, write `NAME.py` with a `SCORER` and put it into `SCORERS`; a test compares this table with the folder.
Modules whose names begin with an underscore are shared by scorers and are none. Other distributions offer more by
entry point (`_plugins`); the names that a plug-in's author needs are exported here.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from regress.errors import SuiteError
from regress.schema import Item, Reply, Score, Suite
from regress.scorers import (
    choice,
    contains,
    ended,
    exact_match,
    json_equal,
    json_schema,
    lm_eval,
    numeric,
    refusal,
    regex,
    token_f1,
)
from regress.scorers._plugins import PluginFault, checked, find_plugin, offered, refuse_clash
from regress.scorers._repeats import score_repeats
from regress.scorers._scorer import PASSED, Kind, Options, Scorer, broken, failed, no_answer
from regress.scorers._second_opinion import confirms
from regress.scorers.choice import Normalise, normalised

__all__ = [
    "PASSED",
    "SCORERS",
    "BoundScorer",
    "Kind",
    "Options",
    "Scorer",
    "UnknownScorer",
    "bind",
    "broken",
    "confirms",
    "failed",
    "likeliest",
    "no_answer",
    "plugins",
]

SCORERS: dict[str, Scorer[Any]] = {
    "choice": choice.SCORER,
    "contains": contains.SCORER,
    "ended": ended.SCORER,
    "exact_match": exact_match.SCORER,
    "json_equal": json_equal.SCORER,
    "json_schema": json_schema.SCORER,
    "lm_eval": lm_eval.SCORER,
    "numeric": numeric.SCORER,
    "refusal": refusal.SCORER,
    "regex": regex.SCORER,
    "token_f1": token_f1.SCORER,
}


class UnknownScorer(SuiteError):
    """Neither is it one of ours, nor does an installed distribution offer it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundScorer:
    """A scorer with a suite's options."""

    scorer: Scorer[Any]
    settings: Options

    @property
    def id(self) -> str:
        """Name and version, as the lock holds it: `json_schema@1`, with the distribution of a plug-in behind it."""
        return self.scorer.id

    @property
    def options(self) -> dict[str, Any]:
        """Every option with its value, defaults too, in JSON types without floats."""
        return self.settings.model_dump(mode="json")

    def score(self, reply: Reply, item: Item) -> Score:
        """The score of one reply; never raises: what goes wrong here is `Outcome.ERROR`, not the model's failure."""
        if reply.samples:
            return score_repeats(reply, lambda sample: self.score(sample, item))
        try:
            score = self.scorer.score(reply, item, self.settings)
            return score if self.scorer.origin is None else checked(score)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - untrusted, and one must not end a run
            return broken(Kind.SCORER_ERROR, f"{type(error).__name__}: {error}")


def bind(suite: Suite, *, check_items: bool = True) -> BoundScorer:
    """The suite's scorer, ready to score the suite's items.

    `check_items=False` is for suites whose items were checked when they were locked, and are verified by digest.

    Raises:
        SuiteError: no such scorer, another way of asking, bad options, or an item that cannot be scored; it names the
            suite file, or the items file and the item's line.
    """
    scorer = _find(suite, may_clash=not check_items)
    if scorer.asks not in (None, suite.ask):
        others = ", ".join(name for name, other in SCORERS.items() if other.asks is suite.ask)
        raise _refused(
            suite, f"scorer {scorer.name} works with `ask: {scorer.asks}`, not `ask: {suite.ask}`; that has {others}"
        )
    settings = _settings(suite, scorer)
    for item in suite.items if check_items else ():
        if (lack := _lack(scorer, item, settings)) is not None:
            raise SuiteError(
                f"item {item.id} {lack} (needed by scorer {scorer.name})", path=Path(suite.items_path), line=item.line
            )
    return BoundScorer(scorer=scorer, settings=settings)


def likeliest(suite: Suite, item: Item, reply: Reply) -> str:
    """The choice that the suite's scorer compared as the best; nothing where it is not one of the item's."""
    if not reply.logprobs or len(reply.logprobs) > len(item.choices):
        return ""
    options = suite.scorer.options
    by_metric: dict[object, Normalise] = {"acc_norm": "characters", "acc_bytes": "bytes"}  # of lm-eval
    normalise: Normalise = options.get("normalise") or by_metric.get(options.get("metric"), "none")
    values = normalised(reply.logprobs, [choice or " " for choice in item.choices[: len(reply.logprobs)]], normalise)
    return item.choices[values.index(max(values))]


def plugins() -> list[str]:
    """What installed distributions offer besides, for a person: `rouge (acme-scorers==1.2)`. Loads nothing."""
    return offered(SCORERS)


def _find(suite: Suite, *, may_clash: bool) -> Scorer[Any]:
    """One of ours, else a plug-in's; a name is looked for among both where a suite is locked."""
    name = suite.scorer.name
    scorer = SCORERS.get(name)
    try:
        if scorer is None:
            scorer = find_plugin(name)
        elif not may_clash:
            refuse_clash(name)
    except PluginFault as fault:
        raise _refused(suite, f"{fault}.") from fault
    if scorer is not None:
        return scorer
    others = f"there are {', '.join(SCORERS)}, and no installed distribution offers it as a plug-in"
    raise UnknownScorer(f"there is no scorer {name!r}{_did_you_mean(name, SCORERS)}; {others}", path=Path(suite.path))


def _lack(scorer: Scorer[Any], item: Item, settings: Options) -> str | None:
    """What keeps the item from being scored; a plug-in that raises over it cannot score it either."""
    try:
        return scorer.lacks(item, settings)
    except (Exception, SystemExit) as error:
        if scorer.origin is None:
            raise
        return f"cannot be checked ({type(error).__name__}: {error})"


def _settings(suite: Suite, scorer: Scorer[Any]) -> Options:
    try:
        settings: Options = scorer.options.model_validate(dict(suite.scorer.options))
    except ValidationError as error:
        known = scorer.options.model_fields
        faults = "; ".join(_fault(detail["loc"], detail["type"], detail["msg"], known) for detail in error.errors())
        choices = f"it has {', '.join(known)}" if known else "it has no options"
        raise _refused(suite, f"options of scorer {scorer.name}: {faults}; {choices}") from error
    if scorer.origin is not None and _holds_float(settings.model_dump(mode="json")):
        raise _refused(suite, f"scorer {scorer.id} has an option that is a float, which no lock can hold: use Decimal.")
    return settings


def _holds_float(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_float, value.values()))
    return any(map(_holds_float, value)) if isinstance(value, list) else isinstance(value, float)


def _fault(location: tuple[int | str, ...], kind: str, message: str, known: dict[str, Any]) -> str:
    key = ".".join(str(step) for step in location)
    if kind == "extra_forbidden":
        return f"there is no {key!r}{_did_you_mean(key, known)}"
    return f"{key!r} is required" if kind == "missing" else f"{key!r}: {message}"


def _did_you_mean(name: str, choices: dict[str, Any]) -> str:
    near = difflib.get_close_matches(name, choices, n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def _refused(suite: Suite, message: str) -> SuiteError:
    return SuiteError(message, path=Path(suite.path))
