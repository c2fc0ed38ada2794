"""The base behind worked examples: what is asked, stored, found again, and what a context window does to it."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from fake_engine import FakeEngine, PowerCut, Stage, Ticks, open_stage, write_project

from regress.backends.protocol import Request
from regress.errors import LockError, StoreError
from regress.run.boundary import AskedAnswers
from regress.run.prompted import Answered, Example, Prompted, Shown, StoredAnswers
from regress.run.session import run_variant
from regress.schema import Item, Outcome, Precision, Suite
from regress.store.runs import load_run

EXAMPLES = tuple(Example(prompt=f"Say x{k}", reply=f"echo x{k}") for k in range(8))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return open_stage(write_project(tmp_path / "project"))


def prompted(stage: Stage, shown: Shown = Shown.SAME, examples: Sequence[Example] = EXAMPLES) -> Prompted:
    suite = stage.loaded.suite("echoes")
    given = {} if shown is Shown.NOTHING else {item.id: tuple(examples) for item in suite.items}
    return Prompted(suite=suite, items=suite.items, shown=shown, examples=given)


def asking(stage: Stage, engine: FakeEngine) -> AskedAnswers:
    def engine_for(folder: Path, precision: Precision, device: str, batch_tokens: int | None) -> FakeEngine:
        assert folder == stage.folder / "base"
        return engine

    return AskedAnswers(stage.folder, engine_for, Ticks())


def test_examples_stand_as_turns_before_the_item_and_behind_the_system(stage: Stage) -> None:
    plain = prompted(stage)
    system = replace(plain.items[0].messages[0], role="system", content="Be brief.")
    first = replace(plain.items[0], messages=(system, *plain.items[0].messages))
    asked = replace(plain, items=(first, *plain.items[1:])).as_suite()
    assert [turn.role for turn in asked.items[0].messages] == ["system", *["user", "assistant"] * 8, "user"]
    assert [turn.content for turn in asked.items[1].messages[:2]] == ["Say x0", "echo x0"]
    assert asked.items[1].prompt == plain.items[1].prompt
    assert asked.items[1].digest != plain.items[1].digest
    assert asked.items[1].targets == plain.items[1].targets


def test_what_was_asked_is_stored_apart_and_not_asked_again(stage: Stage) -> None:
    engine, asked = FakeEngine(wrong={"e-3"}), [prompted(stage, Shown.NOTHING), prompted(stage)]
    found = asking(stage, engine).answers(asked)
    assert len(engine.items_asked) == 2 * 9, "every item as it is, and behind examples"
    for one in found.values():
        assert {o.item for o in one.outcomes.values() if o.outcome is not Outcome.PASS} == {"e-3"}
        assert {o.item_digest for o in one.outcomes.values()} == {i.digest for i in one.prompted.items}
    assert not list((stage.folder / "runs").glob("*/manifest.json")), "no candidate's run"
    again = FakeEngine()
    assert asking(stage, again).answers(asked) == found == StoredAnswers(stage.folder).answers(asked)
    assert again.asked == []


def test_an_interrupted_asking_is_resumed(stage: Stage) -> None:
    cut, rest = FakeEngine(dies_after=1), FakeEngine()
    with pytest.raises(PowerCut):
        asking(stage, cut).answers([prompted(stage)])
    assert StoredAnswers(stage.folder).answers([prompted(stage)]) == {}, "half a run is no evidence"
    asking(stage, rest).answers([prompted(stage)])
    assert sorted(cut.items_asked + rest.items_asked) == sorted(i.id for i in prompted(stage).items)


def test_the_plain_items_come_from_the_sealed_base_run(stage: Stage) -> None:
    engine = FakeEngine(wrong={"e-1"})
    manifest = stage.manifest(engine)
    parent = stage.folder / "baselines" / "runs"
    parent.mkdir(parents=True)
    folder = run_variant(engine, stage.questions(engine), manifest, parent, reuse_from=[], progress=Ticks())
    found = StoredAnswers(stage.folder).answers([prompted(stage, Shown.NOTHING), prompted(stage)])
    assert list(found) == [("echoes", Shown.NOTHING)], "nobody asked it behind examples"
    assert found["echoes", Shown.NOTHING].outcomes == load_run(folder).outcomes["echoes"]


def test_other_examples_are_another_question(stage: Stage) -> None:
    asking(stage, FakeEngine()).answers([prompted(stage)])
    others = prompted(stage, examples=EXAMPLES[::-1])
    assert StoredAnswers(stage.folder).answers([others]) == {}
    nearest = prompted(stage, Shown.NEAREST)
    assert StoredAnswers(stage.folder).answers([nearest]) == {}, "nor are the same ones of another kind"


def test_another_lock_is_another_question(stage: Stage) -> None:
    asking(stage, FakeEngine()).answers([prompted(stage)])
    write_project(stage.folder, margin="0.04")
    amended = open_stage(stage.folder, amend="stricter")
    assert StoredAnswers(amended.folder).answers([prompted(amended)]) == {}
    engine = FakeEngine()
    asking(amended, engine).answers([prompted(amended)])
    assert engine.asked == [], "but the replies are the same weights' to the same tokens"


@dataclass
class SmallWindow(FakeEngine):
    """Cuts what is longer than its window, as an engine does where a suite truncates."""

    window: int = 100

    def _render(self, suite: Suite, item: Item) -> Request:
        length = sum(len(turn.content) for turn in item.messages)
        if length > self.window:
            assert suite.truncate, "whoever may not cut refuses"
        return replace(super()._render(suite, item), cut=max(0, length - self.window))


@pytest.mark.parametrize(("window", "shots"), [(1000, 8), (100, 4), (44, 2), (24, 1)])
def test_as_many_examples_are_shown_as_fit_before_every_item(stage: Stage, window: int, shots: int) -> None:
    (found,) = asking(stage, SmallWindow(window=window)).answers([prompted(stage)]).values()
    assert found.prompted.shots == shots
    (stored,) = StoredAnswers(stage.folder).answers([prompted(stage)]).values()
    assert stored.prompted.shots == shots
    assert stored.prompted.examples["e-0"] == EXAMPLES[-shots:], "the nearest stand last, and stay"


def test_where_not_one_example_fits_there_is_no_answer(stage: Stage) -> None:
    answers = asking(stage, SmallWindow(window=15))
    assert answers.answers([prompted(stage)]) == {}
    assert isinstance(answers.progress, Ticks)
    assert any("not even one example" in str(call[1]) for call in answers.progress.calls)


@pytest.mark.parametrize("change", ["gone", "other words"])
def test_answers_to_other_questions_are_refused(stage: Stage, change: str) -> None:
    one = prompted(stage)
    (found,) = asking(stage, FakeEngine()).answers([one]).values()
    digests = {item.id: item.digest for item in one.as_suite().items}
    stored = {id_: replace(o, item_digest=digests[id_]) for id_, o in found.outcomes.items()}
    assert Answered.of(one, stored) == found
    changed = {"gone": None, "other words": replace(stored["e-4"], item_digest="sha256:0")}[change]
    others = {id_: o for id_, o in stored.items() if id_ != "e-4"} | ({} if changed is None else {"e-4": changed})
    with pytest.raises(StoreError, match="'e-4' as it is asked now"):
        Answered.of(one, others)


def test_a_worker_process_gets_what_is_stored_only(stage: Stage) -> None:
    assert pickle.loads(pickle.dumps(asking(stage, FakeEngine()))) == StoredAnswers(stage.folder)


def test_without_a_lock_nothing_is_told(tmp_path: Path) -> None:
    folder = write_project(tmp_path / "project")
    with pytest.raises(LockError):
        StoredAnswers(folder).answers([])
