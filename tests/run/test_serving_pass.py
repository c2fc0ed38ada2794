"""Single prompts beside a run: when they are asked, what is stored, and what becomes of margins that rest on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_engine import FakeEngine, Stage, Ticks, open_stage, write_project

from regress.errors import StoreError
from regress.hashing.models import read_model
from regress.run.bench import Bench
from regress.run.check import check_each, judgement_of
from regress.run.judge import Judgement
from regress.run.serving import PROMPTS, ROUNDS
from regress.run.stored import judge_stored
from regress.schema import Figure, Precision, Ruling, VariantKind, Verdict
from regress.store.runs import read_manifest
from regress.store.serving import SERVING, read_served
from regress.suite import read_project

CONFIG = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}
SLOW = {VariantKind.ADAPTER: 1.5, VariantKind.MERGED: 1.0}


def a_stage(tmp_path: Path, margins: str | None = None) -> Stage:
    folder = write_project(tmp_path / "project", choose=60, generate=60)
    if margins is not None:
        head = "name: production\nversion: 1\ncategory: serving\nitems: echoes.jsonl\nprompt: raw\nask: generate\n"
        (folder / "suites" / "production.yaml").write_text(f"{head}scorer: ended\nmargin: 0.1\nserving: {margins}\n")
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "adapter" / "adapter_model.safetensors").write_bytes(b"weights")
    return open_stage(folder)


def checked(stage: Stage, engine: FakeEngine, *, serving: bool = False, ticks: Ticks | None = None) -> Judgement:
    bench = Bench(loaded=stage.loaded, lock=stage.lock, base=read_model(stage.folder / "base"))
    adapter = stage.folder.parent / "adapter"
    (only,) = check_each(bench, [adapter], engine_for=lambda *_: engine, progress=ticks or Ticks(), serving=serving)
    return judgement_of(only)


def figures(judgement: Judgement, variant: str) -> dict[Figure, float]:
    (found,) = [one for one in judgement.decision.serving if one.variant == variant and one.suite is None]
    return {change.figure: change.change for change in found.figures}


def test_nobody_is_timed_unless_asked_for_but_replies_are_compared(tmp_path: Path) -> None:
    engine = FakeEngine()
    judgement = checked(a_stage(tmp_path), engine)
    assert engine.timed == 0
    assert set(figures(judgement, "adapter")) == {Figure.REPLY_TOKENS, Figure.END_OF_TEXT, Figure.CUT}


def test_times_are_those_of_either_variant(tmp_path: Path) -> None:
    engine, stage, ticks = FakeEngine(slowness=SLOW), a_stage(tmp_path), Ticks()
    judgement = checked(stage, engine, serving=True, ticks=ticks)
    assert engine.timed == ROUNDS * 3 * (PROMPTS + 1)  # base, adapter, merged; one prompt warms each up
    assert (("start", ROUNDS * 3 * PROMPTS, 0)) in ticks.calls
    slow, same = figures(judgement, "adapter"), figures(judgement, "merged")
    assert slow[Figure.LATENCY] == pytest.approx(0.5, abs=1e-6)
    assert slow[Figure.TOKENS_PER_SECOND] == pytest.approx(-1 / 3, abs=1e-6)
    assert same[Figure.FIRST_TOKEN] == pytest.approx(0.0, abs=1e-9)
    assert judge_stored(read_project(stage.folder), tmp_path / "adapter") == judgement


def test_a_margin_for_times_has_them_taken_once_and_holds(tmp_path: Path) -> None:
    stage = a_stage(tmp_path, "{latency: 0.2, reply_tokens: 0.2}")
    engine = FakeEngine(slowness=SLOW)
    judgement = checked(stage, engine)
    assert engine.timed == ROUNDS * 3 * (60 + 1)  # all items of the serving suite
    verdicts = {(v.suite, v.variant): v for v in judgement.decision.suites}
    assert verdicts["production:latency", "adapter"].verdict is Verdict.FAIL
    assert verdicts["production:latency", "adapter"].delta == pytest.approx(-0.5, abs=1e-6)
    assert verdicts["production:latency", "merged"].verdict is Verdict.PASS
    assert verdicts["production:reply_tokens", "adapter"].verdict is Verdict.PASS
    assert judgement.decision.ruling is Ruling.REJECT
    assert "production:latency (adapter): latency 0.005" in judgement.decision.reasons[0]
    again = FakeEngine(slowness=SLOW)
    assert checked(stage, again) == judgement
    assert again.timed == 0


def test_a_candidate_as_quick_as_its_base_is_promoted(tmp_path: Path) -> None:
    judgement = checked(a_stage(tmp_path, "{latency: 0.2, tokens_per_second: 0.2, first_token: 0.3}"), FakeEngine())
    assert judgement.decision.ruling is Ruling.PROMOTE


def test_without_the_measurement_a_margin_is_refused(tmp_path: Path) -> None:
    stage = a_stage(tmp_path, "{latency: 0.2}")
    checked(stage, FakeEngine())
    for file in stage.runs.glob(f"adapter*/{SERVING}"):
        file.unlink()
    judged = judge_stored(read_project(stage.folder), tmp_path / "adapter")
    assert judged.decision.ruling is Ruling.REFUSED
    assert "production:latency (adapter) has no evidence" in judged.decision.reasons


def test_a_margin_for_proposals_needs_a_draft_model(tmp_path: Path) -> None:
    judgement = checked(a_stage(tmp_path, "{acceptance: 0.1}"), FakeEngine())
    assert judgement.decision.ruling is Ruling.REFUSED
    assert any("production:acceptance" in reason for reason in judgement.decision.reasons)


def edited(text: str) -> str:
    return text.replace('"tokens":5', '"tokens":6', 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edited, "was edited"),
        (lambda text: text[:-1], "end of the file is missing"),
        (lambda text: text.replace('"format":1', '"format":2'), "run format 2, not 1"),
        (lambda text: "{}\n", "format"),
    ],
    ids=["a number", "torn", "another format", "empty"],
)
def test_a_damaged_measurement_is_refused(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    stage = a_stage(tmp_path)
    checked(stage, FakeEngine(precision=Precision.FP32), serving=True)
    (file,) = stage.runs.glob(f"merged*/{SERVING}")
    file.write_text(change(file.read_text()))
    with pytest.raises(StoreError, match=message):
        read_served(file.parent, read_manifest(file.parent))


def test_the_measurement_of_another_run_is_refused(tmp_path: Path) -> None:
    stage = a_stage(tmp_path)
    checked(stage, FakeEngine(), serving=True)
    (adapter,), (merged,) = stage.runs.glob(f"adapter*/{SERVING}"), stage.runs.glob(f"merged*/{SERVING}")
    merged.write_bytes(adapter.read_bytes())
    with pytest.raises(StoreError, match="another run"):
        read_served(merged.parent, read_manifest(merged.parent))
