"""Planted near-duplicates: how many the audit finds at each rate of edits, and what else.

Run as `python benchmarks/audit_duplicates.py DATA`, where DATA holds gsm8k/train.jsonl and banking77/train.csv. Copies
of 200 rows are changed at each rate, put behind the others, and looked for. A pair that is found in the set as it is
published does not count; of the others, one is right when it is a copy with its original.
"""

from __future__ import annotations

import csv
import json
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from regress.audit.checks._near import SAMPLE, common_shingles, compare, near_keys, pairs_within
from regress.audit.protocol import Chunk
from regress.rows.forms import read_row
from regress.rows.row import Row

PLANTED = 200
Pairs = Sequence[tuple[str, str]]


def edited(share: float) -> Callable[[str, random.Random, Sequence[str]], str]:
    """A share of the words left out, doubled or replaced, at least one."""

    def change(text: str, rng: random.Random, vocabulary: Sequence[str]) -> str:
        parts = text.split()
        for place in rng.sample(range(len(parts)), max(1, round(share * len(parts)))):
            parts[place] = rng.choice(("", f"{parts[place]} {parts[place]}", rng.choice(vocabulary)))
        return " ".join(parts)

    return change


LEVELS: dict[str, Callable[[str, random.Random, Sequence[str]], str]] = {
    "case and punctuation": lambda text, rng, vocabulary: text.upper().rstrip("?.!") + " ...",
    "a word in front": lambda text, rng, vocabulary: f"Please: {text}",
    "2 % of words edited": edited(0.02),
    "5 % of words edited": edited(0.05),
    "10 % of words edited": edited(0.1),
    "20 % of words edited": edited(0.2),
    "40 % of words edited": edited(0.4),
}


def near(pairs: Pairs) -> set[tuple[int, int]]:
    """Pairs of places that the audit calls near-duplicates."""
    rows = [read_row({"prompt": asked, "completion": reply}, n, ()) for n, (asked, reply) in enumerate(pairs)]
    keys = np.concatenate([near_keys(Chunk(rows[n : n + 512]).whole) for n in range(0, len(rows), 512)])

    def read(numbers: Iterable[int]) -> dict[int, Row]:
        return {number: rows[number] for number in numbers}

    reader = (read, np.arange(len(rows)))
    common = common_shingles(random.Random(1).sample(rows, SAMPLE))
    found = compare(pairs_within(keys), (reader, reader), common, 0)
    return {(min(pair), max(pair)) for pair in found.pairs.tolist()}


def table(name: str, rows: Pairs) -> Iterable[str]:
    rows = list(dict.fromkeys(rows))
    published = near(rows)
    yield f"\n**{name}**: {len(rows):,} distinct rows; as published, {len(published)} pairs are found.\n"
    yield f"| {PLANTED} copies planted | recall | precision |"
    yield "|---|--:|--:|"
    vocabulary = sorted({word for asked, _ in rows for word in asked.split()})
    in_pairs = {place for pair in published for place in pair}
    for level, change in LEVELS.items():
        rng = random.Random(level)
        chosen = rng.sample([place for place in range(len(rows)) if place not in in_pairs], PLANTED)
        copies = [(change(rows[place][0], rng, vocabulary), rows[place][1]) for place in chosen]
        found = near([*rows, *copies]) - published
        right = {(place, len(rows) + n) for n, place in enumerate(chosen)}
        yield f"| {level} | {len(found & right)}/{PLANTED} | {len(found & right)}/{len(found)} |"


def main() -> None:
    data = Path(sys.argv[1])
    if (data / "gsm8k").is_dir():
        lines = [json.loads(line) for line in (data / "gsm8k/train.jsonl").read_text("utf-8").splitlines()]
        print(*table("gsm8k", [(row["question"], row["answer"]) for row in lines]), sep="\n")
    if (data / "banking77").is_dir():
        with (data / "banking77/train.csv").open(encoding="utf-8", newline="") as file:
            print(*table("banking77", [(row["text"], row["category"]) for row in csv.DictReader(file)]), sep="\n")


if __name__ == "__main__":
    main()
