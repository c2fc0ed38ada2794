"""Steps of a loss on the terminal: whole on eighty columns, told only where they say more than the table above."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from report_samples import a_decision, a_verdict, on_a_terminal, pairs

from regress.report import attribution, terminal
from regress.schema import Attribution, Category, Cause, Decision, Role, Ruling, Share, Verdict

STEPS = (
    (Cause.QUANTISATION, "base@fp32", "base@nf4"),
    (Cause.TUNING, "base@fp32", "adapter@fp32"),
    (Cause.MERGING, "adapter@fp32", "merged@fp32"),
)


def a_share(cause: Cause, before: str, after: str) -> Share:
    return Share(
        cause=cause,
        before=before,
        after=after,
        suite="support_queue_of_july",
        category=Category.DOMAIN,
        role=Role.PROTECT,
        counts=pairs(10_000, 1_000, 12_345),
        delta=-0.729,
        ci90=(-0.786, -0.702),
        p_lost=0.001,
    )


def decided(*steps: tuple[Cause, str, str]) -> Decision:
    failed = a_verdict("support_queue_of_july", Verdict.FAIL, pairs(10_000, 1_000, 12_345), margin=Decimal("0.01"))
    shares = tuple(a_share(*step) for step in steps)
    return replace(a_decision(Ruling.REJECT, failed), attribution=Attribution(shares=shares))


def test_every_step_is_whole_on_eighty_columns() -> None:
    page = on_a_terminal(terminal.render(decided(*STEPS), ()))
    for cause, before, after in STEPS:
        (line,) = [line for line in page.splitlines() if f"{before} → {after}" in line]
        assert cause.value in line
        assert "−72.9↓" in line
        assert "[−78.6, −70.2]" in line


@pytest.mark.parametrize(("steps", "shown"), [((STEPS[1],), False), (STEPS[:2], True)])
def test_one_step_alone_is_what_the_table_says(steps: tuple[tuple[Cause, str, str], ...], shown: bool) -> None:
    assert (attribution.TITLE in on_a_terminal(terminal.render(decided(*steps), ()))) is shown


def test_a_narrow_terminal_cuts_no_figure_and_no_suites_name() -> None:
    verdict = a_verdict("json_records", Verdict.FAIL, pairs(800, 114, 800), reason="686 lost")
    for width in (40, 60, 80):
        page = on_a_terminal(terminal.render(a_decision(Ruling.REJECT, verdict), ()), width)
        assert "…" not in page
        assert {"json_records", "FAIL", "114"} <= set(page.replace(":", " ").split())
