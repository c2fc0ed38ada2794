"""The reference pages are what the code says today."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from docs_site import commands, keys, reference
from docs_site.tables import cell
from regress.cli.main import COMMANDS, app
from regress.report.verdict_json import as_object
from regress.suite.items import ItemFile
from regress.suite.project import ProjectFile
from regress.suite.suite_file import SuiteFile
from regress.suite.train_section import TrainSection


@pytest.mark.parametrize("name", reference.PAGES)
def test_a_page_is_as_the_code_says(name: str) -> None:
    assert (reference.FOLDER / name).read_text() == reference.written(name), "run `make docs`"


def test_every_command_and_every_option_is_listed() -> None:
    page = commands.page()
    found = list(commands.commands(typer.main.get_command(app)))
    assert {path[0] for path, _ in found} >= {*COMMANDS, "keys", "suites"}
    for path, command in found:
        section = page.split(f"## {' '.join(('regress', *path))}\n")[1].split("\n## ")[0]
        arguments, options = commands.shown(command)
        assert all(name in section for option in options for name in option.opts)
        assert all(commands._word(argument) in section for argument in arguments)


@pytest.mark.parametrize("model", [ProjectFile, SuiteFile, ItemFile, TrainSection])
def test_every_key_has_a_meaning(model: type) -> None:
    assert set(model.model_fields) - set(keys.comments(model)) == set()  # type: ignore[attr-defined]


def test_every_key_of_a_verdict_is_documented(judged_once: Callable[[], Path]) -> None:
    verdict = json.loads((judged_once() / "reports" / "verdict.json").read_bytes())
    page = (reference.FOLDER / "files.md").read_text().split("## verdict.json")[1].split("## ")[0]
    documented = set(re.findall(r"`([a-z_]+)`", page))
    assert set(verdict) <= documented
    assert as_object.__module__ == "regress.report.verdict_json"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a | b", "a \\| b"),
        ("list[int] of <b>", "list\\[int] of \\<b>"),
        ("`a_b[c]` and a_b", "`a_b[c]` and a\\_b"),
        ("two\n  lines", "two lines"),
    ],
)
def test_words_of_the_code_stay_words_in_a_table(text: str, shown: str) -> None:
    assert cell(text) == shown
