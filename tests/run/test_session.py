"""One variant through the runner with an engine that has no model: what is asked, stored, resumed and reused."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_engine import FakeEngine, PowerCut, Stage, Ticks, open_stage, write_project

from regress.errors import StoreError
from regress.run.progress import Silent
from regress.run.session import run_variant
from regress.schema import Item, Outcome, Reply, Score
from regress.scorers import BoundScorer
from regress.store.runs import LOG, is_sealed, load_run, read_partial

ITEMS = 14 + 9


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return open_stage(write_project(tmp_path / "project"))


def run(stage: Stage, engine: FakeEngine, progress: Ticks | None = None, *, reuse: bool = False) -> Path:
    return run_variant(
        engine,
        stage.questions(engine),
        stage.manifest(engine),
        stage.runs,
        reuse_from=sorted(stage.runs.iterdir()) if reuse else [],
        progress=progress or Silent(),
    )


def test_every_item_is_asked_once_and_the_run_is_sealed(stage: Stage) -> None:
    engine, ticks = FakeEngine(wrong={"c-3", "e-2"}), Ticks()
    folder = run(stage, engine, ticks)
    stored = load_run(folder)
    assert sorted(engine.items_asked) == sorted(all_items(stage))
    assert {o.item for items in stored.outcomes.values() for o in items.values() if o.outcome is not Outcome.PASS} == {
        "c-3",
        "e-2",
    }
    assert ticks.totals == (ITEMS, 0, ITEMS)
    assert ticks.calls[-1][0] == "finish"


def test_a_sealed_run_is_not_asked_again(stage: Stage) -> None:
    folder = run(stage, FakeEngine())
    again = FakeEngine()
    assert run(stage, again) == folder
    assert again.asked == []


@pytest.mark.parametrize("batches", range(6))
def test_after_a_cut_only_what_is_missing_is_asked(stage: Stage, batches: int) -> None:
    cut = FakeEngine(dies_after=batches)
    with pytest.raises(PowerCut):
        run(stage, cut)
    rest, ticks = FakeEngine(), Ticks()
    folder = run(stage, rest, ticks)
    assert sorted(cut.items_asked + rest.items_asked) == sorted(all_items(stage))
    done = len(cut.items_asked)
    assert ticks.totals == (ITEMS, done, ITEMS - done)
    assert len((folder / LOG).read_bytes().splitlines()) == ITEMS


def all_items(stage: Stage) -> list[str]:
    return [item.id for suite in stage.loaded.suites for item in suite.items]


@pytest.mark.parametrize("seed", range(5))
def test_a_batch_that_was_stored_in_part_is_computed_as_a_whole_again(stage: Stage, tmp_path: Path, seed: int) -> None:
    """The log is cut in the middle of a batch; the finished run holds the same bytes as an undisturbed one."""
    whole = FakeEngine()
    folder = run(stage, whole)
    undisturbed = (folder / LOG).read_bytes()
    lines = undisturbed.splitlines(keepends=True)
    kept = random.Random(seed).choice([k for k in range(1, ITEMS) if k not in cumulative(whole)])
    torn = lines[kept][:20] if seed % 2 else b""
    (folder / LOG).write_bytes(b"".join(lines[:kept]) + torn)
    (folder / "seal.json").unlink()
    rest = FakeEngine()
    assert run(stage, rest) == folder
    assert (folder / LOG).read_bytes() == undisturbed
    first = next(index for index, end in enumerate(cumulative(whole)) if end > kept)
    assert rest.asked == whole.asked[first:]  # the cut batch with all its members, then what follows


def cumulative(engine: FakeEngine) -> list[int]:
    """How many items were stored after each batch."""
    ends, total = [], 0
    for _, items in engine.asked:
        total += len(items)
        ends.append(total)
    return ends


def test_an_amended_margin_asks_nothing_again(stage: Stage) -> None:
    first = run(stage, FakeEngine())
    write_project(stage.folder, margin="0.04")
    amended = open_stage(stage.folder, amend="stricter")
    assert amended.lock.digest != stage.lock.digest
    engine, ticks = FakeEngine(), Ticks()
    second = run(amended, engine, ticks, reuse=True)
    assert second != first
    assert engine.asked == []
    assert ticks.totals == (ITEMS, 0, ITEMS)
    one, two = load_run(first), load_run(second)
    assert one.outcomes == two.outcomes


def test_new_items_are_asked_and_the_old_replies_kept(stage: Stage) -> None:
    run(stage, FakeEngine())
    write_project(stage.folder, generate=12)
    engine = FakeEngine()
    run(open_stage(stage.folder, amend="three more"), engine, reuse=True)
    assert {"e-9", "e-10", "e-11"} <= set(engine.items_asked)
    assert all(suite == "echoes" for suite, _ in engine.asked)


@pytest.mark.parametrize(
    "changed",
    [{"name": "fake 2"}, {"device": "cuda"}, {"rows": 5}],
    ids=["another version", "another device", "another batch policy"],
)
def test_replies_of_another_engine_are_not_reused(stage: Stage, changed: dict[str, object]) -> None:
    run(stage, FakeEngine())
    engine = FakeEngine(**changed)  # type: ignore[arg-type]
    run(stage, engine, reuse=True)
    assert len(engine.items_asked) == ITEMS


def test_a_candidate_never_gets_the_bases_replies(stage: Stage) -> None:
    run(stage, FakeEngine())
    engine = FakeEngine()
    manifest = stage.manifest(engine, "adapter@fp32", "sha256:" + "a" * 64)
    reuse = sorted(stage.runs.iterdir())
    run_variant(engine, stage.questions(engine), manifest, stage.runs, reuse_from=reuse, progress=Silent())
    assert len(engine.items_asked) == ITEMS


def test_a_damaged_run_is_not_reused_and_this_is_said(stage: Stage) -> None:
    folder = run(stage, FakeEngine())
    log = folder / LOG
    log.write_bytes(log.read_bytes().replace(b"echo e-3", b"echo e-4", 1))
    write_project(stage.folder, margin="0.04")
    engine, ticks = FakeEngine(), Ticks()
    run(open_stage(stage.folder, amend="stricter"), engine, ticks, reuse=True)
    assert len(engine.items_asked) == ITEMS
    said = [call[1] for call in ticks.calls if call[0] == "say"]
    assert any(folder.name in text for text in said)


def raising_on(bound: BoundScorer, bad: str) -> BoundScorer:
    """The scorer with a bug that one item brings to light."""

    def score(reply: Reply, item: Item, options: Any) -> Score:
        if item.id == bad:
            raise ZeroDivisionError("a bug")
        return bound.scorer.score(reply, item, options)

    return replace(bound, scorer=replace(bound.scorer, score=score))


def test_a_scorer_that_raises_leaves_the_run_unsealed_until_it_can_score(stage: Stage) -> None:
    scorers = dict(stage.loaded.scorers) | {"echoes": raising_on(stage.loaded.scorers["echoes"], "e-5")}
    ill = replace(stage, loaded=replace(stage.loaded, scorers=scorers))
    with pytest.raises(StoreError, match=r"1 with an error of the harness \(first: echoes / e-5\)"):
        run(ill, FakeEngine())
    (folder,) = stage.runs.iterdir()
    assert not is_sealed(folder)
    with pytest.raises(StoreError, match="no seal"):
        load_run(folder)
    assert read_partial(folder).outcomes["echoes", "e-5"].outcome is Outcome.ERROR
    well, ticks = FakeEngine(), Ticks()
    run(stage, well, ticks)
    assert well.asked == [batch for batch in all_batches(stage) if "e-5" in batch[1]]
    assert ticks.totals == (ITEMS, ITEMS - 1, 1)
    assert load_run(folder).outcomes["echoes"]["e-5"].outcome is Outcome.PASS


def all_batches(stage: Stage) -> list[tuple[str, tuple[str, ...]]]:
    engine = FakeEngine()
    for suite in stage.loaded.suites:
        for batch in engine.batches(suite, engine.render(suite)):
            engine.answer(suite, batch)
    return engine.asked
