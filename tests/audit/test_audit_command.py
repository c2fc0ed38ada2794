"""`regress audit` as a user runs it: real processes, exit codes, files, and what nothing is written over."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from audit_samples import audited, write_rows

from regress.audit.fixing import fix
from regress.errors import DataError
from regress.report import audit_sarif
from regress.rows.opening import open_source

ROWS = [{"prompt": f"What is {k} plus {k}?", "completion": str(2 * k)} for k in range(30)]
PROJECT = "base: {model: model}\nsuites: [suites/*.yaml]\naudit: {severity: {duplicates: block}}\n"
SUITE = """\
name: greetings
version: 1
category: capability
role: protect
items: greetings.jsonl
ask: generate
scorer: exact_match
margin: 0.10
"""


def regress(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "regress", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "regress.yaml").write_text(PROJECT)
    write_rows(tmp_path / "suites" / "greetings.jsonl", [{"id": "q1", "prompt": "Say hello.", "target": "hello"}])
    (tmp_path / "suites" / "greetings.yaml").write_text(SUITE)
    return tmp_path


def test_a_finding_that_blocks_is_exit_code_three_and_the_files_say_why(project: Path) -> None:
    write_rows(project / "data" / "train.jsonl", [*ROWS, ROWS[3]])
    done = regress(project, "audit", "data/train.jsonl", "--only", "duplicates", "--json", "--quiet")
    assert done.returncode == 3, done.stderr
    body = json.loads(done.stdout)
    assert body == json.loads((project / "reports" / "audit.json").read_text())
    assert [(f["rule"], f["severity"]) for f in body["findings"]] == [("duplicates/exact", "block")]
    assert body["data"]["columns"] == {"prompt": "prompt", "completion": "completion"}
    log = json.loads((project / "reports" / "audit.sarif").read_text())
    (result,) = log["runs"][0]["results"]
    location = result["locations"][0]["physicalLocation"]
    assert (result["level"], location["artifactLocation"]["uri"]) == ("error", "data/train.jsonl")
    assert location["region"] == {"startLine": 31}
    assert "must be mended before anybody trains on it" in (project / "reports" / "audit.html").read_text()


def test_clean_data_is_exit_code_zero_and_said_in_words(project: Path) -> None:
    write_rows(project / "train.jsonl", ROWS)
    done = regress(project, "audit", "train.jsonl", "--only", "duplicates")
    assert done.returncode == 0, done.stderr
    assert "30 rows (30 prompt and completion)" in done.stderr
    assert "Nothing was found that would hurt the verdict." in done.stderr
    assert "concluding" not in done.stderr  # what is over at once is not worth a line
    assert max(map(len, done.stderr.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nothing.jsonl"], 5, "there is no such file"),
        (["empty.jsonl"], 5, "holds no row that can be read"),
        (["train.jsonl", "--map", "prompt"], 2, "write KEY=COLUMN"),
        (["train.jsonl", "--map", "colour=prompt"], 2, "write KEY=COLUMN"),
        (["train.jsonl", "--map", "prompt=completion", "--map", "completion=completion"], 2, "a column twice"),
        (["train.jsonl", "--split", "test"], 5, "--split test names nothing"),
        (["train.jsonl", "--only", "taste"], 2, "there is no such check"),
        (["train.jsonl", "--validation", "nothing.jsonl"], 5, "there is no such file"),
    ],
)
def test_what_cannot_be_audited_is_one_sentence_and_no_verdict(
    project: Path, arguments: list[str], code: int, said: str
) -> None:
    write_rows(project / "train.jsonl", ROWS)
    (project / "empty.jsonl").touch()
    done = regress(project, "audit", *arguments)
    assert (done.returncode, said in " ".join(done.stderr.split())) == (code, True), done.stderr
    assert not (project / "reports" / "audit.json").exists()


def test_an_old_audit_does_not_outlive_a_refusal(project: Path) -> None:
    write_rows(project / "train.jsonl", ROWS)
    assert regress(project, "audit", "train.jsonl", "--only", "duplicates", "-q").returncode == 0
    (project / "train.jsonl").write_text("")
    assert regress(project, "audit", "train.jsonl", "-q").returncode == 5
    assert not list((project / "reports").iterdir())


def test_data_is_audited_without_a_project_and_nothing_is_written(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", [*ROWS, ROWS[0]])
    done = regress(tmp_path, "audit", "train.jsonl", "--only", "duplicates")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["train.jsonl"]


def test_a_cleaned_copy_holds_every_other_row_byte_for_byte(tmp_path: Path) -> None:
    odd = '{"prompt":  "spaced \\u00e4",\t"completion": "kept"}'
    data = write_rows(tmp_path / "train.jsonl", [*ROWS, odd, "{", ROWS[2]])
    before = data.read_bytes()
    result, target = audited(data, checks=["duplicates"]), tmp_path / "clean.jsonl"
    assert fix(result, open_source(str(data)), target) == (31, 2)
    assert data.read_bytes() == before
    assert target.read_bytes().splitlines() == before.splitlines()[:31]
    changes = [json.loads(line) for line in (tmp_path / "clean.jsonl.changes.jsonl").read_text().splitlines()]
    assert [(change["row"], change["removed_for"]) for change in changes] == [
        (32, "rows/broken"),
        (33, "duplicates/exact"),
    ]
    with pytest.raises(DataError, match="never written over"):
        fix(result, open_source(str(data)), target)
    with pytest.raises(DataError, match="is not what was audited"):
        fix(result, open_source(str(target)), tmp_path / "other.jsonl")
    assert not (tmp_path / "other.jsonl").exists()


def test_tables_are_copied_as_tables(tmp_path: Path) -> None:
    data = tmp_path / "train.csv"
    data.write_text('text,label\n"a, b",x\n"a, b",x\n"c\nd",y\n')
    result = audited(data, checks=["duplicates"])
    assert fix(result, open_source(str(data)), tmp_path / "clean.csv") == (2, 1)
    with (tmp_path / "clean.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["text", "label"], ["a, b", "x"], ["c\nd", "y"]]
    with pytest.raises(DataError, match=r"\.jsonl or \.csv"):
        fix(result, open_source(str(data)), tmp_path / "clean.parquet")


def test_messages_of_the_log_hold_no_link_and_no_control(tmp_path: Path) -> None:
    row: dict[str, Any] = {"prompt": "[click](http://x) \x1b[2J", "completion": "y"}
    result = audited(write_rows(tmp_path / "d.jsonl", [row, row]), checks=["duplicates"])
    (found,) = audit_sarif.as_object(result, lambda row: None)["runs"][0]["results"]
    assert "\\[click\\](http://x)" in found["message"]["text"]
    assert "\x1b" not in json.dumps(found, ensure_ascii=False)
    assert "locations" not in found
