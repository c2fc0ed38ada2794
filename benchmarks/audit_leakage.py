"""Planted leaks: how many of the locked items that were hidden in real training data the audit finds, and what else.

Run as `python benchmarks/audit_leakage.py DATA`, where DATA holds gsm8k/ (train.jsonl, test.jsonl) and banking77/
(train.csv, test.csv). 100 test items of each are rewritten at each level, hidden in the training set, and looked for
against the whole test set. Items that are found in the set as it is published do not count, neither way.
"""

from __future__ import annotations

import csv
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path

from regress.audit.checks.leakage import Leakage
from regress.audit.protocol import Chunk, Context
from regress.rows.forms import read_row
from regress.schema import GenerationSettings, Item, Message, ScorerSpec, Suite
from regress.schema.words import Ask, Category, PromptStyle, Role

PLANTED = 100
RULES = ("exact", "normalised", "answered", "contained", "contained-short", "near", "reworded")
Pairs = Sequence[tuple[str, str]]

BEFORE = (
    "I am preparing a quiz for the reading group that meets in the library every other Thursday. Somebody sent me the "
    "following, and before I print it I would like to have it checked by you."
)
AFTER = "Please keep it short, since the page has little room left, and leave out anything that only teachers care for."

SYNONYMS = {
    word: other
    for line in (
        "how in_what_way; buy purchase; buys purchases; bought purchased; sells vends; many numerous; get obtain",
        "gets obtains; money cash; card plastic; house home; kids children; children kids; friend pal; friends pals",
        "each every; total sum; much plenty; big large; large big; small little; more additional; need require",
        "needs requires; want wish; wants wishes; make produce; makes produces; give hand; gives hands; start begin",
        "started began; starts begins; day date; school college; car vehicle; store shop; shop store; cost price",
        "pay settle; why for_what_reason; transfer remittance; account profile; help assist; change alter",
        "used employed; time moment; long lengthy; left remaining; only just; when at_what_point; can could",
        "is remains; my our; fee charge; charged billed; identity name; working functioning; lost mislaid",
        "found discovered; received got; sent mailed",
        "take last; takes lasts; and plus; if in_case; then afterwards; half fifty_percent_of; twice two_times",
        "after following; before prior_to; new fresh; money funds; week seven_days; all the_whole_of; costs runs_to",
    )
    for pair in line.split("; ")
    for word, other in [pair.replace("_", " ").split(" ", 1)]
}


def swapped(share: float) -> Callable[[str, random.Random, Sequence[str]], str]:
    """Other words of the set in place of a share of the words, at least one."""

    def change(text: str, rng: random.Random, vocabulary: Sequence[str]) -> str:
        parts = text.split()
        for place in rng.sample(range(len(parts)), max(1, round(share * len(parts)))):
            parts[place] = rng.choice(vocabulary)
        return " ".join(parts)

    return change


def case_and_punctuation(text: str, rng: random.Random, vocabulary: Sequence[str]) -> str:
    """Capitals, no apostrophes, dashes for the rest but inside numbers."""
    return re.sub(r"(?<!\d)[.,!?](?!\d)|'", lambda found: "" if found[0] == "'" else " - ", text).upper()


def with_synonyms(text: str, rng: random.Random, vocabulary: Sequence[str]) -> str:
    return re.sub(r"[A-Za-z]+", lambda found: SYNONYMS.get(found[0].lower(), found[0]), text)


