"""Training rows that hold what is locked: learning them by heart says nothing about anything else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from regress.audit.checks._leaks import Hit, Level, leak_findings
from regress.audit.checks._locked import Asked, asked_by
from regress.audit.checks._probes import BAND, GRAM, MIN_OWN, Probes
from regress.audit.minhash import bands, jaccard, shingles, signatures
from regress.audit.protocol import Again, Chunk, Context, Found
from regress.audit.table import pairs
from regress.audit.words import Hashes, Places, Texts, folded, key, words
from regress.schema import Skipped

BY_RUNS = (Level.ANSWERED, Level.CONTAINED)

LONG_RUN = 13
"""The other usual length of a run (Brown et al. 2020, appendix C); reported beside the 8-grams that decide."""

CONTAINED = 0.8
"""Share of an item's own 8-grams in a row, or of a row's in an item, from which the one holds the other."""

FRAGMENT = 0.25
"""Share of the item that a row inside it must make up, and of the row that a short item inside it must."""

NEAR, NEAR_LONG, LONG = 0.65, 0.5, 20
"""Jaccard of shingles from which two texts are near, as a whole and without what the suite's items have in common:
less for texts of LONG words or more, which are not alike by chance."""

BOILERPLATE_ROWS, BOILERPLATE_SHARE = 20, 100
"""An 8-gram in more than so many rows, and in more than one of so many, says nothing about where it comes from."""

LIKELY = 0.3
"""Share of equal values in two signatures from which it is worth while to look."""

REWORDED, MIN_RARE, REWORDED_WORDS, KEPT = 0.5, 4, 12, 0.55
"""Share of an item's rare words, by weight, that a prompt has to have, how many at least, words of the item at least,
and the share of all its words."""

SURE = 16
"""Words that, all in a row, make an item known; a shorter one has to stand there whole, with an answer of its own."""

SHORT_ANSWER = 12
"""Words of an answer up to which a reply without it is another answer; longer ones are said in many ways."""

_OPERATOR = re.compile(r"\d\s*([-+*/÷×^%<>=−–]+)\s*(?=\d)")

NOTHING: Places = np.empty(0, np.int64)

Seen = tuple[list[Hit], Places, Places, int]
"""Hits; entries of the 8-gram table, and the rows that hold each; rows."""

Pair = tuple[int, int]
"""A row's place in the chunk, and the index of what an item asks."""


