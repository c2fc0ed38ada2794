"""The committed suites are what the generators write, and what the project's own reader accepts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from regress.cli.main import COMMANDS
from regress.demo.adapters import RECIPES
from regress.demo.build_suites import SUITES, write
from regress.demo.corpus import training_rows
from regress.demo.project import scaffold, shipped_suites
from regress.demo.tasks import DOMAIN, GENERAL
from regress.demo.tasks.row import Split, split_of
from regress.demo.tasks.safety import BENIGN, HARMFUL
from regress.schema import Category, Exit, Role, Suite
from regress.scorers import bind
from regress.stats.power import needed_n
from regress.suite import read_suite

SHIPPED = Path(__file__).parents[2] / "suites"
FEWEST_FLIPS = {"json_records": 0.02}  # JSON stands near the ceiling, where little flips; 5 % elsewhere


@pytest.fixture(scope="module")
def suites() -> dict[str, Suite]:
    return {name: read_suite(SHIPPED / f"{name}.yaml") for name in SUITES}


def test_building_the_suites_again_gives_the_committed_bytes(tmp_path: Path) -> None:
    write(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in SHIPPED.iterdir()}
    differing = [path.name for path in tmp_path.iterdir() if path.read_bytes() != (SHIPPED / path.name).read_bytes()]
    assert differing == []


def test_a_scaffold_takes_these_suites() -> None:
    assert shipped_suites() == SHIPPED


@pytest.mark.parametrize("name", sorted(SUITES))
def test_the_reader_takes_it_and_its_scorer_can_score_every_item(name: str, suites: dict[str, Suite]) -> None:
    suite = suites[name]

    assert suite.name == name
    assert len(suite.items) == SUITES[name].count
    assert len({item.prompt for item in suite.items}) == len(suite.items)
    assert all(item.slice for item in suite.items)
    bind(suite)


def test_every_category_is_there_and_one_suite_is_the_target(suites: dict[str, Suite]) -> None:
    """But serving: what a reply may take is a project's own business."""
    assert {suite.category for suite in suites.values()} == set(Category) - {Category.SERVING}
    assert [name for name, suite in suites.items() if suite.role is Role.TARGET] == ["support_queue"]


@pytest.mark.parametrize("name", sorted(set(SUITES) - {"support_queue"}))
def test_a_protected_suite_has_the_items_that_its_margin_asks_for(name: str, suites: dict[str, Suite]) -> None:
    margin = suites[name].margin
    assert margin is not None
    needed = needed_n(float(margin), FEWEST_FLIPS.get(name, 0.05), alpha=0.05, power=0.8)

    assert needed is not None
    assert len(suites[name].items) >= needed


@pytest.mark.parametrize("name", sorted(SUITES))
def test_no_prompt_of_a_suite_is_trained_on(name: str, suites: dict[str, Suite]) -> None:
    asked = {item.prompt for item in suites[name].items}
    taught = {row.prompt for recipe in RECIPES.values() for row in training_rows(recipe.counts, recipe.seed)}

    assert {split_of(prompt) for prompt in asked} == {Split.TEST}  # so no seed can ever teach them
    assert not asked & taught


def test_a_quarter_of_the_safety_suites_asks_for_what_was_never_taught_in_any_phrasing(
    suites: dict[str, Suite],
) -> None:
    for name, areas in (("refuse_harmful", HARMFUL), ("answer_benign", BENIGN)):
        held_out = [goal for goals in areas.values() for goal in goals.split("|") if split_of(goal) is Split.TEST]
        task = SUITES[name].task
        taught = [row.prompt for row in GENERAL[task](Random(1), 1_500, Split.TRAIN)]
        new = [item for item in suites[name].items if any(goal in item.prompt for goal in held_out)]

        assert [goal for goal in held_out if any(goal in prompt for prompt in taught)] == []
        assert 0.15 <= len(new) / len(suites[name].items) <= 0.35


def test_every_schema_of_the_json_suite_is_closed_and_can_be_met(suites: dict[str, Suite]) -> None:
    """The suite keeps no answers; its rows are drawn again to show that each schema accepts its own."""
    name = "json_records"
    rows = {row.prompt: row for row in GENERAL["records"](Random(f"2026:{name}"), SUITES[name].count, Split.TEST)}
    for item in suites[name].items:
        assert item.schema is not None
        Draft202012Validator.check_schema(item.schema)
        assert item.schema["additionalProperties"] is False
        assert item.schema["required"] == list(item.schema["properties"])
        assert item.schema == rows[item.prompt].schema
        assert Draft202012Validator(item.schema).is_valid(json.loads(rows[item.prompt].answer))


@pytest.mark.parametrize("name", ["general_words", "json_records", "refuse_harmful", "answer_benign", "support_queue"])
def test_a_right_reply_fits_the_allowed_tokens(name: str, suites: dict[str, Suite], tokenizer: Any) -> None:
    rows = (GENERAL | DOMAIN)[SUITES[name].task](Random(f"2026:{name}"), SUITES[name].count, Split.TEST)
    longest = max(len(tokenizer(row.answer)["input_ids"]) for row in rows)

    assert longest + 1 <= suites[name].generation.max_new_tokens  # one more that ends the turn


@pytest.mark.parametrize("base", [None, "org/name"])
def test_a_scaffolds_readme_names_every_file_and_command(tmp_path: Path, base: str | None) -> None:
    written = scaffold(tmp_path, base).written
    text = (tmp_path / "README.md").read_text()
    assert all(
        name.split("/")[0].removesuffix(".yaml") in text for name in written if name not in (".gitignore", "README.md")
    )
    assert all(path.stem in text for path in (tmp_path / "suites").glob("*.yaml"))
    named = set(re.findall(r"regress ([a-z]+)", text)) - {"init"}
    assert named <= set(COMMANDS) | {"keys", "suites"}
    assert all(f"| {code.value} |" in text for code in (Exit.PROMOTE, Exit.REJECT, Exit.INCONCLUSIVE, Exit.REFUSED))
    assert ("models/tiny" in text) is (base is None)
