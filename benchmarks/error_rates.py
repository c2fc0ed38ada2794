"""How often the gate is wrong, and how often right: simulated candidates, judged by the project's own rules.

    OMP_NUM_THREADS=1 python benchmarks/error_rates.py [--candidates 20000] [--seed 1] [--quick]

Writes docs/error_rates.md and docs/error_rates.svg. A candidate is a draw of (lost, gained) for each suite. What the
gate says of it is looked up: for every number of losses the border, in gains, that `regress.gate.judge` draws (more
losses never help, more gains never hurt: tests/test_gate_properties.py). A sample of candidates goes through
`regress.gate.decide` itself and must come out the same.
"""

from __future__ import annotations

import argparse
import math
import platform
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

import regress
from regress.early import StopKind, first_stop, look_sizes
from regress.gate import decide, judge
from regress.schema import Category, Check, PairCounts, Policy, Role, Ruling, SuiteComparison
from regress.stats.intervals import mcnemar_exact, wilson
from regress.stats.multiple import spent_alpha
from regress.stats.paired import p_above, tango_z
from regress.stats.power import needed_n

DOCS = Path(__file__).resolve().parent.parent / "docs"
ALPHA = 0.05
BASE_ACCURACY = 0.8
THREE = Decimal("0.03")
SAMPLE = 12  # candidates of a scenario that `decide` itself judges

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Rows = list[list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuitePlan:
    """A suite of the end-to-end table, and the flip rate that is assumed for it."""

    name: str
    n: int
    margin: Decimal
    flip_rate: float


SIX = (
    SuitePlan(name="general", n=1400, margin=THREE, flip_rate=0.10),
    SuitePlan(name="reasoning", n=1000, margin=Decimal("0.05"), flip_rate=0.20),
    SuitePlan(name="json", n=1550, margin=Decimal("0.01"), flip_rate=0.01),
    SuitePlan(name="safety", n=1050, margin=Decimal("0.02"), flip_rate=0.03),
    SuitePlan(name="style", n=450, margin=Decimal("0.05"), flip_rate=0.10),
    SuitePlan(name="domain", n=1400, margin=THREE, flip_rate=0.10),
)


# --- the gate as a table ----------------------------------------------------------------------------------------------


def evidence(name: str, n: int, margin: Decimal, lost: int, gained: int) -> SuiteComparison:
    """Independent items of a protected suite."""
    return SuiteComparison(
        suite=name,
        category=Category.CAPABILITY,
        role=Role.PROTECT,
        variant="adapter",
        against="base",
        margin=margin,
        min_gain=None,
        counts=PairCounts(both_pass=n - lost - gained, lost=lost, gained=gained),
        clusters=None,
        design_effect=1.0,
        no_answer=0,
        error=0,
        slices=(),
        kinds=(),
        flips=(),
    )


@cache
def judged(n: int, margin: Decimal, lost: int, gained: int) -> tuple[float, float]:
    """(p of PASS, p of FAIL) in `judge`'s verdict."""
    verdict = judge(evidence("s", n, margin, lost, gained), Policy())
    if verdict.p_pass is None or verdict.p_fail is None:
        raise ValueError(f"no verdict on {lost} lost, {gained} gained of {n}")
    return verdict.p_pass, verdict.p_fail


def passes(n: int, margin: Decimal, moved: Ints, alpha: float = ALPHA) -> Bools:
    """Of candidates that `moved` (lost, gained): those that PASS."""
    return np.asarray(moved[:, 1] >= borders(n, margin, moved[:, 0], alpha, 0)[moved[:, 0]])


def fails(n: int, margin: Decimal, moved: Ints, alpha: float = ALPHA) -> Bools:
    """Those that FAIL."""
    return np.asarray(moved[:, 1] < borders(n, margin, moved[:, 0], alpha, 1)[moved[:, 0]])


def borders(n: int, margin: Decimal, lost: Ints, alpha: float, tail: int) -> Ints:
    """For each number of losses that occurs, the fewest gains with which it passes (0) or does not fail (1)."""
    found = np.full(n + 2, -1)
    border = None
    for losses in range(int(lost.min()), int(lost.max()) + 1):
        most = n - losses

        def beyond(gains: int, losses: int = losses, most: int = most) -> bool:
            if gains > most:
                return True
            p = judged(n, margin, losses, gains)
            return p[0] <= alpha if tail == 0 else p[1] > alpha

        if border is None:
            border, high = 0, most + 1
            while border < high:
                middle = (border + high) // 2
                border, high = (border, middle) if beyond(middle) else (middle + 1, high)
        while not beyond(border):
            border += 1
        found[losses] = border
    return found


# --- candidates -------------------------------------------------------------------------------------------------------


def candidates(rng: np.random.Generator, count: int, n: int, flip_rate: float, drop: float) -> Ints:
    """(count, 3): lost, gained, right on both sides. Where the drop exceeds the flip rate all flips are losses."""
    flips = max(flip_rate, abs(drop))
    lost, gained = (flips + drop) / 2.0, (flips - drop) / 2.0
    both = BASE_ACCURACY - lost
    return rng.multinomial(n, [lost, gained, both, 1.0 - lost - gained - both], count)


def rate(hits: Bools | Sequence[bool]) -> str:
    """A share with its Monte-Carlo standard error; of none (or all) the 95 % limit, three over the count."""
    share, count = float(np.mean(hits)), len(hits)
    if share in (0.0, 1.0):
        return f"{share:.0f} ({'≤' if share == 0.0 else '≥'} {abs(share - 3.0 / count):.4f})"
    return f"{share:.4f} ± {math.sqrt(share * (1.0 - share) / count):.4f}"


def points(rate_: float) -> str:
    return f"{rate_ * 100:g} pp"


def table(header: Sequence[str], rows: Rows) -> str:
    """Markdown; numbers to the right."""
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def wrapped(block: str) -> str:
    """A paragraph or a list in lines of 120; tables and headings as they are."""
    if block.startswith(("|", "#", "!")):
        return block
    return "\n".join(
        textwrap.fill(line, 120, subsequent_indent="  " if line.startswith("*") else "", break_on_hyphens=False)
        for line in block.splitlines()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What all sections share."""

    rng: np.random.Generator
    count: int
    log: list[str] = field(default_factory=list)

    def moved(self, n: int, flip_rate: float, drop: float) -> Ints:
        return candidates(self.rng, self.count, n, flip_rate, drop)


# --- sections ---------------------------------------------------------------------------------------------------------


def boundary(study: Study) -> str:
    rows = []
    for n in (200, 500, 1000):
        for flips in (0.03, 0.05, 0.10, 0.20):
            moved = study.moved(n, flips, 0.03)
            rows.append([f"{n}", f"{flips:.0%}", rate(passes(n, THREE, moved)), rate(fails(n, THREE, moved))])
    return "\n\n".join(
        [
            "## At the boundary",
            "One suite, margin 3 pp, and the true drop is exactly that. Both verdicts are mistakes here, and each may "
            "happen with a probability of .05.",
            table(["n", "flips", "PASS", "FAIL"], rows),
        ]
    )


def power(study: Study) -> str:
    rows = []
    for drop in (0.0, 0.01, 0.02, 0.03, 0.05, 0.10):
        moved = study.moved(1000, 0.10, drop)
        rows.append([points(drop), rate(passes(1000, THREE, moved)), rate(fails(1000, THREE, moved))])
    return "\n\n".join(
        [
            "## Power",
            "One suite of 1,000 items, margin 3 pp, 10 % of the answers flip.",
            table(["true drop", "PASS", "FAIL"], rows),
        ]
    )


def planned(study: Study) -> str:
    rows = []
    for margin in (Decimal("0.01"), Decimal("0.02"), THREE, Decimal("0.05")):
        for flips in (0.05, 0.10, 0.20):
            n = needed_n(float(margin), flips, ALPHA, 0.8) or 0
            rows.append(
                [points(float(margin)), f"{flips:.0%}", f"{n:,}", rate(passes(n, margin, study.moved(n, flips, 0.0)))]
            )
    return "\n\n".join(
        [
            "## Planned sizes",
            "The items `regress.stats.power.needed_n` asks for so that an unchanged model passes with a probability of "
            ".80 at alpha .05, and how often it then does. Up to 2,000 items the test is exact, and a little stricter "
            "than the plan's approximation.",
            table(["margin", "flips", "n", "PASS, no change"], rows),
        ]
    )


def end_to_end(study: Study) -> str:
    json, safety, general = SIX[2].name, SIX[3].name, SIX[0].name
    scenarios: list[tuple[str, dict[str, float]]] = [("no change", {})]
    scenarios += [(f"{suite.name} at its margin", {suite.name: float(suite.margin)}) for suite in SIX]
    scenarios += [
        ("all at their margins", {suite.name: float(suite.margin) for suite in SIX}),
        (f"{json} −3 pp", {json: 0.03}),
        (f"{safety} −5 pp", {safety: 0.05}),
        (f"{general} −5 pp", {general: 0.05}),
    ]
    first = spent_alpha(ALPHA, 1)
    rows = []
    for name, drops in scenarios:
        moved = {suite.name: study.moved(suite.n, suite.flip_rate, drops.get(suite.name, 0.0)) for suite in SIX}
        promoted, rejected = rulings(moved, ALPHA)
        agree(study, name, moved, promoted, rejected)
        rows.append([name, rate(promoted), rate(rejected), *map(rate, rulings(moved, first))])
    suites = "; ".join(f"{s.name} {s.n:,} items, {points(float(s.margin))}, {s.flip_rate:.0%}" for s in SIX)
    return "\n\n".join(
        [
            "## Six suites, end to end",
            f"Items, margin and assumed flips: {suites}. The first two columns spend the whole alpha of .05; the "
            f"others what the ledger grants to the first candidate on these questions, {first:.4f}.",
            table(["truth", "PROMOTE", "REJECT", "PROMOTE, first of many", "REJECT, first of many"], rows),
        ]
    )


def rulings(moved: dict[str, Ints], alpha: float) -> tuple[Bools, Bools]:
    """(promoted, rejected): every suite passes; the smallest p of FAIL survives Holm, which asks alpha / K of it."""
    each = [(suite, moved[suite.name]) for suite in SIX]
    promoted = np.logical_and.reduce([passes(s.n, s.margin, m, alpha) for s, m in each])
    rejected = np.logical_or.reduce([fails(s.n, s.margin, m, alpha / len(SIX)) for s, m in each])
    return promoted, rejected


def agree(study: Study, name: str, moved: dict[str, Ints], promoted: Bools, rejected: Bools) -> None:
    """The real gate must say the same of a sample; half of it from among the rarer rulings."""
    rare = np.flatnonzero(promoted != (np.mean(promoted) > 0.5))
    sample = [*range(SAMPLE), *study.rng.permutation(rare)[:SAMPLE].tolist()]
    for index in sample:
        comparisons = [
            evidence(s.name, s.n, s.margin, int(moved[s.name][index, 0]), int(moved[s.name][index, 1])) for s in SIX
        ]
        decision = decide(
            comparisons,
            expected={(c.suite, c.variant) for c in comparisons},
            checks=(Check(name="simulated", ok=True, detail=""),),
            policy=Policy(),
            candidate=None,
            lock=None,
        )
        table_says = Ruling.PROMOTE if promoted[index] else Ruling.REJECT if rejected[index] else Ruling.INCONCLUSIVE
        if decision.ruling is not table_says:
            raise SystemExit(f"{name}: decide says {decision.ruling}, the table {table_says}: {comparisons}")
    study.log.append(f"{len(sample)} candidates of '{name}'")


def early(study: Study) -> str:
    looks = look_sizes(1000)
    rows = []
    for drop, flips in (
        (0.10, 0.10),
        (0.10, 0.20),
        (0.05, 0.10),
        (0.03, 0.10),
        (0.03, 0.05),
        (0.02, 0.10),
        (0.0, 0.10),
        (0.0, 0.05),
    ):
        paths = look_by_look(study, looks, flips, drop)
        for futility in (False, True):
            stops = [first_stop(path, looks, 0.03, ALPHA, futility=futility) for path in paths]
            asked = np.array([looks[-1] if stop is None else stop.n for stop in stops]) / looks[-1]
            shares = [rate([stop is not None and stop.kind is kind for stop in stops]) for kind in StopKind]
            spread = float(asked.std()) / math.sqrt(len(asked))
            asked_share = f"{asked.mean():.4f} ± {spread:.4f}"
            rows.append([points(drop), f"{flips:.0%}", "yes" if futility else "no", asked_share, *shares])
    peeks = tuple(range(50, 1001, 50))
    peeked = [
        any(naive_p(lost, gained, n) <= ALPHA for lost, gained, n in path)
        for path in look_by_look(study, peeks, 0.10, 0.03)
    ]
    return "\n\n".join(
        [
            "## Early stopping",
            "1,000 items, margin 3 pp, ten looks in random order. `regress.early.first_stop`, with and without "
            "stopping where neither verdict is in reach any more.",
            table(["true drop", "flips", "futility", "share of items asked", "PASS", "FAIL", "futile"], rows),
            "Looking every 50 items and stopping at the first p ≤ .05 of a single test instead promotes a candidate at "
            f"the boundary with probability {rate(peeked)}.",
        ]
    )


@cache
def naive_p(lost: int, gained: int, n: int) -> float:
    return p_above(tango_z(lost, gained, n, -0.03))


def look_by_look(study: Study, looks: Sequence[int], flips: float, drop: float) -> list[list[tuple[int, int, int]]]:
    """Cumulative counts of each candidate at each look."""
    sizes: list[int] = np.diff(looks, prepend=0).tolist()
    steps = [candidates(study.rng, study.count, size, flips, drop)[:, :2] for size in sizes]
    moved = np.cumsum(np.stack(steps, axis=1), axis=1)  # (candidates, looks, 2)
    return [[(lost, gained, n) for (lost, gained), n in zip(path, looks, strict=True)] for path in moved.tolist()]


def attempts(study: Study) -> str:
    moved = [study.moved(1000, 0.10, 0.03) for _ in range(10)]
    whole = np.logical_or.accumulate([passes(1000, THREE, m) for m in moved])
    spent = np.logical_or.accumulate([passes(1000, THREE, m, spent_alpha(ALPHA, t)) for t, m in enumerate(moved, 1)])
    rows = [[f"{t}", f"{spent_alpha(ALPHA, t):.5f}", rate(whole[t - 1]), rate(spent[t - 1])] for t in (1, 2, 3, 5, 10)]
    return "\n\n".join(
        [
            "## Many candidates on the same questions",
            "All of them at the boundary (1,000 items, margin 3 pp, 10 % flips). The ledger grants the t-th one "
            "6 alpha / (pi² t²).",
            table(
                ["candidates", "alpha of the last", "any promoted, alpha .05 each", "any promoted, with the ledger"],
                rows,
            ),
        ]
    )


# --- what others do ---------------------------------------------------------------------------------------------------


def drop_of_two(n: int, moved: Ints) -> Bools:
    return np.asarray((moved[:, 0] - moved[:, 1]) * 50 <= n)


def not_significant(n: int, moved: Ints) -> Bools:
    lost, gained = moved[:, 0].tolist(), moved[:, 1].tolist()
    return np.array([b <= c or mcnemar_exact_(b, c) > 0.05 for b, c in zip(lost, gained, strict=True)])


mcnemar_exact_ = cache(mcnemar_exact)


def unpaired(n: int, moved: Ints) -> Bools:
    base, candidate = (moved[:, 0] + moved[:, 2]) / n, (moved[:, 1] + moved[:, 2]) / n
    pooled = (base + candidate) / 2.0
    return np.asarray(base - candidate < 1.959964 * np.sqrt(2.0 * pooled * (1.0 - pooled) / n))


def overlap(n: int, moved: Ints) -> Bools:
    low, high = np.array([wilson(k, n, 0.95) for k in range(n + 1)]).T
    return np.asarray(high[moved[:, 1] + moved[:, 2]] >= low[moved[:, 0] + moved[:, 2]])


def ours(n: int, moved: Ints) -> Bools:
    return passes(n, THREE, moved)


RULES: dict[str, Callable[[int, Ints], Bools]] = {
    "ours: PASS at a margin of 3 pp": ours,
    "drop of 2 % at most": drop_of_two,
    "not significant (McNemar)": not_significant,
    "not significant (unpaired z)": unpaired,
    "95 % intervals overlap": overlap,
}


def naive(study: Study) -> str:
    cases = [(n, drop) for n in (200, 500, 1000) for drop in (0.0, 0.03, 0.05)]
    moved = [study.moved(n, 0.10, drop) for n, drop in cases]
    rows = [[name, *(rate(rule(n, m)) for (n, _), m in zip(cases, moved, strict=True))] for name, rule in RULES.items()]
    few = {n: rate(not_significant(n, study.moved(n, 0.10, 0.05))) for n in (50, 100)}
    alarms = np.logical_or.reduce([~drop_of_two(200, study.moved(200, 0.10, 0.0)) for _ in range(6)])
    formats = drop_of_two(200, study.moved(200, 0.01, 0.01))
    six = [study.moved(500, 0.10, -0.01) for _ in range(5)] + [study.moved(500, 0.12, 0.12)]
    mean_drop = sum((m[:, 0] - m[:, 1]) / 500 for m in six) / 6
    caught = np.logical_or.reduce([fails(500, THREE, m, ALPHA / 6) for m in six])
    return "\n\n".join(
        [
            "## Beside simpler rules",
            f"P(promoted) of one suite with 10 % flips and a base accuracy of {BASE_ACCURACY:.0%}.",
            table(["rule", *(f"n={n}, {f'−{points(drop)}' if drop else 'no change'}" for n, drop in cases)], rows),
            f"* Not significant, so promoted, at −5 pp: {few[50]} with 50 items, {few[100]} with 100.\n"
            f"* Six suites of 200 items without any change: one of them drops by more than 2 % with probability "
            f"{rate(alarms)}.\n"
            f"* JSON validity falls by 1 pp (200 items, only losses): 'a drop of 2 % at most' promotes it with "
            f"probability {rate(formats)}.\n"
            f"* One suite of six −12 pp, five +1 pp, 500 items each: 'the mean drops by 2 % at most' promotes with "
            f"probability {rate(np.asarray(mean_drop <= 0.02))}; ours with "
            f"{rate(np.logical_and.reduce([passes(500, THREE, m) for m in six]))}, and it rejects with {rate(caught)}.",
        ]
    )


COLOURS = ("#1a7f5a", "#c0392b", "#d9822b", "#7d5ba6", "#4a6fa5")


def chart(study: Study, n: int = 500) -> str:
    """P(promoted) over the true drop, for every rule: 640 x 400, no script, no outside font."""
    drops = [0.005 * k for k in range(17)]
    moved = [study.moved(n, 0.10, drop) for drop in drops]
    left, top, width, height = 64, 130, 544, 210

    def place(drop: float, share: float) -> str:
        return f"{left + width * drop / drops[-1]:.1f},{top + height * (1.0 - share):.1f}"

    lines = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = top + height * (1.0 - share)
        lines.append(f'<line x1="{left}" x2="{left + width}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        lines.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{share:.2f}</text>')
    for drop in drops[::2]:
        x = left + width * drop / drops[-1]
        lines.append(f'<text x="{x:.1f}" y="{top + height + 20}" text-anchor="middle">{drop * 100:g}</text>')
    x = left + width * 0.03 / drops[-1]
    lines.append(f'<line x1="{x}" x2="{x}" y1="{top}" y2="{top + height}" stroke="#333" stroke-dasharray="4 3"/>')
    lines.append(f'<text x="{x + 5}" y="{top + 14}">margin</text>')
    for (name, rule), colour, row in zip(RULES.items(), COLOURS, range(5), strict=True):
        path = " ".join(place(drop, float(np.mean(rule(n, m)))) for drop, m in zip(drops, moved, strict=True))
        lines.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{3 if row == 0 else 1.5}"/>'
        )
        spot = f'x="{left + 290 * (row // 3)}" y="{56 + 18 * (row % 3)}"'
        lines.append(f'<text {spot}><tspan fill="{colour}">━</tspan> {name}</text>')
    title = f"P(promoted) by the true drop: {n:,} items, 10 % of the answers flip"
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 400" width="640" height="400" role="img"'
            f' aria-label="{title}" font-family="system-ui, sans-serif" font-size="12" fill="#333">',
            '<rect width="640" height="400" fill="#fff"/>',
            f'<text x="{left}" y="28" font-size="15" font-weight="600">{title}</text>',
            *lines,
            f'<text x="{left + width / 2}" y="{top + height + 44}" text-anchor="middle">true drop, points</text>',
            "</svg>\n",
        ]
    )


SECTIONS: tuple[Callable[[Study], str], ...] = (boundary, power, planned, end_to_end, attempts, early, naive)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="500 candidates, and nothing is written")
    options = parser.parse_args()
    count = 500 if options.quick else options.candidates
    started = time.perf_counter()
    parts = []
    for number, section in enumerate(SECTIONS):
        study = Study(rng=np.random.default_rng([options.seed, number]), count=count)
        parts.append(section(study))
        print(f"{section.__name__}: {time.perf_counter() - started:.0f} s {'; '.join(study.log)}")
    svg = chart(Study(rng=np.random.default_rng([options.seed, len(SECTIONS)]), count=count))
    head = "\n\n".join(
        [
            "# Measured error rates",
            f"Written by `python benchmarks/error_rates.py --candidates {count} --seed {options.seed}`: {count:,} "
            "simulated candidates a row, every share ± its Monte-Carlo standard error (of none or all: the 95 % "
            f"limit). regress {regress.__version__}, numpy {np.__version__}, Python {platform.python_version()}. "
            "Rules: [statistics.md](statistics.md).",
            f"Of every scenario of the six suites, up to {2 * SAMPLE} candidates went through `regress.gate.decide` "
            "itself: it said what the tables here say.",
            "![P(promoted) by the true drop](error_rates.svg)",
            "500 items are few here: it takes 717 for an unchanged model to pass with a probability of .80. Where the "
            "margin test cannot tell it promotes nothing; the other rules promote, real losses as well.",
        ]
    )
    text = "\n\n".join(map(wrapped, "\n\n".join([head, *parts]).split("\n\n"))) + "\n"
    if options.quick:
        print(text)
    else:
        (DOCS / "error_rates.svg").write_text(svg, encoding="utf-8")
        (DOCS / "error_rates.md").write_text(text, encoding="utf-8")
    print(f"{time.perf_counter() - started:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
