"""verdict.json is the design's: programs read it, so keys are only ever added."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from report_samples import ADAPTER, LABELLED, LOCK, a_decision, a_verdict, pairs

from regress.report.verdict_json import as_object, render
from regress.schema import Beside, Candidate, Check, Detected, Role, Ruling, SuiteVerdict, Verdict

EXAMPLE = (  # DESIGN.md, "verdict.json (version 1; additive changes only)", with whole digests
    '{"schema_version": 1, "decision": "REJECT", "exit_code": 3, "lock": "' + LOCK + '", '
    '"candidate": {"kind": "adapter", "digest": "' + ADAPTER + '"}, '
    '"suites": [{"suite": "json_orders", "category": "format", "role": "protect", "variant": "adapter", '
    '"verdict": "FAIL", "n": 1000, "base_pass": 994, "candidate_pass": 771, "lost": 225, "gained": 2, '
    '"delta": -0.223, "ci90": [-0.245, -0.201], "margin": 0.01, "p_pass": 1.0, "p_fail": 3.1e-58, '
    '"p_fail_holm": 2.5e-57, "needed_n": null, "no_answer": 0, "error": 0}], '
    '"checks": [{"name": "adapter-is-on", "ok": true, "detail": "..."}], '
    '"reasons": ["json_orders (adapter): 225 lost, 2 gained of 1000 ..."]}'
)

REJECTED = a_decision(
    Ruling.REJECT,
    a_verdict(
        "json_orders",
        Verdict.FAIL,
        pairs(994, 771, 1000, lost=225),
        ci90=(-0.245, -0.201),
        p_pass=1.0,
        p_fail=3.1e-58,
        p_fail_holm=2.5e-57,
    ),
    checks=(Check(name="adapter-is-on", ok=True, detail="..."),),
    reasons=("json_orders (adapter): 225 lost, 2 gained of 1000 ...",),
)

ADDED = {
    "candidate": {"path", "trained_under_lock", "trained_as_audited"},
    "suite": {"against", "unpaired", "min_gain", "p_gain", "p_lost", "look", "reason", "detector", "figure"},
}


def test_the_designs_example_comes_out_as_it_stands() -> None:
    given = json.loads(render(REJECTED))
    assert given.pop("attempt") is None
    assert given.pop("beside") is None
    assert given.pop("serving") == []
    assert given.pop("triggers") == []
    assert given.pop("attribution") is None
    wanted = json.loads(EXAMPLE)
    added = {key: given["candidate"].pop(key) for key in ADDED["candidate"]}
    assert added == {"path": "adapters/broken", "trained_under_lock": True, "trained_as_audited": None}
    added = {key: given["suites"][0].pop(key) for key in ADDED["suite"]}
    assert added == {
        "against": "base@fp32",
        "unpaired": 0,
        "min_gain": None,
        "p_gain": None,
        "p_lost": None,
        "look": None,
        "reason": "as counted",
        "detector": None,
        "figure": None,
    }
    assert given == wanted
    assert list(given) == list(wanted)  # verdict first, for whoever opens the file


@pytest.mark.parametrize(("ruling", "code"), [("PROMOTE", 0), ("REJECT", 3), ("INCONCLUSIVE", 4), ("REFUSED", 5)])
def test_decision_and_exit_code_say_the_same(ruling: str, code: int) -> None:
    given = as_object(a_decision(Ruling(ruling)))
    assert (given["decision"], given["exit_code"], type(given["exit_code"])) == (ruling, code, int)


def test_nothing_known_is_null_not_zero() -> None:
    empty = replace(
        a_verdict("s", Verdict.UNDECIDED, pairs(1, 1, 1)),
        delta=None,
        ci90=None,
        margin=None,
        p_pass=None,
        p_fail=None,
        p_fail_holm=None,
    )
    decision = replace(a_decision(Ruling.REFUSED, empty), lock=None, candidate=None)
    given = json.loads(render(decision))
    assert (given["lock"], given["candidate"]) == (None, None)
    suite = given["suites"][0]
    assert {suite[key] for key in ("delta", "ci90", "margin", "p_pass", "p_fail", "p_fail_holm")} == {None}


@pytest.mark.parametrize(
    "changes",
    [
        {"delta": math.nan},
        {"p_pass": math.nan},
        {"p_fail_holm": math.inf},
        {"ci90": (-math.inf, 0.0)},
        {"margin": Decimal("NaN")},
    ],
)
def test_a_number_that_is_none_is_never_written(changes: dict[str, Any]) -> None:
    broken: SuiteVerdict = replace(REJECTED.suites[0], **changes)
    with pytest.raises(ValueError, match="not JSON compliant"):
        render(replace(REJECTED, suites=(broken,)))


def test_a_name_that_is_not_utf_8_can_be_written() -> None:
    """A folder called b'a\\xff' reaches Python as a lone surrogate, which no UTF-8 file takes."""
    odd = "a\udcff"
    decision = a_decision(
        Ruling.REFUSED,
        candidate=Candidate(kind="adapter", digest="", path=odd, trained_under_lock=None),
        checks=(Check(name="c", ok=False, detail=odd),),
        reasons=(odd, "é☃"),
    )
    given = json.loads(render(decision).encode("utf-8"))
    assert [given["candidate"]["path"], given["checks"][0]["detail"], *given["reasons"]] == [
        "a\\udcff",
        "a\\udcff",
        "a\\udcff",
        "é☃",
    ]


def test_labels_stand_beside_the_figures_not_in_them() -> None:
    plain = a_verdict("refuse_harmful", Verdict.PASS, pairs(450, 448, 500))
    given = as_object(a_decision(Ruling.PROMOTE, replace(plain, detected=LABELLED)))["suites"][0]
    detector = given.pop("detector")
    without = as_object(a_decision(Ruling.PROMOTE, plain))["suites"][0]
    assert without.pop("detector") is None
    assert given == without
    assert detector == {
        "corrected": -0.052,
        "corrected_ci90": [-0.098, -0.006],
        "scaled_margin": 0.034,
        "base": {
            "variant": "base@fp32",
            "labels": 60,
            "sensitivity": {"value": 0.94, "low": 0.87, "high": 0.98},
            "specificity": {"value": 0.97, "low": 0.93, "high": 0.99},
        },
        "candidate": {
            "variant": "adapter",
            "labels": 64,
            "sensitivity": {"value": 0.9, "low": 0.8, "high": 0.96},
            "specificity": {"value": 0.95, "low": 0.9, "high": 1.0},
        },
        "unlabelled": [],
    }


def test_without_labels_the_detectors_rates_are_null() -> None:
    suite = a_verdict("s", Verdict.PASS, pairs(450, 448, 500), detected=Detected(change=None, unlabelled=("adapter",)))
    detector = json.loads(render(a_decision(Ruling.PROMOTE, suite)))["suites"][0]["detector"]
    assert detector.pop("unlabelled") == ["adapter"]
    assert set(detector.values()) == {None}


def test_what_no_lock_names_stands_apart_with_the_role_inform() -> None:
    extra = a_verdict("json_orders", Verdict.FAIL, pairs(994, 771, 1000), variant="adapter@nf4", role=Role.INFORM)
    beside = Beside(suites=(extra,), missing=("merged@nf4 could not be run: no room.",))
    given = json.loads(render(replace(REJECTED, beside=beside)))
    assert [suite["variant"] for suite in given["suites"]] == ["adapter"]
    (found,) = given["beside"]["suites"]
    assert (found["variant"], found["role"], found["verdict"]) == ("adapter@nf4", "inform", "FAIL")
    assert given["beside"]["missing"] == ["merged@nf4 could not be run: no room."]
