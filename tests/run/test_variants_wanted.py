"""`--variants`: what the lock does not name decides nothing, and without a locked variant nothing is decided."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest
from fake_engine import FakeEngine, Stage, Ticks
from test_check import ALL, a_stage, an_adapter

from regress.errors import BackendError, StoreError, UsageError
from regress.hashing.models import read_model
from regress.run.bench import Bench, EngineFactory, Mode
from regress.run.check import check
from regress.run.judge import Judgement
from regress.run.stored import judge_stored
from regress.run.wanted import Wanted, groups, parse_variants
from regress.schema import Precision, Role, Ruling, VariantKind, Verdict
from regress.suite import read_project


class Forgetting(FakeEngine):
    """Forgets as these variants."""

    forgets: Collection[str] = ()

    def answer(self, suite, batch):  # type: ignore[no-untyped-def]
        self.wrong = ALL if f"{self.kind}@{self.precision}" in self.forgets else ()
        return super().answer(suite, batch)


def factory(made: list[FakeEngine], forgets: Collection[str] = (), unloadable: Collection[str] = ()) -> EngineFactory:
    def load(folder: Path, precision: Precision, device: str, tokens: int | None) -> FakeEngine:
        if precision.value in unloadable:
            raise BackendError(f"no {precision} here.")
        engine = Forgetting(precision=Precision.FP32 if precision is Precision.AUTO else precision)
        engine.forgets = forgets
        made.append(engine)
        return engine

    return load


def checked(
    stage: Stage, adapter: Path, variants: str, engine_for: EngineFactory | None = None, mode: Mode = Mode.ALL
) -> Judgement:
    bench = Bench(loaded=stage.loaded, lock=stage.lock, base=read_model(stage.folder / "base"))
    wanted = Wanted.of(stage.loaded.project.variants, parse_variants(variants))
    return check(bench, adapter, engine_for=engine_for or factory([]), progress=Ticks(), mode=mode, wanted=wanted)


def plain(stage: Stage, adapter: Path, engine_for: EngineFactory) -> Judgement:
    bench = Bench(loaded=stage.loaded, lock=stage.lock, base=read_model(stage.folder / "base"))
    return check(bench, adapter, engine_for=engine_for, progress=Ticks())


@pytest.mark.parametrize("ill", [(), ("adapter@nf4", "merged@fp32"), ("adapter@fp32",)], ids=str)
@pytest.mark.parametrize("mode", [Mode.ALL, Mode.LOOKS])
def test_extra_variants_change_nothing_of_the_decision(tmp_path: Path, ill: tuple[str, ...], mode: Mode) -> None:
    stage = a_stage(tmp_path, "[base, adapter]")
    adapter = an_adapter(tmp_path / "adapter")
    bench = Bench(loaded=stage.loaded, lock=stage.lock, base=read_model(stage.folder / "base"))
    alone = check(bench, adapter, engine_for=factory([], ill), progress=Ticks(), mode=mode).decision
    found = checked(stage, adapter, "base,adapter,merged,base@nf4,adapter@nf4", factory([], ill), mode=mode).decision
    for name in ("ruling", "suites", "checks", "reasons", "attempt"):
        assert getattr(found, name) == getattr(alone, name), name
    assert found.beside is not None
    assert {v.role for v in found.beside.suites} == {Role.INFORM}
    assert found.beside.missing == ()
    against = {v.variant: v.against for v in found.beside.suites}
    assert against == {"merged": "base@fp32", "adapter@nf4": "base@nf4"}
    failed = {v.variant for v in found.beside.suites if v.delta == -1.0}
    assert failed == {"merged", "adapter@nf4"} & {name.removesuffix("@fp32") for name in ill}


def test_an_extra_base_is_no_locked_variants_base(tmp_path: Path) -> None:
    """The lock compares adapter@nf4 with the base as it is; a base@nf4 that somebody adds must not take its place."""
    stage = a_stage(tmp_path, "[base, adapter@nf4]")
    adapter = an_adapter(tmp_path / "adapter")
    engine_for = factory([], ["adapter@nf4", "base@nf4"])
    alone = plain(stage, adapter, engine_for).decision
    found = checked(stage, adapter, "base,adapter@nf4,base@nf4", engine_for).decision
    assert (found.ruling, found.suites) == (alone.ruling, alone.suites)
    assert found.ruling is Ruling.REJECT
    assert {v.against for v in found.suites} == {"base@fp32"}


@pytest.mark.parametrize(
    ("lock", "variants", "left"),
    [
        ("[base, adapter, merged]", "base,adapter", "merged is in the lock and was left out"),
        ("[base, adapter, merged]", "base,merged,adapter@nf4", "adapter is in the lock and was left out"),
        ("[base, adapter, merged]", "base,adapter@nf4", "adapter, merged are in the lock and were left out"),
        ("[base, adapter, base@nf4]", "base,adapter", "base@nf4 is in the lock and was left out"),
        ("[base, adapter]", "base@nf4,adapter", "base is in the lock and was left out"),
        ("[base, adapter]", "base@nf4,adapter@nf4", "base, adapter are in the lock and were left out"),
    ],
)
@pytest.mark.parametrize("ill", [(), ("adapter@fp32",)], ids=str)
def test_without_a_locked_variant_nothing_is_concluded(
    tmp_path: Path, lock: str, variants: str, left: str, ill: tuple[str, ...]
) -> None:
    """Nor where an earlier check left a run of it: whoever leaves it out did not ask."""
    stage = a_stage(tmp_path, lock)
    adapter = an_adapter(tmp_path / "adapter")
    first = checked(stage, adapter, variants, factory([], ill)).decision
    assert first.ruling is Ruling.REFUSED
    assert first.reasons[0].startswith(left)
    assert not any("has no evidence" in reason for reason in first.reasons)
    plain(stage, adapter, factory([], ill))
    again = checked(stage, adapter, variants, factory([], ill)).decision
    assert (again.ruling, again.reasons) == (Ruling.REFUSED, first.reasons)


def test_a_check_that_left_something_out_is_no_preflight_for_gate(tmp_path: Path) -> None:
    stage = a_stage(tmp_path, "[base, adapter, merged]")
    adapter = an_adapter(tmp_path / "adapter")
    checked(stage, adapter, "base,adapter")
    with pytest.raises(StoreError, match="no preflight under this lock"):
        judge_stored(read_project(stage.folder), adapter)


def test_gate_after_a_check_with_extra_variants_decides_as_the_check_did(tmp_path: Path) -> None:
    stage = a_stage(tmp_path, "[base, adapter]")
    adapter = an_adapter(tmp_path / "adapter")
    decision = checked(stage, adapter, "base,adapter,adapter@nf4").decision
    stored = judge_stored(read_project(stage.folder), adapter).decision
    assert stored.beside is None
    assert (stored.ruling, stored.suites, stored.checks) == (decision.ruling, decision.suites, decision.checks)


def test_what_fails_in_an_extra_variant_is_a_line_in_the_report(tmp_path: Path) -> None:
    stage = a_stage(tmp_path, "[base, adapter]")
    decision = checked(
        stage, an_adapter(tmp_path / "adapter"), "base,adapter,merged,adapter@nf4", factory([], unloadable=["nf4"])
    ).decision
    assert decision.ruling is Ruling.PROMOTE
    assert decision.beside is not None
    assert decision.beside.missing == ("adapter@nf4 could not be run: no nf4 here.",)
    assert {v.variant: v.verdict for v in decision.beside.suites} == {"merged": Verdict.PASS}


def test_an_adapter_that_fails_its_preflight_at_an_extra_precision_is_still_judged(tmp_path: Path) -> None:
    class DeadAtNf4(FakeEngine):
        def fingerprint(self, requests):  # type: ignore[no-untyped-def]
            ill = self.precision is Precision.NF4 and self.kind is not VariantKind.BASE
            return super().fingerprint(requests) * (float("nan") if ill else 1.0)

    stage = a_stage(tmp_path, "[base, adapter]")
    engine_for: EngineFactory = lambda folder, precision, *_: DeadAtNf4(  # noqa: E731
        precision=Precision.FP32 if precision is Precision.AUTO else precision
    )
    decision = checked(stage, an_adapter(tmp_path / "adapter"), "base,adapter,adapter@nf4", engine_for).decision
    assert decision.ruling is Ruling.PROMOTE
    assert all(check.ok for check in decision.checks)
    assert decision.beside is not None
    assert "merged-agrees@nf4" in decision.beside.missing[0]


def test_locked_precisions_come_first() -> None:
    chosen = parse_variants("base@nf4,adapter@nf4,base,adapter,merged@bf16")
    planned = groups(Wanted.of(parse_variants("base,adapter"), chosen), Precision.AUTO)
    assert [(g.precision.value, list(map(str, g.locked)), list(map(str, g.extra))) for g in planned] == [
        ("auto", ["base", "adapter"], []),
        ("nf4", [], ["base@nf4", "adapter@nf4"]),
        ("bf16", [], ["merged@bf16"]),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base,adaptor", "'adaptor' is not base, adapter or merged, each alone or with @fp32, @bf16 or @nf4 behind it"),
        ("base,adapter@int8", "'adapter@int8' is not base"),
        ("", "'' is not base"),
        ("base,", "'' is not base"),
        ("adapter,merged", "needs base and at least one of adapter and merged"),
        ("base,base@nf4", "needs base and at least one of adapter and merged"),
        ("base,adapter, adapter", "names one of them twice"),
    ],
)
def test_a_slip_names_the_choices(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"--variants:? ?.*{message}"):
        parse_variants(text)
