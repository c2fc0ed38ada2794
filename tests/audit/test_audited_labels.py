"""Contradictory answers are told from different wordings, and wrong labels from right ones."""

import pickle
from pathlib import Path
from typing import Any

import pytest
from auditing_rows import audited, rules, shop_rows, the

from regress.audit.checks import CHECKS
from regress.audit.checks.labels import asked_key
from regress.audit.protocol import Chunk, Context
from regress.rows.forms import read_row
from regress.schema import Severity

OTHERS = [{"prompt": f"what is {number} plus {number}", "completion": str(2 * number)} for number in range(40)]


def asked(prompt: str, completion: str) -> dict[str, str]:
    return {"prompt": prompt, "completion": completion}


@pytest.mark.parametrize(
    ("first", "second", "conflict"),
    [
        (asked("What is 12 + 5?", "17"), asked("what is 12 + 5", "18"), True),  # case and closing marks aside
        (asked("What is 12 + 5?", "17"), asked("What is 12 - 5?", "7"), False),  # signs make another question
        (asked("What is 3.5 + 1?", "4.5"), asked("What is 35 + 1?", "36"), False),
        (asked("How many?", "1,000"), asked("How many?", "1000"), False),  # the same number
        (asked("As JSON", '{"a": 1, "b": 2}'), asked("As JSON", '{"b":2,"a":1}'), False),  # the same object
        (asked("As JSON", '{"a": 1}'), asked("As JSON", '{"a": 2}'), True),
        (asked("Tell me a story", "Once upon a time."), asked("Tell me a story", "There was a cat."), False),
        (asked("Say hi", "Hello!"), asked("Say hi", "Hi there!"), False),
    ],
)
def test_what_is_a_conflict(tmp_path: Path, first: Any, second: Any, conflict: bool) -> None:
    found = audited(tmp_path / "train.jsonl", [*OTHERS, first, second], "labels")
    assert ("labels/conflict" in rules(found)) is conflict
    if conflict:
        finding = the(found, "labels/conflict")
        assert (finding.count, finding.of, finding.figures["outvoted"]) == (2, 42, 1)
        assert [one.row for one in finding.evidence] == [42]
        assert finding.evidence[0].item == "row 41"
        assert finding.evidence[0].detail == f"{second['completion']} against {first['completion']}"


def test_labels_conflict_where_a_text_bears_two(tmp_path: Path) -> None:
    rows = [*shop_rows(60), {"text": "hello?", "label": "price"}, {"text": "Hello", "label": "stock"}]
    finding = the(audited(tmp_path / "train.jsonl", rows, "labels"), "labels/conflict")
    assert finding.evidence[0].detail == "stock against price"
    assert finding.title == "1 prompt is answered in contradictory ways, in 2 rows"


def test_a_single_conflict_among_thousands_is_a_note(tmp_path: Path) -> None:
    many = [asked(f"what is {number} plus 1", str(number + 1)) for number in range(1500)]
    rows = [*many, asked("what is 7 plus 1", "9")]
    assert the(audited(tmp_path / "train.jsonl", rows, "labels"), "labels/conflict").severity is Severity.NOTE


@pytest.mark.parametrize(
    ("value", "same"),
    [
        ({"messages": [{"role": "user", "content": "Go on"}, {"role": "assistant", "content": "b"}]}, True),
        (  # what was said before decides
            {
                "messages": [
                    {"role": "system", "content": "Speak Dutch."},
                    {"role": "user", "content": "Go on"},
                    {"role": "assistant", "content": "b"},
                ]
            },
            False,
        ),
    ],
)
def test_the_whole_conversation_is_the_question(value: Any, same: bool) -> None:
    plain = read_row(asked("Go on!", "a"), 1, ())
    assert (asked_key(plain) == asked_key(read_row(value, 2, ()))) is same


