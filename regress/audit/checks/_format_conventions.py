"""Two conventions in one file: a label spelled in two ways, white space around some replies, replies without an end."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

from regress.audit.checks._wording import EVIDENCE, Wording
from regress.audit.protocol import Again, Chunk, Context, Found
from regress.rows.row import Form
from regress.schema import Evidence, Finding, Severity

MAX_LABEL = 60  # characters
MAX_LABEL_WORDS = 6
MAX_LABELS = 20_000  # different ones; with more, the replies are no labels
LABEL_ROWS = 10  # of the more frequent spelling: less often repeated, a short reply is no label
LABELS_SHARE = 0.3  # of short replies that must be such labels: else they are words and numbers of all sorts
LONG = 200  # characters from which on a reply is a text and should have an end
LAST_LINE = 40  # characters of a last line that may stand without a full stop: a signature, a result
MOSTLY = 0.9
MIN_ROWS = 20
MIN_AT_CAP = 5
ENDED = 0.75  # of long replies that must have an end for others to lack it
MANY_OPEN = 0.02  # of long replies: more than careless writers

_LABEL_KEY = re.compile(r"[\W_]+")
_ITEM = re.compile(r"\s*(?:[-*•|>#]|\d+[.)]|```)")
_SENTENCES = re.compile(r"[.!?][\"')\]]? ")
_OPEN_ENDS = ",;-–—(/&"


Seen = tuple[NDArray[np.uint8], NDArray[np.uint32], Counter[str], dict[str, int], list[int]]
"""Looks, lengths, short replies with their counts and first rows, rows without a prompt."""


class Look(IntFlag):
    """What one reply looks like."""

    LONG = 1
    ENDED = 2
    OPEN = 4  # ends in the middle of a sentence; neither: a list, code, an address
    SPACED = 8


class Conventions:
    """Five bytes a row, and a count for each short reply."""

    def __init__(self, context: Context) -> None:
        self._looks: list[NDArray[np.uint8]] = []
        self._sizes: list[NDArray[np.uint32]] = []
        self._labels: Counter[str] | None = Counter()
        self._firsts: dict[str, int] = {}
        self._short = 0
        self._empty: list[int] = []

    def look(self, chunk: Chunk) -> Seen:
        replies = [row.reply for row in chunk.rows]
        labels: Counter[str] = Counter()
        firsts: dict[str, int] = {}
        for row, reply in zip(chunk.rows, replies, strict=True):
            if len(reply) <= MAX_LABEL and _is_short(text := reply.strip()):
                labels[text] += 1
                firsts.setdefault(text, row.number)
        empty = [row.number for row in chunk.rows if row.form is not Form.TEXT and not row.prompt.strip()]
        looks = np.array([look_of(reply) for reply in replies], dtype=np.uint8)
        return looks, np.array(list(map(len, replies)), dtype=np.uint32), labels, firsts, empty

    def add(self, seen: Seen) -> None:
        looks, sizes, labels, firsts, empty = seen
        self._looks.append(looks)
        self._sizes.append(sizes)
        self._empty += empty
        self._short += labels.total()
        if self._labels is not None:
            self._labels.update(labels)
            self._firsts = firsts | self._firsts
            if len(self._labels) > MAX_LABELS:
                self._labels, self._firsts = None, {}

    def finish(self, again: Again) -> Found:
        looks, sizes = np.concatenate(self._looks), np.concatenate(self._sizes)
        findings = [*self._spellings(len(looks)), *_spaced(looks, again), *_without_end(looks, sizes, again)]
        if self._empty:
            findings.append(EMPTY_PROMPT.finding(self._empty, len(looks)))
        return Found(findings=tuple(findings))

    def _spellings(self, of: int) -> list[Finding]:
        """Labels that are the same but for case, punctuation and what stands between words."""
        groups: dict[str, list[tuple[int, str]]] = {}
        for text, count in (self._labels or Counter()).items():
            if key := _LABEL_KEY.sub("", text.casefold()):
                groups.setdefault(key, []).append((count, text))
        mixed = [
            sorted(group, reverse=True) for group in groups.values() if len(group) > 1 and max(group)[0] >= LABEL_ROWS
        ]
        repeated = sum(count for group in groups.values() for count, _ in group if max(group)[0] >= LABEL_ROWS)
        minority = sum(count for group in mixed for count, _ in group[1:])
        if not minority or repeated < LABELS_SHARE * self._short:
            return []
        mixed.sort(key=lambda group: -sum(count for count, _ in group[1:]))
        evidence = [
            Evidence(row=self._firsts[text], text=text, detail=f"{count:,}×, against {usual:,}× {first!r}")
            for (usual, first), *others in mixed
            for count, text in others
        ]
        more = f"{len(mixed):,} labels are concerned."
        return [SPELLINGS.finding([], of, count=minority, more=more, evidence=evidence[:EVIDENCE])]


def _is_short(text: str) -> bool:
    """Whether a reply may be a label: a few words in one line, and no document."""
    return "\n" not in text and text.count(" ") < MAX_LABEL_WORDS and text[:1] not in ("{", "[")


def look_of(reply: str) -> Look:
    """A reply's white space and end, as far as they can be told from its last line."""
    look = Look(0)
    text = reply.rstrip()
    if len(text) != len(reply) or reply[0].isspace():
        look |= Look.SPACED
    if len(text) < LONG:
        return look
    look |= Look.LONG
    line = text[text.rfind("\n") + 1 :]
    if _ITEM.match(line) or "://" in line[-80:] or (len(line) <= LAST_LINE and len(line) < len(text)):
        return look
    last = text[-1]
    if not (last.isalnum() or last in _OPEN_ENDS):
        return look | Look.ENDED
    return look | Look.OPEN if _SENTENCES.search(line) else look


