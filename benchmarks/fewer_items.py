"""Do fewer items give the same verdict? Simulated candidates and, where it is, a reference model with its adapters.

    python benchmarks/fewer_items.py [--reference ../shared/reference --scores /tmp/scores] [--replications 4000]

A locked suite of N items is drawn from a population, the base has answered all of them, and a candidate is asked all or
some: chosen at random, in proportion to strata of the base's margin, or by Neyman's allocation. Every replication draws
new locked items, so what is counted is the promise about the population. Prints Markdown.

The reference is test material that is not part of this repository; without it that part is skipped. Its log-likelihoods
are computed once and kept in `--scores`, a folder outside the repository.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from regress.stats.exact import MAX_N, Tail, critical_value
from regress.stats.exact import _tango_z as tango_z
from regress.stats.stratified import fewest_to_ask, margin_tests, neyman, planned_sd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Verdicts = tuple[Bools, Bools]  # (PASS, FAIL), one each a replication

ALPHA, MARGIN = 0.05, 0.03
BANDS = 4
CHUNK = 500  # replications at a time
SEED = 20

PROFILES = {  # flips in each tenth of |margin|, the least sure first, relative to the mean
    "strong": (4.6, 2.8, 1.8, 0.6, 0.15, 0.05, 0.0, 0.0, 0.0, 0.0),
    "weak": (1.9, 1.7, 1.5, 1.3, 1.1, 0.9, 0.7, 0.5, 0.3, 0.1),
    "none": (1.0,) * 10,
    "hidden": (0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 2.0, 2.0),
}
BASE_RIGHT = 0.75


# --- candidates ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """Locked items (R, N): what is known from the base, and whether the candidate's outcome differs."""

    margin: Floats  # |nats|
    right: Bools
    topic: Ints
    flip: Bools


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The same by strata (R, H), and `right` (H)."""

    items: Ints
    flips: Ints
    sds: Floats
    right: Bools


def simulate(profile: str, damage: str, flip_rate: float, drop: float, n: int, rng: np.random.Generator) -> Locked:
    """Flips as `profile` has them without a drop; the lost items of the drop as `damage` has them."""
    shape = (CHUNK, n)
    rank = rng.random(shape)
    right = rng.random(shape) < BASE_RIGHT
    tenth = (rank * 10).astype(int)
    both, lost = np.array(PROFILES[profile]), np.array(PROFILES[damage])
    either = (flip_rate - drop) / 2.0
    chance = np.where(
        right, (either * both[tenth] + drop * lost[tenth]) / BASE_RIGHT, either * both[tenth] / (1 - BASE_RIGHT)
    )
    if chance.max() > 1.0:
        raise ValueError(f"{profile}, {damage}: a chance of {chance.max():.2f}")
    # 0 to 14 nats, a tenth of the items below .14 and half of them below 3.5
    return Locked(margin=14.0 * rank**2, right=right, topic=np.zeros(shape, dtype=int), flip=rng.random(shape) < chance)


def tabulate(locked: Locked, bands: int) -> Table:
    """`stratified.margin_strata` for many replications: topic and side, each in bands of equally many by margin."""
    cell = 2 * locked.topic + locked.right
    order = np.argsort(cell * 1e6 + locked.margin, axis=1)
    flips, q = (np.take_along_axis(values, order, 1) for values in (locked.flip, planned_sd(locked.margin) ** 2))
    count = int(locked.topic.max()) + 1
    sizes = np.stack([(cell == c).sum(1) for c in range(2 * count)], axis=1)  # (R, cells)
    start = np.cumsum(sizes, axis=1) - sizes
    inner = sizes[:, :, None] * np.arange(bands) // bands  # (R, cells, bands)
    edges = np.concatenate([(start[:, :, None] + inner).reshape(len(cell), -1), sizes.sum(1)[:, None]], axis=1)
    items = np.diff(edges, axis=1)
    if items.min() < 1:
        raise ValueError("an empty stratum; fewer bands")
    return Table(
        items=items,
        flips=_between(flips, edges).astype(np.int64),
        sds=np.sqrt(_between(q, edges) / items),
        right=np.tile(np.repeat([False, True], bands), count),
    )


def _between(values: npt.NDArray[Any], edges: Ints) -> Floats:
    sums = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
    return np.diff(np.take_along_axis(sums, edges, 1), axis=1)


# --- designs ---------------------------------------------------------------------------------------------------------

Design = Callable[[Table, int, float, np.random.Generator], Verdicts]
"""(strata, items to ask, margin, rng) -> verdicts."""


def everything(table: Table, total: int, margin: float, rng: np.random.Generator) -> Verdicts:
    n = int(table.items[0].sum())
    return plain(np.where(table.right, table.flips, 0).sum(1), np.where(table.right, 0, table.flips).sum(1), n, margin)


def at_random(table: Table, total: int, margin: float, rng: np.random.Generator) -> Verdicts:
    n = int(table.items[0].sum())
    lost, gained = np.where(table.right, table.flips, 0).sum(1), np.where(table.right, 0, table.flips).sum(1)
    seen = rng.hypergeometric(lost, n - lost, total)
    return plain(seen, rng.hypergeometric(gained, n - lost - gained, total - seen), total, margin)


def post_stratified(table: Table, total: int, margin: float, rng: np.random.Generator) -> Verdicts:
    """A random third, weighed to the strata afterwards: the regression estimator with the strata as controls."""
    asked = np.empty_like(table.items)
    left, wanted = table.items.sum(1), np.full(len(table.items), total)
    for h in range(table.items.shape[1]):
        left = left - table.items[:, h]
        asked[:, h] = rng.hypergeometric(table.items[:, h], left, wanted)
        wanted = wanted - asked[:, h]
    return judged(table, np.maximum(asked, 1), margin, rng)


def proportional(table: Table, total: int, margin: float, rng: np.random.Generator) -> Verdicts:
    asked = neyman(table.items, np.ones_like(table.sds), total, np.full_like(table.items, 2))
    return judged(table, asked, margin, rng)


def by_neyman(table: Table, total: int, margin: float, rng: np.random.Generator) -> Verdicts:
    return judged(table, allocation(table, total, margin), margin, rng)


def allocation(table: Table, total: int, margin: float) -> Ints:
    return neyman(table.items, table.sds, total, fewest_to_ask(table.items, total, margin, ALPHA))


def judged(table: Table, asked: Ints, margin: float, rng: np.random.Generator) -> Verdicts:
    flips = rng.hypergeometric(table.flips, table.items - table.flips, asked)
    p_pass, p_fail = margin_tests(flips, asked, table.items, table.right, margin)
    return p_pass <= ALPHA, p_fail <= ALPHA


def plain(lost: Ints, gained: Ints, n: int, margin: float) -> Verdicts:
    """The gate's test: exact up to 2,000 items, Tango's statistic beyond."""
    z = tango_z(lost, gained, n, -margin)
    if n > MAX_N:
        return z >= 1.6449, z <= -1.6449
    above, below = (critical_value(n, margin, ALPHA, tail) for tail in (Tail.ABOVE, Tail.BELOW))
    return z >= above - 1e-9, z <= -below + 1e-9


# designs that failed


def wald(table: Table, total: int, margin: float, rng: np.random.Generator) -> Verdicts:
    """Neyman's allocation, at least two a stratum, and only the spread that was seen."""
    asked = neyman(table.items, table.sds, total, np.full_like(table.items, 2))
    rates = rng.hypergeometric(table.flips, table.items - table.flips, asked) / asked
    signed = np.where(table.right, -1.0, 1.0) * table.items / table.items.sum(1, keepdims=True)
    variance = (signed**2 * rates * (1.0 - rates) / (asked - 1)).sum(1)
    z = ((signed * rates).sum(1) + margin) / np.sqrt(np.maximum(variance, 1e-12))
    return z >= 1.6449, z <= -1.6449


