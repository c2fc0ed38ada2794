"""Records as flat rows with named columns: what tables, Parquet files and trackers are filled from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum, auto
from typing import Any

from regress.schema import Item, ItemOutcome, Suite, SuiteComparison, SuiteVerdict


class Kind(Enum):
    """What a column holds; each may lack values, and lacking is never a number."""

    TEXT = auto()
    COUNT = auto()
    NUMBER = auto()
    FLAG = auto()
    TEXTS = auto()
    NUMBERS = auto()
    FLAGS = auto()


Columns = dict[str, Kind]
Row = dict[str, Any]

VERDICT_COLUMNS: Columns = {
    "suite": Kind.TEXT,
    "category": Kind.TEXT,
    "role": Kind.TEXT,
    "variant": Kind.TEXT,
    "against": Kind.TEXT,
    "verdict": Kind.TEXT,
    "n": Kind.COUNT,
    "base_pass": Kind.COUNT,
    "candidate_pass": Kind.COUNT,
    "lost": Kind.COUNT,
    "gained": Kind.COUNT,
    "unpaired": Kind.COUNT,
    "delta": Kind.NUMBER,  # candidate minus base, in rates; of the base's figure where `relative`
    "ci90_low": Kind.NUMBER,
    "ci90_high": Kind.NUMBER,
    "margin": Kind.NUMBER,
    "min_gain": Kind.NUMBER,
    "p_pass": Kind.NUMBER,
    "p_fail": Kind.NUMBER,
    "p_fail_holm": Kind.NUMBER,
    "p_gain": Kind.NUMBER,
    "needed_n": Kind.COUNT,
    "no_answer": Kind.COUNT,
    "error": Kind.COUNT,
    "relative": Kind.FLAG,
    "base_figure": Kind.NUMBER,  # of serving figures: seconds, tokens, bytes, shares
    "candidate_figure": Kind.NUMBER,
    "reason": Kind.TEXT,
}

FLIP_COLUMNS: Columns = {
    "suite": Kind.TEXT,
    "variant": Kind.TEXT,
    "item": Kind.TEXT,
    "slice": Kind.TEXT,
    "lost": Kind.FLAG,  # else gained
    "prompt": Kind.TEXT,
    "expected": Kind.TEXT,
    "base_reply": Kind.TEXT,
    "candidate_reply": Kind.TEXT,
    "base_kind": Kind.TEXT,
    "candidate_kind": Kind.TEXT,
}

OUTCOME_COLUMNS: Columns = {
    "variant": Kind.TEXT,
    "suite": Kind.TEXT,
    "item": Kind.TEXT,
    "outcome": Kind.TEXT,  # pass, fail, no_answer
    "value": Kind.NUMBER,  # of graded scorers
    "kind": Kind.TEXT,
    "detail": Kind.TEXT,
    "reply": Kind.TEXT,
    "samples": Kind.TEXTS,  # where several replies were asked for
    "logprobs": Kind.NUMBERS,  # nats, one a choice
    "greedy": Kind.FLAGS,
    "finish": Kind.TEXT,
    "prompt_tokens": Kind.COUNT,
    "reply_tokens": Kind.COUNT,
    "item_digest": Kind.TEXT,
    "request_digest": Kind.TEXT,
}

ITEM_COLUMNS: Columns = {
    "prompt": Kind.TEXT,
    "targets": Kind.TEXTS,
    "choices": Kind.TEXTS,
    "answer": Kind.COUNT,
    "slice": Kind.TEXT,
    "cluster": Kind.TEXT,
}


def verdict_rows(verdicts: Iterable[SuiteVerdict]) -> Iterator[Row]:
    """One row for each suite and variant, with the keys of VERDICT_COLUMNS."""
    for v in verdicts:
        counts = v.counts
        yield {
            "suite": v.suite,
            "category": v.category.value,
            "role": v.role.value,
            "variant": v.variant,
            "against": v.against,
            "verdict": v.verdict.value,
            "n": counts.n,
            "base_pass": counts.base_pass,
            "candidate_pass": counts.candidate_pass,
            "lost": counts.lost,
            "gained": counts.gained,
            "unpaired": counts.unpaired,
            "delta": v.delta,
            "ci90_low": None if v.ci90 is None else v.ci90[0],
            "ci90_high": None if v.ci90 is None else v.ci90[1],
            "margin": None if v.margin is None else float(v.margin),
            "min_gain": None if v.min_gain is None else float(v.min_gain),
            "p_pass": v.p_pass,
            "p_fail": v.p_fail,
            "p_fail_holm": v.p_fail_holm,
            "p_gain": v.p_gain,
            "needed_n": v.needed_n,
            "no_answer": v.no_answer,
            "error": v.error,
            "relative": v.is_relative,
            "base_figure": None if v.figure is None else v.figure.base,
            "candidate_figure": None if v.figure is None else v.figure.candidate,
            "reason": v.reason,
        }


def flip_rows(comparisons: Iterable[SuiteComparison]) -> Iterator[Row]:
    """One row for each item that moved between pass and not pass, with the keys of FLIP_COLUMNS."""
    for comparison in comparisons:
        for flip in comparison.flips:
            yield {
                "suite": comparison.suite,
                "variant": comparison.variant,
                **{name: getattr(flip, name) for name in FLIP_COLUMNS if name not in ("suite", "variant")},
            }


def outcome_rows(variant: str, outcomes: Mapping[str, Mapping[str, ItemOutcome]]) -> Iterator[Row]:
    """One row for each item of a run, with the keys of OUTCOME_COLUMNS, in the order in which it was stored."""
    for suite, items in outcomes.items():
        for id_, outcome in items.items():
            reply = outcome.reply
            yield {
                "variant": variant,
                "suite": suite,
                "item": id_,
                "outcome": outcome.outcome.value,
                "value": outcome.value,
                "kind": outcome.kind,
                "detail": outcome.detail,
                "reply": reply.text,
                "samples": [sample.text or "" for sample in reply.samples],
                "logprobs": list(reply.logprobs),
                "greedy": list(reply.greedy),
                "finish": None if reply.finish is None else reply.finish.value,
                "prompt_tokens": reply.prompt_tokens,
                "reply_tokens": reply.reply_tokens,
                "item_digest": outcome.item_digest,
                "request_digest": outcome.request_digest,
            }


def with_items(rows: Iterable[Row], suites: Iterable[Suite]) -> Iterator[Row]:
    """Outcome rows with what was asked beside them: the keys of ITEM_COLUMNS, too."""
    items = {(suite.name, item.id): item for suite in suites for item in suite.items}
    for row in rows:
        yield row | _item(items[row["suite"], row["item"]])


def _item(item: Item) -> Row:
    return {
        "prompt": item.prompt,
        "targets": list(item.targets),
        "choices": list(item.choices),
        "answer": item.answer,
        "slice": item.slice,
        "cluster": item.cluster,
    }
