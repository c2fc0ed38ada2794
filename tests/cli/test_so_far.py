"""What is shown of a run under way: counts, interval, and a line where a suite is complete."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.text import Text

from regress.cli.live_bar import LiveBar
from regress.cli.so_far import SoFar
from regress.report.terminal import word_diff
from regress.schema import ItemOutcome, Outcome, Reply


def outcomes(*right: bool) -> list[ItemOutcome]:
    return [
        ItemOutcome(
            suite="s",
            item=f"q{number}",
            item_digest="",
            request_digest="",
            outcome=Outcome.PASS if passed else Outcome.FAIL,
            kind=None,
            detail=None,
            reply=Reply(prompt_tokens=10, reply_tokens=5),
        )
        for number, passed in enumerate(right)
    ]


def test_a_suite_is_told_once_and_only_when_it_is_complete() -> None:
    so_far = SoFar()
    assert so_far.saw("s", 4, [], asked=False) is None
    assert so_far.saw("s", 4, outcomes(True, True), asked=False) is None
    assert so_far.saw("s", 4, outcomes(True, False), asked=True) == "s: 3 of 4 right, 75.0 % [35.6, 94.2]"
    assert so_far.saw("s", 4, [], asked=False) is None, "not again"


def test_a_name_cannot_command_the_terminal() -> None:
    assert SoFar().saw("\x1b[2Js", 1, outcomes(True), asked=True) == "␛[2Js: 1 of 1 right, 100 % [27.0, 100.0]"


def test_the_table_and_the_bar_fit_eighty_columns() -> None:
    so_far = SoFar()
    for number in range(20):
        so_far.saw(f"a_suite_with_a_long_name_{number}", 1000, outcomes(*[True] * 300), asked=True)
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    bar = LiveBar(console, so_far)
    bar.add_task("adapter@fp32 · a_suite_with_a_long_name_19", total=20_000, completed=6_000)
    with console.capture() as shown:
        for part in bar.get_renderables():
            console.print(part)
    lines = [Text.from_ansi(line).plain for line in shown.get().splitlines()]
    assert max(map(len, lines)) <= 80
    assert "300/300 of 1,000" in lines[1]
    assert lines[12].split()[0] == "a_suite_with_a_long_name_19", "the last twelve"
    bar.stop()


@pytest.mark.parametrize(
    ("before", "after", "marked"),
    [
        ("the same words", "the same words", ([], [])),
        ("one two three", "one 2 three", (["two"], ["2"])),
        ("", "all new", ([], ["all new"])),
        ('{"a": 1}', 'Sure! {"a": 1}', ([], ["Sure! "])),
    ],
)
def test_words_that_only_one_side_has_are_marked(before: str, after: str, marked: tuple[list[str], list[str]]) -> None:
    sides = word_diff(before, after)
    assert (sides[0].plain, sides[1].plain) == (before, after)
    for side, wanted in zip(sides, marked, strict=True):
        assert [side.plain[span.start : span.end] for span in side.spans if "bold" in str(span.style)] == wanted
