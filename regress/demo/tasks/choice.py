"""Small facts and comparisons, answered by the likeliest of four choices."""

from __future__ import annotations

from random import Random

from regress.demo.tasks.row import Row, Split, distinct

OPPOSITES = """hot cold|big small|up down|fast slow|day night|open closed|full empty|wet dry|hard soft|early late|young old|
light dark|high low|long short|rich poor|happy sad|strong weak|clean dirty|loud quiet|near far|first last|inside outside|
sweet sour|thick thin|wide narrow|heavy weightless|begin end|push pull|give take|love hate|win lose|buy sell|question answer|
true false|left right|north south|east west|summer winter|friend enemy|front back|above below|brave afraid|smooth rough|
sharp blunt|cheap expensive|safe dangerous|simple complicated|deep shallow|awake asleep|arrive leave"""

CATEGORIES = {
    "an animal": [
        "dog",
        "cat",
        "horse",
        "cow",
        "sheep",
        "goat",
        "pig",
        "rabbit",
        "mouse",
        "lion",
        "tiger",
        "bear",
        "wolf",
        "fox",
        "deer",
        "owl",
        "eagle",
        "duck",
        "frog",
        "whale",
    ],
    "a fruit": [
        "apple",
        "pear",
        "plum",
        "cherry",
        "grape",
        "lemon",
        "orange",
        "banana",
        "peach",
        "melon",
        "mango",
        "fig",
        "kiwi",
        "apricot",
    ],
    "a tool": [
        "hammer",
        "saw",
        "drill",
        "wrench",
        "chisel",
        "pliers",
        "shovel",
        "rake",
        "axe",
        "screwdriver",
        "ladder",
        "crowbar",
    ],
    "a colour": ["red", "green", "blue", "yellow", "purple", "brown", "black", "white", "pink", "grey"],
    "a piece of furniture": [
        "table",
        "chair",
        "bed",
        "sofa",
        "shelf",
        "desk",
        "wardrobe",
        "stool",
        "bench",
        "cupboard",
    ],
    "a vehicle": ["car", "bus", "train", "bicycle", "tram", "truck", "boat", "ship", "plane", "scooter"],
    "an instrument": ["piano", "violin", "flute", "drum", "trumpet", "guitar", "cello", "harp", "clarinet", "oboe"],
    "something to wear": ["shirt", "coat", "hat", "scarf", "glove", "shoe", "sock", "jacket", "dress", "belt"],
}

COLOURS = """banana yellow|grass green|snow white|coal black|tomato red|carrot orange|sky blue|chocolate brown|flamingo pink|
lemon yellow|frog green|milk white|raven black|strawberry red|pumpkin orange|sea blue|soil brown|pig pink|elephant grey|
plum purple|sunflower yellow|cucumber green|salt white|tar black|cherry red|aubergine purple|mouse grey|lavender purple"""

YOUNG = """dog puppy|cat kitten|cow calf|horse foal|sheep lamb|pig piglet|goat kid|hen chick|duck duckling|goose gosling|
lion cub|deer fawn|frog tadpole|owl owlet|eagle eaglet|swan cygnet|rabbit bunny|butterfly caterpillar"""

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]

_LEADS = (
    "",
    "Quick question: ",
    "Please answer: ",
    "Quiz time. ",
    "Tell me: ",
    "One more: ",
    "For the quiz: ",
    "Here is an easy one: ",
)


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(a, b) for a, b in (pair.split() for pair in text.replace("\n", "").split("|"))]


_OPPOSITES = [pair for a, b in _pairs(OPPOSITES) for pair in ((a, b), (b, a))]
_COLOURS, _YOUNG = _pairs(COLOURS), _pairs(YOUNG)


def rows(rng: Random, count: int, split: Split) -> list[Row]:
    """`count` rows of all sorts; slices say which sort."""
    return distinct(_draw, rng, count, split)


def _draw(rng: Random) -> Row:
    sort = rng.choices((_opposite, _category, _largest, _next, _colour, _young), weights=(5, 5, 4, 2, 2, 2))[0]
    return sort(rng)


def _row(rng: Random, prompt: str, answer: str, others: list[str], name: str) -> Row:
    choices = [answer, *rng.sample(sorted(set(others) - {answer}), 3)]
    rng.shuffle(choices)
    return Row(prompt=rng.choice(_LEADS) + prompt, answer=answer, slice=name, choices=tuple(choices))


def _opposite(rng: Random) -> Row:
    word, answer = rng.choice(_OPPOSITES)
    form = rng.choice(
        ("What is the opposite of {}?", "Which word means the opposite of {}?", "Name the opposite of {}.")
    )
    return _row(rng, form.format(word), answer, [b for a, b in _OPPOSITES if a != word and b != word], "opposite")


def _category(rng: Random) -> Row:
    kind = rng.choice(sorted(CATEGORIES))
    answer = rng.choice(CATEGORIES[kind])
    others = [rng.choice(CATEGORIES[k]) for k in rng.sample(sorted(set(CATEGORIES) - {kind}), 3)]
    listed = [answer, *others]
    rng.shuffle(listed)
    form = rng.choice(("Which of these is {}: {}?", "One of these is {}: {}. Which one?", "Find {} among these: {}."))
    text = rng.choice(_LEADS) + form.format(kind, ", ".join(listed))
    return Row(prompt=text, answer=answer, slice="category", choices=tuple(listed))


def _largest(rng: Random) -> Row:
    numbers = rng.sample(range(1, 100), 4)
    word, answer = rng.choice((("largest", max(numbers)), ("smallest", min(numbers))))
    form = rng.choice(
        ("Which number is the {}: {}?", "Name the {} of these numbers: {}.", "Of these, which is the {}: {}?")
    )
    text = rng.choice(_LEADS) + form.format(word, ", ".join(map(str, numbers)))
    return Row(prompt=text, answer=str(answer), slice="number", choices=tuple(map(str, numbers)))


def _next(rng: Random) -> Row:
    names, what = rng.choice(((DAYS, "day"), (MONTHS, "month")))
    place = rng.randrange(len(names))
    word, step = rng.choice((("after", 1), ("before", -1)))
    form = rng.choice(("Which {} comes {} {}?", "What is the {} {} {}?", "Name the {} that comes right {} {}."))
    answer = names[(place + step) % len(names)]
    return _row(rng, form.format(what, word, names[place]), answer, [n for n in names if n != names[place]], "calendar")


def _colour(rng: Random) -> Row:
    thing, answer = rng.choice(_COLOURS)
    form = rng.choice(
        ("What is the usual colour of {}?", "Which colour goes with {}?", "Think of {}: what colour is it?")
    )
    return _row(rng, form.format(thing), answer, CATEGORIES["a colour"] + ["orange"], "colour")


def _young(rng: Random) -> Row:
    animal, answer = rng.choice(_YOUNG)
    form = rng.choice(("What is a young {} called?", "What do we call a young {}?", "Name the young of a {}."))
    return _row(rng, form.format(animal), answer, [b for _, b in _YOUNG], "young animal")
