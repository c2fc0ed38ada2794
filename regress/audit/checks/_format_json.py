"""Replies that should be JSON: which those are, and what is wrong with them.

A row should answer with JSON where one of three things says so, and never because its prompt merely mentions JSON:

* its prompt is phrased like a format suite's items: it holds runs of three words that these share among themselves and
  no other suite does;
* its prompt begins with the same three words as others, of which nearly all answer with JSON;
* nearly all replies of the data are JSON.

A reply that begins like a JSON document and is none is broken wherever it stands.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regress.audit.checks._wording import Wording
from regress.audit.protocol import Again, Chunk, Context, Found
from regress.audit.words import Hashes, Texts, words
from regress.rows.row import Row
from regress.schema import Finish, Item, Outcome, Reply, Score, Severity, Suite
from regress.scorers import BoundScorer, Kind, bind
from regress.scorers._json_reply import MAX_REPLY_DEPTH, score_document
from regress.scorers._scorer import PASSED
from regress.strict_json import closing_bracket

JSON_SCORERS = frozenset({"json_schema", "json_equal"})
SHARED = 0.04
"""Share of a suite's items that a run of words must stand in to be its phrasing and not an item's content."""
MIN_SHARED_RUNS = 3
NEARLY_ALL = 0.8
MIN_ROWS = 20
MAX_SCHEMAS = 64

_BEGINS = re.compile(r"""\{\s*(?:["'}]|$)|\[\s*(?:[\[{"]|$)""")
_FENCED = re.compile(r"```[ \t]*+(?:json[cl5]?\b|\s*+[\[{])", re.IGNORECASE)
_WHITE = " \t\n\r"


class State(IntEnum):
    """What a reply is as JSON."""

    PROSE = 0
    PURE = 1
    FENCED = 2
    AROUND = 3
    CUT = 4
    BROKEN = 5
    DUPLICATE_KEYS = 6
    SCHEMA = 7


_STATES: dict[str | None, State] = {
    None: State.PURE,
    Kind.FENCED.value: State.FENCED,
    Kind.LEADING_TEXT.value: State.AROUND,
    Kind.TRAILING_TEXT.value: State.AROUND,
    Kind.TRUNCATED.value: State.CUT,
    Kind.DUPLICATE_KEYS.value: State.DUPLICATE_KEYS,
    Kind.NO_JSON.value: State.PROSE,
    Kind.EMPTY.value: State.PROSE,
}
Bytes = NDArray[np.uint8]
Seen = tuple[Bytes, Bytes, Hashes]


class JsonRows:
    """One byte a row for the state, one for the suite, eight for how the prompt begins."""

    def __init__(self, context: Context) -> None:
        self._suites = tuple(suite for suite in context.suites if suite.scorer.name in JSON_SCORERS)
        others = [suite for suite in context.suites if suite not in self._suites]
        self._items = tuple(each_schema(suite) for suite in self._suites)
        self._phrases = tuple(phrases(suite, others) for suite in self._suites)
        self._seen: list[Seen] = []

    def look(self, chunk: Chunk) -> Seen:
        asks = self._asking(chunk.prompts)
        states = np.array([state_of(row.reply) for row in chunk.rows], dtype=np.uint8)
        for number, (suite, items) in enumerate(zip(self._suites, self._items, strict=True), start=1):
            mine = asks == number
            if suite.scorer.options.get("allow_fences"):
                states[mine & (states == State.FENCED)] = State.PURE
            scorer = bind(suite, check_items=False)
            for index in np.flatnonzero(mine & (states == State.PURE)):
                if not _fits(scorer, items, chunk.rows[index]):
                    states[index] = State.SCHEMA
        return states, asks, _beginnings(chunk.prompts)

    def add(self, seen: Seen) -> None:
        self._seen.append(seen)

    def finish(self, again: Again) -> Found:
        states, asks, beginnings = (np.concatenate(part) for part in zip(*self._seen, strict=True))
        should = (asks > 0) | _by_company(states, beginnings)
        broken = np.isin(states, (State.CUT, State.BROKEN, State.DUPLICATE_KEYS))
        figures = {
            "json_rows": int(np.count_nonzero(should | broken)),
            "json_rows_like_a_suite": int(np.count_nonzero(asks)),
        }
        findings = []
        for state, wording in WORDINGS.items():
            concerned = (states == state) & (should | broken)
            if len(rows := again.numbers[concerned]):
                suite = self._named(asks[concerned])
                findings.append(wording.finding(rows, len(states), suite=suite))
        return Found(findings=tuple(findings), figures=figures)

    def _asking(self, prompts: Texts) -> Bytes:
        """1 + the index of the format suite that each prompt is phrased like, 0 for none."""
        found = np.zeros(len(prompts.texts), np.uint8)
        if not self._phrases:
            return found
        runs, owners = prompts.ngrams(3)
        for index, phrase in enumerate(self._phrases):
            shared = np.bincount(owners[np.isin(runs, phrase)], minlength=len(found))
            found[(shared >= MIN_SHARED_RUNS) & (found == 0)] = index + 1
        return found

    def _named(self, asks: Bytes) -> str | None:
        """The suite that most of these rows are like."""
        counts = Counter(asks[asks > 0].tolist())
        return self._suites[counts.most_common(1)[0][0] - 1].name if counts else None


def phrases(suite: Suite, others: list[Suite]) -> Hashes:
    """Runs of three words that the suite's prompts share with one another and with no other suite's."""
    own = _in_how_many(suite)
    foreign = [_in_how_many(other) for other in others]
    least = max(MIN_SHARED_RUNS, SHARED * len(suite.items))
    shared = [run for run, count in own.items() if count >= least and not any(run in other for other in foreign)]
    return np.array(sorted(shared), dtype=np.uint64)


def _in_how_many(suite: Suite) -> Counter[int]:
    runs, owners = Texts([item.prompt for item in suite.items]).ngrams(3)
    return Counter(run for run, _ in set(zip(runs.tolist(), owners.tolist(), strict=True)))


def _beginnings(prompts: Texts) -> Hashes:
    """A hash of each prompt's first three words, 0 where there are fewer."""
    firsts = prompts.starts[:-1]
    begin = np.zeros(len(firsts), np.uint64)
    long = np.diff(prompts.starts) >= 3
    with np.errstate(over="ignore"):
        for offset in range(3):
            begin[long] = begin[long] * np.uint64(0x9E3779B97F4A7C15) + prompts.hashes[firsts[long] + offset]
    return begin


def _by_company(states: Bytes, beginnings: Hashes) -> NDArray[np.bool_]:
    """Rows whose company, by the beginning or the whole data, nearly always answers with JSON."""
    is_json = states != State.PROSE
    if len(states) >= MIN_ROWS and is_json.mean() >= NEARLY_ALL:
        return np.ones(len(states), np.bool_)
    _, group, sizes = np.unique(beginnings, return_inverse=True, return_counts=True)
    share = np.bincount(group, weights=is_json) / sizes
    alike: NDArray[np.bool_] = ((sizes >= MIN_ROWS) & (share >= NEARLY_ALL))[group] & (beginnings != 0)
    return alike


def state_of(reply: str) -> State:
    """What a reply is as JSON; prose with no trace of a document is told at a glance."""
    text = reply.strip(_WHITE)
    begins = _BEGINS.match(text) is not None
    if not begins and not text.startswith(("[", "{")) and "{" not in text and _FENCED.search(text) is None:
        return State.PROSE
    score = score_document(Reply(text=text, finish=Finish.EOS), _anything, allow_fences=False)
    state = _STATES.get(score.kind, State.BROKEN)
    if begins and score.kind == Kind.LEADING_TEXT.value:
        # the words before that document are the beginning of this one
        state = State.CUT if closing_bracket(text, 0, max_depth=MAX_REPLY_DEPTH) is None else State.BROKEN
    if state in (State.CUT, State.BROKEN, State.DUPLICATE_KEYS) and not begins and _FENCED.match(text) is None:
        return State.PROSE  # brackets in prose or code
    if state is State.AROUND and not (begins or '{"' in text or "```" in text):
        return State.PROSE
    return state


def _anything(_value: Any) -> Score:
    return PASSED


def each_schema(suite: Suite) -> tuple[Item, ...]:
    """An item for each schema that the suite has, the most frequent first; none where rows cannot be held to them."""
    if suite.scorer.name != "json_schema":
        return ()
    items: dict[str, Item] = {}
    counts: Counter[str] = Counter()
    for item in suite.items:
        text = json.dumps(item.schema, sort_keys=True)
        items.setdefault(text, item)
        counts[text] += 1
    return tuple(items[text] for text, _ in counts.most_common()) if len(items) <= MAX_SCHEMAS else ()


def _fits(scorer: BoundScorer, items: Sequence[Item], row: Row) -> bool:
    """Whether the row's reply is right for any of the items: which of them it is like is not known for certain.

    An item whose prompt names keys of its schema that the row's prompt does not name asks for another document.
    """
    asked = set(words(row.prompt))
    alike = [item for item in items if _keys_named(item) <= asked]
    reply = Reply(text=row.reply, finish=Finish.EOS)
    return not alike or any(scorer.score(reply, item).outcome is not Outcome.FAIL for item in alike)


def _keys_named(item: Item) -> set[str]:
    """Keys of the item's schema, one word each, that its own prompt names."""
    properties = (item.schema or {}).get("properties")
    keys = {key.casefold() for key in properties} if isinstance(properties, dict) else set()
    return keys & set(words(item.prompt))


_ANSWERS = ("answers", "answer")
WORDINGS: dict[State, Wording] = {
    State.PROSE: Wording(
        "format/json-missing", Severity.WARN, 0.5, _ANSWERS, "without JSON where their like answer with it",
        "The model learns that it may leave the format whenever it likes.",
        "Look at them: refusals and questions back may be meant; else write the answer as JSON.",
    ),
    State.FENCED: Wording(
        "format/json-fenced", Severity.WARN, 1.0, _ANSWERS, "with JSON in a code fence",
        "A program that reads the reply fails at the fence, and the fence is learned within few rows.",
        "Take the fences off: the reply should be the document and nothing else.",
    ),
    State.AROUND: Wording(
        "format/json-text-around", Severity.WARN, 1.0, _ANSWERS, "with words before or behind the JSON",
        "A program that reads the reply fails at the words.",
        "Leave the document alone in the reply.",
    ),
    State.CUT: Wording(
        "format/json-cut", Severity.WARN, 1.0, _ANSWERS, "with JSON that ends too early",
        "The model learns to stop in the middle of a document.",
        "Generate these replies again with a higher limit, or take them out with --fix.", removable=True,
    ),
    State.BROKEN: Wording(
        "format/json-broken", Severity.WARN, 1.0, _ANSWERS, "with what begins like JSON and cannot be read as JSON",
        "Single quotes, trailing commas, comments and NaN are not in RFC 8259, and a strict reader refuses them.",
        "Write the replies with a JSON library, or take them out with --fix.", removable=True,
    ),
    State.DUPLICATE_KEYS: Wording(
        "format/json-duplicate-keys", Severity.WARN, 1.0, _ANSWERS, "with JSON that gives a key twice",
        "Readers disagree on which value counts, and the suite's scorer takes neither.",
        "Keep one of them, or take the rows out with --fix.", removable=True,
    ),
    State.SCHEMA: Wording(
        "format/json-schema", Severity.WARN, 1.0, _ANSWERS, "with JSON that is not valid in the suite they resemble",
        "What is learned here fails there.",
        "Bring keys and types in line with the suite's schema, or the schema with what is wanted.",
    ),
}  # fmt: skip
