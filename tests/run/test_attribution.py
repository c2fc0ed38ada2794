"""Which step lost what: every step gets exactly what it lost, steps add up, and the decision never hangs on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from fake_engine import FakeEngine, Stage, Ticks
from test_check import a_stage, an_adapter

from regress.errors import StoreError
from regress.hashing.models import read_model
from regress.report import attribution as words
from regress.report import markdown, terminal, verdict_json
from regress.run.bench import Bench, EngineFactory, Mode
from regress.run.check import check
from regress.run.judge import Judgement
from regress.run.stored import judge_stored
from regress.run.wanted import Wanted, parse_variants
from regress.schema import Attribution, Precision, Ruling, Share
from regress.suite import read_project

ALL_SIX = "base,adapter,merged,base@nf4,adapter@nf4,merged@nf4"
COLOURS = "colours"


def ids(first: int, last: int) -> frozenset[str]:
    return frozenset(f"c-{k}" for k in range(first, last))


# Of 60 items: NF4 costs 2, tuning 30 at fp32 and 26 more at NF4, merging 1 at fp32 and 4 at NF4.
LOST: dict[str, frozenset[str]] = {
    "base@fp32": frozenset(),
    "base@nf4": ids(0, 2),
    "adapter@fp32": ids(0, 30),
    "adapter@nf4": ids(0, 28),
    "merged@fp32": ids(0, 31),
    "merged@nf4": ids(0, 32),
}


class Lossy(FakeEngine):
    """Answers wrongly what its variant lost."""

    lost: Mapping[str, frozenset[str]] = LOST

    def answer(self, suite, batch):  # type: ignore[no-untyped-def]
        self.wrong = self.lost.get(f"{self.kind}@{self.precision}", frozenset())
        return super().answer(suite, batch)


def lossy(lost: Mapping[str, frozenset[str]] = LOST) -> EngineFactory:
    def load(folder: Path, precision: Precision, device: str, tokens: int | None) -> FakeEngine:
        engine = Lossy(precision=Precision.FP32 if precision is Precision.AUTO else precision)
        engine.lost = lost
        return engine

    return load


def judged(
    stage: Stage,
    adapter: Path,
    variants: str,
    mode: Mode = Mode.ALL,
    lost: Mapping[str, frozenset[str]] = LOST,
) -> Judgement:
    bench = Bench(loaded=stage.loaded, lock=stage.lock, base=read_model(stage.folder / "base"))
    wanted = Wanted.of(stage.loaded.project.variants, parse_variants(variants))
    return check(bench, adapter, engine_for=lossy(lost), progress=Ticks(), mode=mode, wanted=wanted)


def told(result: Judgement) -> Attribution:
    assert result.decision.attribution is not None
    return result.decision.attribution


def by_step(found: Attribution) -> dict[tuple[str, str, str], Share]:
    return {(s.cause.value, s.before, s.after): s for s in found.shares if s.suite == COLOURS}


def test_every_step_gets_what_it_lost_and_the_steps_add_up(tmp_path: Path) -> None:
    stage, adapter = a_stage(tmp_path), an_adapter(tmp_path / "adapter")
    result = judged(stage, adapter, ALL_SIX)
    steps = by_step(told(result))
    assert {name: (share.counts.lost, share.counts.gained) for name, share in steps.items()} == {
        ("quantisation", "base@fp32", "base@nf4"): (2, 0),
        ("tuning", "base@fp32", "adapter@fp32"): (30, 0),
        ("merging", "adapter@fp32", "merged@fp32"): (1, 0),
        ("tuning", "base@nf4", "adapter@nf4"): (26, 0),
        ("merging", "adapter@nf4", "merged@nf4"): (4, 0),
        ("merging", "adapter@nf4", "merged@fp32"): (3, 0),
        ("quantisation", "merged@fp32", "merged@nf4"): (1, 0),
    }
    path = [
        ("quantisation", "base@fp32", "base@nf4"),
        ("tuning", "base@nf4", "adapter@nf4"),
        ("merging", "adapter@nf4", "merged@nf4"),
    ]
    assert sum(steps[step].delta or 0.0 for step in path) == pytest.approx(-32 / 60, abs=1e-12)
    assert told(result).missing == ()
    assert [one.precision for one in told(result).parity] == ["fp32"]


def test_the_interval_is_the_gates_own(tmp_path: Path) -> None:
    result = judged(a_stage(tmp_path), an_adapter(tmp_path / "adapter"), "base,adapter,merged")
    tuning = by_step(told(result))["tuning", "base@fp32", "adapter@fp32"]
    (verdict,) = [v for v in result.decision.suites if (v.suite, v.variant) == (COLOURS, "adapter")]
    assert (tuning.ci90, tuning.delta) == (verdict.ci90, verdict.delta)
    merging = by_step(told(result))["merging", "adapter@fp32", "merged@fp32"]
    assert merging.ci90 is not None
    assert merging.ci90[0] < -1 / 60 < merging.ci90[1]


def test_gate_tells_the_same_and_neither_decides_by_it(tmp_path: Path) -> None:
    """What only another precision lost is told and leaves the decision alone."""
    stage, adapter = a_stage(tmp_path), an_adapter(tmp_path / "adapter")
    only_nf4 = {"adapter@nf4": ids(0, 50), "base@nf4": ids(0, 5)}
    alone = judged(stage, adapter, "base,adapter,merged", lost=only_nf4)
    assert alone.decision.ruling is Ruling.PROMOTE
    more = judged(stage, adapter, "base,adapter,merged,base@nf4,adapter@nf4", lost=only_nf4)
    assert by_step(told(more))["tuning", "base@nf4", "adapter@nf4"].counts.lost == 45
    stored = judge_stored(read_project(stage.folder), adapter)
    assert told(stored) == told(more)
    for name in ("ruling", "suites", "reasons", "attempt", "checks"):
        assert getattr(more.decision, name) == getattr(alone.decision, name) == getattr(stored.decision, name)


def test_what_is_missing_names_the_run_and_the_command(tmp_path: Path) -> None:
    stage, adapter = a_stage(tmp_path), an_adapter(tmp_path / "adapter; rm -r x")
    assert told(judged(stage, adapter, "base,adapter,merged")).missing == (
        f"quantisation: no sealed run of base@nf4; `regress check '{adapter}' --variants base,adapter,merged,base@nf4` "
        "makes it",
    )
    lock = a_stage(tmp_path / "two", "[base, adapter@nf4]")
    missing = told(judged(lock, adapter, "base,adapter@nf4")).missing
    assert [text.partition(":")[0] for text in missing] == ["quantisation", "tuning"]
    assert all("base@nf4" in text for text in missing)


def test_variants_that_stopped_early_are_not_compared_with_each_other(tmp_path: Path) -> None:
    found = told(judged(a_stage(tmp_path), an_adapter(tmp_path / "adapter"), "base,adapter,merged", mode=Mode.LOOKS))
    assert found.shares == ()
    assert "look by look" in found.missing[0]


def test_a_damaged_run_that_no_lock_names_is_said_and_stops_nothing(tmp_path: Path) -> None:
    stage, adapter = a_stage(tmp_path), an_adapter(tmp_path / "adapter")
    ruling = judged(stage, adapter, ALL_SIX).decision.ruling
    (extra,) = (stage.folder / "runs").glob("adapter@nf4*")
    log = (extra / "outcomes.jsonl").read_bytes()
    (extra / "outcomes.jsonl").write_bytes(log.replace(b"no idea", b"no ideas", 1).replace(b'"fail"', b'"pass"', 1))
    stored = judge_stored(read_project(stage.folder), adapter)
    assert stored.decision.ruling is ruling
    assert any(text.startswith("adapter@nf4 is not told apart:") for text in told(stored).missing)
    assert ("tuning", "base@nf4", "adapter@nf4") not in by_step(told(stored))
    (locked,) = (stage.folder / "runs").glob("merged@fp32*")
    (locked / "outcomes.jsonl").write_bytes(b"")
    with pytest.raises(StoreError):
        judge_stored(read_project(stage.folder), adapter)


def test_reports_tell_it_where_it_says_more_than_the_verdicts(tmp_path: Path) -> None:
    stage, adapter = a_stage(tmp_path), an_adapter(tmp_path / "adapter")
    short = judged(stage, adapter, "base,adapter,merged")
    assert not words.says_more(words.told(short.decision))
    result = judged(stage, adapter, ALL_SIX)
    assert words.says_more(words.told(result.decision))
    assert terminal.render(result.decision, result.comparisons) is not None
    text = markdown.render(result.decision, result.comparisons)
    assert "| colours | quantisation | base@fp32 → base@nf4 | 60 → 58 of 60 | −3.3 |" in text
    found = verdict_json.as_object(result.decision)["attribution"]
    assert {"cause": "merging", "from": "adapter@nf4", "to": "merged@nf4", "lost": 4, "gained": 0}.items() <= next(
        one for one in found["steps"] if one["suite"] == COLOURS and one["to"] == "merged@nf4"
    ).items()
    assert found["parity"][0]["precision"] == "fp32"
