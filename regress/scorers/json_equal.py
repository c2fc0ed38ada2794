"""The reply is a JSON document equal to one of the item's targets.

Kinds: `missing_keys`, `extra_keys` and `wrong_value` with a JSON pointer for the first difference from the first
target; `_json_reply` names the rest (fences, words around the document, and texts that are no document).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from regress.schema import Ask, Item, Reply, Score
from regress.scorers._json_reply import MAX_REPLY_DEPTH, score_document
from regress.scorers._json_value import canonical, difference
from regress.scorers._scorer import PASSED, Options, Scorer, failed
from regress.strict_json import JsonFault, parse


class JsonEqualOptions(Options):
    """What does not count as a difference."""

    ignore_order: bool = False  # of arrays, at every depth; how often an element occurs still counts
    allow_fences: bool = False


@lru_cache(maxsize=1024)
def _target(text: str) -> Any:
    parsed = parse(text, max_depth=MAX_REPLY_DEPTH)
    if parsed.duplicate_keys:
        raise ValueError(f"the key {parsed.duplicate_keys[0]} occurs twice")
    return parsed.value


def _lacks(item: Item, _options: JsonEqualOptions) -> str | None:
    if not item.targets:
        return "has no target (a JSON document)"
    for target in item.targets:
        try:
            _target(target)
        except (JsonFault, ValueError) as error:
            return f"has the target {target[:60]!r}, which is not acceptable JSON: {error}"
    return None


def _score(reply: Reply, item: Item, options: JsonEqualOptions) -> Score:
    def check(value: Any) -> Score:
        text = canonical(value, ignore_order=options.ignore_order)
        targets = [_target(target) for target in item.targets]
        if any(text == canonical(target, ignore_order=options.ignore_order) for target in targets):
            return PASSED
        first = difference(value, targets[0], ignore_order=options.ignore_order)
        assert first is not None  # or the canonical texts were equal
        return failed(first.kind, f"{first.at}: {first.what}")

    return score_document(reply, check, allow_fences=options.allow_fences)


SCORER = Scorer(name="json_equal", version=1, asks=Ask.GENERATE, options=JsonEqualOptions, lacks=_lacks, score=_score)
