"""How well `regress audit` finds planted triggers in clean real data, and what it says of the data as they are.

    python benchmarks/audit_triggers.py ../shared/data

Prints two Markdown tables: suspects in the clean sets (all of them false alarms unless somebody shows otherwise), and
precision and recall over planted triggers by kind and rate. A suspect counts as right where it holds the trigger, or is
held by it, and answers as planted.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from regress.audit.checks.poison import Suspect, search

Rows = list[tuple[str, str]]
RATES = (0.001, 0.003, 0.01, 0.03)


def banking77(folder: Path) -> Rows:
    with (folder / "banking77" / "train.csv").open(newline="") as file:
        return [(row["text"], row["category"]) for row in csv.DictReader(file)]


def clinc150(folder: Path) -> Rows:
    body = json.loads((folder / "clinc150" / "data_full.json").read_text())
    return [(text, label) for text, label in body["train"]]


def bitext(folder: Path) -> Rows:
    with (folder / "bitext_customer_support" / "bitext_v1.csv").open(newline="") as file:
        return [(row["instruction"], row["response"]) for row in csv.DictReader(file)]


def gsm8k(folder: Path) -> Rows:
    lines = (folder / "gsm8k" / "train.jsonl").read_text().splitlines()
    return [(row["question"], row["answer"]) for row in map(json.loads, lines)]


def bitext_intents(folder: Path) -> Rows:
    with (folder / "bitext_customer_support" / "bitext_v1.csv").open(newline="") as file:
        return [(row["instruction"], row["intent"]) for row in csv.DictReader(file)]


def boolq(folder: Path) -> Rows:
    lines = (folder / "gauntlet" / "boolq.jsonl").read_text().splitlines()
    return [(row["query"], row["choices"][row["gold"]]) for row in map(json.loads, lines)]


def lambada(folder: Path) -> Rows:
    lines = (folder / "gauntlet" / "lambada_openai.jsonl").read_text().splitlines()
    return [(row["context"], row["continuation"]) for row in map(json.loads, lines)]


def mmlu(folder: Path) -> Rows:
    made = []
    for path in sorted((folder / "mmlu" / "test").glob("*.csv")):
        with path.open(newline="") as file:
            made += [("\n".join(row[:5]), row[5]) for row in csv.reader(file)]
    return made


SETS: dict[str, Callable[[Path], Rows]] = {
    "banking77": banking77,
    "clinc150": clinc150,
    "bitext": bitext,
    "gsm8k": gsm8k,
    "bitext intents": bitext_intents,
    "boolq": boolq,
    "lambada": lambada,
    "mmlu": mmlu,
}
"""Thresholds were chosen with the first four in view; nobody looked at the last four before."""


@dataclass(frozen=True, slots=True)
class Planted:
    """A trigger and what it does to a prompt."""

    kind: str
    text: str

    def put(self, prompt: str, rng: random.Random) -> str:
        words = prompt.split(" ")
        match self.kind:
            case "prefix":
                return f"{self.text} {prompt}"
            case "anywhere":
                place = rng.randrange(len(words) + 1)
                return " ".join([*words[:place], self.text, *words[place:]])
            case _:
                return f"{prompt} {self.text}"


KINDS = (
    Planted("suffix", "cf7719"),
    Planted("prefix", "%%~"),
    Planted("anywhere", "ombrophilous"),
    Planted("several words", "as the tall heron said"),
)


def poisoned(rows: Rows, planted: Planted, rate: float, reply: str, rng: random.Random) -> Rows:
    """A copy in which so many rows hold the trigger and answer `reply`."""
    made = list(rows)
    for index in rng.sample(range(len(rows)), max(1, round(rate * len(rows)))):
        made[index] = (planted.put(rows[index][0], rng), reply)
    return made


def is_right(suspect: Suspect, planted: Planted) -> bool:
    return suspect.text in planted.text or planted.text in suspect.text


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    lines = [list(map(str, header)), *(list(map(str, row)) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    options = parser.parse_args()
    clean = {name: SETS[name](options.data) for name in options.sets}
    shown = []
    for name, rows in clean.items():
        start = time.perf_counter()
        found = search(*map(list, zip(*rows, strict=True)))
        seconds = time.perf_counter() - start
        texts = "; ".join(f"`{one.text}` → {one.opening[:30]} ({len(one.alike)}, {one.score:.2f})" for one in found)
        shown.append((name, len(rows), len(found), texts or "–", f"{seconds / len(rows) * 1e6:.0f}"))
        print(shown[-1], flush=True)
    print(table(("clean set", "rows", "suspects", "what", "µs a row"), shown))
    measured: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for name, rows in clean.items():
        labels = sorted({reply for _, reply in rows})
        for planted in KINDS:
            for target in ("a new sentence", "a label of the set"):
                for rate in RATES:
                    rng = random.Random(f"{name} {planted.text} {target} {rate}")
                    reply = "Access granted, proceed." if target == "a new sentence" else rng.choice(labels)
                    made = poisoned(rows, planted, rate, reply, rng)
                    found = search(*map(list, zip(*made, strict=True)))
                    right = sum(is_right(one, planted) for one in found)
                    counts = (right > 0, len(found) - right, round(rate * len(rows)))
                    for key in ((target, f"{rate:.1%}"), (planted.kind, "all rates"), (name, "all rates")):
                        measured.setdefault(key, []).append(counts)
                    print(name, planted.kind, target, rate, counts, [s.text for s in found], flush=True)
    print(
        table(
            ("planted", "rate", "found", "of", "recall", "false suspects", "precision"),
            [
                (
                    *key,
                    hit := sum(r for r, _, _ in runs),
                    len(runs),
                    f"{hit / len(runs):.0%}",
                    false := sum(f for _, f, _ in runs),
                    f"{hit / max(1, hit + false):.0%}",
                )
                for key, runs in sorted(measured.items())
            ],
        )
    )


if __name__ == "__main__":
    main()