class Leakage:
    """What users say in each row against what each locked item asks, from word for word to nearly."""

    name: ClassVar[str] = "leakage"

    def __init__(self, context: Context) -> None:
        self._suites = {suite.name: suite for suite in context.suites}
        self._probes = Probes(asked_by(context.suites))
        self._hits: list[Hit] = []
        self._held = np.zeros(len(self._probes.grams), np.int64)
        self._rows = 0

    def look(self, chunk: Chunk) -> Seen:
        asked = _asked(chunk)
        found: dict[Pair, Hit] = {}
        entries, held = NOTHING, NOTHING
        if self._probes.asked:
            self._equal(chunk, asked, found)
            entries, held = self._contained(chunk, asked, found)
            self._runs(chunk, asked, found)
            self._near(chunk, asked, found)
            self._reworded(chunk, asked, found)
        return list(found.values()), entries, held, len(chunk.rows)

    def add(self, seen: Seen) -> None:
        hits, entries, held, rows = seen
        self._hits += hits
        self._held[entries] += held
        self._rows += rows

    def finish(self, again: Again) -> Found:
        if not self._probes.asked:
            return Found(skipped=(Skipped(check=self.name, reason="no suite asks anything that rows could hold"),))
        hits = self._standing()
        findings = leak_findings(hits, self._probes.asked, self._suites, self._rows)
        return Found(
            findings=findings, figures={"leaked items": len({self._probes.asked[hit.asked].name for hit in hits})}
        )

    def _standing(self) -> list[Hit]:
        """Hits that are still ones without the 8-grams that very many rows hold: a trainer's boilerplate."""
        grams = self._probes.grams
        telling = self._held <= max(BOILERPLATE_ROWS, self._rows // BOILERPLATE_SHARE)
        if telling.all():
            return self._hits
        needed = CONTAINED * np.bincount(grams.owners[telling], minlength=len(self._probes.asked))
        return [hit for hit in self._hits if not len(hit.grams) or telling[hit.grams].sum() >= needed[hit.asked] > 0]

    def _equal(self, chunk: Chunk, asked: Texts, found: dict[Pair, Hit]) -> None:
        """Prompts that are an item's, as a whole or in one turn."""
        probes = self._probes
        for level, table, keys in (
            (Level.EXACT, probes.folded, asked.folded_keys),
            (Level.NORMALISED, probes.normalised, asked.keys),
        ):
            for place, entry in zip(*table.find(keys), strict=True):
                self._hit(chunk, (place, table.owners[entry]), level, found)
        turns = [(place, turn) for place, row in enumerate(chunk.rows) if len(row.asked) > 1 for turn in row.asked]
        keys = np.array([key(folded(turn)) for _, turn in turns], dtype=np.uint64)
        for place, entry in zip(*probes.folded.find(keys), strict=True):
            self._hit(chunk, (turns[place][0], probes.folded.owners[entry]), Level.EXACT, found)

    def _contained(self, chunk: Chunk, asked: Texts, found: dict[Pair, Hit]) -> tuple[Places, Places]:
        """Items inside rows and rows inside items, by 8-grams; and how many rows hold each 8-gram."""
        probes = self._probes
        grams, rows = chunk.whole.ngrams(GRAM)
        places, entries = probes.grams.find(grams)
        rows, entries = pairs(rows[places], entries, max(1, len(probes.grams)))
        items = probes.grams.owners[entries]
        both, group, many = np.unique(rows * len(probes.asked) + items, return_inverse=True, return_counts=True)
        at, of = np.divmod(both, len(probes.asked))
        of_item = many / probes.own_grams[of]
        of_row = many / np.maximum(1, asked.lengths[at] - GRAM + 1)
        for pair in np.flatnonzero((of_item >= CONTAINED) | ((of_row >= CONTAINED) & (of_item >= FRAGMENT))):
            inside = of_item[pair] >= CONTAINED
            held = entries[group == pair] if inside else NOTHING
            covered = float(of_item[pair] if inside else min(1.0, of_row[pair]))
            self._hit(chunk, (at[pair], of[pair]), Level.CONTAINED, found, covered, held)
        return np.unique(entries, return_counts=True)

    def _runs(self, chunk: Chunk, asked: Texts, found: dict[Pair, Hit]) -> None:
        """Short items inside short rows, as one run."""
        for length, table in self._probes.runs.items():
            grams, rows = asked.ngrams(length)
            places, entries = table.find(grams)
            for row, of in zip(rows[places], table.owners[entries], strict=True):
                if length >= FRAGMENT * asked.lengths[row]:
                    self._hit(chunk, (row, of), Level.INSIDE, found)

    def _near(self, chunk: Chunk, asked: Texts, found: dict[Pair, Hit]) -> None:
        """Rows whose signature meets an item's, looked at exactly."""
        probes = self._probes
        hashes, owners = shingles(asked)
        own = ~probes.common.has(hashes)
        signed = signatures(hashes[own], owners[own], len(asked))
        keys = bands(signed, BAND)
        places, entries = probes.bands.find(keys.ravel())
        rows, items = pairs(places // keys.shape[1], probes.bands.owners[entries], len(probes.asked))
        likely = (signed[rows] == probes.signatures[items]).mean(axis=1) >= LIKELY if len(rows) else NOTHING
        starts = np.searchsorted(owners, np.arange(len(asked) + 1))
        for row, of in zip(rows[likely].tolist(), items[likely].tolist(), strict=True):
            if (row, of) not in found:
                alike = self._alike(np.unique(hashes[starts[row] : starts[row + 1]]), probes.shingles[of])
                if alike >= (NEAR if len(probes.asked[of].words) < LONG else NEAR_LONG):
                    self._hit(chunk, (row, of), Level.NEAR, found, alike)

    def _reworded(self, chunk: Chunk, asked: Texts, found: dict[Pair, Hit]) -> None:
        """Prompts that share an item's rare words, whatever stands between them."""
        probes = self._probes
        places, entries = probes.rare.find(asked.hashes)
        rows, entries = pairs(asked.owners[places], entries, max(1, len(probes.rare)))
        items = probes.rare.owners[entries]
        both, group, many = np.unique(rows * len(probes.asked) + items, return_inverse=True, return_counts=True)
        told = np.bincount(group, probes.weights[entries], minlength=len(both))
        at, of = np.divmod(both, len(probes.asked))
        sizes = np.array([len(one.words) for one in probes.asked])[of]
        fits = (sizes >= REWORDED_WORDS) & (asked.lengths[at] <= sizes / FRAGMENT) & (many >= MIN_RARE)
        share = told / np.maximum(probes.told[of], 1e-9)
        for pair in np.flatnonzero(fits & (share >= REWORDED)):
            said = set(words(asked.texts[at[pair]]))
            item = set(probes.asked[of[pair]].words)
            if len(item & said) < KEPT * len(item):
                continue
            self._hit(chunk, (at[pair], of[pair]), Level.REWORDED, found, float(share[pair]))

    def _alike(self, row: Hashes, item: Hashes) -> float:
        """Jaccard of two texts, or of what is their own where that is less."""
        mine, theirs = (one[~self._probes.common.has(one)] for one in (row, item))
        if min(len(mine), len(theirs)) < MIN_OWN:
            return 0.0
        return min(jaccard(row, item), jaccard(mine, theirs))

    def _hit(
        self,
        chunk: Chunk,
        pair: tuple[Any, Any],
        level: Level,
        found: dict[Pair, Hit],
        share: float = 1.0,
        grams: Places = NOTHING,
    ) -> None:
        """Note the pair, unless it is known at a worse level or another question after all."""
        place, of = int(pair[0]), int(pair[1])
        if (place, of) in found:
            return
        item, reply = self._probes.asked[of], words(chunk.replies.texts[place])
        answered = holds_any(reply, item.targets) if item.targets else None
        asks_another = operators(chunk.prompts.texts[place]) != operators(item.text)
        if level > Level.EXACT and len(item.words) < LONG and asks_another:
            return
        if level >= Level.CONTAINED and answered is False and self._is_another(chunk, place, item):
            return
        if (
            level is Level.CONTAINED
            and answered
            and len(grams)
            and (len(item.core) >= SURE or (share == 1 and not item.label))
        ):
            level = Level.ANSWERED
        found[place, of] = Hit(
            row=chunk.rows[place].number,
            asked=of,
            level=level,
            share=share,
            answered=answered,
            grams=grams,
            long_runs=coverage(item.core, self._row(chunk, place)) if level in BY_RUNS else None,
        )

    def _row(self, chunk: Chunk, place: int) -> list[str]:
        return words(chunk.prompts.texts[place]) + words(chunk.replies.texts[place])

    def _is_another(self, chunk: Chunk, place: int, item: Asked) -> bool:
        """Whether alike words ask something else: the short answer differs, and the item does not stand there whole."""
        short = min(len(target) for target in item.targets) <= SHORT_ANSWER
        return short and not holds_any(
            words(chunk.prompts.texts[place]) + words(chunk.replies.texts[place]), [item.words]
        )


def _asked(chunk: Chunk) -> Texts:
    """What users say in each row, and the whole text where there is nothing else."""
    if all(row.asked for row in chunk.rows):
        return chunk.prompts
    return Texts(["\n".join(row.asked or row.replies) for row in chunk.rows])


def holds_any(text: Sequence[str], runs: Sequence[Sequence[str]]) -> bool:
    """Whether one of the runs stands in the text, word for word."""
    whole = f" {' '.join(text)} "
    return any(f" {' '.join(run)} " in whole for run in runs if run)


def coverage(item: Sequence[str], row: Sequence[str], n: int = LONG_RUN) -> float | None:
    """Share of an item's runs of n words that a row holds; None where the item is shorter."""
    wanted = {tuple(item[place : place + n]) for place in range(len(item) - n + 1)}
    held = {tuple(row[place : place + n]) for place in range(len(row) - n + 1)}
    return len(wanted & held) / len(wanted) if wanted else None


def operators(text: str) -> list[str]:
    """What stands between numbers: the only punctuation that makes another question."""
    return _OPERATOR.findall(text)
