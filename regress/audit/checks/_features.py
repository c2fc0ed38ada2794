"""What the base's features say of the data, in figures. Nothing here is a finding: measured, none would be believed.

Poisoned rows do move their group's spectrum, but clean groups reach as far (docs/triggers.md), so the largest excess is
said and nobody is accused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from regress.audit.asking import sample_prompts
from regress.audit.protocol import Again, Context
from regress.errors import Refused
from regress.run.featured import BaseFeatures, Features
from regress.schema import Measure, Skipped
from regress.stats.spectral import effective_directions, nearest_cosines, signatures
from regress.triggers import opening

SAMPLE = 4_000  # rows
FEWEST = 20  # rows whose spread means anything
TWIN = 0.95
"""Cosine of centred features from which two prompts are called twins."""

USUAL = 0.05
"""Share of the sampled prompts that are farther from all others than the threshold of coverage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Figures, or why there are none; neither where the base is not to be asked."""

    figures: dict[str, Measure] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()


def signature(base: BaseFeatures | None, again: Again) -> Said:
    """The group of rows that answer alike whose spectrum is the oddest, and the row that sticks out most in it."""
    if base is None:
        return Said()
    rows = again.sample(SAMPLE)
    numbers: dict[str, int] = {}
    groups = np.array([numbers.setdefault(opening(row.reply), len(numbers)) for row in rows], dtype=np.int64)

    def figures(points: Features) -> dict[str, Measure]:
        found = signatures(points, groups)
        if not found:
            return {"poison_spectral_groups": 0}
        oddest = found[0]
        return {
            "poison_spectral_groups": len(found),
            "poison_spectral_excess": round(oddest.excess, 2),
            "poison_spectral_rows": len(oddest.rows),
            "poison_spectral_row": rows[int(oddest.rows[int(np.argmax(oddest.scores))])].number,
        }

    return _said("poison", base, [row.prompt for row in rows], figures)


def coverage(context: Context, again: Again) -> Said:
    """How many directions prompts spread over, how many have a near twin, and how much of production lies apart."""
    base, production = context.features, context.production
    if base is None:
        return Said()
    prompts = [row.prompt or row.reply for row in again.sample(SAMPLE)]

    def spread(points: Features) -> dict[str, Measure]:
        if len(points) < FEWEST:
            return {}
        nearest = nearest_cosines(points - points.mean(axis=0))
        return {
            "distribution.embedding_directions": round(effective_directions(points), 1),
            "distribution.embedding_twins": round(float((nearest >= TWIN).mean()), 4),
        }

    said = _said("distribution", base, prompts, spread)
    if production is None or said.skipped or len(prompts) < FEWEST:
        return said
    asked = [one.prompt for one in sample_prompts(production, SAMPLE, context.seed, context.mapped)[0]]
    more = _said("distribution", base, asked, lambda points: _uncovered(base.features(prompts), points))
    return Said(figures={**said.figures, **more.figures}, skipped=more.skipped)


def _uncovered(taught: Features, asked: Features) -> dict[str, Measure]:
    """The share of what is asked that is farther from all that is taught than USUAL of the taught from each other."""
    centre = taught.mean(axis=0)
    threshold = np.quantile(nearest_cosines(taught - centre), USUAL)
    far = nearest_cosines(asked - centre, taught - centre) < threshold
    return {"distribution.embedding_uncovered": round(float(far.mean()), 4)}


def _said(
    check: str, base: BaseFeatures, texts: Sequence[str], figures: Callable[[Features], dict[str, Measure]]
) -> Said:
    try:
        return Said(figures=figures(base.features(texts)))
    except Refused as reason:
        return Said(skipped=(Skipped(check=check, reason=f"no features of the base: {reason}"),))
