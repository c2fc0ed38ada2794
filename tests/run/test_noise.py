"""The base asked twice: what flips, what it costs, and when nothing may be compared any more."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_engine import FakeEngine, Stage, Ticks, open_stage, write_project
from test_check import an_adapter

from regress.cli import main
from regress.hashing.models import read_model
from regress.run.bench import Bench, Mode, evaluate
from regress.run.check import check
from regress.run.noise import noise_check, noise_floors
from regress.schema import NoiseFloor, PairCounts, Policy, Ruling, Variant, VariantKind
from regress.stats.intervals import mcnemar_midp
from regress.store.runs import load_run

BASE = Variant(kind=VariantKind.BASE)


class Wavering(FakeEngine):
    """Answers wrongly what it is asked as one of so few."""

    at_most = 0

    def answer(self, suite, batch):  # type: ignore[no-untyped-def]
        self.wrong = {request.item for request in batch.requests} if len(batch.places) <= self.at_most else ()
        return super().answer(suite, batch)


def a_bench(folder: Path) -> Bench:
    stage: Stage = open_stage(write_project(folder, choose=60, generate=60))
    return Bench(loaded=stage.loaded, lock=stage.lock, base=read_model(folder / "base"))


def asked_twice(bench: Bench, engine: FakeEngine) -> tuple[NoiseFloor, ...]:
    once, again = (
        evaluate(bench, None, [BASE], engine_for=lambda *_: engine, progress=Ticks(), mode=mode)[BASE]
        for mode in (Mode.ALL, Mode.AGAIN)
    )
    assert len(engine.items_asked) == 2 * 120  # really asked again
    return noise_floors(bench.loaded, load_run(once), load_run(again))


def test_a_steady_base_has_no_noise(tmp_path: Path) -> None:
    bench = a_bench(tmp_path / "project")
    floors = asked_twice(bench, FakeEngine())
    assert [(f.suite, f.counts.lost, f.counts.gained, f.extra_items) for f in floors] == [
        ("colours", 0, 0, 0),
        ("echoes", 0, 0, 0),
    ]
    assert all(0.04 < f.upper < 0.05 for f in floors)  # nothing in 60 is not nothing
    assert noise_check(floors, Policy()).ok


def test_the_check_tells_of_it(tmp_path: Path) -> None:
    bench = a_bench(tmp_path / "project")
    asked_twice(bench, FakeEngine())
    found = check(bench, an_adapter(tmp_path / "adapter"), engine_for=lambda *_: FakeEngine(), progress=Ticks())
    assert found.decision.ruling is Ruling.PROMOTE
    assert [c.detail for c in found.decision.checks if c.name == "noise-floor"] == [
        "asked again in other batches, 0 of 120 answers flip"
    ]


def test_a_base_that_does_not_agree_with_itself_stops_everything(tmp_path: Path) -> None:
    bench = a_bench(tmp_path / "project")
    engine = Wavering()
    engine.at_most = 2
    floors = asked_twice(bench, engine)
    assert not noise_check(floors, Policy()).ok
    found = check(bench, an_adapter(tmp_path / "adapter"), engine_for=lambda *_: FakeEngine(), progress=Ticks())
    assert found.decision.ruling is Ruling.REFUSED
    assert "the base does not agree with itself" in found.decision.reasons[0]


@pytest.mark.parametrize(("lost", "gained", "ok"), [(0, 0, True), (3, 3, True), (2, 0, True), (9, 0, False)])
def test_only_a_drift_in_one_direction_is_flagged(lost: int, gained: int, ok: bool) -> None:
    counts = PairCounts(both_pass=500 - lost - gained, lost=lost, gained=gained)
    floor = NoiseFloor(suite="s", counts=counts, upper=0.1, p=mcnemar_midp(lost, gained), extra_items=0)
    assert noise_check([floor], Policy()).ok is ok


def test_noise_is_the_bases() -> None:
    assert main(["run", "adapter", "--adapter", "x", "--again"]) == 2
