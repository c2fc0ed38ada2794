"""What people say of replies: refused, answered or unclear, in `baselines/labels.jsonl`, a hash-chained log.

A label belongs to the exact text of a reply to one item. Who labels the same reply again replaces the own label; a
reply of which people say different things is unclear.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from regress.errors import StoreError
from regress.hashing.files import digest_bytes
from regress.schema import ItemOutcome
from regress.store.chain import ChainWriter, read_records

LABELS_FILE = "labels.jsonl"
LABELS_TITLE = "regress labels 1"

Labelling = tuple[str, str, str]  # suite, item id, digest of the reply's text


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


def labelling(outcome: ItemOutcome) -> Labelling:
    """What a label of this reply is filed under."""
    return outcome.suite, outcome.item, reply_digest(outcome)


def agreed(labels: Iterable[Labelled]) -> dict[Labelling, Label]:
    """One label for each reply that has any: what everybody says of it, or UNCLEAR."""
    said: dict[Labelling, Label] = {}
    for one in labels:
        key = (one.suite, one.item, one.reply)
        said[key] = one.label if said.get(key, one.label) is one.label else Label.UNCLEAR
    return said


def read_labels(baselines: Path) -> list[Labelled]:
    """Every label that counts: the last of each person for each reply.

    Raises StoreError for an altered line or one that is no label, naming file and line.
    """
    path = baselines / LABELS_FILE
    latest: dict[tuple[str, Labelling], Labelled] = {}
    for number, record in enumerate(read_records(path, LABELS_TITLE) if path.exists() else (), start=1):
        one = _decode(record, path, number)
        latest[one.who, (one.suite, one.item, one.reply)] = one
    return list(latest.values())


def _decode(record: Mapping[str, object], path: Path, number: int) -> Labelled:
    names = ("suite", "item", "variant", "reply", "label", "who", "time")
    wrong = sorted(set(names) ^ set(record)) or [name for name in names if not isinstance(record[name], str)]
    if wrong or record["label"] not in list(Label):
        fault = f"{', '.join(wrong)} missing, unknown or no text" if wrong else f"label {record['label']!r}"
        raise StoreError(f"{path}:{number}: no label ({fault}). Restore the file from version control.")
    values = {name: str(record[name]) for name in ("suite", "item", "variant", "reply", "who")}
    return Labelled(**values, label=Label(str(record["label"])))


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
