"""`regress.check`, `judge`, `compare`, `load_run`: the commands' results, from Python."""

from __future__ import annotations

import ast
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from stored_projects import LOST, Forgetful, base_run, runs_of

import regress
from regress.cli import main
from regress.errors import AdapterError, ComparisonError, ProjectError, StoreError, UsageError
from regress.run.stored import judge_stored
from regress.schema import Decision, Outcome, Ruling
from regress.suite import read_project


def test_judge_is_the_decision_of_the_gate(stored: Path) -> None:
    found = regress.judge(stored / "careless", stored)
    asked = judge_stored(read_project(stored), stored / "careless")
    assert isinstance(found, Decision)
    assert {name: getattr(found, name) for name in ("ruling", "suites", "reasons", "candidate", "attempt")} == {
        name: getattr(asked.decision, name) for name in ("ruling", "suites", "reasons", "candidate", "attempt")
    }
    assert found.comparisons == asked.comparisons
    assert (found.ruling, found.promoted) == (Ruling.REJECT, False)
    assert regress.judge(str(stored / "careful"), str(stored)).promoted
    assert repr(found).startswith("<REJECT: ")


def test_check_evaluates_what_is_missing(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Forgetful] = []

    def engine(*_: Any, **__: Any) -> Forgetful:
        made.append(Forgetful())
        return made[-1]

    monkeypatch.setattr("regress.api.checking.load_engine", engine)
    (stored / "careful").rename(stored / "third")
    (stored / "third" / "adapter_model.safetensors").write_bytes(b"other bytes")
    found = regress.check(stored / "third", project=stored)
    assert isinstance(found, regress.Judged)
    assert sum(v.counts.lost for v in found.suites) == 0
    assert (found.ruling, found.attempt and found.attempt.number) == (Ruling.INCONCLUSIVE, 3)  # alpha is spent twice
    assert len(made) == 1
    assert regress.check(stored / "third", project=stored) == found
    with pytest.raises(UsageError, match="needs base"):
        regress.check(stored / "third", project=stored, variants=["adapter"])


def test_refusals_are_exceptions_and_leave_no_decision(stored: Path) -> None:
    with pytest.raises(ProjectError, match=r"no regress\.yaml"):
        regress.judge(stored / "careful", stored / "suites")
    with pytest.raises(AdapterError, match="not a folder"):
        regress.judge(stored / "none", stored)
    (runs_of(stored, "careful")["merged"] / "seal.json").unlink()
    with pytest.raises(StoreError, match="no sealed run of merged"):
        regress.judge(stored / "careful", stored)
    with pytest.raises(StoreError, match="is not complete"):
        regress.load_run(runs_of(stored, "careful")["merged"])


def test_a_run_is_read_and_verified(stored: Path) -> None:
    run = regress.load_run(runs_of(stored, "careless")["adapter"])
    assert run.manifest.variant == "adapter@fp32"
    assert {suite: len(items) for suite, items in run.outcomes.items()} == {"colours": 60, "echoes": 60, "overlap": 60}
    frame = run.to_frame()
    assert len(frame) == 180
    assert set(frame[frame.outcome != "pass"].item) == LOST
    row = frame[(frame.suite == "colours") & (frame.item == "c-1")].iloc[0]
    assert row.logprobs == list(run.outcomes["colours"]["c-1"].reply.logprobs)
    assert row.reply is frame.reply.dtype.na_value  # a choice has no text, which is not the empty one
    assert run.outcomes["colours"]["c-0"].outcome is Outcome.FAIL
    assert repr(run).startswith("<run adapter@fp32: 180 items of 3 suites, ")


