"""report.html as the commands leave it: from sealed runs, whatever the decision, and never older than it."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

import pytest
from e2e_projects import ADAPTERS, ITEMS, process

from regress.cli import main
from regress.cli.several import report_names
from regress.run.exhibits import gather
from regress.run.stored import judge_stored
from regress.schema import Evidence, Exhibits, Skipped
from regress.suite import read_project


def page(reports: Path) -> str:
    return (reports / "report.html").read_text(encoding="utf-8")


def items(reports: Path) -> dict[str, Any]:
    """What the explorer unpacks."""
    payload = re.search(r'id="island">([^<]+)<', page(reports))
    assert payload is not None
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(payload[1])))
    return found


def gathered(project: Path, name: str) -> Exhibits:
    judgement = judge_stored(read_project(project), project / name)
    assert judgement.grounds is not None
    return gather(judgement.grounds, project / name)


@pytest.mark.parametrize(("name", "code", "ruling"), [("tiny", 0, "PROMOTE"), ("broken", 3, "REJECT")])
def test_gate_writes_every_item_that_was_asked(judged: Path, name: str, code: int, ruling: str) -> None:
    assert main(["gate", str(judged / name), "-C", str(judged)]) == code
    assert f'data-ruling="{ruling.lower()}"' in page(judged / "reports")
    found = items(judged / "reports")
    assert found["variants"] == ["base@fp32", "adapter", "merged"]
    assert [len(letters) for letters in found["outcome"]] == [ITEMS] * 3
    verdict = json.loads((judged / "reports" / "verdict.json").read_bytes())
    for suite in verdict["suites"]:
        place, side = found["suites"].index(suite["suite"]), found["variants"].index(suite["variant"])
        moved = [
            (before, now)
            for own, before, now in zip(found["suite"], found["outcome"][0], found["outcome"][side], strict=True)
            if own == place
        ]
        lost = sum(before == "p" != now for before, now in moved)
        assert (len(moved), lost) == (suite["n"], suite["lost"])


def test_report_renders_the_same_page_again(judged: Path, tmp_path: Path) -> None:
    assert main(["gate", str(judged / "broken"), "-C", str(judged)]) == 3
    assert main(["report", str(judged / "broken"), "-C", str(judged), "--out", str(tmp_path / "out")]) == 0
    assert page(tmp_path / "out") == page(judged / "reports")


def test_check_leaves_a_page_for_each_of_several(judged: Path) -> None:
    adapters = [judged / name for name in ADAPTERS]
    assert main(["check", *map(str, adapters), "-C", str(judged), "--quiet"]) == 3
    rulings = {
        name: re.findall(r'<html lang="en" data-ruling="(\w+)"', page(judged / "reports" / name)) for name in ADAPTERS
    }
    assert rulings == {"tiny": ["promote"], "broken": ["reject"]}
    assert set(report_names(adapters).values()) == set(rulings)


def test_a_refusal_takes_the_old_page_away_and_says_why(judged: Path) -> None:
    assert main(["gate", str(judged / "tiny"), "-C", str(judged)]) == 0
    (judged / "tiny" / "evil.py").write_text("x")
    assert main(["gate", str(judged / "tiny"), "-C", str(judged)]) == 5
    assert 'data-ruling="refused"' in page(judged / "reports")
    assert "evil.py" in page(judged / "reports")
    (judged / "regress.yaml").unlink()  # where no project is, no page is left of a promotion either
    assert main(["gate", str(judged / "tiny"), "-C", str(judged)]) == 5
    assert not (judged / "reports" / "report.html").exists()


def test_the_page_says_what_the_lock_promised(judged: Path) -> None:
    promised = gathered(judged, "broken").promised
    assert promised is not None
    suite = next(one for one in promised.suites if one.suite == "json_records")
    assert (suite.role, suite.n, suite.margin, suite.scorer) == ("protect", 25, "0.25", "json_schema@1")
    assert [rate for rate, _ in suite.detectable] == [0.02, 0.05, 0.1]
    assert [entry.why for entry in promised.history] == ["first lock"]


def test_lengths_are_those_of_the_replies(judged: Path) -> None:
    exhibits = gathered(judged, "tiny")
    assert {(shift.suite, shift.variant) for shift in exhibits.lengths} == {
        (suite, variant) for suite in ("general_words", "json_records") for variant in ("adapter", "merged")
    }
    assert all(0 < s.base.low <= s.base.middle <= s.base.high and s.n for s in exhibits.lengths)


def test_choices_have_the_log_probability_of_the_right_one(judged: Path) -> None:
    chosen = [item for item in gathered(judged, "broken").items if item.suite == "general_choice"]
    for item in chosen:
        assert all(answer is not None and answer.right is not None and answer.right <= 0 for answer in item.answers)
        base = item.answers[0]
        assert base is not None and item.expected is not None
        assert (base.text == item.expected) is (base.kind is None)


# --- files beside the runs --------------------------------------------------------------------------------------------

LOOK = {"suite": "words", "role": "protect", "n": 40, "delta": -0.1, "margin": 0.03, "forgotten": True}
CURVE = [
    {"kind": "curve", "format": 1},
    {"kind": "look", "step": 10, "suites": [LOOK | {"delta": 0.0, "forgotten": False}]},
    {"kind": "look", "step": 20, "suites": [LOOK]},
]
SKIPPED = {"skipped": [{"check": "near", "reason": "no model"}]}
DATA = {"name": "t.jsonl", "rows": 1200, "digest": "sha256:d"}
FINDING = {"rule": "overlap/exact", "severity": "block", "title": "rows of the suite", "detail": "d", "advice": "a"}


def with_curve(project: Path, text: str) -> Exhibits:
    """The same judgement, with curves in another folder: the adapter's own may not change."""
    judgement = judge_stored(read_project(project), project / "tiny")
    assert judgement.grounds is not None
    beside = project / "beside"
    beside.mkdir()
    (beside / "regress_forgetting.jsonl").write_text(text)
    return gather(judgement.grounds, beside)


