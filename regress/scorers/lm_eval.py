"""What an lm-eval task says of the reply, by one of its own metrics.

The task's filters and metrics are lm-eval's code, which `gate` and `diff` have no use for, so that this module knows
only what a lock has to hold of them. `regress.lmeval.scoring` puts the task behind it wherever replies are scored; a
reply that is scored without it ends the run as broken.
"""

from __future__ import annotations

from typing import Literal

from regress.schema import Item, Reply, Score
from regress.scorers._scorer import Kind, Options, Scorer, broken


class LmEvalOptions(Options):
    """The frozen task, as NAME.frozen.json has it. A suite file cannot give these: they come with `lm_eval:`."""

    task: str
    lm_eval: str  # version
    version: str  # the task's
    config: str  # digest over the tasks' configurations and the files that these came from
    num_fewshot: str
    fewshot: Literal["fixed", "per_document"]
    metric: str
    filter: str
    measure: Literal["right", "share", "byte_probability"]
    threshold: str
    code: tuple[str, ...]


def _lacks(item: Item, _options: LmEvalOptions) -> str | None:
    if item.source is None or "doc" not in item.source or "task" not in item.source:
        return "has no lm-eval document; such suites are made with `lm_eval:` in the suite file"
    return None


def _score(reply: Reply, item: Item, _options: LmEvalOptions) -> Score:
    return broken(Kind.SCORER_ERROR, "lm-eval's task is not loaded, and only it can score the reply")


SCORER = Scorer(name="lm_eval", version=1, asks=None, options=LmEvalOptions, lacks=_lacks, score=_score)