def reordered(text: str, rng: random.Random, vocabulary: Sequence[str]) -> str:
    """Sentences in another order, or the two halves of a single one."""
    parts = re.split(r"(?<=[.?!])\s+", text.strip())
    if len(parts) == 1:
        found = text.split()
        return " ".join([*found[len(found) // 2 :], *found[: len(found) // 2]])
    return " ".join(parts[1:] + parts[:1])


LEVELS: dict[str, Callable[[str, random.Random, Sequence[str]], str]] = {
    "verbatim": lambda text, rng, vocabulary: text,
    "case and punctuation": case_and_punctuation,
    "5 % of words swapped": swapped(0.05),
    "10 % of words swapped": swapped(0.1),
    "20 % of words swapped": swapped(0.2),
    "40 % of words swapped": swapped(0.4),
    "inside a longer prompt": lambda text, rng, vocabulary: f"{BEFORE} {text} {AFTER}",
    "in another template": lambda text, rng, vocabulary: f"### Task\n{text}\n### Solution",
    "parts reordered": reordered,
    "synonyms": with_synonyms,
}


def a_suite(name: str, pairs: Pairs) -> Suite:
    items = [
        Item(id=f"q{n}", messages=(Message(role="user", content=asked),), targets=(target,), digest="", line=n)
        for n, (asked, target) in enumerate(pairs)
    ]
    return Suite(
        name=name,
        version=1,
        category=Category.DOMAIN,
        role=Role.PROTECT,
        ask=Ask.GENERATE,
        prompt=PromptStyle.CHAT,
        generation=GenerationSettings(),
        scorer=ScorerSpec(name="exact_match"),
        margin=Decimal("0.01"),
        items=tuple(items),
        path="",
        items_path="",
    )


def found(check: Leakage, rows: Pairs) -> dict[str, str]:
    """Items by the rule that they were found by."""
    read = [read_row({"prompt": asked, "completion": reply}, n, ()) for n, (asked, reply) in enumerate(rows, start=1)]
    for begin in range(0, len(read), 512):
        check.add(check.look(Chunk(read[begin : begin + 512])))

    class Nobody:
        pass

    findings = check.finish(Nobody()).findings  # type: ignore[arg-type]  # leakage needs no second look
    return {item: finding.rule.partition("/")[2] for finding in findings for item in finding.items}


def table(name: str, train: Pairs, test: Pairs, replies: Sequence[str]) -> Iterable[str]:
    """Rows of a Markdown table, a level each. `replies` are what the leaked rows teach."""
    suite = a_suite(name, test)
    published = found(Leakage(Context(suites=(suite,))), train)
    yield f"\n**{name}**: {len(train):,} training rows, {len(test):,} items; as published, {len(published)} are found"
    yield f"({', '.join(f'{count} {rule}' for rule, count in Counter(published.values()).most_common()) or 'none'}).\n"
    yield f"| {PLANTED} items planted | {' | '.join(RULES)} | recall | precision |"
    yield f"|---|{'--:|' * (len(RULES) + 2)}"
    vocabulary = sorted({word for asked, _ in train for word in asked.split()})
    for level, change in LEVELS.items():
        rng = random.Random(level)
        free = [n for n in range(len(test)) if f"q{n}" not in published]
        chosen = rng.sample(free, PLANTED)
        planted = [(change(test[n][0], rng, vocabulary), replies[n]) for n in chosen]
        got = found(Leakage(Context(suites=(suite,))), [*train, *planted])
        right = [got[f"q{n}"] for n in chosen if f"q{n}" in got]
        wrong = len(got.keys() - published.keys() - {f"q{n}" for n in chosen})
        counts = Counter(right)
        cells = " | ".join(str(counts[rule] or "") for rule in RULES)
        precision = f"{len(right)}/{len(right) + wrong}"
        yield f"| {level} | {cells} | {len(right)}/{PLANTED} | {precision} |"


def main() -> None:
    data = Path(sys.argv[1])
    if (data / "gsm8k").is_dir():
        sets = [
            [json.loads(line) for line in (data / f"gsm8k/{split}.jsonl").read_text("utf-8").splitlines()]
            for split in ("train", "test")
        ]
        train, test = ([(row["question"], row["answer"]) for row in rows] for rows in sets)
        short = [(asked, reply.rpartition("#### ")[2]) for asked, reply in test]
        print(*table("gsm8k", train, short, [reply for _, reply in test]), sep="\n")
    if (data / "banking77").is_dir():
        train, test = (
            [(row["text"], row["category"]) for row in csv.DictReader(data.joinpath(f"banking77/{split}.csv").open())]
            for split in ("train", "test")
        )
        print(*table("banking77", train, test, [label for _, label in test]), sep="\n")


if __name__ == "__main__":
    main()