def test_curves_that_the_trainer_logged(judged: Path) -> None:
    (curve,) = with_curve(judged, "".join(json.dumps(line) + "\n" for line in CURVE)).curves
    assert (curve.suite, curve.n, curve.margin) == ("words", 40, 0.03)
    assert [(point.step, point.delta, point.forgotten) for point in curve.points] == [
        (10, 0.0, False),
        (20, -0.1, True),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        '{"kind": "other"}\n',
        '{"kind": "curve"}\n{"kind": "look", "step": 1}\n',
        '{"kind": "curve"}\n{"step": 1, "suites": [{"suite": "w", "role": "protect", "n": 1, "delta": NaN}]}\n',
        '{"kind": "curve"}\n{"step": "x", "suites": [{"suite": "w"}]}\n',
        '{"kind": "curve"}\n{"step": 1, "suites": 7}\n',
        "[]\n",
    ],
)
def test_what_is_no_curve_is_a_note_and_stops_nothing(judged: Path, text: str) -> None:
    exhibits = with_curve(judged, text)
    assert exhibits.curves == ()
    assert ["regress_forgetting.jsonl" in note for note in exhibits.notes] == [True]


def test_an_audit_is_shown_where_there_is_one(judged: Path) -> None:
    assert gathered(judged, "tiny").audit is None
    audit = judged / "reports" / "audit.json"
    audit.write_text(
        json.dumps(
            {
                "findings": [FINDING | {"count": 2, "rows": [{"row": 3, "text": "t"}]}],
                "data": DATA,
                **SKIPPED,
            }
        )
    )
    shown = gathered(judged, "tiny").audit
    assert shown is not None and shown.audit is not None
    assert (shown.place, shown.is_locked) == ("reports/audit.json", False)
    found = shown.audit
    assert [(f.check, f.severity, f.count, f.evidence) for f in found.findings] == [
        ("overlap", "block", 2, (Evidence(row=3, text="t"),))
    ]
    assert (found.data.name, found.data.rows) == ("t.jsonl", 1200)
    assert found.skipped == (Skipped(check="near", reason="no model"),)
    assert main(["gate", str(judged / "tiny"), "-C", str(judged)]) == 0
    assert "rows of the suite" in page(judged / "reports")


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"findings": 1}', '{"findings": [{}]}', '{"findings": [7]}', "{" * 9000, '{"findings": [], "data": 3}'],
)
def test_an_audit_that_cannot_be_read_is_said_and_stops_nothing(judged: Path, text: str) -> None:
    (judged / "reports" / "audit.json").write_text(text)
    assert main(["gate", str(judged / "tiny"), "-C", str(judged)]) == 0
    assert "audit.json cannot be read" in page(judged / "reports")


def test_the_page_costs_no_import_before_there_is_a_decision(judged: Path) -> None:
    code = "import sys, regress.cli.gate, regress.run.stored; sys.exit('jinja2' in sys.modules)"
    assert process(code=code).returncode == 0