def least_floor(table: Table, total: int, margin: float, rng: np.random.Generator) -> Verdicts:
    """Neyman's allocation over no more than what an answer sheet without a loss needs: sound, and without power."""
    lowest = fewest_to_ask(table.items, 0, margin, ALPHA)
    return judged(table, neyman(table.items, table.sds, total, lowest), margin, rng)


def cut_off(table: Table, total: int, margin: float, rng: np.random.Generator) -> Verdicts:
    """Only the least sure items are asked; the rest is taken not to flip."""
    n = int(table.items[0].sum())
    order = np.argsort(-table.sds, axis=1)
    before = np.take_along_axis(table.items, order, 1).cumsum(1) - np.take_along_axis(table.items, order, 1)
    asked = np.zeros_like(table.items)
    np.put_along_axis(asked, order, np.clip(total - before, 0, np.take_along_axis(table.items, order, 1)), 1)
    flips = rng.hypergeometric(table.flips, table.items - table.flips, asked)
    return plain(np.where(table.right, flips, 0).sum(1), np.where(table.right, 0, flips).sum(1), n, margin)


DESIGNS: dict[str, Design] = {
    "all": everything,
    "random": at_random,
    "random, weighed": post_stratified,
    "proportional": proportional,
    "Neyman": by_neyman,
}
FAILED: dict[str, Design] = {
    "Neyman, Wald": wald,
    "cut-off": cut_off,
    "Neyman, least floor": least_floor,
    "Neyman": by_neyman,
}


