"""Serving figures on the pages: units, signs, what is worse, and where a margin was held against one."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

from report_samples import a_decision, a_verdict, on_a_terminal, pairs

from regress.report import markdown, serving, terminal, verdict_json
from regress.schema import Category, Decision, Figure, FigureChange, Ruling, ServingComparison, SpeedUp, Verdict


def change(
    figure: Figure, base: float, candidate: float, moved: float, ci90: tuple[float, float] | None = None
) -> FigureChange:
    return FigureChange(figure=figure, base=base, candidate=candidate, n=24, change=moved, ci90=ci90)


FIGURES = (
    change(Figure.REPLY_TOKENS, 41.2, 55.0, 0.335, (0.281, 0.389)),
    change(Figure.END_OF_TEXT, 0.99, 0.8, -0.19, (-0.23, -0.15)),
    change(Figure.FIRST_TOKEN, 0.0123, 0.012, -0.02, (-0.05, 0.01)),
    change(Figure.LATENCY_P50, 0.9, 1.3, 0.444),
    change(Figure.TOKENS_PER_SECOND, 80.0, 92.0, 0.15, (0.1, 0.2)),
    change(Figure.PEAK_MEMORY, 731 * 2**20, 3 * 2**30, 3.2),
    change(Figure.ACCEPTANCE, 0.902, 0.767, -0.135, (-0.169, -0.102)),
)


def compared(variant: str, **changes: object) -> ServingComparison:
    found = ServingComparison(
        variant=variant,
        against="base@fp32",
        suite=None,
        items=1234,
        prompt_tokens=45678,
        base_reply_tokens=100,
        reply_tokens=67890,
        figures=FIGURES,
        machine="cpu",
        speed_ups=tuple(SpeedUp(k=k, base=2.0 + k / 100, candidate=1.0) for k in range(2, 9)),
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def decided(*found: ServingComparison) -> Decision:
    held = a_verdict("facts", Verdict.PASS, pairs(800, 799, 1000))
    return replace(a_decision(Ruling.PROMOTE, held), serving=found)


def test_each_figure_in_its_unit_and_what_is_certainly_worse() -> None:
    (block,) = serving.blocks(decided(compared("adapter")))
    rows = {row.what: row for row in block.rows}
    assert (rows["tokens a reply"].base, rows["tokens a reply"].change) == ("41.2", "+33.5 % [+28.1, +38.9]")
    assert rows["ended by itself"].change == "−19.0 points [−23.0, −15.0]"
    assert (rows["first token"].base, rows["first token"].candidate) == ("12.3 ms", "12 ms")
    assert (rows["whole reply, p50"].candidate, rows["whole reply, p50"].change) == ("1.30 s", "+44.4 %")
    assert (rows["peak memory"].base, rows["peak memory"].candidate) == ("731 MiB", "3.00 GiB")
    worse = {what for what, row in rows.items() if row.worse}
    assert worse == {"tokens a reply", "ended by itself", "draft proposes"}
    assert {what for what, row in rows.items() if row.better} == {"tokens a second"}


def test_variants_that_came_out_alike_share_a_table_and_suites_have_none() -> None:
    blocks = serving.blocks(
        decided(compared("adapter"), compared("merged"), compared("adapter", suite="facts"), compared("x", items=1))
    )
    assert [(block.variant, block.against) for block in blocks] == [
        ("adapter and merged", "base@fp32"),
        ("x", "base@fp32"),
    ]


def test_both_pages_show_it_within_eighty_columns() -> None:
    decision = decided(compared("adapter"))
    page, summary = on_a_terminal(terminal.render(decision, ())), markdown.render(decision, ())
    for told in ("draft proposes", "45,678 prompt tokens", "2.02 2.03 2.04 2.05 2.06 2.07 2.08"):
        assert told in " ".join(page.split())
        assert told in summary.replace("\\", "")
    assert max(map(len, page.splitlines())) <= 80


def test_a_margin_on_a_figure_is_told_in_its_own_unit() -> None:
    latency = change(Figure.LATENCY, 0.238, 0.628, 1.635, (0.591, 2.679))
    broken = replace(
        a_verdict("prod:latency", Verdict.FAIL, pairs(40, 40, 40)),
        category=Category.SERVING,
        figure=latency,
        delta=-1.635,
        ci90=(-2.679, -0.591),
        margin=Decimal("0.3"),
    )
    decision = a_decision(Ruling.REJECT, broken)
    page, summary = on_a_terminal(terminal.render(decision, ())), markdown.render(decision, ())
    for told in ("238 ms → 628 ms", "−164 %", "[−268, −59]"):
        assert told in page
        assert told in summary
    assert "prod:latency went 238 ms → 628 ms" in " ".join(page.split())
    given = json.loads(verdict_json.render(decision))["suites"][0]["figure"]
    assert (given["figure"], given["relative"], given["base"]) == ("latency", True, 0.238)
