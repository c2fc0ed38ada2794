"""What a task makes of one document's replies: its filters, its metrics, and which of those a suite can use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from lm_eval.api import metrics
from lm_eval.api.instance import Instance

from regress.errors import SuiteError
from regress.schema import Ask

RIGHT, SHARE, BYTE_PROBABILITY = "right", "share", "byte_probability"
"""What the figure of one document is: 0 or 1, something between, or a log-likelihood with a number of bytes."""

ALWAYS_RIGHT_OR_WRONG = frozenset({"acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match"})
"""As lm-eval computes them; a task's own function may call anything by these names."""

PER_BYTE = ("byte_perplexity", "bits_per_byte")
REQUESTS = {Ask.CHOOSE: "loglikelihood", Ask.GENERATE: "generate_until", Ask.PERPLEXITY: "loglikelihood_rolling"}


def figures(task: Any, filter_name: str, document: Mapping[str, Any], ask: Ask, replies: Sequence[list[Any]]) -> Any:
    """Every metric of one document; `replies` holds, for each request about it, the list of what was answered."""
    asked = [
        Instance(request_type=REQUESTS[ask], doc=document, arguments=(), idx=index, resps=list(reply))
        for index, reply in enumerate(replies)
    ]
    ensemble = next(each for each in task._filters if each.name == filter_name)
    ensemble.apply(asked)
    return task.process_results(document, [instance.filtered_resps[filter_name] for instance in asked])


def value_of(figure: Any, measure: str) -> float:
    """The figure of one document as a number from 0 to 1; raises ValueError for anything else.

    Rolling log-likelihoods come with their number of bytes: exp(sum / bytes) is the geometric mean probability of a
    byte, and 2 ** -bits_per_byte.
    """
    if measure == BYTE_PROBABILITY:
        total, size = figure
        value = math.exp(min(0.0, float(total)) / size) if size else 0.0
    else:
        value = float(figure)
        if measure == RIGHT and value not in (0.0, 1.0):
            raise ValueError(f"{value} is neither right nor wrong")
    if not 0.0 <= value <= 1.0:  # NaN too
        raise ValueError(f"{value} is not between 0 and 1")
    return value


def filter_of(task: Any, wanted: str | None, name: str) -> str:
    """The filter by name, or the task's first; raises SuiteError naming the others."""
    names = [each.name for each in task._filters]
    if wanted is not None and wanted not in names:
        raise SuiteError(f"the lm-eval task {name!r} has no filter {wanted!r}; it has {', '.join(names)}.")
    return wanted or str(names[0])


def metric_of(task: Any, wanted: str | None, name: str, figures_of_one: Mapping[str, Any]) -> tuple[str, str]:
    """(metric, measure): the one asked for, or the first that judges a document by itself and by a share.

    `figures_of_one` are those of any one document. Raises SuiteError saying what keeps each metric from being used.
    """
    given = [key for key in task._metric_fn_list if key in figures_of_one]
    names = [*given, *(key for key in figures_of_one if key not in given)]
    if wanted is not None and wanted not in names:
        raise SuiteError(f"the lm-eval task {name!r} has no metric {wanted!r}; it has {', '.join(names)}.")
    reasons = []
    for key in [wanted] if wanted else names:
        reason = _unusable(task, key, figures_of_one[key])
        if reason is None:
            return key, _measure(task, key, figures_of_one[key])
        reasons.append(f"{key} {reason}")
    raise SuiteError(
        f"the lm-eval task {name!r} has no metric that can be compared item by item: {'; '.join(reasons)}."
        if wanted is None
        else f"the metric of the lm-eval task {name!r} cannot be compared item by item: {reasons[0]}."
    )


def _measure(task: Any, key: str, figure: Any) -> str:
    if _is_per_byte(task, key):
        return BYTE_PROBABILITY
    own = callable(task.config.process_results) or key not in ALWAYS_RIGHT_OR_WRONG
    whole = isinstance(figure, bool | int | np.bool_ | np.integer)
    return RIGHT if whole or not own else SHARE


def _is_per_byte(task: Any, key: str) -> bool:
    return key in PER_BYTE and task.OUTPUT_TYPE == "loglikelihood_rolling"


def _unusable(task: Any, key: str, figure: Any) -> str | None:
    """Why a metric says nothing about one document; None where it does."""
    if _is_per_byte(task, key):
        return None
    if key == "word_perplexity":
        return "counts words; byte_perplexity and bits_per_byte rank models alike"
    aggregation = task.aggregation().get(key)
    if aggregation is not metrics.mean:
        shown = getattr(aggregation, "__name__", "nothing")
        return f"is a figure of all documents together ({shown}), not a mean over them"
    if not task.higher_is_better().get(key, True):
        return "is better when it is lower, and a margin is a drop"
    try:
        value_of(figure, SHARE)
    except (TypeError, ValueError):
        return f"gives {figure!r} for a document, which is no number from 0 to 1"
    return None
