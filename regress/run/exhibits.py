"""What a report shows beside the decision, gathered from the verified runs that the decision was made from.

Nothing of this may stop a decision: what lies beside the runs and cannot be read (a curve, an audit) is a note.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regress.backends.adapter_files import FORGETTING_CURVE
from regress.diff import expected_answer, shown_reply
from regress.errors import StoreError
from regress.lock.lockfile import Lock, read_history
from regress.lock.promise import Loaded
from regress.run.shown_audit import shown_audit
from regress.run.wanted import base_at
from regress.schema import (
    Amendment,
    Answer,
    Category,
    Curve,
    CurvePoint,
    Exhibits,
    Item,
    ItemExhibit,
    ItemOutcome,
    LengthShift,
    Promised,
    Role,
    Spread,
    Suite,
    SuitePromise,
    Variant,
    VariantKind,
)
from regress.store.atomic import read_regular
from regress.store.runs import StoredRun
from regress.strict_json import JsonFault, parse
from regress.suite.project import parse_variant

_MAX_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What a judgement was made from: suites, lock, and every verified run by variant."""

    loaded: Loaded
    lock: Lock
    runs: Mapping[Variant, StoredRun]


def gather(grounds: Grounds, adapter: Path) -> Exhibits:
    """The exhibits of one candidate; `adapter` is its folder, where the trainer may have left curves."""
    loaded = grounds.loaded
    sides = _sides(grounds.runs)
    notes: list[str] = []
    try:
        curves = tuple(_curves(adapter / FORGETTING_CURVE))
    except FileNotFoundError:
        curves = ()
    except (JsonFault, StoreError, KeyError, TypeError, ValueError) as reason:
        curves = ()
        notes.append(f"{FORGETTING_CURVE} beside the candidate is no forgetting curve: {reason}")
    return Exhibits(
        variants=tuple(side.name for side in sides),
        against=tuple(side.against for side in sides),
        items=tuple(item for suite in loaded.suites for item in _items(suite, [side.run for side in sides])),
        promised=_promised(grounds),
        lengths=tuple(_lengths(loaded.suites, sides)),
        curves=curves,
        audit=shown_audit(loaded.project.reports, loaded.project.baselines, grounds.lock),
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """A variant as the decision names it, its run, and the index of its base."""

    name: str
    run: StoredRun
    against: int


def _sides(runs: Mapping[Variant, StoredRun]) -> list[_Side]:
    """Bases first; candidates in the order of the lock."""
    bases = [run for variant, run in runs.items() if variant.kind is VariantKind.BASE]
    if not bases:
        return []
    found = [_Side(name=run.manifest.variant, run=run, against=index) for index, run in enumerate(bases)]
    own = [(variant, run) for variant, run in runs.items() if variant.kind is not VariantKind.BASE]
    for variant, run in sorted(own, key=lambda pair: list(VariantKind).index(pair[0].kind)):
        base = base_at(parse_variant(run.manifest.variant).precision, bases)
        found.append(_Side(name=str(variant), run=run, against=bases.index(base)))
    return found


def _items(suite: Suite, runs: Sequence[StoredRun]) -> Iterator[ItemExhibit]:
    outcomes = [run.outcomes.get(suite.name, {}) for run in runs]
    for item in suite.items:
        given = [side.get(item.id) for side in outcomes]
        if any(given):
            yield ItemExhibit(
                suite=suite.name,
                item=item.id,
                slice=item.slice,
                prompt=item.prompt,
                expected=expected_answer(item),
                answers=tuple(None if outcome is None else _answer(suite, item, outcome) for outcome in given),
            )


def _answer(suite: Suite, item: Item, outcome: ItemOutcome) -> Answer:
    return Answer(
        outcome=outcome.outcome,
        kind=outcome.kind,
        detail=outcome.detail,
        text=shown_reply(suite, item, outcome),
        right=_right(item.answer, outcome),
    )


def _right(answer: int | None, outcome: ItemOutcome) -> float | None:
    logprobs = outcome.reply.logprobs
    return logprobs[answer] if answer is not None and answer < len(logprobs) else None


def _lengths(suites: Sequence[Suite], sides: Sequence[_Side]) -> Iterator[LengthShift]:
    """Of every suite that writes replies, for every candidate variant."""
    for suite in suites:
        for index, side in enumerate(sides):
            before = sides[side.against].run.outcomes.get(suite.name, {})
            after = side.run.outcomes.get(suite.name, {})
            shared = [id_ for id_ in after if id_ in before and not after[id_].reply.logprobs]
            if index != side.against and shared:
                yield LengthShift(
                    suite=suite.name,
                    variant=side.name,
                    n=len(shared),
                    base=_spread([before[id_].reply.reply_tokens for id_ in shared]),
                    candidate=_spread([after[id_].reply.reply_tokens for id_ in shared]),
                )


def _spread(tokens: Sequence[int]) -> Spread:
    ordered = sorted(tokens)
    low, middle, high = (ordered[min(len(ordered) - 1, len(ordered) * tenth // 10)] for tenth in (1, 5, 9))
    return Spread(low=low, middle=middle, high=high)


# --- the lock ---------------------------------------------------------------------------------------------------------


def _promised(grounds: Grounds) -> Promised:
    lock, promise = grounds.lock, grounds.lock.promise
    policy = promise["policy"]
    return Promised(
        created=lock.created,
        tool=lock.tool,
        base=promise["base"]["digest"],
        training_data=lock.training_data,
        alpha=float(policy["alpha"]),
        power=float(policy["power"]),
        zero_tolerance=tuple(policy["zero_tolerance"]),
        variants=lock.variants,
        suites=tuple(_suite_promise(name, suite, lock.plan.get(name)) for name, suite in promise["suites"].items()),
        history=tuple(map(_amendment, read_history(grounds.loaded.project.baselines))),
    )


def _suite_promise(name: str, suite: Mapping[str, Any], plan: Mapping[str, Any] | None) -> SuitePromise:
    outlooks = plan.get("outlooks", ()) if plan else ()
    basis = plan.get("flip_rates") if plan else None
    return SuitePromise(
        suite=name,
        category=Category(suite["category"]),
        role=Role(suite["role"]),
        scorer=suite["scorer"],
        ask=suite["ask"],
        n=len(suite["items"]),
        margin=suite["margin"],
        min_gain=suite["min_gain"],
        limit=suite.get("generation", {}).get("max_new_tokens"),
        serving=suite.get("serving", {}),
        detectable=tuple(
            (float(one["flip_rate"]), None if one["detectable_drop"] is None else float(one["detectable_drop"]))
            for one in outlooks
        ),
        flip_source=basis and basis["source"],
    )


def _amendment(entry: Mapping[str, Any]) -> Amendment:
    return Amendment(
        lock=str(entry.get("lock")),
        created=str(entry.get("created")),
        why=str(entry.get("why")),
        changes=tuple(map(str, entry.get("changes") or ())),
    )


# --- files beside the runs --------------------------------------------------------------------------------------------


def _curves(path: Path) -> Iterator[Curve]:
    """Each suite's looks; raises what a file that is no curve gives rise to."""
    head, *looks = [parse(line).value for line in read_regular(path, _MAX_BYTES).splitlines()]
    if head["kind"] != "curve":
        raise ValueError(f"its first line is a {head['kind']!r}")
    seen: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
    for look in looks:
        for one in look["suites"]:
            seen.setdefault(str(one["suite"]), []).append((int(look["step"]), one))
    for name, rows in seen.items():
        last = rows[-1][1]
        yield Curve(
            suite=name,
            role=str(last["role"]),
            n=int(last["n"]),
            margin=None if last["margin"] is None else float(last["margin"]),
            points=tuple(
                CurvePoint(step=step, delta=float(one["delta"]), forgotten=one["forgotten"] is True)
                for step, one in rows
            ),
        )
