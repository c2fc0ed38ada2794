"""Where the reports of several adapters go, and what a pipeline finds there."""

from __future__ import annotations

from pathlib import Path

import pytest

from regress.cli.several import report_names
from regress.errors import UsageError


def names(*paths: str) -> list[str]:
    return list(report_names([Path(path) for path in paths]).values())


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["runs/a", "runs/b"], ["a", "b"]),
        (["one/checkpoint-100", "two/checkpoint-100"], ["one-checkpoint-100", "two-checkpoint-100"]),
        (["x/one/last", "y/one/last", "z/other"], ["x-one-last", "y-one-last", "other"]),
        (["a/b", "b"], ["a-b", "b"]),  # as far as the path goes
        (["runs/My Adapter!", "runs/café"], ["my_adapter", "café"]),
        (["runs/index.md", "runs/Verdict.json"], ["index.md-adapter", "verdict.json-adapter"]),
        (["runs/report.html", "runs/b"], ["report.html-adapter", "b"]),
        (["runs/...", "runs/_"], ["1-runs-...", "2-runs-_"]),
        (["a-b/c", "a/b-c"], None),
        (["runs/A", "runs/a"], None),
    ],
)
def test_each_adapter_has_a_folder_of_its_own(paths: list[str], expected: list[str] | None) -> None:
    found = names(*paths)
    assert len({name.casefold() for name in found}) == len(paths)
    assert all("/" not in name and not name.startswith(".") for name in found)
    if expected is not None and paths[0] not in ("runs/...", "a/b"):
        assert found == expected


def test_one_that_is_named_twice_is_a_slip() -> None:
    with pytest.raises(UsageError, match="named twice"):
        names("runs/a", "runs/../runs/a")


def test_one_adapter_is_named_as_it_is() -> None:
    assert names("somewhere/deep/careful") == ["careful"]
