"""The pytest plugin: a test of a model beside the tests of code.

    def test_adapter(regress_gate):
        assert regress_gate("runs/train").promoted

`regress_gate(adapter, project=None)` returns the decision from stored runs (`regress.judge`); with `--regress-check` or
`regress_check = true` it evaluates what is missing first (`regress.check`). Whatever is refused fails the test with the
sentence that the command line would print; a test that fails for another reason shows the decision's table.

Every pytest run where regress is installed imports this module, so it imports nothing but pytest.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from importlib import import_module
from io import StringIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from regress.api.results import Judged

WIDTH = 100  # columns of the table in a failure


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the command line and their like in pytest.ini or pyproject.toml."""
    group = parser.getgroup("regress", "may this adapter replace what is in production?")
    group.addoption(
        "--regress-project", metavar="DIR", help="The folder with regress.yaml, for regress_gate [pytest's rootdir]."
    )
    group.addoption(
        "--regress-check",
        action="store_true",
        help="regress_gate evaluates what is missing, which loads the model; without it, stored runs must be there.",
    )
    parser.addini("regress_project", "The folder with regress.yaml, relative to pytest's rootdir.", default="")
    parser.addini("regress_check", "Whether regress_gate evaluates what is missing.", type="bool", default=False)


@dataclass(slots=True)
class RegressGate:
    """What the fixture gives: call it with an adapter's folder. Relative paths start at pytest's rootdir."""

    root: Path
    project: Path
    evaluates: bool
    decisions: list[Judged] = field(default_factory=list)

    def __call__(self, adapter: str | PathLike[str], project: str | PathLike[str] | None = None) -> Judged:
        """The decision on an adapter; fails the test where nothing may be concluded."""
        errors = import_module("regress.errors")
        judge = import_module("regress").check if self.evaluates else import_module("regress").judge
        folder = self.project if project is None else self.root / project
        refusal = None
        try:
            decision: Judged = judge(self.root / adapter, folder)
        except errors.RegressError as reason:
            refusal = f"REFUSED  {reason}"
        if refusal is not None:  # outside the handler, so that pytest shows the sentence alone
            pytest.fail(refusal, pytrace=False)
        self.decisions.append(decision)
        return decision


@pytest.fixture
def regress_gate(request: pytest.FixtureRequest) -> RegressGate:
    """Judges an adapter: `regress_gate("runs/train").promoted`; see the module `regress.pytest_plugin`."""
    config = request.config
    project = config.getoption("--regress-project") or config.getini("regress_project") or "."
    gate = RegressGate(
        root=config.rootpath,
        project=config.rootpath / project,
        evaluates=bool(config.getoption("--regress-check") or config.getini("regress_check")),
    )
    request.node.stash[_GATE] = gate
    return gate


_GATE = pytest.StashKey[RegressGate]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failing test shows the tables of what it decided; every report says how the decisions came out."""
    report = yield
    gate = item.stash.get(_GATE, None)
    if gate is None or report.when != "call":
        return report
    for decision in gate.decisions:
        item.user_properties.append(("regress", decision.ruling.value))  # the report of the teardown carries them
        if report.failed:
            report.sections.append(("regress", _table(decision)))
    return report


def _table(decision: Judged) -> str:
    """What `regress gate` prints, without colour."""
    console = import_module("rich.console").Console(file=StringIO(), width=WIDTH, highlight=False, no_color=True)
    render = import_module("regress.report.terminal").render
    console.print(render(decision, decision.comparisons), markup=False)
    text: str = console.file.getvalue()
    return text
