"""How well are wrong labels found, and prompts of two sources told apart? On public data with faults planted in it.

    python benchmarks/audit_label.py path/to/data [labels] [shift]

`labels` moves a share of the labels of banking77 and CLINC150 to others, drawn at random or to the most similar label,
and asks confident learning for them back. Precision and recall count planted rows; what is wrong in the sets as they
were published counts as a false alarm. `shift` holds sources against each other, and halves of one source. Folders that
are absent are skipped. Deterministic; some ten minutes.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time

import numpy as np
import numpy.typing as npt

from regress.audit.checks._coverage import coverage
from regress.audit.checks._mislabelled import suspicion
from regress.audit.checks.labels import USUAL_NOISE
from regress.audit.checks.shift import COMPARED, PERMUTATIONS, prompt_kernel
from regress.stats.two_sample import two_sample

RATES = (0.0, 0.01, 0.02, 0.05, 0.10, 0.20)
SPLITS = 100  # halves of one source
SPLIT_ROWS = 300

BANKING = """transfer transactions balance freeze_account pay_bill bill_balance bill_due interest_rate routing
min_payment order_checks pin_change report_fraud account_blocked spending_history"""
"""CLINC150's intents of its domain "banking"."""

Rows = list[tuple[str, str]]
Ints = npt.NDArray[np.int64]


def banking77(folder: Path) -> Rows:
    with (folder / "banking77" / "train.csv").open(encoding="utf-8", newline="") as file:
        return [(row["text"], row["category"]) for row in csv.DictReader(file)]


def clinc150(folder: Path, split: str = "train") -> Rows:
    listed = json.loads((folder / "clinc150" / "data_full.json").read_text(encoding="utf-8"))[split]
    return [(text, label) for text, label in listed]


def bitext(folder: Path) -> Rows:
    with (folder / "bitext_customer_support" / "bitext_v1.csv").open(encoding="utf-8", newline="") as file:
        return [(row["instruction"], row["intent"]) for row in csv.DictReader(file)]


def at_random(labels: Ints, chosen: Ints, rng: np.random.Generator, _: Sequence[str]) -> Ints:
    classes = int(labels.max()) + 1
    return np.asarray((labels[chosen] + rng.integers(1, classes, len(chosen))) % classes)


def to_the_most_similar(labels: Ints, chosen: Ints, _: np.random.Generator, texts: Sequence[str]) -> Ints:
    from sklearn.feature_extraction.text import TfidfVectorizer

    features = TfidfVectorizer(sublinear_tf=True).fit_transform(texts).tocsr()
    centres = np.stack([np.asarray(features[labels == one].mean(axis=0)).ravel() for one in range(labels.max() + 1)])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    alike = centres @ centres.T
    np.fill_diagonal(alike, -1.0)
    return np.asarray(alike.argmax(axis=1)[labels[chosen]])


def label_noise(folder: Path) -> None:
    print(
        "| set | planted | moved | rows named | precision | recall | of the first 100 | estimate | 95 % | warned | s |"
    )
    print("|---|--:|---|--:|--:|--:|--:|--:|---|---|--:|")
    ways: tuple[tuple[str, Callable[..., Ints], tuple[float, ...]], ...] = (
        ("at random", at_random, RATES),
        ("to the most similar", to_the_most_similar, (0.05,)),
    )
    for name, read in (("banking77", banking77), ("CLINC150", clinc150)):
        if not (folder / name.lower()).is_dir():
            print(f"{name} skipped: it is not in {folder}", file=sys.stderr)
            continue
        rows = list(dict(read(folder)).items())  # one for each text, as the audit does
        for way, move, rates in ways:
            for rate in rates:
                _one_rate(name, rows, way, move, rate)


