"""The main job with an engine that has no model: order of work, evidence by precision, and what stops it."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest
from fake_engine import FakeEngine, Stage, Ticks, open_stage, write_project

from regress.errors import AdapterError, ComparisonError, StoreError
from regress.hashing.models import read_model
from regress.run.bench import Bench, EngineFactory
from regress.run.check import check
from regress.run.judge import Judgement
from regress.run.stored import judge_stored
from regress.schema import Precision, Ruling, VariantKind
from regress.store.codec import ManifestFile, encode_file
from regress.store.runs import read_manifest
from regress.suite import read_project

ALL = frozenset(f"c-{k}" for k in range(60)) | frozenset(f"e-{k}" for k in range(60))
CONFIG = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}


class Forgetful(FakeEngine):
    """Answers wrongly as the adapter or merged model, at the precisions given."""

    forgets_at: Collection[Precision] = ()

    def answer(self, suite, batch):  # type: ignore[no-untyped-def]
        ill = self.kind is not VariantKind.BASE and self.precision in self.forgets_at
        self.wrong = ALL if ill else ()
        return super().answer(suite, batch)


def factory(made: list[FakeEngine], *, forgets_at: Collection[Precision] = (), device: str = "cpu") -> EngineFactory:
    def load(folder: Path, precision: Precision, wanted_device: str, tokens: int | None) -> FakeEngine:
        engine = Forgetful(precision=Precision.FP32 if precision is Precision.AUTO else precision, device=device)
        engine.forgets_at = forgets_at
        made.append(engine)
        return engine

    return load


def an_adapter(folder: Path, weights: bytes = b"weights") -> Path:
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps(CONFIG))
    (folder / "adapter_model.safetensors").write_bytes(weights)
    return folder


def a_stage(tmp_path: Path, variants: str = "[base, adapter, merged]") -> Stage:
    folder = write_project(tmp_path / "project", choose=60, generate=60)
    with (folder / "regress.yaml").open("a") as file:
        file.write(f"variants: {variants}\n")
    return open_stage(folder)


def checked(stage: Stage, adapter: Path, engine_for: EngineFactory, progress: Ticks | None = None) -> Judgement:
    bench = Bench(loaded=stage.loaded, lock=stage.lock, base=read_model(stage.folder / "base"))
    return check(bench, adapter, engine_for=engine_for, progress=progress or Ticks())


def test_base_adapter_and_merged_are_asked_in_turn_of_one_engine(tmp_path: Path) -> None:
    stage, made = a_stage(tmp_path), []  # type: ignore[var-annotated]
    result = checked(stage, an_adapter(tmp_path / "adapter"), factory(made))
    assert result.decision.ruling is Ruling.PROMOTE
    (engine,) = made
    assert len(engine.items_asked) == 3 * 120 + 4  # and one canary batch
    stored = judge_stored(read_project(stage.folder), tmp_path / "adapter")
    assert stored == result


def test_the_base_is_asked_once_for_two_adapters(tmp_path: Path) -> None:
    stage, made = a_stage(tmp_path), []  # type: ignore[var-annotated]
    checked(stage, an_adapter(tmp_path / "one"), factory(made))
    result = checked(stage, an_adapter(tmp_path / "two", b"others"), factory(made, forgets_at=[Precision.FP32]))
    assert result.decision.ruling is Ruling.REJECT
    assert len(made[1].items_asked) == 2 * 120 + 4


@pytest.mark.parametrize("ill", [Precision.FP32, Precision.NF4])
@pytest.mark.parametrize(
    "variants", ["[base, adapter, base@nf4, adapter@nf4]", "[base@nf4, adapter@nf4, base, adapter]"]
)
def test_each_variant_is_judged_by_the_run_of_its_own_precision(tmp_path: Path, variants: str, ill: Precision) -> None:
    """`adapter` is fp32 on a CPU: the newer NF4 run, where nothing was lost, must not stand in for it."""
    stage = a_stage(tmp_path, variants)
    result = checked(stage, an_adapter(tmp_path / "adapter"), factory([], forgets_at=[ill]))
    assert result.decision.ruling is Ruling.REJECT
    lost = {c.variant: (c.counts.lost, c.against) for c in result.comparisons if c.suite == "colours"}
    assert lost == {
        "adapter": (60 if ill is Precision.FP32 else 0, "base@fp32"),
        "adapter@nf4": (60 if ill is Precision.NF4 else 0, "base@nf4"),
    }


def test_nan_from_the_adapter_stops_before_any_item(tmp_path: Path) -> None:
    stage = a_stage(tmp_path)

    class Dead(FakeEngine):
        def fingerprint(self, requests):  # type: ignore[no-untyped-def]
            return super().fingerprint(requests) * (1.0 if self.kind is VariantKind.BASE else float("nan"))

    with pytest.raises(AdapterError, match="merged-agrees"):
        checked(stage, an_adapter(tmp_path / "adapter"), lambda *_: Dead())
    assert not list(stage.folder.glob("*/**/outcomes.jsonl"))


def test_an_adapter_that_changes_while_it_is_judged_is_refused(tmp_path: Path) -> None:
    stage = a_stage(tmp_path)

    class Swapping(FakeEngine):
        def attach(self, folder: str):  # type: ignore[no-untyped-def]
            (Path(folder) / "adapter_model.safetensors").write_bytes(b"others!")
            return super().attach(folder)

    with pytest.raises(AdapterError, match="changed since it was hashed"):
        checked(stage, an_adapter(tmp_path / "adapter"), lambda *_: Swapping())


def test_gate_needs_a_preflight_and_every_variants_run(tmp_path: Path) -> None:
    stage = a_stage(tmp_path)
    adapter = an_adapter(tmp_path / "adapter")
    project = read_project(stage.folder)
    with pytest.raises(StoreError, match="no preflight under this lock"):
        judge_stored(project, adapter)
    checked(stage, adapter, factory([]))
    (merged,) = (stage.folder / "runs").glob("merged@*")
    (merged / "seal.json").unlink()
    with pytest.raises(StoreError, match="no sealed run of merged under this lock"):
        judge_stored(project, adapter)


def test_a_run_of_other_base_weights_is_no_evidence(tmp_path: Path) -> None:
    """Runs that say they belong to this lock, made on another base, on both sides alike."""
    stage = a_stage(tmp_path, "[base, adapter]")
    adapter = an_adapter(tmp_path / "adapter")
    bench = Bench(loaded=stage.loaded, lock=stage.lock, base=read_model(stage.folder / "base"))
    (stage.folder / "base" / "model.safetensors").write_text("other weights")
    other = replace(bench, base=read_model(stage.folder / "base"))
    with pytest.raises(ComparisonError, match="another base than the locked one"):
        check(other, adapter, engine_for=factory([]), progress=Ticks())


def test_a_run_of_another_machine_does_not_hide_the_comparable_one(tmp_path: Path) -> None:
    stage = a_stage(tmp_path, "[base, adapter]")
    adapter = an_adapter(tmp_path / "adapter")
    checked(stage, adapter, factory([]))
    (ours,) = (stage.folder / "baselines" / "runs").iterdir()
    assert checked(stage, adapter, factory([], device="a GPU")).decision.ruling is Ruling.PROMOTE
    assert len(list((stage.folder / "baselines" / "runs").iterdir())) == 2
    assert ours.is_dir()


def test_an_edited_manifest_does_not_verify(tmp_path: Path) -> None:
    stage = a_stage(tmp_path, "[base, adapter]")
    adapter = an_adapter(tmp_path / "adapter")
    checked(stage, adapter, factory([]))
    (base,) = (stage.folder / "baselines" / "runs").iterdir()
    edited = replace(read_manifest(base), backend="fake 2")
    (base / "manifest.json").write_bytes(encode_file(ManifestFile(manifest=edited)))
    with pytest.raises(StoreError, match="manifest"):
        judge_stored(read_project(stage.folder), adapter)


def test_the_canary_never_passes_for_an_item(tmp_path: Path) -> None:
    """An engine may keep plans by request digest: a suite of two items was once asked the canary's question instead."""
    folder = write_project(tmp_path / "project", choose=2, generate=2)
    stage, seen = open_stage(folder), dict[str, set[tuple[object, ...]]]()

    class Remembering(FakeEngine):
        def answer(self, suite, batch):  # type: ignore[no-untyped-def]
            for request in batch.requests:
                seen.setdefault(request.digest, set()).add((request.item, request.choices))
            return super().answer(suite, batch)

    checked(stage, an_adapter(tmp_path / "adapter"), lambda *_: Remembering())
    assert max(map(len, seen.values())) == 1
