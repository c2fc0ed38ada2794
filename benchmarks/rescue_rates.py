"""How often rescue confirms what it must not, and bisect says what is not so: simulated adapters with a known truth.

    OMP_NUM_THREADS=1 python benchmarks/rescue_rates.py [--adapters 4000] [--seed 1]

Prints the tables of docs/rescue.md. The search, the proposal and the hunt are the project's own; so are the verdicts,
looked up by counts. Outcomes at two strengths (or checkpoints) are drawn either from the same luck of each item or
independently of each other, which gives the selection the most noise to choose from.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

import numpy as np
import numpy.typing as npt

from regress.early import StopKind, first_stop, look_sizes
from regress.gate import judge
from regress.rescue.bisection import Hunt, alpha_each
from regress.rescue.search import proposal, search
from regress.schema import (
    Category,
    PairCounts,
    Policy,
    Probe,
    Role,
    Ruling,
    Standing,
    Step,
    Strength,
    SuiteComparison,
    SuiteVerdict,
    Verdict,
)
from regress.stats.multiple import spent_alpha
from regress.stats.power import alpha_with_reserve

ALPHA = 0.05
MARGIN = Decimal("0.03")
FLIPS = 0.06
SUITES = 3

Moves = npt.NDArray[np.int8]  # (items,): -1 lost, 1 gained, 0 neither
Draw = Callable[[float], Moves]
"""true drop -> moves of one suite's items"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Of simulated adapters: the share for which something was said, and for which it was false."""

    said: float
    false: float
    mean: float  # strength that was confirmed; probes that a hunt took


def draws(rng: np.random.Generator, items: int, *, shared: bool) -> Draw:
    """One suite's luck; `shared`: an item that is easily lost is so at every strength."""
    luck = rng.random(items)

    def draw(drop: float) -> Moves:
        flips = max(FLIPS, abs(drop))
        lost, gained = (flips + drop) / 2.0, (flips - drop) / 2.0
        u = luck if shared else rng.random(items)
        return np.where(u < lost, -1, np.where(u > 1.0 - gained, 1, 0)).astype(np.int8)

    return draw


@cache
def verdict(lost: int, gained: int, n: int, role: Role, alpha: float) -> SuiteVerdict:
    """The gate's, for one suite of independent items; a target has to gain 20 points."""
    comparison = SuiteComparison(
        suite="s",
        category=Category.CAPABILITY,
        role=role,
        variant="adapter",
        against="base",
        margin=MARGIN if role is Role.PROTECT else None,
        min_gain=Decimal("0.2") if role is Role.TARGET else None,
        counts=PairCounts(both_pass=n - lost - gained, lost=lost, gained=gained),
        clusters=None,
        design_effect=1.0,
        no_answer=0,
        error=0,
        slices=(),
        kinds=(),
        flips=(),
    )
    return judge(comparison, Policy(alpha=Decimal(repr(alpha))))


def judged(moves: Sequence[Moves], target: Moves | None, alpha: float) -> tuple[SuiteVerdict, ...]:
    """Verdicts on every protected suite, and on the target."""
    suites = [(part, Role.PROTECT) for part in moves] + ([(target, Role.TARGET)] if target is not None else [])
    return tuple(verdict(int((part < 0).sum()), int((part > 0).sum()), len(part), role, alpha) for part, role in suites)


def promoted(verdicts: Sequence[SuiteVerdict]) -> bool:
    return all(v.verdict is Verdict.PASS for v in verdicts)


def probe_of(strength: Strength, verdicts: tuple[SuiteVerdict, ...]) -> Probe:
    protected = [v for v in verdicts if v.role is Role.PROTECT]
    targets = [v for v in verdicts if v.role is Role.TARGET]
    broken = any(v.verdict is Verdict.FAIL or (v.delta or 0.0) < -float(MARGIN) for v in protected)
    held = all(v.verdict is Verdict.PASS for v in protected)
    return Probe(
        strength=strength,
        share=strength.scale,
        ruling=Ruling.PROMOTE if promoted(verdicts) else Ruling.REJECT if broken else Ruling.INCONCLUSIVE,
        standing=Standing.HELD if held else Standing.BROKEN if broken else Standing.OPEN,
        reached=all((v.delta or 0.0) >= 0.2 for v in targets),
        suites=verdicts,
    )


