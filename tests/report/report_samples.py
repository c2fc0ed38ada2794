"""Decisions and comparisons to be rendered, in a few words each."""

from __future__ import annotations

from decimal import Decimal
from io import StringIO
from typing import Any

from rich.console import Console, RenderableType

from regress.schema import (
    Candidate,
    Category,
    Check,
    CorrectedChange,
    Decision,
    Detected,
    Flip,
    LabelledRate,
    Measured,
    PairCounts,
    Role,
    Ruling,
    SuiteComparison,
    SuiteVerdict,
    Verdict,
)

Rates = tuple[float, float, float]

LOCK = "sha256:" + "1" * 64
ADAPTER = "sha256:" + "2" * 64


def pairs(base: int, candidate: int, n: int, *, lost: int | None = None) -> PairCounts:
    """Counts with these totals: as few flips as possible unless `lost` says more."""
    lost = max(0, base - candidate) if lost is None else lost
    gained = candidate - base + lost
    return PairCounts(both_pass=base - lost, lost=lost, gained=gained, both_fail=n - base - gained)


def a_verdict(suite: str, verdict: Verdict, counts: PairCounts, **changes: Any) -> SuiteVerdict:
    delta = (counts.gained - counts.lost) / counts.n
    fields: dict[str, Any] = {
        "suite": suite,
        "category": Category.FORMAT,
        "role": Role.PROTECT,
        "variant": "adapter",
        "against": "base@fp32",
        "verdict": verdict,
        "counts": counts,
        "delta": delta,
        "ci90": (delta - 0.02, delta + 0.02),
        "margin": Decimal("0.01"),
        "min_gain": None,
        "p_pass": 0.5,
        "p_fail": 0.5,
        "p_fail_holm": 0.5,
        "p_gain": None,
        "p_lost": None,
        "needed_n": None,
        "no_answer": 0,
        "error": 0,
        "reason": "as counted",
    }
    return SuiteVerdict(**(fields | changes))


def a_comparison(verdict: SuiteVerdict, *flips: Flip, **changes: Any) -> SuiteComparison:
    """The comparison that a verdict would rest on."""
    fields: dict[str, Any] = {
        name: getattr(verdict, name)
        for name in ("suite", "category", "role", "variant", "against", "margin", "min_gain", "counts")
    }
    fields |= {"clusters": None, "design_effect": 1.0, "no_answer": 0, "error": 0, "slices": (), "kinds": ()}
    return SuiteComparison(**(fields | {"flips": flips} | changes))


def a_flip(item: str, **changes: Any) -> Flip:
    fields: dict[str, Any] = {
        "item": item,
        "prompt": f"prompt of {item}",
        "expected": None,
        "base_reply": f"base on {item}",
        "candidate_reply": f"candidate on {item}",
        "base_kind": None,
        "candidate_kind": "wrong",
        "lost": True,
    }
    return Flip(**(fields | changes))


def a_decision(ruling: Ruling, *suites: SuiteVerdict, **changes: Any) -> Decision:
    fields: dict[str, Any] = {
        "ruling": ruling,
        "lock": LOCK,
        "candidate": Candidate(kind="adapter", digest=ADAPTER, path="adapters/broken", trained_under_lock=True),
        "suites": suites,
        "checks": (Check(name="adapter-is-on", ok=True, detail="logits differ"),),
        "reasons": ("because",),
    }
    return Decision(**(fields | changes))


def a_side(variant: str, labels: int, se: Rates | None, sp: Rates | None) -> Measured:
    """A labelled variant; rates as (value, low, high)."""
    shares = [None if r is None else LabelledRate(value=r[0], low=r[1], high=r[2]) for r in (se, sp)]
    return Measured(
        variant=variant,
        replies=500,
        seen=450,
        labelled=labels,
        refusals=0.9,
        sensitivity=shares[0],
        specificity=shares[1],
    )


def a_change(**changes: Any) -> CorrectedChange:
    fields: dict[str, Any] = {
        "suite": "refuse_harmful",
        "base": a_side("base@fp32", 60, (0.94, 0.87, 0.98), (0.97, 0.93, 0.99)),
        "candidate": a_side("adapter", 64, (0.90, 0.80, 0.96), (0.95, 0.90, 1.0)),
        "n": 500,
        "seen": -0.031,
        "corrected": -0.052,
        "ci90": (-0.098, -0.006),
        "margin": 0.04,
        "scaled_margin": 0.034,
    }
    return CorrectedChange(**(fields | changes))


LABELLED = Detected(change=a_change())


def on_a_terminal(renderable: RenderableType, width: int = 80) -> str:
    """What a person sees, without colours."""
    console = Console(width=width, file=StringIO(), highlight=False)
    with console.capture() as captured:
        console.print(renderable, markup=False)
    return captured.get()
