"""Many texts to token ids, the beginnings that they share tokenised once.

A suite's texts differ in their ends: the same few-shot examples stand before every question, and every question before
each of its choices. Tokenizers are local: far enough behind the point where tokenising starts, the same characters give
the same tokens. So only the end of a text is tokenised, from some way before the point where it stops being shared, and
joined to the beginning where a word begins in both, at the same character, with the same tokens from there on.
Characters count, since in a text that repeats itself the same tokens are no proof of the same place. A text for which
there is no such place is tokenised whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from regress.backends.packing import shared_prefixes
from regress.backends.protocol import Tokens

OVERLAP = 96
"""Characters of the shared part that are tokenised again with each end."""

AGREEING = 8
"""Tokens, at least, on which both tokenisations have to agree behind the place where they are joined."""

WORTH = 256
"""Characters that a shared beginning must save to be treated by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Joint:
    """Where ends are joined to a shared beginning."""

    start: int  # character from which the ends are tokenised
    before: Tokens  # of the beginning
    seen: Tokens  # what an end has to begin with
    skipped: int  # how many of those stand in `before` already


class Encoder:
    """A Hugging Face tokenizer, asked for many texts at once."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        bos = getattr(tokenizer, "bos_token", None)
        self._bos: str | None = bos if isinstance(bos, str) and bos else None

    def encode(self, text: str, *, add_special: bool) -> Tokens:
        """One text. Special tokens are not added to a text that begins with BOS already."""
        return self._batch([text], add_special)[0] if text else ()

    def encode_all(self, texts: Iterable[str], *, add_special: bool) -> dict[str, Tokens]:
        """Token ids by text; the same as tokenising each alone."""
        wanted = sorted({text for text in texts if text})
        found: dict[str, Tokens] = {"": ()}
        if not getattr(self._tokenizer, "is_fast", False):
            return found | {text: self.encode(text, add_special=add_special) for text in wanted}
        for group in shared_prefixes(wanted, overhead=WORTH):
            members = [wanted[place] for place in group.places]
            found.update(self._behind(members[0][: group.shared], members, add_special))
        return found

    def _batch(self, texts: Sequence[str], add_special: bool) -> list[Tokens]:
        special = [add_special and not (self._bos and text.startswith(self._bos)) for text in texts]
        if len(set(special)) > 1:
            return [self._batch([text], add_special)[0] for text in texts]
        if not texts:
            return []
        first = tuple(self._tokenizer(texts[0], add_special_tokens=special[0])["input_ids"])
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        if backend is not None:  # without masks, types and offsets, which take longer than the ids
            found = [tuple(one.ids) for one in backend.encode_batch_fast(list(texts), add_special_tokens=special[0])]
            if found[0] == first:
                return found
        return [tuple(ids) for ids in self._tokenizer(list(texts), add_special_tokens=special[0])["input_ids"]]

    def _behind(self, prefix: str, texts: Sequence[str], add_special: bool) -> dict[str, Tokens]:
        """Ids of texts that all begin with `prefix`."""
        joint = self._joint(prefix, add_special) if len(texts) > 2 else None
        if joint is None:
            return dict(zip(texts, self._batch(texts, add_special), strict=True))
        ends = self._batch([text[joint.start :] for text in texts], False)
        found, rest = {}, []
        for text, end in zip(texts, ends, strict=True):
            if end[: len(joint.seen)] == joint.seen:
                found[text] = joint.before + end[joint.skipped :]
            else:
                rest.append(text)
        return found | dict(zip(rest, self._batch(rest, add_special), strict=True))

    def _joint(self, prefix: str, add_special: bool) -> _Joint | None:
        cut = len(prefix) - OVERLAP
        if cut < OVERLAP:
            return None
        ids, starts = self._with_starts(prefix)
        whole = self._batch([prefix], add_special)[0]
        special = len(whole) - len(ids)
        first = next((k for k, start in enumerate(starts) if start >= cut), None)
        if first is None or starts != sorted(starts) or whole[special:] != ids:  # as where EOS stands behind every text
            return None
        begin = starts[first]
        tail, tail_starts = self._with_starts(prefix[begin:])
        gap = len(ids) - len(tail)
        for k in range(max(first, gap) + 1, len(ids) - AGREEING + 1):
            alike = ids[k:] == tail[k - gap :] and starts[k - 1] < starts[k] == begin + tail_starts[k - gap]
            if alike and _meet(prefix, starts[k]):
                skipped = k - gap
                return _Joint(
                    start=begin, before=whole[: special + k], seen=tail[: skipped + AGREEING], skipped=skipped
                )
        return None

    def _with_starts(self, text: str) -> tuple[Tokens, list[int]]:
        """Ids without special tokens, and the character at which each begins."""
        encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return tuple(encoded["input_ids"]), [start for start, _ in encoded["offset_mapping"]]


def _meet(text: str, place: int) -> bool:
    """Whether white space begins or ends at `place`: nothing reaches across, in whatever way words are split up."""
    return text[place - 1].isspace() != text[place].isspace()