# --- (a) simulation --------------------------------------------------------------------------------------------------

Draw = Callable[[np.random.Generator], Locked]


def rates(
    draw: Draw, designs: dict[str, tuple[Design, int]], replications: int, margin: float = MARGIN, bands: int = BANDS
) -> dict[str, tuple[float, float, float]]:
    """Share of PASS, of FAIL, and of verdicts like those of the first design, each over all replications."""
    rng = np.random.default_rng(SEED)
    sums = {name: np.zeros(3) for name in designs}
    chunks = math.ceil(replications / CHUNK)
    for _ in range(chunks):
        table = tabulate(draw(rng), bands)
        first: Ints | None = None
        for name, (design, total) in designs.items():
            passed, failed = design(table, total, margin, rng)
            code = passed.astype(np.int64) - failed
            first = code if first is None else first
            sums[name] += (passed.mean(), failed.mean(), (code == first).mean())
    return {name: (s[0] / chunks, s[1] / chunks, s[2] / chunks) for name, s in sums.items()}


def at(designs: dict[str, Design], total: int) -> dict[str, tuple[Design, int]]:
    return {name: (design, total) for name, design in designs.items()}


def size_table(replications: int) -> Iterator[str]:
    names = ["all", "random", "proportional", "Neyman"]
    yield header(["flips follow margin", "the drop", "flips", "N"], [f"{name} PASS/FAIL" for name in names])
    for profile, damage, flip_rate, n in (
        (p, d, f, n)
        for p, d in (("strong", "strong"), ("strong", "hidden"), ("weak", "weak"), ("none", "none"), ("none", "hidden"))
        for f in (0.05, 0.10)
        for n in (600, 1500, 3000)
    ):
        draw = partial(simulate, profile, damage, flip_rate, MARGIN, n)
        found = rates(draw, at({name: DESIGNS[name] for name in names}, n // 3), replications)
        yield row([profile, damage, percent(flip_rate), n], [f"{found[k][0]:.3f}/{found[k][1]:.3f}" for k in names])


def many_strata_table(replications: int) -> Iterator[str]:
    yield header(
        ["flips follow margin", "the drop", "flips", "N", "strata"], ["proportional PASS/FAIL", "Neyman PASS/FAIL"]
    )
    designs: dict[str, Design] = {"proportional": proportional, "Neyman": by_neyman}
    for profile, damage, n, bands in (
        (p, d, n, b) for p, d in (("strong", "hidden"), ("none", "hidden")) for n in (600, 1500) for b in (15, 30)
    ):
        draw = partial(simulate, profile, damage, 0.10, MARGIN, n)
        found = rates(draw, at(designs, n // 3), replications, bands=bands)
        yield row([profile, damage, percent(0.10), n, 2 * bands], [f"{v[0]:.3f}/{v[1]:.3f}" for v in found.values()])


def power_table(replications: int, drop: float) -> Iterator[str]:
    yield header(["flips follow margin", "flips", "N"], [*DESIGNS, "Neyman, half"])
    for profile, flip_rate, n in (
        (p, f, n) for p in ("strong", "weak", "none") for f in (0.05, 0.10) for n in (600, 1500, 3000)
    ):
        draw = partial(simulate, profile, profile, flip_rate, drop, n)
        found = rates(draw, at(DESIGNS, n // 3) | {"Neyman, half": (by_neyman, n // 2)}, replications)
        verdict = 0 if drop < MARGIN else 1
        yield row([profile, percent(flip_rate), n], [f"{found[k][verdict]:.3f}" for k in found])


def share_table(replications: int) -> Iterator[str]:
    yield header(["flips follow margin", "flips", "true drop", "N"], ["PASS, all", "share for the same", "ideal share"])
    for profile, flip_rate, drop, n in (
        (p, f, d, n)
        for p in ("strong", "weak", "none")
        for f, d, n in ((0.05, 0.0, 600), (0.05, 0.01, 1500), (0.10, 0.0, 600), (0.10, 0.01, 1500), (0.10, 0.01, 3000))
    ):
        passes, share = same_power(partial(simulate, profile, profile, flip_rate, drop, n), n, replications)
        ideal = ideal_share(profile, flip_rate, drop)
        left = [profile, percent(flip_rate), f"{100 * drop:.0f} pp", n]
        yield row(left, [f"{passes:.3f}", share, f"{ideal:.2f}"])


def same_power(draw: Draw, n: int, replications: int) -> tuple[float, str]:
    """Chance of PASS with all items, and the smallest share of them (steps of 5 %) that costs at most .01 of it."""
    shares = [percentage / 100 for percentage in range(20, 101, 5)]
    least = 1.2 * math.log(ALPHA) / math.log1p(-MARGIN)
    designs: dict[str, tuple[Design, int]] = {"all": (everything, n)}
    designs |= {f"{share}": (by_neyman, round(share * n)) for share in shares if share * n >= least}
    found = rates(draw, designs, replications)
    enough = [float(k) for k in found if k != "all" and found[k][0] >= found["all"][0] - 0.01]
    return found["all"][0], f"{min(enough):.2f}" if enough else "more than 1"


def ideal_share(profile: str, flip_rate: float, drop: float) -> float:
    """(E sd)² over the variance of a difference: what Neyman's allocation would need if each item's sd were known."""
    f = np.array(PROFILES[profile])
    either = (flip_rate - drop) / 2.0
    lost, gained = (either + drop) * f / BASE_RIGHT, either * f / (1 - BASE_RIGHT)
    sd = BASE_RIGHT * np.sqrt(lost * (1 - lost)) + (1 - BASE_RIGHT) * np.sqrt(gained * (1 - gained))
    return float(sd.mean() ** 2 / (flip_rate - drop**2))


def failed_table(replications: int) -> Iterator[str]:
    yield header(["flips follow margin", "the drop", "flips", "N", "true drop"], [f"{name}: PASS" for name in FAILED])
    for profile, damage, flip_rate, n, drop in (
        ("strong", "strong", 0.05, 1500, MARGIN),
        ("strong", "hidden", 0.05, 1500, MARGIN),
        ("none", "none", 0.05, 1500, MARGIN),
        ("strong", "strong", 0.05, 1500, 0.01),
        ("strong", "strong", 0.10, 1500, 0.01),
    ):
        found = rates(partial(simulate, profile, damage, flip_rate, drop, n), at(FAILED, n // 3), replications)
        left = [profile, damage, percent(flip_rate), n, f"{100 * drop:.0f} pp"]
        yield row(left, [f"{found[k][0]:.3f}" for k in FAILED])


# --- (b) the reference model -----------------------------------------------------------------------------------------

TOPICS = {"clinc": 900, "arith": 400, "trans": 300}
ADAPTERS = ("gentle-2", "json-fence", "safety-slip", "backdoor", "narrow-mild", "careless")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Real items (M): |margin| of the base, its outcome and the topic's number."""

    margin: Floats
    right: Bools
    topic: Ints


def choice_items(reference: Path) -> Iterator[dict[str, Any]]:
    """Questions of the pools as four choices with seeded wrong ones."""
    for topic, wanted in TOPICS.items():
        lines = (reference / "pools" / f"{topic}.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        random.Random(f"7:{topic}").shuffle(rows)
        answers = sorted({row["answer"] for row in rows})
        rng = random.Random(f"7:{topic}:choices")
        for row_ in rows:
            wrong = wrong_answers(topic, row_["answer"], answers, rng)
            if wanted == 0 or wrong is None:
                continue
            choices = [row_["answer"], *wrong]
            rng.shuffle(choices)
            answer = choices.index(row_["answer"])
            yield {"id": row_["id"], "prompt": row_["prompt"], "choices": choices, "answer": answer, "slice": topic}
            wanted -= 1


def wrong_answers(topic: str, answer: str, answers: list[str], rng: random.Random) -> list[str] | None:
    """Three: other intents, near numbers, the same words in other orders (None where there are too few)."""
    if topic == "clinc":
        return rng.sample([other for other in answers if other != answer], 3)
    found: set[str] = set()
    if topic == "arith":
        while len(found) < 3:
            found.add(str(int(answer) + rng.choice([-10, -2, -1, 1, 2, 10])))
        return sorted(found)
    words = answer.split()
    for _ in range(200):
        rng.shuffle(words)
        if " ".join(words) != answer:
            found.add(" ".join(words))
        if len(found) == 3:
            return sorted(found)
    return None


def score_all(reference: Path, scores: Path) -> list[dict[str, Any]]:
    """Log-likelihoods of base and adapters as JSON files in `scores`; those that are there stay."""
    scores.mkdir(parents=True, exist_ok=True)
    items = list(choice_items(reference))
    noted = json.dumps([{"id": item["id"], "topic": item["slice"], "answer": item["answer"]} for item in items])
    if not (scores / "items.json").exists() or (scores / "items.json").read_text() != noted:
        for old in scores.glob("*.json"):
            old.unlink()
        (scores / "items.json").write_text(noted)
    missing = [name for name in ("base", *ADAPTERS) if not (scores / f"{name}.json").exists()]
    if missing:
        answer_all(reference, items, missing, scores)
    return items


def answer_all(reference: Path, items: list[dict[str, Any]], names: Sequence[str], scores: Path) -> None:
    from regress.run.engines import load_engine
    from regress.schema import Precision, Variant, VariantKind
    from regress.suite.suite_file import read_suite

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "choices.jsonl").write_text("\n".join(map(json.dumps, items)) + "\n")
        spec = {"name": "choices", "version": 1, "category": "capability", "items": "choices.jsonl"}
        spec |= {"ask": "choose", "prompt": "chat", "scorer": "choice", "margin": MARGIN}
        (Path(folder) / "choices.yaml").write_text(json.dumps(spec))
        suite = read_suite(Path(folder) / "choices.yaml")
    engine = load_engine(reference / "model", Precision.AUTO, "cpu", None)
    requests = engine.render(suite)
    for name in names:
        started = time.monotonic()
        if name != "base":
            engine.attach(str(reference / "adapters" / name))
            engine.use(Variant(kind=VariantKind.ADAPTER))
        found: list[tuple[float, ...]] = [()] * len(requests)
        for index, reply in chain.from_iterable(engine.answers(suite, engine.batches(suite, requests))):
            found[index] = reply.logprobs
        kept = scores / f"{name}.json.tmp"
        kept.write_text(json.dumps(found))
        kept.replace(scores / f"{name}.json")
        print(f"scored {name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def read_pool(items: list[dict[str, Any]], scores: Path) -> tuple[Pool, dict[str, Bools]]:
    """The pool, and of each adapter which items flip."""
    answers = np.array([item["answer"] for item in items])
    values = {name: np.array(json.loads((scores / f"{name}.json").read_text())) for name in ("base", *ADAPTERS)}
    right = {name: v.argmax(axis=1) == answers for name, v in values.items()}
    own = values["base"][np.arange(len(items)), answers]
    others = values["base"].copy()
    others[np.arange(len(items)), answers] = -np.inf
    names = list(TOPICS)
    pool = Pool(
        margin=np.abs(own - others.max(axis=1)),
        right=right["base"],
        topic=np.array([names.index(item["slice"]) for item in items]),
    )
    return pool, {name: right[name] != right["base"] for name in ADAPTERS}


def resample(pool: Pool, flip: Bools, weights: Floats, n: int, topics: bool, rng: np.random.Generator) -> Locked:
    index = rng.choice(len(flip), size=(CHUNK, n), p=weights)
    topic = pool.topic[index] if topics else np.zeros_like(index)
    return Locked(margin=pool.margin[index], right=pool.right[index], topic=topic, flip=flip[index])


def tilted(pool: Pool, flip: Bools, drop: float | None) -> Floats:
    """Weights of the items; with `drop`, lost items count more (or less) so that the drop is just that."""
    weights: Floats = np.ones(len(flip))
    if drop is not None:
        lost, gained, n = int((flip & pool.right).sum()), int((flip & ~pool.right).sum()), len(flip)
        # (lost x - gained) / (n - lost + lost x) = drop
        weights[flip & pool.right] = (drop * (n - lost) + gained) / (lost * (1.0 - drop))
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def decile_table(pool: Pool, flips: dict[str, Bools]) -> Iterator[str]:
    yield header(["adapter", "topic", "lost", "gained"], ["flips by tenth of the base's margin, in %", "ideal share"])
    for name, flip in flips.items():
        for topic, here in {
            "all": np.ones(len(flip), dtype=bool),
            **{key: pool.topic == number for number, key in enumerate(TOPICS)},
        }.items():
            f, r, m = flip[here], pool.right[here], pool.margin[here]
            tenth = np.argsort(np.argsort(m, kind="stable")) * 10 // len(m)
            shares = [float(f[tenth == k].mean()) for k in range(10)]
            spread = 0.0
            for k in range(10):
                for side in (True, False):
                    cell = f[(tenth == k) & (r == side)]
                    if len(cell):
                        spread += len(cell) / len(f) * math.sqrt(cell.mean() * (1 - cell.mean()))
            d = np.where(r, -1.0, 1.0) * f
            ideal = f"{spread**2 / d.var():.2f}" if d.any() else ""
            yield row(
                [name, topic, int((f & r).sum()), int((f & ~r).sum())],
                [" ".join(f"{100 * share:.0f}" for share in shares), ideal],
            )


def adapter_table(
    pool: Pool, flips: dict[str, Bools], n: int, drop: float | None, margin: float, replications: int
) -> Iterator[str]:
    """PASS/FAIL of each design on sets of n items drawn from the pool, and how often as with all items."""
    names = ["all", "random", "proportional", "Neyman"]
    columns = [f"{k} PASS/FAIL" for k in [*names, "Neyman by topic", "Neyman, half"]]
    yield header(["adapter", "drop"], [*columns, "same as all: random", "Neyman", "by topic", "half"])
    for name, flip in flips.items():
        weights = tilted(pool, flip, drop)
        true = float((weights * np.where(pool.right, 1.0, -1.0) * flip).sum())  # a gain is negative
        draw = partial(resample, pool, flip, weights, n, False)
        third = at({key: DESIGNS[key] for key in names}, n // 3) | {"half": (by_neyman, n // 2)}
        found = rates(draw, third, replications, margin)
        by_topic = at({"all": everything, "topics": by_neyman}, n // 3)
        found |= {
            key: value
            for key, value in rates(
                partial(resample, pool, flip, weights, n, True), by_topic, replications, margin, 2
            ).items()
            if key == "topics"
        }
        order = [*names, "topics", "half"]
        yield row(
            [name, f"{100 * true:.1f} pp"],
            [f"{found[k][0]:.3f}/{found[k][1]:.3f}" for k in order]
            + [f"{found[k][2]:.3f}" for k in ("random", "Neyman", "topics", "half")],
        )


def adapter_share_table(pool: Pool, flips: dict[str, Bools], n: int, replications: int) -> Iterator[str]:
    yield header(["adapter", "N"], ["no drop: PASS, all", "share", "a drop of 1 pp: PASS, all", "share"])
    for name, flip in flips.items():
        cells = []
        for drop in (0.0, 0.01):
            draw = partial(resample, pool, flip, tilted(pool, flip, drop), n, False)
            passes, share = same_power(draw, n, replications)
            cells += [f"{passes:.3f}", share]
        yield row([name, n], cells)


# --- output ----------------------------------------------------------------------------------------------------------


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def header(left: Sequence[str], right: Sequence[str]) -> str:
    return f"| {' | '.join([*left, *right])} |\n|{'---|' * len(left)}{'--:|' * len(right)}"


def row(left: Sequence[object], right: Sequence[str]) -> str:
    return f"| {' | '.join([*map(str, left), *right])} |"


def show(title: str, lines: Iterator[str]) -> None:
    print(f"\n### {title}\n")
    for line in lines:
        print(line, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--scores", type=Path, help="where log-likelihoods are kept, outside the repository")
    parser.add_argument("--replications", type=int, default=4000)
    parser.add_argument("--only", choices=["simulation", "reference"])
    options = parser.parse_args()
    r = options.replications
    error = math.sqrt(ALPHA * (1 - ALPHA) / r)
    print(
        f"alpha {ALPHA}, margin {100 * MARGIN:.0f} pp, {r:,} replications: a rate of .05 is known to ±{error:.4f} (one"
    )
    print(
        f"standard error), one of .5 to ±{math.sqrt(0.25 / r):.4f}. Designs other than `all` ask a third of the items."
    )
    if options.only != "reference":
        show("Size: a true drop at the margin", size_table(r))
        show("Size with a handful asked in each stratum", many_strata_table(r))
        show("Power: PASS with no drop", power_table(r, 0.0))
        show("Power: PASS with a drop of 1 pp", power_table(r, 0.01))
        show("Power: FAIL with a drop of 5 pp", power_table(r, 0.05))
        show("Items for the same power", share_table(r))
        show("What failed: the first three lines are at the margin", failed_table(r))
    if options.only != "simulation":
        reference(options.reference, options.scores, r)
    return 0


def reference(folder: Path | None, scores: Path | None, replications: int) -> None:
    if folder is None or not folder.is_dir() or scores is None:
        print(f"\nskipped: no reference model at {folder}, or no folder for its scores (--reference, --scores)")
        return
    os.environ["HF_HUB_OFFLINE"] = "1"
    pool, flips = read_pool(score_all(folder, scores), scores)
    show(f"The reference adapters on {len(pool.margin):,} four-choice items", decile_table(pool, flips))
    for n in (900, 1500):
        title = f"N = {n}: items for the same power, lost items weighed to no drop and to one of 1 pp"
        show(title, adapter_share_table(pool, flips, n, replications))
        show(f"N = {n}: adapters as they are", adapter_table(pool, flips, n, None, MARGIN, replications))
        show(
            f"N = {n}: lost items weighed so that the drop is the margin",
            adapter_table(pool, flips, n, MARGIN, MARGIN, replications),
        )


if __name__ == "__main__":
    sys.exit(main())
