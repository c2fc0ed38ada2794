"""The page over several candidates: one row each, in order, safe around untrusted names."""

from __future__ import annotations

from dataclasses import replace

from report_samples import a_decision, a_verdict, on_a_terminal, pairs

from regress.report import markdown, terminal
from regress.report.several import headline, index, order, table
from regress.schema import Attempt, Beside, Role, Ruling, Verdict

BROKEN = a_verdict("json_orders", Verdict.FAIL, pairs(994, 771, 1000))
DECISIONS = {
    "careful": a_decision(
        Ruling.PROMOTE,
        a_verdict("support", Verdict.PASS, pairs(10, 60, 100), role=Role.TARGET),
        attempt=Attempt(number=1, alpha=0.0304),
    ),
    "careless": a_decision(Ruling.REJECT, BROKEN, attempt=Attempt(number=2, alpha=0.0076)),
    "torn": a_decision(Ruling.REFUSED, reasons=("the adapter holds NaN | <b>.",), lock=None),
}
UPCOMING = Attempt(number=3, alpha=0.0034)


def test_the_headline_counts_each_ruling() -> None:
    assert headline(DECISIONS) == "3 adapters: 1 PROMOTE, 1 REJECT, 1 REFUSED"


def test_the_index_has_a_row_and_a_link_for_each_in_the_order_given() -> None:
    rows = [line for line in index(DECISIONS, UPCOMING).splitlines() if line.startswith("| [")]
    assert [row.split("](")[1].split(")")[0] for row in rows] == [f"{name}/summary.md" for name in DECISIONS]
    assert "✅ PROMOTE | 1 | 3 % | within every margin, and support gained 50.0 points |" in rows[0]
    assert "❌ REJECT | 2 | 0.76 % | json\\_orders went from 994 to 771 right of 1000 |" in rows[1]
    assert "⛔ REFUSED | – | – | the adapter holds NaN \\| \\<b\\> |" in rows[2]


def test_a_name_cannot_leave_its_cell_or_its_link() -> None:
    page = index({"a|b](x": DECISIONS["torn"]}, None)
    (row,) = [line for line in page.splitlines() if line.startswith("| [")]
    assert row.startswith("| [a\\|b\\]\\(x](a%7Cb%5D%28x/summary.md) ([page](a%7Cb%5D%28x/report.html)) |")


def test_it_says_what_the_next_candidate_may_still_claim() -> None:
    assert "the next one would be candidate 3 and may spend 0.34 %" in order(UPCOMING)
    assert order(UPCOMING) in index(DECISIONS, UPCOMING)
    assert order(None).endswith("it may spend less of alpha.")


def test_the_table_fits_a_terminal() -> None:
    shown = on_a_terminal(table(DECISIONS), 100)
    for words in ("careful", "PROMOTE", "0.76 %", "json_orders went from 994 to 771", "holds NaN"):
        assert words in " ".join(shown.split())


def test_an_open_candidate_names_what_is_open() -> None:
    undecided = replace(BROKEN, verdict=Verdict.UNDECIDED)
    decision = a_decision(Ruling.INCONCLUSIVE, undecided, reasons=("json_orders (adapter): close",))
    assert "json_orders could be within the margin or beyond it" in " ".join(
        on_a_terminal(table({"x": decision})).split()
    )


def test_variants_beside_the_lock_are_shown_as_deciding_nothing() -> None:
    extra = replace(BROKEN, variant="adapter@nf4", role=Role.INFORM)
    beside = Beside(suites=(extra,), missing=("merged@nf4 could not be run: <no> room.",))
    decision = replace(DECISIONS["careful"], beside=beside)
    shown = " ".join(on_a_terminal(terminal.render(decision, ()), 100).split())
    page = markdown.render(decision, ())
    for text in (shown, page):
        assert "not in the lock, so it decides nothing" in text
        assert "adapter@nf4" in text.replace("@\u2060", "@")
        assert "merged@nf4 could not be run" in text.replace("\u2060", "")
    assert shown.startswith("PROMOTE")
    assert "\\<no\\> room" in page
    assert "decides nothing" not in on_a_terminal(terminal.render(DECISIONS["careful"], ()), 100)
