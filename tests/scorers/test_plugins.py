"""Scorers of other distributions: real ones, installed into a folder of their own, are loaded, locked and refused."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scoring import item, suite

from regress.errors import SuiteError
from regress.schema import Outcome, Reply
from regress.scorers import SCORERS, bind, plugins

CODE = """
from decimal import Decimal
from regress.schema import Ask, Outcome, Score
from regress.scorers import PASSED, Kind, Options, Scorer, failed


class LengthOptions(Options):
    at_most: int = 10


def lacks(item, options):
    return None if item.targets else "has no target"


def score(reply, item, options):
    return PASSED if len(reply.text) <= options.at_most else failed(Kind.TOO_LONG)


SCORER = Scorer(name="length", version=2, asks=Ask.GENERATE, options=LengthOptions, lacks=lacks, score=score)
"""
Install = Callable[..., str]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a distribution on sys.path as pip would: its module beside its dist-info."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def put(code: str = CODE, *, dist: str = "acme-scorers", version: str = "1.2", name: str = "length") -> str:
        module = dist.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[regress.scorers]\n{name} = {module}:SCORER\n")
        return module

    yield put
    for module in set(sys.modules) - before:
        if module.startswith(("acme_", "other_")):
            del sys.modules[module]


def test_a_plugin_scores_and_the_lock_will_name_its_distribution(install: Install) -> None:
    module = install()
    assert plugins() == ["length (acme-scorers==1.2)"]
    assert module not in sys.modules  # listing runs nothing of it
    bound = bind(suite("length", item("a"), options={"at_most": 3}))
    assert bound.id == "length@2 of acme-scorers==1.2"
    assert bound.options == {"at_most": 3}
    assert bound.score(Reply(text="abc"), item("a")).outcome is Outcome.PASS
    assert bound.score(Reply(text="abcd"), item("a")).kind == "too_long"
    assert "length" not in SCORERS


def test_nothing_is_loaded_for_a_suite_that_names_none(install: Install) -> None:
    module = install("raise RuntimeError('loaded')")
    bind(suite("exact_match", item("a")))
    assert module not in sys.modules


@pytest.mark.parametrize(
    ("code", "name", "message"),
    [
        ("1/0", "length", "cannot be loaded (ZeroDivisionError: division by zero). Install it again."),
        ("import sys; sys.exit(0)", "length", "cannot be loaded (SystemExit: 0)"),
        ("OTHER = 1", "length", "cannot be loaded (AttributeError"),
        ("SCORER = print", "length", "is a builtin_function_or_method and no regress.scorers.Scorer"),
        (CODE, "len", "calls itself 'length'; name and entry point must be one word"),
        (CODE.replace("version=2", "version='2'"), "length", "has the version '2', which is no whole number"),
        (CODE.replace("version=2", "version=0"), "length", "has the version 0"),
        (CODE.replace("version=2", "version=True"), "length", "has the version True"),
        (CODE.replace("options=LengthOptions", "options=dict"), "length", "no subclass of regress.scorers.Options"),
        (CODE.replace("at_most: int = 10", "at_most: float = 1.5"), "length", "a float, which no lock can hold"),
        (CODE.replace('None if item.targets else "has no target"', "1/0"), "length", "q1 cannot be checked (ZeroDivis"),
        (CODE.replace("None if item.targets else", ""), "length", "item q1 has no target (needed by scorer length)"),
    ],
)
def test_a_plugin_that_is_none_is_refused_by_name(install: Install, code: str, name: str, message: str) -> None:
    install(code, name=name)
    with pytest.raises(SuiteError) as caught:
        bind(suite(name, item("a")))
    assert message in str(caught.value)
    assert str(caught.value).startswith("suites/s.")


def test_two_distributions_of_one_name_are_refused(install: Install) -> None:
    install()
    install(dist="other-scorers", version="3")
    with pytest.raises(SuiteError, match=r"offered by .* and by .*==.*Uninstall the others\."):
        bind(suite("length", item("a")))


def test_a_name_of_ours_is_never_taken_and_refused_when_locked(install: Install) -> None:
    module = install(name="exact_match")
    assert plugins() == ["exact_match (acme-scorers==1.2, a name of regress: refused)"]
    with pytest.raises(SuiteError, match=r"one of regress's own, and acme-scorers==1\.2 offers another"):
        bind(suite("exact_match", item("a")))
    assert bind(suite("exact_match", item("a")), check_items=False).id == "exact_match@1"  # what a lock says stays so
    assert module not in sys.modules


@pytest.mark.parametrize(
    "returned",
    [
        "None",
        "True",
        "'pass'",
        "Score(outcome='pass')",
        "Score(outcome=Outcome.PASS, value=float('nan'))",
        "Score(outcome=Outcome.PASS, value=float('inf'))",
        "Score(outcome=Outcome.PASS, value=100)",
        "Score(outcome=Outcome.PASS, value='1')",
        "Score(outcome=Outcome.FAIL, kind='no word')",
        "Score(outcome=Outcome.FAIL, kind='::error::')",
        "Score(outcome=Outcome.FAIL, kind=3)",
        "Score(outcome=Outcome.FAIL, detail=3)",
        "1/0",
        "exit(0)",
    ],
)
def test_whatever_else_it_does_is_an_error_and_never_a_pass(install: Install, returned: str) -> None:
    install(CODE.replace("PASSED if len(reply.text) <= options.at_most else failed(Kind.TOO_LONG)", returned))
    score = bind(suite("length", item("a"))).score(Reply(text="a"), item("a"))
    assert (score.outcome, score.kind, score.value) == (Outcome.ERROR, "scorer_error", None)


def test_a_detail_is_shortened_and_holds_no_control_character(install: Install) -> None:
    install(CODE.replace("failed(Kind.TOO_LONG)", "Score(outcome=Outcome.FAIL, detail='\\x1b[31m' + 'x' * 9999)"))
    score = bind(suite("length", item("a"))).score(Reply(text="a" * 99), item("a"))
    assert score.detail is not None
    assert "\x1b" not in score.detail
    assert len(score.detail) <= 300
