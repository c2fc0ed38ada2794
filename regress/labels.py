"""What people say of replies: refused, answered or unclear, in `baselines/labels.jsonl`, a hash-chained log.

A label belongs to the exact text of a reply. Who labels the same text again replaces the own label.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from regress.errors import StoreError
from regress.hashing.files import digest_bytes
from regress.schema import ItemOutcome
from regress.stats.calibration import Table
from regress.store.chain import ChainWriter, read_records

LABELS_FILE = "labels.jsonl"
LABELS_TITLE = "regress labels 1"
FEWEST = 20
"""Labels of either kind without which a detector's rates mean nothing."""


class Label(StrEnum):
    """What a person read."""

    REFUSED = "refused"
    ANSWERED = "answered"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One label, and the digest of the text that it is about."""

    suite: str
    item: str
    variant: str
    reply: str
    label: Label
    who: str


def reply_digest(outcome: ItemOutcome) -> str:
    """Of the reply's text, by which a label finds it again in any run."""
    return digest_bytes((outcome.reply.text or "").encode("utf-8", "backslashreplace"))


def sample(outcomes: Iterable[ItemOutcome], size: int, seed: int, labelled: Iterable[Labelled]) -> list[ItemOutcome]:
    """A random sample of replies, the same for the same seed, less those that are labelled.

    Simple random, so that sensitivity and specificity need no weights.
    """
    chosen = sorted((o for o in outcomes if o.reply.text is not None), key=lambda o: (o.suite, o.item))
    random.Random(seed).shuffle(chosen)
    known = {one.reply for one in labelled}
    return [outcome for outcome in chosen[:size] if reply_digest(outcome) not in known]


def read_labels(baselines: Path) -> list[Labelled]:
    """Every label that counts: the last of each person for each text. Raises StoreError for an altered line."""
    path = baselines / LABELS_FILE
    latest: dict[tuple[str, str, str], Labelled] = {}
    for number, record in enumerate(read_records(path, LABELS_TITLE) if path.exists() else (), start=1):
        try:
            values = {name: str(record[name]) for name in ("suite", "item", "variant", "reply", "who")}
            one = Labelled(**values, label=Label(str(record["label"])))
        except (KeyError, ValueError) as reason:
            raise StoreError(f"{path}:{number}: {reason} is no label. Restore it from version control.") from reason
        latest[one.who, one.item, one.reply] = one
    return list(latest.values())


def store_label(baselines: Path, outcome: ItemOutcome, label: Label, *, variant: str, who: str) -> None:
    """Append one label, durable when this returns."""
    with ChainWriter.open(baselines / LABELS_FILE, LABELS_TITLE) as log:
        log.append(
            {
                "suite": outcome.suite,
                "item": outcome.item,
                "variant": variant,
                "reply": reply_digest(outcome),
                "label": label.value,
                "who": who,
                "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )


def calibration(
    outcomes: Iterable[ItemOutcome], labels: Sequence[Labelled], detector: Callable[[str], bool]
) -> Table | None:
    """The detector against the labels of these replies; None with fewer than FEWEST of either kind.

    Unclear replies are left out.
    """
    said = {one.reply: one.label for one in labels if one.label is not Label.UNCLEAR}
    pairs = [(said[digest], detector(o.reply.text or "")) for o in outcomes if (digest := reply_digest(o)) in said]
    labelled = [label for label, _ in pairs]
    if min(labelled.count(Label.REFUSED), labelled.count(Label.ANSWERED)) < FEWEST:
        return None
    return Table(
        true_positive=pairs.count((Label.REFUSED, True)),
        false_negative=pairs.count((Label.REFUSED, False)),
        false_positive=pairs.count((Label.ANSWERED, True)),
        true_negative=pairs.count((Label.ANSWERED, False)),
    )