def test_many_wordings_are_a_note(tmp_path: Path) -> None:
    rows = [asked(f"Tell me about {n // 2}", f"A story about it, number {n}, and its end.") for n in range(100)]
    found = audited(tmp_path / "train.jsonl", rows, "labels")
    assert rules(found) == ["labels/several-wordings"]
    assert found.figures["labels.several_answers"] == 50


def test_text_alone_asks_nothing(tmp_path: Path) -> None:
    found = audited(tmp_path / "train.jsonl", [{"text": f"Page {n} of a book."} for n in range(300)], "labels")
    assert found.findings == ()
    assert found.figures["labels.rows"] == 0


def test_clean_labels_are_left_alone(tmp_path: Path) -> None:
    found = audited(tmp_path / "train.jsonl", shop_rows(480), "labels")
    assert found.findings == ()
    assert found.figures["labels.noise"] == 0.0
    assert found.figures["labels.classes"] == 4


def test_planted_labels_are_found(tmp_path: Path) -> None:
    rows = shop_rows(480)
    planted = [number for number in range(480) if number % 13 == 0]
    for number in planted:
        rows[number]["label"] = "repair" if rows[number]["label"] != "repair" else "price"
    found = audited(tmp_path / "train.jsonl", rows, "labels")
    finding = the(found, "labels/mislabelled")
    assert finding.severity is Severity.WARN
    assert {one.row for one in finding.evidence} <= {number + 1 for number in planted}
    assert finding.count >= 0.8 * len(planted)
    assert found.figures["labels.noise"] == pytest.approx(len(planted) / 480, abs=0.02)
    assert finding.evidence[0].detail is not None
    assert " → " in finding.evidence[0].detail


def test_a_single_odd_label_is_not_worth_a_word(tmp_path: Path) -> None:
    rows = shop_rows(480)
    rows[0]["label"] = "repair"
    found = audited(tmp_path / "train.jsonl", rows, "labels")
    assert found.findings == ()
    assert 0.0 < found.figures["labels.noise"] < 0.005  # type: ignore[operator]


def test_the_same_again(tmp_path: Path) -> None:
    rows = shop_rows(480)
    for number in range(0, 480, 40):
        rows[number]["label"] = "repair"
    once, again = (audited(tmp_path / "train.jsonl", rows, "labels") for _ in range(2))
    assert rules(once) == ["labels/mislabelled"]
    assert once == again


@pytest.mark.parametrize("name", ["labels", "distribution", "shift"])
def test_checks_travel_to_workers_and_back(name: str) -> None:
    check = pickle.loads(pickle.dumps(CHECKS[name](Context(suites=()))))
    rows = [read_row(row, number, ()) for number, row in enumerate(shop_rows(100), 1)]
    assert len(pickle.dumps(check.look(Chunk(rows)))) < 100 * 60 + 2_000  # bytes: what a million rows may take


def test_labels_that_nobody_can_predict_are_not_doubted(tmp_path: Path) -> None:
    rows = shop_rows(480)
    for number, row in enumerate(rows):
        row["label"] = ("red", "green", "blue")[number * number * 7919 // 3 % 3]
    found = audited(tmp_path / "train.jsonl", rows, "labels")
    assert rules(found) == []
    assert [skip.check for skip in found.skipped] == ["labels"]
    assert "too few to doubt any" in found.skipped[0].reason


@pytest.mark.parametrize("prompt", ["?" * 3 + "{}", "id{}", "{}"])
def test_texts_without_a_common_word(tmp_path: Path, prompt: str) -> None:
    rows = [{"text": prompt.format(chr(0x4E00 + 7 * n)), "label": "ab"[n % 2]} for n in range(300)]
    found = audited(tmp_path / "train.jsonl", rows, "labels")
    assert found.findings == ()
    assert "labels.predictable" in found.figures


def test_results_of_sums_are_no_labels(tmp_path: Path) -> None:
    rows = [asked(f"what is {a} plus {b}", str(a + b)) for a in range(30) for b in range(30)]
    assert audited(tmp_path / "train.jsonl", rows, "labels").figures["labels.rows"] == 0
