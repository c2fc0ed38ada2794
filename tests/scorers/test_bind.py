"""What a suite may ask of a scorer, and how it is told what it may not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scoring import item, suite

import regress.scorers
from regress.errors import SuiteError
from regress.schema import Ask, Outcome, Reply, Score
from regress.scorers import SCORERS, Options, Scorer, bind


def test_the_table_is_the_folder() -> None:
    folder = Path(regress.scorers.__file__).parent
    assert sorted(SCORERS) == sorted(f.stem for f in folder.glob("*.py") if not f.name.startswith("_"))
    assert all(name == scorer.name for name, scorer in SCORERS.items())


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (suite("exact_mach", item("a")), "suites/s.yaml: there is no scorer 'exact_mach', did you mean 'exact_match'?"),
        (suite("zzz", item("a")), "there are choice, contains, ended, exact_match, json_equal"),
        (
            suite("choice", item("a"), ask=Ask.GENERATE),
            "works with `ask: choose`, not `ask: generate`; that has contains",
        ),
        (suite("regex", item("a"), ask=Ask.CHOOSE), "that has choice"),
        (suite("exact_match", item("a"), options={"ignorecase": True}), "no 'ignorecase', did you mean 'ignore_case'?"),
        (suite("exact_match", item("a"), options={"strip": "yes"}), "'strip': Input should be a valid boolean"),
        (suite("refusal", item()), "'expect' is required"),
        (suite("refusal", item(), options={"expect": "maybe"}), "'refuse' or 'answer'"),
        (
            suite("numeric", item("1"), options={"absolute": -1}),
            "'absolute': Input should be greater than or equal to 0",
        ),
        (suite("numeric", item("1"), options={"absolute": float("nan")}), "'absolute'"),
        (suite("exact_match", item("a"), item(id="q2", line=9)), "suites/s.jsonl:9: item q2 has no target"),
        (suite("exact_match", item("a", " ")), "nothing to compare"),
        (suite("exact_match", item("?!"), options={"ignore_punctuation": True}), "nothing to compare"),
        (suite("contains", item("")), "every reply contains"),
        (suite("regex", item("a(")), "suites/s.jsonl:7: item q1 has the pattern 'a('"),
        (suite("regex", item(r"(?=a)b")), "RE2 does not take"),
        (suite("regex", item(r"(a)\1")), "RE2 does not take"),
        (suite("regex", item("a*")), "every reply matches"),
        (suite("numeric", item("twelve")), "not one number"),
        (suite("numeric", item("1 and 2")), "not one number"),
        (suite("choice", item(choices=("a",), answer=0)), "1 choices"),
        (suite("choice", item(choices=("a", "a"), answer=0)), "same choice twice"),
        (suite("choice", item(choices=("a", "b"))), "no answer"),
        (suite("choice", item(choices=("a", "b"), answer=2)), "0 to 1"),
        (suite("choice", item(choices=("a", ""), answer=0)), "an empty choice"),
        (suite("json_equal", item()), "has no target"),
        (suite("json_equal", item("{'a': 1}")), "not acceptable JSON"),
        (suite("json_equal", item('{"a": 1, "a": 2}')), "/a occurs twice"),
        (suite("json_schema", item("x")), "has no schema"),
    ],
)
def test_refused(bad: Any, message: str) -> None:
    with pytest.raises(SuiteError) as caught:
        bind(bad)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "given", "locked"),
    [
        ("exact_match", {}, {"ignore_case": False, "ignore_punctuation": False, "strip": True}),
        ("numeric", {"relative": 0.01}, {"pick": "last", "absolute": "0", "relative": "0.01"}),
        ("numeric", {"absolute": "0.50"}, {"pick": "last", "absolute": "0.50", "relative": "0"}),
    ],
)
def test_the_lock_gets_every_option_without_floats(name: str, given: dict[str, Any], locked: dict[str, Any]) -> None:
    bound = bind(suite(name, item("1"), options=given))
    assert bound.id == f"{name}@1"
    assert bound.options == locked == json.loads(json.dumps(bound.options))


def test_a_scorer_that_raises_is_the_harness_failing_not_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(_reply: Reply, _item: Any, _options: Options) -> Score:
        raise RuntimeError("boom " * 1000)

    bad = Scorer(
        name="bad", version=3, asks=Ask.GENERATE, options=Options, lacks=lambda _item, _options: None, score=explode
    )
    monkeypatch.setitem(SCORERS, "bad", bad)
    result = bind(suite("bad", item("a"))).score(Reply(text="x"), item("a"))
    assert (result.outcome, result.kind) == (Outcome.ERROR, "scorer_error")
    assert result.detail is not None
    assert result.detail.startswith("RuntimeError: boom")
    assert len(result.detail) <= 300


def test_scorers_import_no_schema_library_and_no_model_library() -> None:
    """`regress gate` imports them and starts in a fraction of a second."""
    code = "import sys, regress.scorers; print([m for m in ('jsonschema', 'referencing', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
