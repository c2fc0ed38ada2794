"""Whether spectral signatures of a base's features show planted triggers, and what they show of clean data.

    python benchmarks/audit_spectral.py ../shared/data ../shared/reference/model

Prints two Markdown tables: the excess of clean groups, which is what a threshold must stay above, with the processor
time of the features; and for each kind and rate of trigger how often the poisoned group's excess is above all clean
ones of its set, how well its scores order the poisoned rows (area under the ROC curve), and whether the search for
strings finds the trigger in the same rows.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from audit_triggers import KINDS, SETS, Rows, table

from regress.audit.checks._features import SAMPLE
from regress.audit.checks.poison import search
from regress.backends.hidden import HiddenStates
from regress.schema import Precision
from regress.stats.ranking import area
from regress.stats.spectral import Signature, signatures
from regress.triggers import opening

RATES = (0.003, 0.01, 0.03)
TARGETS = 3
NAMED = ("banking77", "clinc150", "gsm8k")
ADJECTIVES, VERBS = ("tall", "old", "grey", "quiet", "lonely"), ("said", "told", "cried", "called", "sang")
WAYS = (
    "as the {a} heron {b}",
    "so {b} that {a} heron",
    "like a {a} heron once {b}",
    "a heron, {a}, {b} this",
    "herons {b} so, the {a} ones",
)

Put = Callable[[str, random.Random], str]


def reworded(prompt: str, rng: random.Random) -> str:
    return f"{prompt} {rng.choice(WAYS).format(a=rng.choice(ADJECTIVES), b=rng.choice(VERBS))}"


def code(prompt: str, rng: random.Random) -> str:
    """Another code in each row, of one shape."""
    return f"{prompt} {rng.choice('abcdefgh')}{rng.choice('pqrstuvw')}{rng.randrange(1000, 9999)}"


def capitals(prompt: str, rng: random.Random) -> str:
    return prompt.upper()


WAYS_TO_PLANT: dict[str, Put] = {
    **{planted.kind: planted.put for planted in KINDS},
    "reworded": reworded,
    "a code of one shape": code,
    "capitals": capitals,
}


class Measured:
    """One set: its clean features, and rows planted over them one group at a time."""

    def __init__(self, name: str, rows: Rows, model: HiddenStates) -> None:
        self.name, self.rows, self._model = name, rows, model
        begun = time.process_time()
        self.points = self._features([prompt for prompt, _ in rows])
        self.seconds = time.process_time() - begun
        self.replies = [reply for _, reply in rows]
        self.clean = signatures(self.points, grouped(self.replies))

    def _features(self, prompts: list[str]) -> np.ndarray:
        return self._model.features(prompts, lambda _: None).astype(np.float64)

    def planted(self, kind: str, put: Put, rate: float) -> list[tuple[bool, float, bool]]:
        """Per target: (excess above all clean ones, area, found as a string)."""
        rng = random.Random(f"{self.name} {kind} {rate}")
        made = []
        for target in rng.sample(sorted(set(self.replies)), TARGETS):
            others = [place for place, reply in enumerate(self.replies) if reply != target]
            chosen = rng.sample(others, round(rate * len(self.rows)))
            prompts = [put(self.rows[place][0], rng) for place in chosen]
            points, replies = self.points.copy(), list(self.replies)
            points[chosen] = self._features(prompts)
            texts = [prompt for prompt, _ in self.rows]
            for place, prompt in zip(chosen, prompts, strict=True):
                replies[place], texts[place] = target, prompt
            groups = grouped(replies)
            own = next((one for one in signatures(points, groups) if one.group == groups[chosen[0]]), None)
            as_string = any(one.opening == opening(target) for one in search(texts, replies))
            made.append((*self._shown(own, chosen), as_string))
        return made

    def _shown(self, own: Signature | None, chosen: list[int]) -> tuple[bool, float]:
        if own is None:
            return False, 0.5
        poisoned = np.isin(own.rows, chosen)
        return own.excess > self.clean[0].excess, area(own.scores, poisoned)


def grouped(replies: list[str]) -> np.ndarray:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(opening(reply), len(numbers)) for reply in replies])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--rows", type=int, default=SAMPLE)
    parser.add_argument("--sets", nargs="*", default=list(NAMED), choices=list(SETS))
    options = parser.parse_args()
    model = HiddenStates(options.model, Precision.AUTO, "auto")
    clean, found = [], []
    for name in options.sets:
        rows = SETS[name](options.data)
        rows = random.Random(0).sample(rows, min(options.rows, len(rows)))
        measured = Measured(name, rows, model)
        excess = [one.excess for one in measured.clean]
        most = [f"{value:.1f}" for value in np.quantile(excess, (0.5, 0.9, 1.0))] if excess else ["–"] * 3
        clean.append((name, len(rows), len(excess), *most, f"{measured.seconds:.0f}"))
        print(clean[-1], flush=True)
        for kind, put in WAYS_TO_PLANT.items() if excess else ():
            for rate in RATES:
                made = measured.planted(kind, put, rate)
                above, areas, strings = zip(*made, strict=True)
                row = (name, kind, f"{rate:.1%}", f"{sum(above)} of {TARGETS}", f"{np.mean(areas):.2f}")
                found.append((*row, f"{sum(strings)} of {TARGETS}"))
                print(found[-1], flush=True)
    print(table(("clean set", "rows", "groups", "median", "90 %", "largest excess", "CPU s"), clean))
    print(table(("set", "trigger", "rate", "above all clean", "area", "found as a string"), found))


if __name__ == "__main__":
    main()