def test_two_runs_are_compared(stored: Path) -> None:
    runs = runs_of(stored, "careless")
    base = regress.load_run(base_run(stored))
    diff = regress.compare(base, runs["adapter"], stored)
    table = diff.to_frame().set_index("suite")
    assert table.lost.to_dict() == {"colours": 30, "echoes": 7, "overlap": 30}
    assert table.verdict.to_dict() == {"colours": "FAIL", "echoes": "UNDECIDED", "overlap": "FAIL"}
    assert set(table.role) == {"inform"}
    assert set(diff.flips_to_frame().query("lost").item) == LOST
    assert repr(diff) == "<3 suites compared, 2 lost more than the margin>"
    nothing = regress.compare(base, base, stored)
    assert len(nothing.flips_to_frame()) == 0
    assert nothing.flips_to_frame().dtypes.to_dict() == diff.flips_to_frame().dtypes.to_dict()
    with pytest.raises(UsageError, match="runs have a lock"):
        regress.compare(base, runs["adapter"], stored, margin="0.1")
    with pytest.raises(UsageError, match="does not exist"):
        regress.compare(base, stored / "nowhere", stored)


def test_the_margin_of_imported_results_is_a_share(stored: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["export", str(stored / "careless"), "-C", str(stored), "--to", "lm-eval", "--output", str(out)]) == 0
    both = out / "base@fp32", out / "adapter@fp32"
    assert set(regress.compare(*both).to_frame().margin) == {0.02}
    wrong: list[Any] = ["x", "0", "1", "-0.1", "nan", "inf", 0.02, Decimal("NaN")]
    for margin in wrong:
        with pytest.raises(UsageError, match=r"'0\.02' is two points"):
            regress.compare(*both, margin=margin)


def test_runs_under_different_locks_are_refused(stored: Path) -> None:
    manifest = base_run(stored) / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"backend":"fake 1"', b'"backend":"fake 2"'))
    with pytest.raises((ComparisonError, StoreError)):
        regress.compare(base_run(stored), runs_of(stored, "careful")["adapter"], stored)


def test_the_frame_has_a_row_for_each_suite_and_variant(stored: Path) -> None:
    found = regress.judge(stored / "careless", stored)
    frame = found.to_frame()
    assert list(zip(frame.suite, frame.variant, strict=True)) == [(v.suite, v.variant) for v in found.suites]
    assert frame.delta.tolist() == [v.delta for v in found.suites]
    assert str(frame.needed_n.dtype) == "Int64"  # a count that is missing does not become a float
    assert set(found.flips_to_frame().variant) == {"adapter", "merged"}


def test_without_pandas_the_mend_is_named(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = regress.judge(stored / "careful", stored)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match=r"pip install 'regress-harness\[frames\]'"):
        found.to_frame()


def test_the_page_is_that_of_the_command(stored: Path, tmp_path: Path) -> None:
    assert main(["report", str(stored / "careless"), "-C", str(stored)]) == 0
    written = regress.judge(stored / "careless", stored).write_html(tmp_path / "page.html")
    assert written == tmp_path / "page.html"
    assert written.read_bytes() == (stored / "reports" / "report.html").read_bytes()


def in_a_new_process(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_regress_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'transformers', 'numpy', 'pandas', 'scipy', 'pydantic', 'msgspec', 'rich', 'jinja2'}"
    code = f"import sys, regress; print(sorted(set(sys.modules) & {heavy}), sum('regress' in m for m in sys.modules))"
    assert in_a_new_process(code) == "[] 1"
    light = "{'torch', 'transformers', 'pandas', 'scipy', 'lm_eval'}"
    assert in_a_new_process(f"import sys, regress; regress.judge; print(sorted(set(sys.modules) & {light}))") == "[]"


def test_modules_keep_their_names() -> None:
    code = (
        "import regress.gate, regress.diff, regress; print(regress.gate.decide.__name__, regress.diff.compare.__name__)"
    )
    assert in_a_new_process(code) == "decide compare"


def test_the_stub_says_what_the_module_gives() -> None:
    stub = ast.parse((Path(regress.__file__).parent / "__init__.pyi").read_text())
    given = {alias.name: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert given == regress._HOMES  # type: ignore[attr-defined]
    assert set(regress.__all__) == {*given, "__version__"}  # type: ignore[attr-defined]
    assert set(regress.__all__) <= set(dir(regress))  # type: ignore[attr-defined]
    for name, home in given.items():
        assert getattr(regress, name).__module__ == home
    with pytest.raises(AttributeError, match="no attribute 'chekc'"):
        _ = regress.chekc  # type: ignore[attr-defined]
