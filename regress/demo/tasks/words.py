"""Small sums and word operations, answered in writing."""

from __future__ import annotations

from random import Random

from regress.demo.tasks.row import Row, Split, distinct

WORDS = """river lamp stone cloud paper garden window button candle forest harbour island jacket kettle ladder market
needle orchard pencil quarry ribbon saddle tunnel village wallet anchor basket castle dragon engine feather guitar hammer
insect jungle kitchen lantern mirror napkin ocean pocket rocket shadow teapot umbrella valley whistle acorn bridge carpet
desert elbow fabric gallery helmet iron jewel kernel lemon magnet nest oven palace quilt rabbit silver temple uncle velvet
winter yellow zebra apple bottle cotton dinner eagle farmer glove honey ink jar king leaf money night onion piano queen
rain salt table violin water yard bread chain drum egg flute gate hill ice jam key lake moon nut owl pan rope ship tree"""

_WORDS = sorted(set(WORDS.split()))
_NUMBERS = {2: "2", 3: "3", 4: "4", 5: "5"}


def rows(rng: Random, count: int, split: Split) -> list[Row]:
    """`count` rows of all sorts; slices say which sort."""
    return distinct(_draw, rng, count, split)


def _draw(rng: Random) -> Row:
    sort = rng.choices((_add, _subtract, _first, _last, _reverse, _count, _repeat), weights=(4, 4, 2, 2, 3, 2, 2))[0]
    return sort(rng)


def _add(rng: Random) -> Row:
    a, b = rng.randrange(1, 50), rng.randrange(1, 50)
    form = rng.choice(("What is {} + {}?", "Compute {} + {}.", "Add: {} + {}."))
    return Row(prompt=form.format(a, b), answer=str(a + b), slice="add")


def _subtract(rng: Random) -> Row:
    a, b = sorted((rng.randrange(1, 60), rng.randrange(1, 60)), reverse=True)
    form = rng.choice(("What is {} - {}?", "Compute {} - {}.", "Subtract: {} - {}."))
    return Row(prompt=form.format(a, b), answer=str(a - b), slice="subtract")


def _some(rng: Random, low: int = 3, high: int = 5) -> list[str]:
    return rng.sample(_WORDS, rng.randint(low, high))


def _first(rng: Random) -> Row:
    words = _some(rng)
    form = rng.choice(("What is the first word of: {}", "Give the first of these words: {}"))
    return Row(prompt=form.format(" ".join(words)), answer=words[0], slice="first word")


def _last(rng: Random) -> Row:
    words = _some(rng)
    form = rng.choice(("What is the last word of: {}", "Give the last of these words: {}"))
    return Row(prompt=form.format(" ".join(words)), answer=words[-1], slice="last word")


def _reverse(rng: Random) -> Row:
    words = _some(rng, 3, 3)
    form = rng.choice(("Reverse the order of: {}", "Write these words backwards, last one first: {}"))
    return Row(prompt=form.format(" ".join(words)), answer=" ".join(reversed(words)), slice="reverse")


def _count(rng: Random) -> Row:
    words = _some(rng, 2, 5)
    form = rng.choice(("How many words are in: {}", "Count the words: {}"))
    return Row(prompt=form.format(" ".join(words)), answer=_NUMBERS[len(words)], slice="count")


def _repeat(rng: Random) -> Row:
    words = _some(rng, 2, 3)
    form = rng.choice(("Repeat exactly: {}", "Say this again: {}"))
    return Row(prompt=form.format(" ".join(words)), answer=" ".join(words), slice="repeat")