def _one_rate(name: str, rows: Rows, way: str, move: Callable[..., Ints], rate: float) -> None:
    texts = [text for text, _ in rows]
    truth = np.unique([label for _, label in rows], return_inverse=True)[1].astype(np.int64)
    rng = np.random.default_rng(1)
    chosen = rng.choice(len(rows), round(rate * len(rows)), replace=False)
    labels = truth.copy()
    labels[chosen] = move(truth, chosen, rng, texts)
    begun = process_time()
    found = suspicion(texts, labels, 0)
    took = process_time() - begun
    planted = labels != truth
    named = found.suspects
    low, high = found.joint.interval(0.95)
    hits = planted[named].sum()
    figures = (
        (f"{hits / len(named):.2f}", f"{hits / planted.sum():.2f}", f"{planted[named[:100]].mean():.2f}")
        if planted.any()
        else ("–", "–", "–")
    )
    print(
        f"| {name} | {rate:.0%} | {way if rate else ''} | {len(named):,} | {' | '.join(figures)} | "
        f"{found.joint.noise:.1%} | {low:.1%}–{high:.1%} | {'yes' if low > USUAL_NOISE else 'no'} | {took:.0f} |",
        flush=True,
    )


def shift(folder: Path) -> None:
    bank = [text for text, _ in banking77(folder)]
    clinc = clinc150(folder)
    order = np.random.default_rng(0).permutation(len(bank))
    pairs: tuple[tuple[str, list[str], list[str]], ...] = (
        ("banking77, one half and the other", [bank[i] for i in order[:5000]], [bank[i] for i in order[5000:]]),
        ("CLINC150 train and test", [text for text, _ in clinc], [text for text, _ in clinc150(folder, "test")]),
        ("CLINC150 train and out of scope", [text for text, _ in clinc], [t for t, _ in clinc150(folder, "oos_test")]),
        ("banking77 and CLINC150's banking", bank, [text for text, label in clinc if label in BANKING.split()]),
        ("Bitext and banking77", [text for text, _ in bitext(folder)], bank),
        (
            "banking77, and the same in capitals",
            [bank[i] for i in order[:5000]],
            [bank[i].upper() for i in order[5000:]],
        ),
    )
    print("| training and production | AUC | 95 % interval | p | not covered | s |")
    print("|---|--:|---|--:|--:|--:|")
    for name, ours, theirs in pairs:
        rng = np.random.default_rng(0)
        begun = process_time()
        first, second = _drawn(ours, COMPARED, rng), _drawn(theirs, COMPARED, rng)
        theirs_is = np.arange(len(first) + len(second)) >= len(first)
        found = two_sample(prompt_kernel([*first, *second]), theirs_is, rng, permutations=PERMUTATIONS)
        covered = coverage(_drawn(ours, 20_000, rng), second, 0)
        low, high = found.interval
        print(
            f"| {name} | {_area(found.area)} | {_area(low)}–{_area(high)} | {found.p:.3f} | {covered.share:.1%} | "
            f"{process_time() - begun:.0f} |",
            flush=True,
        )
    null_size(bank)


def null_size(texts: Sequence[str]) -> None:
    """How often halves of one source are told apart at alpha."""
    rng = np.random.default_rng(3)
    second = np.arange(2 * SPLIT_ROWS) >= SPLIT_ROWS
    found = [
        two_sample(prompt_kernel(_drawn(texts, 2 * SPLIT_ROWS, rng, keep_order=False)), second, rng, permutations=99)
        for _ in range(SPLITS)
    ]
    p = np.array([one.p for one in found])
    covered = np.mean([one.interval[0] <= 0.5 <= one.interval[1] for one in found])
    print(
        f"\n{SPLITS} pairs of {SPLIT_ROWS} prompts each from banking77: p ≤ .05 in {np.mean(p <= 0.05):.0%}, "
        f"p ≤ .20 in {np.mean(p <= 0.2):.0%}; the interval holds one half in {covered:.0%}; mean area "
        f"{np.mean([one.area for one in found]):.3f}."
    )


def _area(value: float) -> str:
    """1 only where it is exact."""
    return "1" if value == 1.0 else f"{min(value, 0.999):.3f}"


def _drawn(texts: Sequence[str], size: int, rng: np.random.Generator, *, keep_order: bool = True) -> list[str]:
    chosen = rng.choice(len(texts), min(size, len(texts)), replace=False)
    return [texts[place] for place in (np.sort(chosen) if keep_order else chosen)]


def main() -> None:
    folder, parts = Path(sys.argv[1]), sys.argv[2:] or ["labels", "shift"]
    if "labels" in parts:
        label_noise(folder)
    if "shift" in parts:
        shift(folder)


if __name__ == "__main__":
    main()
