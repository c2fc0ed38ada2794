"""Asking look by look: what is spared, that the stored run carries the decision, and that nobody can stop at will."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest
from fake_engine import FakeEngine, Ticks, open_stage, write_project
from test_check import an_adapter

from regress.early import look_sizes
from regress.errors import StoreError
from regress.hashing.models import read_model
from regress.lock.promise import ITEM_ORDER_SEED
from regress.plan import item_order
from regress.run.bench import Bench, Mode
from regress.run.check import check
from regress.run.judge import Judgement
from regress.run.looks import LOOKS, LookByLook, may_stop
from regress.run.stored import judge_stored
from regress.schema import Policy, Role, Ruling, VariantKind, Verdict
from regress.store.runs import RunWriter, load_run, read_manifest, run_name
from regress.suite import read_project

N = 600


class Losing(FakeEngine):
    """As adapter or merged model it gets these items wrong."""

    loses: Collection[str] = ()

    def answer(self, suite, batch):  # type: ignore[no-untyped-def]
        self.wrong = () if self.kind is VariantKind.BASE else self.loses
        return super().answer(suite, batch)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    folder = write_project(tmp_path / "project", margin="0.05", choose=N, generate=N)
    with (folder / "regress.yaml").open("a") as file:
        file.write("variants: [base, adapter]\n")
    stage = open_stage(folder)
    return Bench(loaded=stage.loaded, lock=stage.lock, base=read_model(folder / "base"))


def judged(
    bench: Bench, adapter: Path, loses: Collection[str], mode: Mode = Mode.LOOKS
) -> tuple[Judgement, FakeEngine]:
    engine = Losing(rows=32)
    engine.loses = loses
    return check(bench, adapter, engine_for=lambda *_: engine, progress=Ticks(), mode=mode), engine


def test_a_bad_candidate_is_rejected_after_a_fraction_of_the_items(bench: Bench, tmp_path: Path) -> None:
    adapter = an_adapter(tmp_path / "adapter")
    result, engine = judged(bench, adapter, [f"c-{k}" for k in range(0, N, 3)])
    assert result.decision.ruling is Ruling.REJECT
    colours, echoes = result.decision.suites
    assert (colours.verdict, colours.look) == (Verdict.FAIL, 1)
    assert colours.counts.n == N // 10
    assert echoes.verdict is Verdict.PASS
    assert echoes.counts.n < N
    assert "stopped at look 1, of 600 items" in colours.reason
    assert len(engine.items_asked) < 2 * N + 4 + 0.6 * 2 * N  # the base is asked everything, the candidate less
    assert judge_stored(read_project(bench.loaded.project.folder), adapter) == result


def test_no_change_passes_before_everything_is_asked(bench: Bench, tmp_path: Path) -> None:
    result, _ = judged(bench, an_adapter(tmp_path / "adapter"), [])
    assert result.decision.ruling is Ruling.PROMOTE
    assert all(v.look is not None and v.counts.n < N for v in result.decision.suites)
    assert result.decision.attempt is not None
    assert result.decision.attempt.number == 1


def test_a_run_that_ended_without_a_stop_is_no_evidence(bench: Bench, tmp_path: Path) -> None:
    """Sealed by hand after the first look, where the rule would have gone on."""
    adapter = an_adapter(tmp_path / "adapter")
    judged(bench, adapter, [])
    folder = shortened(bench, look_sizes(N)[0])
    decision = judge_stored(read_project(bench.loaded.project.folder), adapter).decision
    assert decision.ruling is Ruling.REFUSED
    assert "ended after 60 of 600 items without a stop" in "; ".join(decision.reasons)
    assert folder.is_dir()


def test_a_run_that_ended_between_two_looks_is_no_evidence(bench: Bench, tmp_path: Path) -> None:
    adapter = an_adapter(tmp_path / "adapter")
    judged(bench, adapter, [])
    shortened(bench, look_sizes(N)[0] + 1)
    with pytest.raises(StoreError, match="does not hold exactly the items"):
        judge_stored(read_project(bench.loaded.project.folder), adapter)


def shortened(bench: Bench, size: int) -> Path:
    """The adapter's run again, cut to the first items of the order and sealed."""
    runs = bench.loaded.project.runs
    (old,) = runs.glob("adapter@*")
    run = load_run(old)
    manifest = replace(read_manifest(old), device="cpu")
    assert manifest.batch_policy.startswith(LOOKS)
    spare = runs / "spare"
    kept = {s.name: item_order(s, ITEM_ORDER_SEED)[:size] for s in bench.loaded.suites}
    with RunWriter.open(spare / run_name(manifest), manifest) as writer:
        for name, items in kept.items():
            for item in items:
                writer.append(run.outcomes[name][item.id])
        writer.seal({name: [(item.id, item.digest) for item in items] for name, items in kept.items()})
    for path in old.iterdir():
        path.unlink()
    for path in (spare / old.name).iterdir():
        path.rename(old / path.name)
    (spare / old.name).rmdir()
    spare.rmdir()
    return old


def test_only_independent_protected_suites_may_stop(bench: Bench) -> None:
    suite = bench.loaded.suite("colours")
    assert may_stop(suite, Policy())
    assert not may_stop(suite, Policy(zero_tolerance=("colours",)))
    assert not may_stop(replace(suite, role=Role.TARGET), Policy())
    clustered = replace(suite, items=(replace(suite.items[0], cluster="a"), *suite.items[1:]))
    assert not may_stop(clustered, Policy())
    rule = LookByLook(policy=Policy(), alpha=0.05, base=None)
    assert rule.portions(clustered) == [list(range(N))]
    portions = rule.portions(suite)
    assert [len(portion) for portion in portions] == [N // 10] * 10
    assert sorted(index for portion in portions for index in portion) == list(range(N))


@pytest.mark.parametrize(("loses", "word"), [(0, "within"), (200, "beyond")])
def test_a_screening_is_quick_and_decides_nothing(bench: Bench, tmp_path: Path, loses: int, word: str) -> None:
    adapter = an_adapter(tmp_path / "adapter")
    result, _ = judged(bench, adapter, [f"c-{k}" for k in range(loses)], Mode.SCREEN)
    assert result.decision.ruling is Ruling.INCONCLUSIVE
    assert result.decision.attempt is not None  # whoever is sorted out here had a chance to pass by luck
    (colours, _) = result.decision.suites
    assert colours.counts.n < N
    assert f"all 600 items would show a drop {word} the margin" in colours.reason
    assert judge_stored(read_project(bench.loaded.project.folder), adapter) == result
    final, _ = judged(bench, adapter, [f"c-{k}" for k in range(loses)], Mode.ALL)
    assert final.decision.attempt == result.decision.attempt
    assert final.decision.ruling is (Ruling.REJECT if loses else Ruling.PROMOTE)