def _spaced(looks: NDArray[np.uint8], again: Again) -> Iterable[Finding]:
    """White space around a minority of replies; where nearly all have it, it is the data's convention."""
    spaced = (looks & Look.SPACED) > 0
    share = spaced.mean()
    if len(looks) >= MIN_ROWS and 0 < share < MOSTLY:
        yield SPACED.finding(again.numbers[spaced], len(looks))


def _without_end(looks: NDArray[np.uint8], sizes: NDArray[np.uint32], again: Again) -> Iterable[Finding]:
    """Long replies that stop within a sentence while others do not, and a limit that many run into."""
    is_long = (looks & Look.LONG) > 0
    opened, ended = is_long & ((looks & Look.OPEN) > 0), is_long & ((looks & Look.ENDED) > 0)
    known = np.count_nonzero(opened) + np.count_nonzero(ended)
    cap = int(sizes[opened].max()) if opened.any() else 0
    at_cap = opened & (sizes == cap)
    if np.count_nonzero(at_cap) >= MIN_AT_CAP and cap == sizes.max():
        more = f"All have exactly {cap:,} characters, the longest that there are."
        yield CUT_OFF.finding(again.numbers[at_cap], len(looks), more=more, figures={"characters": cap})
        opened &= ~at_cap
    if opened.any() and known >= MIN_ROWS and np.count_nonzero(ended) >= ENDED * known:
        more = f"{np.count_nonzero(ended):,} other long replies end with a full stop or the like."
        finding = OPEN_END.finding(again.numbers[opened], len(looks), more=more)
        many = np.count_nonzero(opened) >= MANY_OPEN * known
        yield replace(finding, severity=Severity.WARN) if many else finding


SPELLINGS = Wording(
    "format/label-spelling", Severity.WARN, 1.0, ("spells", "spell"), "a label otherwise than most rows do",
    "An exact-match suite counts one of the spellings as wrong, and the model answers with either.",
    "Settle on one spelling, the suite's.",
)  # fmt: skip
SPACED = Wording(
    "format/white-space", Severity.NOTE, 0.1, ("has", "have"), "white space around the reply, and others do not",
    "The first token after the prompt is another one with a space before it, so the model learns two ways to begin.",
    "Strip the replies.",
)  # fmt: skip
CUT_OFF = Wording(
    "format/cut-off", Severity.WARN, 0.7, ("ends", "end"), "in the middle of a sentence",
    "They were cut, most likely by a limit on tokens when they were generated. The model learns to stop there, too.",
    "Generate these replies again with a higher limit, or leave them out.",
)  # fmt: skip
OPEN_END = Wording(
    "format/open-end", Severity.NOTE, 0.5, ("ends", "end"), "without the end of a sentence",
    "Some writers leave the full stop out; so does a limit on tokens, and then the model learns to stop there.",
    "Look at a few: where they are cut, generate them again with a higher limit.",
)  # fmt: skip
EMPTY_PROMPT = Wording(
    "format/empty-prompt", Severity.WARN, 0.7, ("asks", "ask"), "nothing: the last message of the user is empty",
    "The model learns to give such a reply whatever is asked.",
    "Fill the prompts in, or leave the rows out.",
)  # fmt: skip
