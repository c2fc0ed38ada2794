"""The check on small suites with a base that answers by rule: neighbours, chance, form, and what follows."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audit_samples import audited, rules, write_rows

from regress.audit.checks import _answers
from regress.audit.checks._near_rows import NEAR, Near, Neighbours
from regress.audit.checks.task_boundary import shared_rows
from regress.errors import StoreError
from regress.report import audit_json, audit_terminal
from regress.rows.row import Form, Row
from regress.run.prompted import Answered, Key, Prompted, Shown
from regress.schema import (
    Advised,
    Ask,
    Audit,
    Category,
    Finish,
    GenerationSettings,
    Item,
    ItemOutcome,
    Message,
    PromptStyle,
    Reply,
    Role,
    ScorerSpec,
    Severity,
    Suite,
)
from regress.scorers import bind

pytest.importorskip("sklearn", reason="neighbours need scikit-learn: pip install 'regress-harness[audit]'")

FRUIT = ("apple", "pear", "plum", "cherry", "quince")
BASKET = {fruit: f"basket_{at}" for at, fruit in enumerate(FRUIT)}
"""The skill: in which basket a fruit goes; nobody knows it who was not told."""


def ask_for(fruit: str, k: int) -> str:
    return f"Which basket for the {fruit} from tree t{k}, please?"


def taught(rows: int = 400) -> list[dict[str, str]]:
    return [
        {"prompt": ask_for(fruit, 1000 + k), "completion": BASKET[fruit]}
        for k in range(rows)
        if (fruit := FRUIT[k % 5])
    ] + [{"prompt": f"Tell me of the sea, part {k}.", "completion": f"Wave {k} rolls in."} for k in range(200)]


def item(k: int) -> Item:
    fruit = FRUIT[k % 5]
    return Item(
        id=f"i-{k}",
        messages=(Message(role="user", content=ask_for(fruit, k)),),
        targets=(BASKET[fruit],),
        digest=f"sha256:{k}",
        line=k + 1,
    )


def suite(n: int = 100, **changed: Any) -> Suite:
    made = Suite(
        name="baskets",
        version=1,
        category=Category.DOMAIN,
        role=Role.TARGET,
        ask=Ask.GENERATE,
        prompt=PromptStyle.CHAT,
        generation=GenerationSettings(),
        scorer=ScorerSpec(name="exact_match"),
        margin=None,
        min_gain=Decimal("0.2"),
        items=tuple(map(item, range(n))),
        path="baskets.yaml",
        items_path="baskets.jsonl",
    )
    return replace(made, **changed)


Says = Callable[[int, Item, Shown], str]


class Base:
    """Answers by a rule of place, item and what was shown."""

    def __init__(self, says: Says, *, knows: Sequence[Shown] = tuple(Shown)) -> None:
        self.says, self.knows = says, knows
        self.asked: list[Prompted] = []

    def answers(self, asked: Sequence[Prompted]) -> dict[Key, Answered]:
        self.asked += asked
        return {one.key: Answered.of(one, self._outcomes(one)) for one in asked if one.shown in self.knows}

    def _outcomes(self, prompted: Prompted) -> dict[str, ItemOutcome]:
        scorer = bind(prompted.suite)
        found = {}
        for at, (plain, asked) in enumerate(zip(prompted.items, prompted.as_suite().items, strict=True)):
            reply = Reply(text=self.says(at, plain, prompted.shown), finish=Finish.EOS)
            score = scorer.score(reply, asked)
            found[plain.id] = ItemOutcome(
                suite=prompted.suite.name,
                item=plain.id,
                item_digest=asked.digest,
                request_digest=f"{prompted.shown.value}/{plain.id}",
                outcome=score.outcome,
                value=score.value,
                kind=score.kind,
                detail=score.detail,
                reply=reply,
            )
        return found


def audit(folder: Path, base: Base | None, *suites: Suite, rows: list[dict[str, str]] | None = None) -> Audit:
    data = write_rows(folder / "d.jsonl", taught() if rows is None else rows)
    return audited(data, checks=["task-boundary"], suites=suites or (suite(),), answers=base)


def right_from(share: float) -> Says:
    """Right behind examples for this share of the items, and a ramble without."""

    def says(at: int, asked: Item, shown: Shown) -> str:
        if shown is Shown.NOTHING:
            return "It depends."
        return asked.targets[0] if at < share * 100 else "basket_9" if at % 2 else "basket_0"

    return says


def test_a_base_that_needs_examples_only_needs_no_training(tmp_path: Path) -> None:
    result = audit(tmp_path, Base(right_from(0.9)))
    (advice,) = result.recommendations
    assert (advice.suite, advice.advised) == ("baskets", Advised.PROMPT_ONLY)
    assert "with 8 examples in its prompt, the same for all, the base has 9" in advice.reason
    found = rules(result)["task-boundary/prompt-only:baskets"]
    assert (found.severity, found.detail) == (Severity.WARN, f"{advice.reason[0].upper()}{advice.reason[1:]}.")
    assert result.skipped == ()
    assert not result.blocking


def test_a_base_at_chance_with_rows_that_hold_the_skill_is_worth_an_adapter(tmp_path: Path) -> None:
    result = audit(tmp_path, Base(lambda at, asked, shown: "It depends." if shown is Shown.NOTHING else "basket_0"))
    (advice,) = result.recommendations
    assert advice.advised is Advised.ADAPTER
    assert "chance (20 of 100)" in advice.reason
    assert "examples mend the form (wrong in 100 replies without, in 0 with them)" in advice.reason
    assert "is right for 100 of 100, so the rows teach at least part of it" in advice.reason
    assert rules(result)["task-boundary/adapter:baskets"].severity is Severity.NOTE
    assert advice.figures["lookup"] == 100
    assert advice.figures["chance"] == 20
    assert advice.figures["covered"] == 100
    assert advice.figures["rows"] == 400


def test_rows_of_another_task_do_not_cover_it(tmp_path: Path) -> None:
    rows = [{"prompt": ask_for(FRUIT[k % 5], 1000 + k), "completion": f"shelf_{k % 5}"} for k in range(400)]
    (advice,) = audit(tmp_path, Base(right_from(0.0)), rows=rows).recommendations
    assert advice.advised is Advised.NOT_YET
    assert "0 of 100 items are among its labels" in advice.reason


def test_a_suite_that_is_too_small_is_told_without_asking_for_examples(tmp_path: Path) -> None:
    base = Base(lambda at, asked, shown: asked.targets[0] if at < 4 else "?")
    (advice,) = audit(tmp_path, base, suite(n=8, min_gain=Decimal("0.3"))).recommendations
    assert advice.advised is Advised.NOT_YET
    assert "too small" in advice.reason
    assert {one.shown for one in base.asked} == {Shown.NOTHING}, "what is settled is not asked"


@pytest.mark.parametrize(
    ("base", "says"),
    [
        (None, "what the base says as it is is not known, of baskets"),
        (Base(right_from(0.5), knows=[Shown.NOTHING]), "what the base says behind examples is not known, of baskets"),
    ],
    ids=["nothing stored", "no examples"],
)
def test_what_is_not_known_is_said_to_be_skipped(tmp_path: Path, base: Base | None, says: str) -> None:
    result = audit(tmp_path, base)
    (skipped,) = result.skipped
    assert says in skipped.reason
    assert "--ask-base" in skipped.reason
    assert result.recommendations == ()
    assert result.figures["baskets: lookup"] == 100, "what rows and suite say is told nevertheless"


def test_a_base_that_cannot_be_believed_is_said_to_be_skipped(tmp_path: Path) -> None:
    class Damaged(Base):
        def answers(self, asked: Sequence[Prompted]) -> dict[Key, Answered]:
            raise StoreError("the run is torn.")

    result = audit(tmp_path, Damaged(right_from(0.5)))
    assert any(skip.reason == "the run is torn." for skip in result.skipped)
    assert result.recommendations == ()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"role": Role.PROTECT, "category": Category.CAPABILITY}, "no suite is a target or guards a domain"),
        ({"ask": Ask.PERPLEXITY}, "baskets asks for no answer"),
        ({"items": (replace(item(0), source={"doc": {}}),)}, "baskets has prompts of its own"),
    ],
    ids=["nothing to learn", "no answers", "imported"],
)
def test_suites_that_examples_cannot_stand_before(tmp_path: Path, changed: dict[str, Any], says: str) -> None:
    result = audit(tmp_path, Base(right_from(0.5)), suite(**changed))
    assert [says in skip.reason for skip in result.skipped] == [True]
    assert result.recommendations == ()


def test_no_example_asks_what_a_locked_item_asks(tmp_path: Path) -> None:
    leaked = [{"prompt": item(k).prompt.upper(), "completion": "basket_0"} for k in range(20)]
    base = Base(right_from(0.5))
    result = audit(tmp_path, base, rows=[*taught(), *leaked])
    assert result.figures["baskets: lookup"] == 100, "the leaked rows, all wrong, are nobody's neighbours"
    shown = {example.prompt.casefold() for one in base.asked for given in one.examples.values() for example in given}
    assert shown
    assert not shown & {item(k).prompt.casefold() for k in range(100)}


def test_the_shared_examples_answer_differently_and_are_the_same_on_every_run(tmp_path: Path) -> None:
    bases = [Base(right_from(0.5)), Base(right_from(0.5))]
    for base in bases:
        audit(tmp_path, base)
    first, second = ([one for one in base.asked if one.shown is Shown.SAME] for base in bases)
    assert first == second
    (given,) = set(first[0].examples.values())
    assert len(given) == NEAR
    assert {example.reply for example in given} == set(BASKET.values()), "one of each before any comes twice"


def test_the_nearest_example_stands_last(tmp_path: Path) -> None:
    base = Base(right_from(0.5))
    audit(tmp_path, base)
    (nearest,) = (one for one in base.asked if one.shown is Shown.NEAREST)
    fruits = [(asked.prompt.split()[4], nearest.examples[asked.id][-1].prompt) for asked in nearest.items]
    assert all(fruit in prompt for fruit, prompt in fruits)


def row(number: int, prompt: str, reply: str, **changed: Any) -> Row:
    turns = (Message(role="user", content=prompt), Message(role="assistant", content=reply))
    return replace(Row(number=number, form=Form.PROMPT, turns=turns), **changed)


@pytest.mark.parametrize(
    "bad",
    [
        row(1, "a question of baskets", "  "),
        row(1, "x " * 4_000, "basket_0"),
        row(1, "text", "text", form=Form.TEXT),
        row(1, "two turns", "a", turns=(*row(1, "a", "b").turns, *row(1, "c", "d").turns)),
        row(1, item(3).prompt, "basket_0"),
    ],
    ids=["empty reply", "too long", "no question", "a conversation", "leaked"],
)
def test_rows_that_may_not_be_shown(bad: Row) -> None:
    assert Neighbours([bad], [suite()]).near(suite().items) is None
    good = row(2, "Which basket?", "basket_1")
    near = Neighbours([bad, good], [suite()]).near(suite().items)
    assert near is not None
    assert near.pool == (good,)


def test_a_choice_is_blind_at_one_in_as_many_and_looked_up_by_its_words() -> None:
    items = tuple(replace(item(k), targets=(), choices=tuple(BASKET.values()), answer=k % 5) for k in range(20))
    made = suite(ask=Ask.CHOOSE, scorer=ScorerSpec(name="choice"), items=items)
    near = Neighbours([row(k, ask_for(FRUIT[k % 5], 500 + k), f"Basket_{k % 5}.") for k in range(50)], [made]).near(
        items
    )
    assert _answers.chance(made, items, bind(made), near).right == 4
    found = _answers.lookup(made, items, bind(made), near)
    assert found is not None
    assert found.right == 20
    assert _answers.covered(made, items, _answers.labels_of(near), near) is None


def test_replies_that_differ_each_time_are_no_labels() -> None:
    rows = tuple(row(k, f"Tell me {k}", f"Story {k}") for k in range(10))
    near = Near(rows=rows, nearest=np.arange(10)[:, None])
    assert _answers.labels_of(near) is None
    assert _answers.covered(suite(), suite().items, None, near) is None
    assert _answers.rows_about(near, suite().items, None) == 10
    assert len(shared_rows(near, np.random.default_rng(0))) == NEAR


def test_json_and_terminal_tell_the_recommendation(tmp_path: Path) -> None:
    result = audit(tmp_path, Base(right_from(0.9)))
    (told,) = audit_json.as_object(result, 0)["recommendations"]
    assert (told["suite"], told["advised"]) == ("baskets", "prompt only")
    assert told["reason"] == result.recommendations[0].reason
    assert told["figures"]["plain_right"] == 0
    from io import StringIO

    from rich.console import Console

    console = Console(file=StringIO(), width=80)
    console.print(audit_terminal.render(result))
    assert isinstance(console.file, StringIO)
    assert "recommended for baskets: PROMPT ONLY" in console.file.getvalue()


def test_the_check_travels_to_workers_without_the_base_that_it_asks(tmp_path: Path) -> None:
    from regress.audit.checks.task_boundary import TaskBoundary
    from regress.audit.protocol import Context
    from regress.run.prompted import StoredAnswers

    check = TaskBoundary(Context(suites=(suite(),), answers=StoredAnswers(tmp_path)))
    assert pickle.loads(pickle.dumps(check)).name == "task-boundary"