# --- rescue -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What a strength truly costs in each protected suite, and gains in the target."""

    name: str
    drops: Callable[[float], tuple[float, ...]]
    gain: Callable[[float], float]

    def is_bad(self, scale: float) -> bool:
        return max(self.drops(scale)) >= float(MARGIN)


def at_the_margin(suites: int) -> Curve:
    """Every strength costs `suites` of three suites exactly the margin, so that any confirmation is false."""
    costs = (float(MARGIN),) * suites + (0.0,) * (SUITES - suites)
    return Curve(
        name=f"{suites} of {SUITES} suites at the margin, whatever the strength",
        drops=lambda _: costs,
        gain=lambda _: 0.5,
    )


RISING = Curve(
    name="drop 6 points times the strength squared in one suite: good up to 0.7",
    drops=lambda s: (0.06 * s * s, 0.0, 0.0),
    gain=lambda s: 0.6 * s,
)
STEEP = Curve(
    name="drop 30 points times the strength squared: good up to 0.32, gain reached from 0.33 on",
    drops=lambda s: (0.30 * s * s, 0.0, 0.0),
    gain=lambda s: 0.6 * s,
)


class Adapter:
    """One simulated adapter: its answers at each strength, drawn once."""

    def __init__(self, curve: Curve, items: int, rng: np.random.Generator, *, shared: bool) -> None:
        self.curve = curve
        self.items = items
        self._luck = [draws(rng, items, shared=shared) for _ in range(SUITES)]
        self._gains = draws(rng, items, shared=shared)
        self._made: dict[float, tuple[list[Moves], Moves]] = {}

    def judged(self, scale: float, start: int, end: int, alpha: float) -> tuple[SuiteVerdict, ...]:
        """Verdicts over the items from start to end."""
        if scale not in self._made:
            drops = self.curve.drops(scale)
            moves = [draw(drop) for draw, drop in zip(self._luck, drops, strict=True)]
            self._made[scale] = moves, self._gains(-self.curve.gain(scale))
        moves, target = self._made[scale]
        return judged([part[start:end] for part in moves], target[start:end], alpha)

    def scan(self, end: int, alpha: float) -> list[Probe]:
        def measure(strength: Strength) -> Probe:
            return probe_of(strength, self.judged(strength.scale, 0, end, alpha))

        return search(measure, (), confirmable=True)

    def said(self, scale: float | None, start: int, alpha: float) -> Said:
        """Whether this strength is promoted on the items from `start` on, and whether that is false."""
        ok = scale is not None and promoted(self.judged(scale, start, self.items, alpha))
        return Said(ok=ok, false=ok and self.curve.is_bad(scale or 0.0), scale=scale or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    ok: bool
    false: bool
    scale: float


def rescues(curve: Curve, items: int, adapters: int, seed: int, *, shared: bool) -> dict[str, Rates]:
    """Select on one half and confirm on the other; the same on all items; and a later check of all of them."""
    rng = np.random.default_rng(seed)
    second, third = spent_alpha(ALPHA, 2), spent_alpha(ALPHA, 3)
    demand = alpha_with_reserve(second, float(Policy().power))
    rows: dict[str, list[Said]] = {"rescue": [], "all": [], "check": []}
    for _ in range(adapters):
        adapter = Adapter(curve, items, rng, shared=shared)
        chosen = proposal(adapter.scan(items // 2, demand))
        scale = None if chosen is None else chosen.strength.scale
        rows["rescue"].append(adapter.said(scale, items // 2, second))
        rows["check"].append(adapter.said(scale, 0, third))
        naive = [p.strength.scale for p in adapter.scan(items, second) if p.ruling is Ruling.PROMOTE]
        rows["all"].append(adapter.said(max(naive, default=None), 0, second))
    return {name: summed(found) for name, found in rows.items()}


def summed(rows: Sequence[Said]) -> Rates:
    confirmed = [row.scale for row in rows if row.ok]
    return Rates(
        said=float(np.mean([row.ok for row in rows])),
        false=float(np.mean([row.false for row in rows])),
        mean=float(np.mean(confirmed)) if confirmed else 0.0,
    )


# --- bisect -----------------------------------------------------------------------------------------------------------

PATHS: dict[str, tuple[float, ...]] = {
    "every checkpoint at the margin": (0.03,) * 16,
    "0, from the 7th on 8 points": (0.0,) * 6 + (0.08,) * 10,
    "half a point more each time": tuple(0.005 * (k + 1) for k in range(16)),
    "8 points, healed from the 5th to the 12th": (0.08,) * 4 + (0.0,) * 8 + (0.08,) * 4,
}


def hunts(drops: Sequence[float], items: int, searches: int, seed: int, *, shared: bool) -> dict[str, float]:
    """Shares of searches with a false verdict, that settle, that settle on neighbours; probes and items taken."""
    rng = np.random.default_rng(seed)
    each = alpha_each(ALPHA, len(drops), 1)
    sizes = look_sizes(items)
    false = settled = probes = 0
    asked = 0.0
    for _ in range(searches):
        draw = draws(rng, items, shared=shared)
        hunt = Hunt.over("s", len(drops))
        wrong = False
        while hunt.wanted is not None:
            drop = drops[hunt.wanted - 1]
            moves = draw(drop)
            counts = [(int((moves[:n] < 0).sum()), int((moves[:n] > 0).sum()), n) for n in sizes]
            stop = first_stop(counts, sizes, float(MARGIN), each, futility=False)
            found = Verdict.UNDECIDED
            if stop is not None:
                found = Verdict.PASS if stop.kind is StopKind.PASS else Verdict.FAIL
            wrong |= (found is Verdict.PASS and drop >= float(MARGIN)) or (
                found is Verdict.FAIL and drop <= float(MARGIN)
            )
            asked += (items if stop is None else stop.n) / items
            probes += 1
            hunt.take(
                Step(checkpoint=hunt.wanted, verdict=found, counts=PairCounts(), delta=None, ci90=None, reason="")
            )
        false += wrong
        settled += hunt.breakage.is_settled
    return {
        "false": false / searches,
        "settled": settled / searches,
        "probes": probes / searches,
        "share": asked / searches / len(drops),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapters", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"rescue: promised at most {spent_alpha(ALPHA, 2):.4f} (second candidate)\n")
    print(
        "| truth | items | luck | confirmed | falsely | at strength | selected on all items: falsely | later check of "
        "all: falsely |"
    )
    print("|---|--:|---|--:|--:|--:|--:|--:|")
    for curve, items in (
        (at_the_margin(1), 1200),
        (at_the_margin(3), 1200),
        (RISING, 1200),
        (RISING, 2400),
        (STEEP, 2400),
    ):
        for shared in (True, False):
            found = rescues(curve, items, options.adapters, options.seed, shared=shared)
            own = found["rescue"]
            print(
                f"| {curve.name} | {items} | {'shared' if shared else 'independent'} | {own.said:.3f} | "
                f"{own.false:.4f} | {own.mean:.2f} | {found['all'].false:.4f} | {found['check'].false:.4f} |"
            )
    print(f"\nbisect: promised at most {ALPHA}\n")
    print("| drops of 16 checkpoints | items | luck | a false verdict | settled | probes | items asked |")
    print("|---|--:|---|--:|--:|--:|--:|")
    for name, drops in PATHS.items():
        for shared in (True, False):
            rates = hunts(drops, 1500, options.adapters, options.seed, shared=shared)
            print(
                f"| {name} | 1500 | {'shared' if shared else 'independent'} | {rates['false']:.4f} | "
                f"{rates['settled']:.3f} | {rates['probes']:.1f} | {rates['share']:.0%} of all |"
            )


if __name__ == "__main__":
    main()
