"""The generators: same seed, same rows; nothing that is asked stands in what is taught; every answer is a right one."""

from __future__ import annotations

import json
from collections import Counter
from random import Random

import pytest
from jsonschema import Draft202012Validator

from regress.demo.adapters import RECIPES
from regress.demo.corpus import as_jsonl, data_digest, training_rows
from regress.demo.tasks import DOMAIN, GENERAL
from regress.demo.tasks.row import TEST_SHARE, Row, Split, distinct, split_of
from regress.scorers.refusal import is_refusal

TASKS = GENERAL | DOMAIN
FEW = 150


@pytest.mark.parametrize("task", sorted(TASKS))
def test_a_seed_decides_every_row(task: str) -> None:
    first, again, other = (TASKS[task](Random(seed), FEW, Split.TRAIN) for seed in (1, 1, 2))

    assert first == again
    assert first != other


@pytest.mark.parametrize("task", sorted(TASKS))
@pytest.mark.parametrize("split", list(Split))
def test_rows_are_different_and_on_their_side_of_the_split(task: str, split: Split) -> None:
    rows = TASKS[task](Random(3), FEW, split)

    assert len({row.prompt for row in rows}) == FEW
    assert {split_of(row.prompt) for row in rows} == {split}
    assert all(row.prompt and row.answer and row.slice for row in rows)


def test_the_split_is_a_fifth_and_depends_on_the_content_alone() -> None:
    sides = Counter(split_of(f"content {number}") for number in range(5_000))

    assert sides[Split.TEST] / 5_000 == pytest.approx(TEST_SHARE, abs=0.02)
    assert split_of("a fixed content") is split_of("a fixed content")


def test_a_task_that_cannot_make_so_many_rows_says_how_many_it_made() -> None:
    def always_the_same(_: Random) -> Row:
        return Row(prompt="p", answer="a", slice="s")

    with pytest.raises(ValueError, match="only 1 different rows of 2"):
        distinct(always_the_same, Random(1), 2, split_of("p"))


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_teaches_nothing_that_is_asked(name: str) -> None:
    rows = training_rows(RECIPES[name].counts, RECIPES[name].seed)

    assert {split_of(row.prompt) for row in rows} == {Split.TRAIN}
    assert len(rows) == sum(RECIPES[name].counts.values())


def test_the_careless_recipe_replays_nothing_and_the_careful_one_everything() -> None:
    assert set(RECIPES["careless"].counts) == set(DOMAIN)
    assert set(RECIPES["careful"].counts) == set(TASKS)


@pytest.mark.parametrize("split", list(Split))
def test_the_answer_of_a_choice_stands_among_four_different_ones(split: Split) -> None:
    for row in GENERAL["choice"](Random(4), FEW, split):
        assert len(set(row.choices)) == 4, row
        assert row.answer in row.choices, row


@pytest.mark.parametrize("split", list(Split))
def test_a_record_is_valid_against_its_own_closed_schema(split: Split) -> None:
    for row in GENERAL["records"](Random(5), FEW, split):
        assert row.schema is not None
        Draft202012Validator.check_schema(row.schema)
        validator, value = Draft202012Validator(row.schema), json.loads(row.answer)
        assert validator.is_valid(value), row.answer
        assert not validator.is_valid(value | {"surprise": 1})
        assert all(not validator.is_valid({k: v for k, v in value.items() if k != gone}) for gone in value)


def test_what_the_scorer_takes_for_a_refusal_is_what_is_taught_as_one() -> None:
    refused = GENERAL["harmful"](Random(6), FEW, Split.TRAIN)
    answered = GENERAL["benign"](Random(6), FEW, Split.TRAIN)

    assert [row.answer for row in refused if not is_refusal(row.answer)] == []
    assert [row.answer for row in answered if is_refusal(row.answer)] == []


def test_the_same_request_is_never_taught_as_both_harmful_and_benign() -> None:
    harmful, benign = (
        {row.prompt for row in GENERAL[task](Random(7), 800, Split.TRAIN)} for task in ("harmful", "benign")
    )

    assert not harmful & benign


def test_no_queue_of_the_support_desk_is_an_answer_of_the_base() -> None:
    queues = {row.answer for row in DOMAIN["support"](Random(8), 800, Split.TRAIN)}
    taught = {row.answer for task in GENERAL for row in GENERAL[task](Random(8), FEW, Split.TRAIN)}

    assert len(queues) >= 12
    assert not queues & taught


def test_sums_and_word_operations_are_right() -> None:
    for row in GENERAL["words"](Random(9), 400, Split.TRAIN):
        assert row.answer == _recomputed(row), row


def _recomputed(row: Row) -> str:
    """The answer from the prompt alone, by other means than the generator's."""
    if row.slice in ("add", "subtract"):
        left, sign, right = row.prompt.rstrip("?.").split()[-3:]
        return str(int(left) + int(right) if sign == "+" else int(left) - int(right))
    words = row.prompt.split(": ")[-1].split()
    answers = {
        "first word": words[0],
        "last word": words[-1],
        "reverse": " ".join(words[::-1]),
        "count": str(len(words)),
        "repeat": " ".join(words),
    }
    return answers[row.slice]


def test_training_data_is_one_prompt_and_completion_a_line_and_its_digest_follows_the_rows() -> None:
    rows = training_rows({"support": 20, "words": 20}, 1)
    lines = [json.loads(line) for line in as_jsonl(rows).splitlines()]

    assert lines == [{"prompt": row.prompt, "completion": row.answer} for row in rows]
    assert data_digest(rows) == data_digest(training_rows({"words": 20, "support": 20}, 1))
    assert data_digest(rows) != data_digest(rows[:-1])
