"""The audit as a whole: one pass, nothing dropped, the policy's severities, the same on any number of processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from audit_samples import NOW, Spoken, audited, rules, write_rows

from regress.audit import checks, passing
from regress.audit.auditing import Order, audit
from regress.audit.protocol import Again, Chunk, Context, Found
from regress.errors import DataError
from regress.report import audit_json
from regress.rows import json_lines
from regress.rows.opening import open_source
from regress.schema import Severity
from regress.suite.audit_section import AuditSection

ROWS = [{"prompt": f"Question {k}?", "completion": f"Answer {k % 7}."} for k in range(40)]


class Sums:
    """A check that adds up row numbers, and looks again."""

    name: ClassVar[str] = "sums"

    def __init__(self, context: Context) -> None:
        self.seen: list[int] = []

    def look(self, chunk: Chunk) -> int:
        return sum(row.number for row in chunk.rows)

    def add(self, seen: int) -> None:
        self.seen.append(seen)

    def finish(self, again: Again) -> Found:
        second = list(again.scan(lengths))
        sample = again.sample(5)
        return Found(
            figures={
                "sums": sum(self.seen),
                "again": sum(second),
                "sampled": ",".join(str(row.number) for row in sample),
                "cited": again.rows([3, 5])[5].prompt,
            }
        )


def lengths(chunk: Chunk) -> int:
    return sum(len(row.prompt) for row in chunk.rows)


def test_every_row_is_looked_at_once_in_order_on_any_number_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_rows(tmp_path / "d.jsonl", ROWS)
    monkeypatch.setitem(checks.CHECKS, "sums", Sums)
    monkeypatch.setattr(json_lines, "BLOCK_ROWS", 5)
    one = audited(data, checks=["sums", "duplicates"])
    monkeypatch.setattr(passing, "FEW_BLOCKS", 0)
    two = audited(data, checks=["sums", "duplicates"], workers=2)
    assert one == two
    assert one.figures["sums"] == sum(range(1, 41))
    assert one.figures["again"] == sum(len(row["prompt"]) for row in ROWS)
    assert one.figures["cited"] == "Question 4?"
    assert len(str(one.figures["sampled"]).split(",")) == 5


def test_repetitions_and_broken_rows_are_found_and_cited(tmp_path: Path) -> None:
    repeated = {"prompt": "question  4?", "completion": "ANSWER 4."}
    data = write_rows(tmp_path / "d.jsonl", [*ROWS, repeated, "{", {"x": 1}])
    result = audited(data, checks=["duplicates"])
    found = rules(result)
    assert list(found) == ["rows/broken", "duplicates/exact"], "what blocks comes first"
    assert found["duplicates/exact"].count == 1
    assert found["duplicates/exact"].evidence[0].item == "row 5"
    assert found["duplicates/exact"].evidence[0].text == "question 4? → ANSWER 4."
    assert [one.row for one in result.broken] == [42, 43]
    assert (result.data.rows, result.data.broken) == (41, 2)
    assert [f.rule for f in result.blocking] == ["rows/broken"]


@pytest.mark.parametrize(
    ("severity", "found"),
    [
        ({}, {"rows/broken": Severity.BLOCK, "duplicates/exact": Severity.WARN}),
        ({"duplicates": "block"}, {"rows/broken": Severity.BLOCK, "duplicates/exact": Severity.BLOCK}),
        (
            {"duplicates": "block", "duplicates/exact": "note"},
            {"rows/broken": Severity.BLOCK, "duplicates/exact": Severity.NOTE},
        ),
        ({"rows": "off"}, {"duplicates/exact": Severity.WARN}),
    ],
    ids=["defaults", "a check", "a rule before its check", "off"],
)
def test_the_policy_says_what_a_finding_does(
    tmp_path: Path, severity: dict[str, Any], found: dict[str, Severity]
) -> None:
    data = write_rows(tmp_path / "d.jsonl", [*ROWS, ROWS[0], "{"])
    result = audited(data, checks=["duplicates"], section=AuditSection(severity=severity))
    assert {f.rule: f.severity for f in result.findings} == found


@pytest.mark.parametrize("rows", [[], ["{"], ["", "  "]], ids=["empty", "broken only", "blank lines"])
def test_data_without_a_row_is_refused(tmp_path: Path, rows: list[str]) -> None:
    data = write_rows(tmp_path / "d.jsonl", rows)
    with pytest.raises(DataError, match="holds no row that can be read"):
        audited(data)


def test_data_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "d.jsonl", ROWS)
    source = open_source(str(data))

    class Meddler(Spoken):
        def finish(self, unit: str = "items") -> None:
            data.write_text(data.read_text() + "\n")

    order = Order(source=source, context=Context(suites=()), policy=AuditSection(), lock=None, workers=1, checks=())
    with pytest.raises(DataError, match="changed while it was read"):
        audit(order, Meddler(), NOW)


def test_a_check_without_its_library_is_said_to_be_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Needy(Sums):
        name = "needy"

        def finish(self, again: Again) -> Found:
            import a_library_that_nobody_has  # type: ignore[import-not-found]  # noqa: F401

            return Found()

    monkeypatch.setitem(checks.CHECKS, "needy", Needy)
    (skipped,) = audited(write_rows(tmp_path / "d.jsonl", ROWS), checks=["needy"]).skipped
    assert (skipped.check, "regress-harness[audit]" in skipped.reason) == ("needy", True)


def test_hostile_texts_reach_json_as_text(tmp_path: Path) -> None:
    row = {"prompt": "\x1b[31m::error::<script>", "completion": "\u202ex"}
    result = audited(write_rows(tmp_path / "d.jsonl", [row, row]), checks=["duplicates"])
    body = audit_json.as_object(replace(result, lock="sha256:0"), 0)
    assert body["findings"][0]["rows"][0]["text"].startswith("\x1b[31m::error::<script>")
    assert (body["exit_code"], body["lock"]) == (0, "sha256:0")
