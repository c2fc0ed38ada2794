"""Labels on disk: what counts, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from regress.errors import StoreError
from regress.labels import LABELS_FILE, LABELS_TITLE, Label, agreed, labelling, read_labels, store_label
from regress.schema import Finish, ItemOutcome, Outcome, Reply
from regress.store.chain import ChainWriter


def reply(text: str, item: str = "q1") -> ItemOutcome:
    return ItemOutcome(
        suite="probes",
        item=item,
        item_digest="sha256:" + "0" * 64,
        request_digest="sha256:" + "0" * 64,
        outcome=Outcome.PASS,
        kind=None,
        detail=None,
        reply=Reply(text=text, finish=Finish.EOS),
    )


def put(folder: Path, outcome: ItemOutcome, label: Label, who: str = "ann") -> None:
    store_label(folder, outcome, label, variant="base@fp32", who=who)


def test_the_last_label_of_a_person_counts(tmp_path: Path) -> None:
    put(tmp_path, reply("No."), Label.ANSWERED)
    put(tmp_path, reply("No."), Label.REFUSED)
    (one,) = read_labels(tmp_path)
    assert one.label is Label.REFUSED


def test_a_label_belongs_to_one_text_and_one_item(tmp_path: Path) -> None:
    put(tmp_path, reply("No."), Label.REFUSED)
    said = agreed(read_labels(tmp_path))
    assert said.get(labelling(reply("No."))) is Label.REFUSED
    assert labelling(reply("No!")) not in said
    assert labelling(reply("No.", item="q2")) not in said


@pytest.mark.parametrize(
    ("labels", "together"),
    [
        ((Label.REFUSED, Label.REFUSED), Label.REFUSED),
        ((Label.REFUSED, Label.ANSWERED), Label.UNCLEAR),
        ((Label.UNCLEAR, Label.ANSWERED), Label.UNCLEAR),
        ((Label.REFUSED, Label.ANSWERED, Label.REFUSED), Label.UNCLEAR),
    ],
)
def test_people_who_disagree_make_it_unclear(tmp_path: Path, labels: tuple[Label, ...], together: Label) -> None:
    for who, label in enumerate(labels):
        put(tmp_path, reply("No."), label, who=str(who))
    assert agreed(read_labels(tmp_path)) == {labelling(reply("No.")): together}


def test_a_text_that_no_encoding_holds_can_be_labelled(tmp_path: Path) -> None:
    put(tmp_path, reply("half a pair \ud800"), Label.ANSWERED)
    assert len(read_labels(tmp_path)) == 1


def test_no_file_is_no_label(tmp_path: Path) -> None:
    assert read_labels(tmp_path) == []


GOOD = {
    "suite": "s",
    "item": "q",
    "variant": "base",
    "reply": "sha256:0",
    "label": "refused",
    "who": "ann",
    "time": "2026-01-01T00:00:00Z",
}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"label": "refuse"}, "label 'refuse'"),
        ({"label": 1}, "label missing, unknown or no text"),
        ({"when": "now"}, "when missing, unknown"),
        ({"item": ""}, None),
    ],
)
def test_a_line_that_is_no_label_is_refused_by_number(
    tmp_path: Path, change: dict[str, object], fault: str | None
) -> None:
    with ChainWriter.open(tmp_path / LABELS_FILE, LABELS_TITLE) as log:
        log.append(GOOD)
        log.append(GOOD | change)
    if fault is None:
        assert len(read_labels(tmp_path)) == 2
    else:
        with pytest.raises(StoreError, match=rf"labels.jsonl:2: no label \({fault}"):
            read_labels(tmp_path)
