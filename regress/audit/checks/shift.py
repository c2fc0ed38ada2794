"""Training prompts against what users really ask: are they told apart, and what of it is not covered?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from regress.audit.asking import Asked, sample_prompts
from regress.audit.checks._coverage import USUAL, Coverage, coverage
from regress.audit.features import tfidf
from regress.audit.protocol import Again, Chunk, Context, Found
from regress.rows.row import Row
from regress.rows.source import Source
from regress.schema import Category, Evidence, Finding, Measure, Role, Severity, Skipped, Suite
from regress.stats.two_sample import TwoSample, two_sample

MIN_PROMPTS = 50
COMPARED = 2_000  # prompts of each side that are told apart
TAUGHT = 20_000  # training prompts that prompts are held against
PERMUTATIONS = 499
TOLD_APART = 0.65
"""Area whose lower limit is worth a word: a log of the same users a month later comes out below."""

MUCH = 0.85
UNCOVERED = 2.0 * USUAL
SUITE_UNCOVERED = 0.5
SHOWN = 10
MAX_TEXT = 1_000  # characters of one prompt
EXCERPT = 240


class Shift:
    """A classifier two-sample test with the production sample, and coverage of it and of the suites by training."""

    name: ClassVar[str] = "shift"

    def __init__(self, context: Context) -> None:
        self._context = context

    def look(self, chunk: Chunk) -> None:
        """Nothing: a sample says it all."""

    def add(self, seen: None) -> None:
        """Nothing to add."""

    def finish(self, again: Again) -> Found:
        suites = tuple(suite for suite in self._context.suites if _judges_the_task(suite))
        production = self._context.production
        if production is None and not suites:
            return Found()
        taught = [row for row in again.sample(TAUGHT) if row.prompt.strip()]
        if len(taught) < MIN_PROMPTS:
            return Found(skipped=(_skipped(f"{len(taught)} training rows have a prompt"),))
        found = [_against_suite(suite, taught, self._context.seed) for suite in suites]
        if production is not None:
            asked, rows = sample_prompts(production, COMPARED, self._context.seed, self._context.mapped)
            if len(asked) < MIN_PROMPTS:
                found.append(Found(skipped=(_skipped(f"{production.name} holds {len(asked)} prompts"),)))
            else:
                found.append(_against_production(taught, asked, production, rows, self._context.seed))
        return Found(
            findings=tuple(finding for one in found for finding in one.findings),
            figures={name: value for one in found for name, value in one.figures.items()},
            skipped=tuple(skip for one in found for skip in one.skipped),
        )


def _skipped(reason: str) -> Skipped:
    return Skipped(check=Shift.name, reason=f"{reason}; it takes {MIN_PROMPTS}")


def _judges_the_task(suite: Suite) -> bool:
    """Suites that training should serve; general abilities are not trained for."""
    served = suite.role is Role.TARGET or suite.category is Category.DOMAIN
    return served and suite.role is not Role.INFORM and len(suite.items) >= MIN_PROMPTS


def _against_suite(suite: Suite, taught: Sequence[Row], seed: int) -> Found:
    rng = np.random.default_rng(seed)
    places = np.sort(rng.choice(len(suite.items), min(COMPARED, len(suite.items)), replace=False))
    items = [suite.items[place] for place in places]
    found = coverage([row.prompt for row in taught], [item.prompt for item in items], seed)
    figures: dict[str, Measure] = {f"shift.{suite.name}.uncovered": round(found.share, 4)}
    if found.at_least < SUITE_UNCOVERED:
        return Found(figures=figures)
    finding = Finding(
        rule="shift/suite",
        severity=Severity.NOTE,
        title=f"{found.uncovered:,} of {found.of:,} items of {suite.name} ask what no training prompt comes near",
        detail=f"Of the training prompts themselves {USUAL:.0%} are as far from all others. A gain on this suite would "
        "have to come from elsewhere.",
        advice="See whether this is the data for the task, or whether the suite asks in another way.",
        count=found.uncovered,
        of=found.of,
        harm=found.share / 4.0,
        suite=suite.name,
        evidence=tuple(
            Evidence(
                row=0,
                text=_cut(items[group.members[0]].prompt),
                source=suite.items_path,
                item=f"{suite.name}:{items[group.members[0]].id}",
                detail=_named(found, index),
            )
            for index, group in enumerate(found.groups)
        ),
        items=tuple(items[place].id for group in found.groups for place in group.members),
    )
    return Found(figures=figures, findings=(finding,))


def _against_production(
    taught: Sequence[Row], asked: Sequence[Asked], production: Source, rows: int, seed: int
) -> Found:
    rng = np.random.default_rng(seed)
    places = np.sort(rng.choice(len(taught), min(COMPARED, len(taught)), replace=False))
    compared = [taught[place] for place in places]
    prompts = [one.prompt for one in asked]
    second = np.arange(len(compared) + len(asked)) >= len(compared)
    kernel = prompt_kernel([*(row.prompt for row in compared), *prompts])
    apart = two_sample(kernel, second, rng, permutations=PERMUTATIONS)
    covered = coverage([row.prompt for row in taught], prompts, seed)
    low, high = apart.interval
    figures: dict[str, Measure] = {
        "shift.auc": round(apart.area, 4),
        "shift.auc_low": round(low, 4),
        "shift.auc_high": round(high, 4),
        "shift.p": round(apart.p, 4),
        "shift.uncovered": round(covered.share, 4),
        "shift.training_prompts": len(compared),
        "shift.production_prompts": len(asked),
        "shift.production_rows": rows,
    }
    findings = [*_told_apart(apart, compared, asked, production), *_uncovered(covered, asked, production)]
    return Found(findings=tuple(findings), figures=figures)


def prompt_kernel(texts: Sequence[str]) -> Any:
    """Cosines of words and pairs of words, plus those of letters as they are written, (texts, texts)."""
    cut = [text[:MAX_TEXT] for text in texts]
    words, _ = tfidf(cut, token_pattern=r"\w+|[^\w\s]", ngram_range=(1, 2))
    letters, _ = tfidf(cut, analyzer="char_wb", ngram_range=(2, 4), lowercase=False, max_features=50_000)
    return (words @ words.T).toarray() + (letters @ letters.T).toarray()


def _told_apart(apart: TwoSample, compared: Sequence[Row], asked: Sequence[Asked], production: Source) -> list[Finding]:
    low, high = apart.interval
    if low < TOLD_APART or apart.p > 0.01:
        return []
    theirs = np.argsort(-apart.scores[len(compared) :], kind="stable")[:SHOWN]
    ours = np.argsort(apart.scores[: len(compared)], kind="stable")[:SHOWN]
    return [
        Finding(
            rule="shift/production",
            severity=Severity.WARN if low >= MUCH else Severity.NOTE,
            title=f"a classifier tells production prompts from training prompts in {_percent(apart.area)} of pairs",
            detail=f"50 % would be chance; 95 % interval {_percent(low)} to {_percent(high)}, "
            f"permutation p = {apart.p:.3g}. What is learned is learned for other questions than are asked, and a "
            "suite written like the training data will not show it.",
            advice="Compare the prompts below; train and judge on prompts as users write them.",
            count=len(asked),
            of=len(asked),
            harm=apart.area - 0.5,
            evidence=(
                *(_cited(asked[one], production, "telling of production") for one in theirs),
                *(Evidence(row=compared[one].number, text="", detail="telling of training") for one in ours),
            ),
            figures={"auc": round(apart.area, 4), "p": round(apart.p, 4)},
        )
    ]


def _uncovered(found: Coverage, asked: Sequence[Asked], production: Source) -> list[Finding]:
    if found.at_least < UNCOVERED:
        return []
    return [
        Finding(
            rule="shift/uncovered",
            severity=Severity.WARN,
            title=f"{found.share:.0%} of production prompts ask what no training prompt comes near",
            detail=f"{found.uncovered:,} of {found.of:,}, at least {found.at_least:.0%} with 95 % confidence; of the "
            f"training prompts themselves {USUAL:.0%} are as far from all others. There the adapter answers untaught.",
            advice="Add rows for the groups below, or keep such prompts away from the adapter.",
            count=found.uncovered,
            of=found.of,
            harm=found.share,
            evidence=tuple(
                _cited(asked[group.members[0]], production, _named(found, index))
                for index, group in enumerate(found.groups)
            ),
            figures={"share": round(found.share, 4), "at_least": round(found.at_least, 4)},
        )
    ]


def _cited(asked: Asked, production: Source, detail: str) -> Evidence:
    file, line = production.place(asked.number)
    return Evidence(row=line, text=_cut(asked.prompt), source=file, detail=detail)


def _percent(share: float) -> str:
    """100 % only where it is exact."""
    return f"{share if share in (0.0, 1.0) else min(0.999, max(0.001, share)):.1%}"


def _named(found: Coverage, index: int) -> str:
    group = found.groups[index]
    terms = ", ".join(group.terms) or "no common words"
    return f"one of {len(group.members):,} like it: {terms}"


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"
