"""The reply came to its end by itself: it was not cut at the token limit."""

from __future__ import annotations

from regress.schema import Ask, Finish, Item, Reply, Score
from regress.scorers._scorer import PASSED, Kind, Options, Scorer, broken, failed, no_answer


def _lacks(_item: Item, _options: Options) -> str | None:
    return None


def _score(reply: Reply, _item: Item, _options: Options) -> Score:
    if reply.text is None or reply.finish is None:
        return broken(Kind.NO_REPLY, "the backend gave no text, or does not say how it ended")
    if not reply.text.strip():
        return no_answer(Kind.EMPTY)
    return failed(Kind.TRUNCATED) if reply.finish is Finish.LENGTH else PASSED


SCORER = Scorer(name="ended", version=1, asks=Ask.GENERATE, options=Options, lacks=_lacks, score=_score)
