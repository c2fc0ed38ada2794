"""What `regress lock` says of the suites: what they catch, what they miss."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from report_samples import on_a_terminal

from regress.plan import plan_suites, promotion_chances
from regress.report.plan_table import plan_table
from regress.schema import (
    Ask,
    Category,
    GenerationSettings,
    Item,
    Message,
    NoiseFloor,
    PairCounts,
    Policy,
    PromptStyle,
    Role,
    ScorerSpec,
    Suite,
)


def a_suite(name: str, n: int, **changes: Any) -> Suite:
    items = tuple(Item(id=f"q{k}", messages=(Message(role="user", content="?"),), digest="d", line=k) for k in range(n))
    fields: dict[str, Any] = {
        "name": name,
        "version": 1,
        "category": Category.DOMAIN,
        "role": Role.PROTECT,
        "ask": Ask.GENERATE,
        "prompt": PromptStyle.CHAT,
        "generation": GenerationSettings(),
        "scorer": ScorerSpec(name="exact_match"),
        "margin": Decimal("0.03"),
        "items": items,
        "path": "",
        "items_path": "",
    }
    return Suite(**(fields | changes))


def shown(*suites: Suite, policy: Policy | None = None, **rates: Any) -> str:
    policy = policy or Policy()
    plans = plan_suites(suites, policy, **rates)
    return on_a_terminal(plan_table(plans, suites, policy, promotion_chances(plans.values())))


def row(page: str, name: str) -> str:
    return next(" ".join(line.split()) for line in page.splitlines() if line.startswith(name))


def test_each_kind_of_suite_has_its_row() -> None:
    page = shown(
        a_suite("big", 1200),
        a_suite("goal", 300, role=Role.TARGET, margin=None),
        a_suite("seen", 40, role=Role.INFORM, margin=None),
    )
    assert row(page, "big").startswith("big 1,200 3 ")
    assert row(page, "big").endswith(" %")
    assert row(page, "goal") == "goal 300 must gain"
    assert row(page, "seen") == "seen 40 reported only"
    assert "if 2 / 5 / 10 % of the answers flip" in " ".join(page.split())


@pytest.mark.parametrize(("n", "margin", "chance"), [(5, "0.01", "1"), (20_000, "0.03", "99")])
def test_a_plan_is_never_a_certainty(n: int, margin: str, chance: str) -> None:
    """0 % and 100 % would be what rounding makes of the chance."""
    page = shown(a_suite("s", n, margin=Decimal(margin)), policy=Policy(alpha=Decimal("0.001")))
    assert chance in row(page, "s ").removesuffix(" %").split(" points ")[1].split(" / ")
    assert not re.search(r"(?<![\d.])(0|100) (/|%)", row(page, "s "))


def test_what_cannot_be_detected_is_a_dash() -> None:
    assert "– / – / – points" in row(shown(a_suite("tiny", 2)), "tiny")


def test_a_suite_that_is_too_small_says_how_many_it_lacks() -> None:
    page = " ".join(shown(a_suite("small", 60), a_suite("large", 5000)).split())
    assert (
        "small (60 items): at 2 % flips (assumed) a true drop of 6 points is missed 7 times in 10, no change stays"
        in page
    )
    assert "items would settle it." in page
    assert "large (" not in page


def test_all_suites_together_pass_less_often() -> None:
    page = shown(a_suite("one", 700), a_suite("two", 700))
    alone, together = (row(page, name).removesuffix(" %").split()[-1] for name in ("one", "all together"))
    assert int(together) == pytest.approx(int(alone) ** 2 / 100, abs=1.5)
    assert "all together" not in shown(a_suite("one", 700))


def test_it_fits_eighty_columns() -> None:
    page = shown(a_suite("n" * 64, 12_345), a_suite("m" * 64, 10))
    assert max(map(len, page.splitlines())) <= 80
    assert "12,345" in page


def a_floor(suite: str, flips: int, n: int) -> NoiseFloor:
    return NoiseFloor(
        suite=suite, counts=PairCounts(both_pass=n - flips, gained=flips), upper=0.0131, p=1.0, extra_items=0
    )


def told(*suites: Suite, **rates: Any) -> str:
    return " ".join(shown(*suites, **rates).split())


SUITES = (a_suite("big", 1200), a_suite("small", 60), a_suite("seen", 40, role=Role.INFORM, margin=None))


def test_rates_that_nobody_knows_are_called_assumed() -> None:
    page = told(*SUITES)
    assert "Three figures: if 2 / 5 / 10 % of the answers flip" in page
    assert "Assumed: 2 / 5 / 10 % flips; nobody measured or gave others." in page
    assert "Given" not in page
    assert "Measured" not in page


def test_one_given_rate_leaves_one_figure() -> None:
    page = told(*SUITES, given=dict.fromkeys(("big", "small"), Decimal("0.04")))
    assert "The figures: if 4 % of the answers flip" in page
    assert "Given: 4 %." in page
    assert "small (60 items): at 4 % flips (given) a true drop of 6 points" in page
    assert "Assumed" not in page


def test_rates_of_several_sources_are_told_apart() -> None:
    third = a_suite("third", 800)
    noise = {"small": a_floor("small", 1, 60), "big": a_floor("big", 0, 1200)}
    page = told(*SUITES, third, given={"big": Decimal("0.035")}, noise=noise)
    assert "The figures are for the flip rates below" in page
    assert "Assumed for third: 2 / 5 / 10 % flips" in page
    assert "Given: 3.5 % for big." in page
    assert (
        "Measured A/A, answers of the base that flip when it is asked twice: small 1 of 60 (at most 1.3 %). Twice that "
        "share is added to the 2 / 5 / 10 % that training is assumed to flip: small 5.34 / 8.34 / 13.34 %."
    ) in page
    assert "small (60 items): at 5.34 % flips (assumed, with the measured noise) a true drop" in page


def test_noise_that_was_not_found_adds_nothing() -> None:
    page = told(*SUITES, noise={name: a_floor(name, 0, 60) for name in ("big", "small")})
    assert "Three figures: if 2 / 5 / 10 %" in page
    assert "training is assumed to flip, which adds nothing." in page


def test_a_given_rate_below_the_bases_own_is_called_too_low() -> None:
    given = {"big": Decimal("0.01")}
    assert "too low" not in told(*SUITES, given=given, noise={"big": a_floor("big", 12, 1200)})
    page = told(*SUITES, given=given, noise={"big": a_floor("big", 13, 1200)})
    assert "That is too low for big: 13 of 1,200 (at most 1.3 %) of the base's own answers flip when" in page


def test_a_plan_fits_eighty_columns() -> None:
    names = [f"{name}{'x' * 40}" for name in "abc"]
    page = shown(*(a_suite(name, 60) for name in names), noise={name: a_floor(name, 1, 60) for name in names})
    assert max(len(line.rstrip()) for line in page.splitlines()) <= 80
