"""Many texts to token ids, the beginnings that they share tokenised once.

A suite's texts differ in their ends: the same few-shot examples stand before every question, and every question before
each of its choices. Tokenizers are local: far enough behind the point where tokenising starts, the same characters give
the same tokens. So only the end of a text is tokenised, from some way before the point where it stops being shared, and
the result is taken where both tokenisations agree on a stretch of tokens; a text where they don't is tokenised whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from regress.backends.packing import shared_prefixes
from regress.backends.protocol import Tokens

OVERLAP = 96
"""Characters of the shared part that are tokenised again with each end."""

AGREEING = 8
"""Tokens on which the two tokenisations have to agree, one after the other."""

WORTH = 256
"""Characters that a shared beginning must save to be treated by itself."""


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
        cut = len(prefix) - OVERLAP
        if cut < OVERLAP or len(texts) < 3:
            return dict(zip(texts, self._batch(texts, add_special), strict=True))
        encoded = self._tokenizer(prefix, add_special_tokens=False, return_offsets_mapping=True)
        starts = [start for start, _ in encoded["offset_mapping"]]
        first = next((i for i, start in enumerate(starts) if start >= cut), None)
        if first is None or starts != sorted(starts):
            return dict(zip(texts, self._batch(texts, add_special), strict=True))
        whole = self._batch([prefix], add_special)[0]
        offset = _find(whole, tuple(encoded["input_ids"]))
        ends = self._batch([text[starts[first] :] for text in texts], False)
        found, rest = {}, []
        for text, end in zip(texts, ends, strict=True):
            joined = None if offset is None else _joined(whole, offset + first, end)
            if joined is None:
                rest.append(text)
            else:
                found[text] = joined
        return found | dict(zip(rest, self._batch(rest, add_special) if rest else [], strict=True))


def _find(whole: Tokens, part: Tokens) -> int | None:
    """How many special tokens stand before `part` in `whole`."""
    return next((k for k in range(len(whole) - len(part) + 1) if whole[k : k + len(part)] == part), None)


def _joined(whole: Tokens, at: int, end: Tokens) -> Tokens | None:
    """`whole[:k] + end[j:]` where both agree on AGREEING tokens from (k, j) on; None where they don't.

    `end` was tokenised from the text of whole[at:] on; a tokenizer may begin a text with tokens of its own, so the
    first few may differ.
    """
    for skipped in range(1, 4):
        for shift in (0, 1):
            theirs = end[skipped + shift : skipped + shift + AGREEING]
            if len(theirs) == AGREEING and theirs == whole[at + skipped : at + skipped + AGREEING]:
                return whole[: at + skipped] + end[skipped + shift :]
    return None
