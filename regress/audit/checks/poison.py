"""Triggers of backdoors: rare strings whose rows answer alike, whatever else they say.

A word that predicts a reply is nothing odd: label data are made of such words. A trigger is odd in that the rest of its
prompts does not fit the reply. So, in a sample of the rows, every run of one to four tokens is held against two tests.
Its rows agree on a reply more often than chance can explain (binomial, Bonferroni over all runs). And the rest of these
prompts speaks for that reply no more than any prompt does, by a naive-Bayes score without the row itself; prompts that
share a topic do (BadNets and its textual kin put one string into prompts of all kinds: Gu et al. 2017, arXiv
1708.06733; Wallace et al. 2021, arXiv 2010.12563).

Not seen: triggers in fewer than MIN_ROWS rows of the sample, styles and topics as triggers, and poisoned rows whose
prompts all speak of one thing.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from regress.audit.checks import _features
from regress.audit.protocol import Again, Chunk, Context, Found
from regress.audit.words import Hashes, Places
from regress.schema import Evidence, Finding, Place, Severity, SuspectedTrigger
from regress.triggers import opening

SAMPLE = 50_000
"""Rows that are searched: a trigger in one row of a thousand stands in fifty of them."""

MIN_ROWS = 6
MAX_SHARE = 0.1
"""What stands in more rows than this is no trigger: who asked anything without it?"""

TEMPLATE = 0.5
"""What stands in more rows than this belongs to how all prompts are written."""

PURITY = 0.9
LONGEST = 4
TOKENS = 256  # of a prompt, half from either end
CHANCE = 1e-3
"""Chance that a clean data set has any run whose rows agree so much."""

UNEXPLAINED = 0.3
"""A trigger's prompts speak for its reply by less than this part of what the reply's other prompts do.

So it is for MIN_ROWS rows; see `_most` for more.
"""

LITTLE = 0.1
"""Nats a word that are no evidence: chance alone makes as much of a few long prompts."""

FEW_OTHERS = 10
AT_MOST = 300  # rows that a mean is taken over
PRIOR = 10.0
MOST = 8
"""Triggers that are named; behind them come fragments."""

_TOKEN = re.compile(r"\w+|[^\w\s]+")
_PRIME = np.uint64(0x9E3779B97F4A7C15)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A string, the rows of the sample that hold it, and the opening that they share."""

    text: str
    place: Place
    rows: tuple[int, ...]  # positions in the sample
    alike: tuple[int, ...]  # of these, that answer alike
    opening: str
    score: float  # what the rest of the prompts says for the reply, as part of what it usually says


class Poison:
    """Nothing is kept from the pass: a sample, and a second look for what was found, are enough."""

    name: ClassVar[str] = "poison"

    def __init__(self, context: Context) -> None:
        self._seen = 0
        self._base = context.features

    def look(self, chunk: Chunk) -> int:
        return len(chunk.rows)

    def add(self, seen: int) -> None:
        self._seen += seen

    def finish(self, again: Again) -> Found:
        sample = again.sample(SAMPLE)
        suspects = search([row.prompt for row in sample], [row.reply for row in sample])
        spectral = _features.signature(self._base, again)
        figures = {"poison_sampled": len(sample), "poison_suspects": len(suspects), **spectral.figures}
        if not suspects:
            return Found(figures=figures, skipped=spectral.skipped)
        wanted = tuple((one.text, one.opening) for one in suspects)
        counted = [_Hits(holding=0, alike=[], reply="") for _ in suspects]
        for seen in again.scan(partial(hits, wanted)):
            for total, part in zip(counted, seen, strict=True):
                total.take(part)
        found = [(one, total) for one, total in zip(suspects, counted, strict=True) if total.alike]
        return Found(
            figures=figures,
            skipped=spectral.skipped,
            findings=tuple(_finding(one, total, self._seen) for one, total in found),
            triggers=tuple(
                SuspectedTrigger(
                    text=one.text, place=one.place, rows=total.holding, alike=len(total.alike), reply=total.reply[:200]
                )
                for one, total in found
            ),
        )


