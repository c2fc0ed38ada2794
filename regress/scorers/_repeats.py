"""Several replies to one item: the share that passed is a graded score.

The item stays the unit of the comparison: its replies resemble each other, so more of them make its score steadier and
never the sample larger (Miller 2024, arXiv 2411.00640, section 3.2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from regress.schema import Outcome, Reply, Score


def score_repeats(reply: Reply, score: Callable[[Reply], Score]) -> Score:
    """The mean over `reply.samples`, PASS where more than half passed; one that could not be scored spoils them all."""
    scores = [score(sample) for sample in reply.samples]
    for found in scores:
        if found.outcome is Outcome.ERROR:
            return found
    values = [float(s.outcome is Outcome.PASS) if s.value is None else s.value for s in scores]
    passed = sum(s.outcome is Outcome.PASS for s in scores)
    value = sum(values) / len(values)
    if 2 * passed > len(scores):
        return Score(outcome=Outcome.PASS, value=value)
    kinds = Counter((s.outcome, s.kind) for s in scores if s.outcome is not Outcome.PASS)
    (outcome, kind), _ = min(kinds.items(), key=lambda entry: (-entry[1], entry[0][0], entry[0][1] or ""))
    return Score(outcome=outcome, value=value, kind=kind, detail=f"{passed} of {len(scores)} replies passed")
