"""Suites without a model, and probes with a known truth behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from regress.hashing.canonical import digest_json
from regress.schema import (
    Ask,
    Category,
    GenerationSettings,
    Item,
    Message,
    PairCounts,
    Probe,
    PromptStyle,
    Role,
    Ruling,
    ScorerSpec,
    Standing,
    Strength,
    Suite,
    SuiteVerdict,
    Verdict,
)


def suite_of(items: Sequence[Item], name: str = "colours", margin: str = "0.1") -> Suite:
    return Suite(
        name=name,
        version=1,
        category=Category.CAPABILITY,
        role=Role.PROTECT,
        ask=Ask.CHOOSE,
        prompt=PromptStyle.RAW,
        generation=GenerationSettings(),
        scorer=ScorerSpec(name="choice"),
        margin=Decimal(margin),
        items=tuple(items),
        path="colours.yaml",
        items_path="colours.jsonl",
    )


def item_of(id_: str, slice_: str | None = None, cluster: str | None = None) -> Item:
    return Item(
        id=id_,
        messages=(Message(role="user", content=id_),),
        slice=slice_,
        cluster=cluster,
        digest=digest_json([id_, slice_, cluster]),
        line=1,
    )


def verdict_of(delta: float, verdict: Verdict, role: Role = Role.PROTECT) -> SuiteVerdict:
    protects = role is Role.PROTECT
    p = {Verdict.PASS: 0.001, Verdict.UNDECIDED: 0.2, Verdict.FAIL: 0.9}[verdict] - delta / 100
    return SuiteVerdict(
        suite="kept" if protects else "gained",
        category=Category.CAPABILITY,
        role=role,
        variant="adapter",
        against="base@fp32",
        verdict=verdict,
        counts=PairCounts(both_pass=100),
        delta=delta,
        ci90=(delta - 0.02, delta + 0.02),
        margin=Decimal("0.03") if protects else None,
        min_gain=None if protects else Decimal("0.3"),
        p_pass=p if protects else None,
        p_fail=None,
        p_fail_holm=None,
        p_gain=None if protects else p,
        p_lost=None,
        needed_n=None,
        no_answer=0,
        error=0,
        reason="",
    )


def truthful(
    drop: Callable[[Strength], float], gain: Callable[[Strength], float], *, sure: float = 0.015
) -> Callable[[Strength], Probe]:
    """Probes that show the truth: certain where the drop is at most `sure`, beyond the margin from 3 points on."""

    def measure(strength: Strength) -> Probe:
        lost, gained = drop(strength), gain(strength)
        kept = Verdict.PASS if lost <= sure else Verdict.FAIL if lost > 0.03 else Verdict.UNDECIDED
        reached = gained >= 0.3
        standing = {Verdict.PASS: Standing.HELD, Verdict.FAIL: Standing.BROKEN, Verdict.UNDECIDED: Standing.OPEN}[kept]
        promoted = kept is Verdict.PASS and reached
        return Probe(
            strength=strength,
            share=strength.scale * (1.0 if strength.without is None else 0.7),
            ruling=Ruling.PROMOTE
            if promoted
            else Ruling.REJECT
            if standing is Standing.BROKEN
            else Ruling.INCONCLUSIVE,
            standing=standing,
            reached=reached,
            suites=(
                verdict_of(-lost, kept),
                verdict_of(gained, Verdict.PASS if reached else Verdict.UNDECIDED, Role.TARGET),
            ),
        )

    return measure