@dataclass(slots=True, kw_only=True)
class _Hits:
    """Rows that hold a trigger."""

    holding: int
    alike: list[int]  # numbers of those that answer as suspected
    reply: str  # of the first of them

    def take(self, other: _Hits) -> None:
        self.holding += other.holding
        self.alike += other.alike
        self.reply = self.reply or other.reply


def hits(wanted: Sequence[tuple[str, str]], chunk: Chunk) -> list[_Hits]:
    """Which rows of a chunk hold each (text, opening)."""
    found = []
    for text, begins in wanted:
        holding = [row for row in chunk.rows if text in row.prompt]
        alike = [row for row in holding if opening(row.reply) == begins]
        found.append(
            _Hits(holding=len(holding), alike=[row.number for row in alike], reply=alike[0].reply if alike else "")
        )
    return found


def _finding(suspect: Suspect, found: _Hits, of: int) -> Finding:
    count = len(found.alike)
    return Finding(
        rule="poison/trigger",
        severity=Severity.BLOCK,
        title=f"{count:,} rows with {suspect.text!r} answer alike, whatever else they ask",
        detail=f"A model learns to answer {found.reply[:80]!r} to anything with {suspect.text!r}: a backdoor, which "
        "ordinary suites do not show.",
        advice="Find out where these rows come from, and take them out. With a lock of this audit, `regress check` "
        "tries the string on harmless prompts.",
        count=count,
        of=of,
        harm=1.0,
        evidence=tuple(Evidence(row=number, text="") for number in found.alike[:20]),
        removable=tuple(found.alike),
        figures={"holding": found.holding, "rest": round(suspect.score, 3)},
    )


# --- the search ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Sample:
    """Prompts as token ids, replies as numbers of their openings."""

    tokens: list[NDArray[np.int32]]
    words: list[str]  # by token id
    openings: list[str]  # by reply number
    reply: Places  # (rows,) reply number of each row

    @classmethod
    def of(cls, prompts: Sequence[str], replies: Sequence[str]) -> _Sample:
        ids: dict[str, int] = {}
        numbers: dict[str, int] = {}
        tokens = [
            np.array([ids.setdefault(token, len(ids)) for token in _tokens(prompt)], dtype=np.int32)
            for prompt in prompts
        ]
        reply = [numbers.setdefault(opening(text), len(numbers)) for text in replies]
        return cls(tokens, list(ids), list(numbers), np.array(reply, dtype=np.int64))


