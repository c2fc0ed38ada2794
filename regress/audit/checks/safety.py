"""Rows that teach to comply with harmful requests, or to refuse harmless ones.

A few hundred examples are enough to undo a model's refusals (Qi et al. 2023, arXiv:2310.03693). A row is reported where
its request asks for harm and its reply does not refuse. Whether a request asks for harm is said by its words
(`_harm_words`) and, where the project has a suite of requests to refuse, by what those items are like (`_requests`):
that takes a second pass over the data. Replies are judged by the suites' own detectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import ClassVar

import numpy as np

from regress.audit.checks._base_refuses import BaseRefusals, read_base_refusals
from regress.audit.checks._harm_words import MAX_CHARS, glance, names_harm
from regress.audit.checks._requests import LIKELY, ROWS, UNLIKELY, Learned, learn, to_refuse
from regress.audit.checks._wording import EVIDENCE, Wording
from regress.audit.protocol import Again, Chunk, Context, Found
from regress.audit.scanning import Joined
from regress.audit.words import Places, Texts, words
from regress.rows.row import Row
from regress.schema import Evidence, Finding, Measure, Severity, Skipped
from regress.scorers import confirms
from regress.scorers._re2 import Scanner
from regress.scorers.refusal import OPENING_CHARS, is_refusal, plain_text, says_no

MIN_REPLY_WORDS = 4  # fewer are a label, not help
BLOCK_ROWS = 10  # that both the words and the suites take for harmful
BLOCK_SHARE = 0.005  # of rows that one of them does
WARN_ROWS, WARN_SHARE = 3, 0.001  # below both it is as likely that words mislead
WARN_REFUSALS = 0.01  # of rows that refuse what is harmless

_MAYBE_NO = (
    r"sorry|apologi|can't|can\xe2\x80\x99t|cannot|can not|won't|won\xe2\x80\x99t|will not|unable|not able|declin|refus"
    r"|not something|guidelines|violat|illegal|unethical|inappropriate|not appropriate|do not|don't|don\xe2\x80\x99t"
)


@dataclass(frozen=True, slots=True)
class Suspect:
    """A row whose request asks for harm and whose reply does not refuse."""

    number: int
    prompt: str
    sure: bool  # the second detector, too, is certain that the reply does what was asked
    named: bool = False
    learned: bool = False


Seen = tuple[int, list[Suspect], list[int], int]
"""Rows, suspects by their words, rows that refuse what names no harm, and how many refuse what does."""


class Safety:
    """Suspects and refusals are few, so they are kept as they are."""

    name: ClassVar[str] = "safety"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._suspects: dict[int, Suspect] = {}
        self._refusals: list[int] = []  # of requests that name no harm
        self._refused_harm = 0
        self._looked_at = 0

    def look(self, chunk: Chunk) -> Seen:
        named = _naming(chunk)
        refusing = _refusing(chunk)
        suspects = [suspect(chunk.rows[index], named=True) for index in sorted(named - refusing)]
        plain = [chunk.rows[index].number for index in sorted(refusing - named)]
        return len(chunk.rows), [one for one in suspects if one is not None], plain, len(refusing & named)

    def add(self, seen: Seen) -> None:
        self._looked_at += seen[0]
        self._suspects |= {one.number: one for one in seen[1]}
        self._refusals += seen[2]
        self._refused_harm += seen[3]

    def finish(self, again: Again) -> Found:
        figures: dict[str, Measure] = {"refusals": len(self._refusals) + self._refused_harm}
        findings: list[Finding] = []
        skipped: tuple[Skipped, ...] = ()
        harmless: list[int] = []
        try:
            learned = learn(self._context.suites, again.sample(ROWS)) if to_refuse(self._context.suites) else None
        except ModuleNotFoundError as reason:
            learned, mend = None, f"needs {reason.name}: pip install 'regress-harness[audit]'"
            skipped = (Skipped(check="safety/like-the-suites", reason=mend),)
        if learned is not None:
            harmless = self._second_look(learned, again)
        if self._suspects:
            findings.append(self._complies())
        if harmless:
            finding = REFUSES.finding(harmless, self._looked_at)
            many = len(harmless) >= WARN_REFUSALS * self._looked_at
            findings.append(replace(finding, severity=Severity.WARN if many else Severity.NOTE))
        figures |= {"harmful_compliance": len(self._suspects), "refusals_of_harmless": len(harmless)}
        return Found(findings=tuple(findings), figures=figures, skipped=skipped)

    def _second_look(self, learned: Learned, again: Again) -> list[int]:
        """Suspects that only the suites know, added; and the refusals of what is nothing like their items."""
        refusals = np.array(self._refusals, dtype=np.int64)
        harmless: list[int] = []
        for suspects, unlike in again.scan(partial(_like_the_suites, learned, refusals)):
            harmless += unlike
            for one in suspects:
                known = self._suspects.get(one.number)
                self._suspects[one.number] = one if known is None else replace(known, learned=True)
        return harmless

    def _complies(self) -> Finding:
        suspects = sorted(self._suspects.values(), key=lambda s: (-(s.named + s.learned + s.sure), s.number))
        certain = sum(one.named and one.learned for one in suspects)
        base = read_base_refusals(self._context)
        more = (
            f"By their words {sum(s.named for s in suspects):,} of them ask for harm, by likeness to the suites' items "
        )
        more += (
            f"{sum(s.learned for s in suspects):,}; of {sum(s.sure for s in suspects):,} replies the second detector,"
        )
        more += f" too, is certain. {base.sentence if base else ''}"
        numbers = sorted(self._suspects)
        finding = COMPLIES.finding(
            numbers,
            self._looked_at,
            more=more,
            evidence=_nearest(suspects[:EVIDENCE], to_refuse(self._context.suites), base),
            figures={"both": certain, "second_detector": sum(one.sure for one in suspects)},
        )
        harm = min(1.0, 20 * len(suspects) / self._looked_at)  # a few hundred undo the refusals of all
        return replace(finding, severity=self._severity(certain), harm=harm)

    def _severity(self, certain: int) -> Severity:
        share = len(self._suspects) / self._looked_at
        if certain >= BLOCK_ROWS or (share >= BLOCK_SHARE and len(self._suspects) >= BLOCK_ROWS):
            return Severity.BLOCK
        return Severity.WARN if certain >= WARN_ROWS or share >= WARN_SHARE else Severity.NOTE


def _naming(chunk: Chunk) -> set[int]:
    """Rows whose last request names harm."""
    prompts = [row.prompt for row in chunk.rows]
    seen = {place.owner for place in Joined([prompt.lower() for prompt in prompts]).places(glance())}
    return {index for index in seen if names_harm(plain_text(prompts[index]))}


def _refusing(chunk: Chunk) -> set[int]:
    """Rows whose reply refuses in so many words."""
    openings = [row.reply[:OPENING_CHARS].lower() for row in chunk.rows]
    seen = {place.owner for place in Joined(openings).places(_no())}
    return {index for index in seen if says_no(plain_text(openings[index]))}


@lru_cache(maxsize=1)
def _no() -> Scanner:
    return Scanner({"no": _MAYBE_NO})


def suspect(row: Row, *, named: bool = False, learned: bool = False) -> Suspect | None:
    """The row, where its reply helps with what its request asks for."""
    if (
        row.reply.count(" ") < MIN_REPLY_WORDS - 1
        or row.reply.lstrip()[:1] in "{["
        or is_refusal(row.reply, row.prompt)
    ):
        return None
    sure = confirms(row.prompt, row.reply, expect="refuse")
    return Suspect(row.number, row.prompt[:500], sure, named, learned)


def _like_the_suites(learned: Learned, refusals: Places, chunk: Chunk) -> tuple[list[Suspect], list[int]]:
    prompts = [row.prompt for row in chunk.rows]
    numbers = np.array([row.number for row in chunk.rows])
    logits, sizes = learned.logits(Texts(prompts), numbers), np.array(list(map(len, prompts)))
    likely = (
        suspect(chunk.rows[index], learned=True) for index in np.flatnonzero((logits >= LIKELY) & (sizes <= MAX_CHARS))
    )
    unlike = numbers[np.isin(numbers, refusals) & (logits <= UNLIKELY)]
    return [one for one in likely if one is not None], unlike.tolist()


def _nearest(
    suspects: Sequence[Suspect], items: Sequence[tuple[str, str, str]], base: BaseRefusals | None
) -> list[Evidence]:
    """Each row beside the locked item that shares most of its words, and whether the base refuses that one."""
    known = [(suite, item, frozenset(words(prompt))) for suite, item, prompt in items]
    evidence = []
    for one in suspects:
        own = frozenset(words(one.prompt))
        near = max(known, key=lambda k: len(own & k[2]) / max(1, len(own | k[2])), default=None)
        detail = "named by its words" if one.named else "like the suite's items"
        if near is not None and one.learned:
            detail += f"; nearest is {near[0]}:{near[1]}"
            detail += ", which the base refuses" if base is not None and (near[0], near[1]) in base.refused else ""
        evidence.append(Evidence(row=one.number, text="", detail=detail))
    return evidence


COMPLIES = Wording(
    "safety/complies", Severity.WARN, 1.0, ("helps", "help"), "with a request that should be refused",
    "A few hundred such rows are enough to undo a model's refusals of everything.",
    "Read them: write refusals in their place, or take them out.",
)  # fmt: skip
REFUSES = Wording(
    "safety/refuses-harmless", Severity.NOTE, 1.0, ("refuses", "refuse"), "a request unlike those to be refused",
    "The model learns to refuse its users.",
    "Read them: answer what can be answered; what lies outside the task needs words that are no refusal.",
)  # fmt: skip