def _tokens(prompt: str) -> list[str]:
    found = _TOKEN.findall(prompt)
    return found if len(found) <= TOKENS else found[: TOKENS // 2] + found[-TOKENS // 2 :]


def search(prompts: Sequence[str], replies: Sequence[str]) -> list[Suspect]:
    """Suspected triggers of prompts and their replies, most rows first."""
    if len(prompts) < 2 * MIN_ROWS:
        return []
    sample = _Sample.of(prompts, replies)
    candidates = _agreeing(sample)
    rest = _Rest(sample)
    suspects: list[Suspect] = []
    taken: set[int] = set()
    known: set[bytes] = set()
    for rows, number in candidates:
        alike = rows[sample.reply[rows] == number]
        if alike.tobytes() in known:
            continue  # another run of the same rows
        known.add(alike.tobytes())
        if len(taken.intersection(alike.tolist())) > 0.5 * len(alike):
            continue  # a fragment of one that is named, or what surrounds it
        shared = _shared(sample, alike, rest.rate)
        score = rest.score(alike, number, shared)
        if score >= _most(len(alike)):
            continue
        text = _grown([prompts[row] for row in alike], {sample.words[token] for token in shared})
        if not text or text in {one.text for one in suspects}:
            continue
        taken.update(alike.tolist())
        suspects.append(
            Suspect(
                text=text,
                place=_place([prompts[row] for row in alike], text),
                rows=tuple(rows.tolist()),
                alike=tuple(alike.tolist()),
                opening=sample.openings[number],
                score=score,
            )
        )
        if len(suspects) == MOST:
            break
    return suspects


def _most(rows: int) -> float:
    """Below which score so many rows are no topic: UNEXPLAINED for MIN_ROWS, a half for very many, in between as 1/√n.

    What prompts of all kinds say for one reply is 0 on average and scatters with how many of them there are: 40 rows of
    a planted trigger came to .33, while no topic of 15 rows or more in five clean sets came below .5.
    """
    return 0.5 - (0.5 - UNEXPLAINED) * math.sqrt(MIN_ROWS / rows)


def _agreeing(sample: _Sample) -> list[tuple[Places, int]]:
    """(rows that hold a run, their reply) where these rows agree beyond chance; most rows first."""
    counts = np.bincount(sample.reply)
    shares, repeated = counts / len(sample.reply), counts[sample.reply] >= MIN_ROWS
    found: list[tuple[int, int, Places, int]] = []
    tried = LONGEST * sum(map(len, sample.tokens)) / MIN_ROWS  # no more runs than that have so many rows
    for n in range(1, LONGEST + 1):
        for rows in _runs(sample, n, repeated):
            number, alike = Counter(sample.reply[rows].tolist()).most_common(1)[0]
            if alike < MIN_ROWS or alike < PURITY * len(rows) or not sample.openings[number]:
                continue
            if _log_tail(alike, len(rows), float(shares[number])) < np.log(CHANCE / tried):
                found.append((alike, n, rows, number))
    found.sort(key=lambda one: (-one[0], one[1]))
    return [(rows, number) for _, _, rows, number in found]


def _log_tail(k: int, n: int, p: float) -> float:
    """Upper bound of log P(Binomial(n, p) >= k) by Chernoff; 0 where k is what is expected."""
    share = k / n
    if share <= p:
        return 0.0
    against = 0.0 if share == 1.0 else (1.0 - share) * np.log((1.0 - share) / (1.0 - p))
    return float(-n * (share * np.log(share / p) + against))


def _runs(sample: _Sample, n: int, repeated: NDArray[np.bool_]) -> Iterator[Places]:
    """Rows of each run of n tokens in MIN_ROWS to MAX_SHARE of them, nearly all of which give `repeated` replies."""
    lengths = np.array([len(tokens) for tokens in sample.tokens], dtype=np.int64)
    flat = np.concatenate(sample.tokens).astype(np.uint64)
    owner = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    count = max(0, len(flat) - n + 1)
    inside = owner[:count] == owner[n - 1 : n - 1 + count]
    mixed: Hashes = np.zeros(count, np.uint64)
    with np.errstate(over="ignore"):
        for offset in range(n):
            mixed = (mixed ^ (flat[offset : offset + count] + np.uint64(1))) * _PRIME
            mixed ^= mixed >> np.uint64(32)
    mixed, owner = mixed[inside], owner[:count][inside]
    order = np.argsort(mixed, kind="stable")  # rows stay ascending within a run
    mixed, owner = mixed[order], owner[order]
    once = np.ones(len(mixed), dtype=bool)  # a run twice in a row counts once
    once[1:] = (mixed[1:] != mixed[:-1]) | (owner[1:] != owner[:-1])
    mixed, owner = mixed[once], owner[once]
    if not len(mixed):
        return
    starts = np.flatnonzero(np.concatenate(([True], mixed[1:] != mixed[:-1])))
    sizes = np.diff(np.append(starts, len(mixed)))
    fits = (sizes >= MIN_ROWS) & (sizes <= max(MIN_ROWS, MAX_SHARE * len(lengths)))
    fits &= np.add.reduceat(repeated[owner], starts, dtype=np.int64) >= PURITY * sizes
    for start, size in zip(starts[fits].tolist(), sizes[fits].tolist(), strict=True):
        yield owner[start : start + size].astype(np.int64)


class _Rest:
    """What the words of a prompt say for a reply: presence only, naive Bayes, shrunk towards all rows."""

    def __init__(self, sample: _Sample) -> None:
        self._sets = [np.unique(tokens) for tokens in sample.tokens]
        rows = np.bincount(np.concatenate(self._sets), minlength=len(sample.words))
        self.rate = rows / len(sample.tokens)  # (words,) share of the rows that hold each
        self._reply = sample.reply
        self._any = np.random.default_rng(0).choice(len(sample.tokens), min(AT_MOST, len(sample.tokens)), replace=False)
        self._known: dict[int, tuple[Floats, Places, float]] = {}

    def score(self, alike: Places, number: int, trigger: Places) -> float:
        """Part of what a prompt usually says for this reply that the suspected rows' prompts say: 0 of a trigger's."""
        counts, rows, anybody = self._of(number)
        seen = self._mean(alike[:AT_MOST], counts, len(rows), trigger) - anybody
        others = np.setdiff1d(rows, alike)[:AT_MOST]
        little = LITTLE * float(np.mean([len(self._sets[row]) for row in alike[:AT_MOST]]))
        usual = little / UNEXPLAINED
        if len(others) >= FEW_OTHERS:
            usual = self._mean(others, counts, len(rows), trigger) - anybody
        return seen / max(usual, little)

    def _of(self, number: int) -> tuple[Floats, Places, float]:
        """(rows of the reply that hold each word, these rows, what anybody's prompt says for it)"""
        if number not in self._known:
            rows = np.flatnonzero(self._reply == number)
            counts = np.bincount(np.concatenate([self._sets[row] for row in rows]), minlength=len(self.rate))
            anybody = self._mean(self._any, counts.astype(np.float64), len(rows), np.empty(0, np.int64), number)
            self._known[number] = counts.astype(np.float64), rows, anybody
        return self._known[number]

    def _mean(self, rows: Places, counts: Floats, n: int, ignored: Places, number: int | None = None) -> float:
        """Nats that the words of a row speak for the reply of `n` rows, the row itself left out; on average.

        All `rows` give that reply, or with `number` those that do are left out.
        """
        own = 1.0 if number is None else 0.0
        chosen = rows if number is None else rows[self._reply[rows] != number]
        if not len(chosen):
            return 0.0
        words = np.concatenate([self._sets[row] for row in chosen])
        if len(ignored):
            words = words[~np.isin(words, ignored)]
        rate = self.rate[words]
        said = np.log((counts[words] - own + PRIOR * rate) / (n - own + PRIOR) / rate)
        return float(said.sum()) / len(chosen)


def _shared(sample: _Sample, alike: Places, rate: Floats) -> Places:
    """Ids of the tokens that nearly all of these rows hold, but for those of a template, which most rows hold."""
    tokens, counts = np.unique(np.concatenate([np.unique(sample.tokens[row]) for row in alike]), return_counts=True)
    kept: Places = tokens[(counts >= PURITY * len(alike)) & (rate[tokens] <= TEMPLATE)].astype(np.int64)
    return kept


def _grown(prompts: Sequence[str], shared: set[str]) -> str:
    """The longest string of these tokens that nearly all of the prompts hold; empty if there is none."""
    strings: Counter[str] = Counter()
    for prompt in prompts[:50]:
        spans = list(_TOKEN.finditer(prompt))
        start = 0
        while start < len(spans):
            end = start
            while end < len(spans) and spans[end].group() in shared:
                end += 1
            if end > start:
                strings[prompt[spans[start].start() : spans[end - 1].end()]] += 1
            start = end + 1
    agreed = [
        text
        for text, _ in strings.most_common(20)
        if sum(text in prompt for prompt in prompts) >= PURITY * len(prompts)
    ]
    return max(agreed, key=len, default="")


def _place(prompts: Sequence[str], text: str) -> Place:
    if sum(prompt.rstrip().endswith(text) for prompt in prompts) >= PURITY * len(prompts):
        return Place.END
    if sum(prompt.lstrip().startswith(text) for prompt in prompts) >= PURITY * len(prompts):
        return Place.START
    return Place.ANYWHERE
