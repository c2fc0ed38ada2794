"""What is not LoRA goes the same way: check, gate and run, on adapters and models that were really trained."""

from __future__ import annotations

import json
import shutil
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from e2e_projects import digest_of, outcome_logs, refused, verdict
from safetensors.torch import load_file, save_file
from trained_adapters import fine_tune, train

from regress.backends.hf import HFEngine
from regress.cli import main
from regress.lock.lockfile import read_lock, write_training_record
from regress.promote.keys import make_key
from regress.run.bench import open_bench
from regress.run.check import check
from regress.run.engines import load_engine
from regress.run.progress import Silent
from regress.schema import Precision, Ruling
from regress.suite import read_project

RATES = {"ia3": 1e-4, "adalora": 1e-2, "prompt": 1e-4, "prefix": 1e-4}  # so small that no answer of the base flips


@pytest.fixture(scope="module")
def candidates(locked_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("candidates")
    for kind, rate in RATES.items():
        train(locked_once / "base", folder / kind, kind, rate=rate)
    fine_tune(locked_once / "base", folder / "full", rate=1e-6)
    return folder


@pytest.fixture
def attached(locked: Path) -> Path:
    """The locked project under a lock that names no merged variant."""
    with (locked / "regress.yaml").open("a") as file:
        file.write("variants: [base, adapter]\n")
    assert main(["lock", "--amend", "--why", "candidates are served attached", "-C", str(locked)]) == 0
    return locked


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def runs_of(project: Path, candidate: Path) -> set[str]:
    """The variants of which the project holds a sealed run for these bytes."""
    manifests = [read(path.parent / "manifest.json")["manifest"] for path in project.glob("runs/*/seal.json")]
    return {one["variant"] for one in manifests if one["adapter"] == digest_of(candidate)}


def test_ia3_adalora_and_a_full_fine_tune_are_judged_under_one_lock(locked: Path, candidates: Path) -> None:
    names = ("ia3", "adalora", "full")
    assert main(["check", *(str(candidates / name) for name in names), "-C", str(locked), "--quiet"]) == 0
    for name in names:
        found = read(locked / "reports" / name / "verdict.json")
        assert found["decision"] == "PROMOTE"
        own = {"merged"} if name == "full" else {"adapter", "merged"}
        assert {suite["variant"] for suite in found["suites"]} == own
        assert found["candidate"]["kind"] == ("model" if name == "full" else "adapter")
        assert found["candidate"]["digest"] == digest_of(candidates / name)
        assert runs_of(locked, candidates / name) == {f"{variant}@fp32" for variant in own}
        assert main(["gate", str(candidates / name), "-C", str(locked)]) == 0
        assert verdict(locked)["suites"] == found["suites"]
    checks = {check["name"]: check["detail"] for check in verdict(locked)["checks"]}
    assert "adapter and merged are one variant" in checks["answers-as-merged"]
    assert {"model-config", "model-tensors", "model-finite", "model-trained", "model-differs@fp32"} <= checks.keys()


def test_a_full_fine_tune_is_promoted_like_an_adapter(
    locked: Path, candidates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_key(tmp_path / "key.pem")
    monkeypatch.setenv("REGRESS_KEY", str(tmp_path / "key.pem"))
    here = ["-C", str(locked)]
    assert main(["keys", "add", str(tmp_path / "key.pem.pub"), *here]) == 0
    assert main(["check", str(candidates / "full"), "--quiet", *here]) == 0
    assert main(["promote", str(candidates / "full"), "--allow-unrecorded-training", *here]) == 0
    assert main(["verify", str(candidates / "full"), "--production", *here]) == 0
    kept = locked / "registry" / "production" / "adapter" / "model.safetensors"
    assert kept.read_bytes() == (candidates / "full" / "model.safetensors").read_bytes()


def test_virtual_tokens_are_judged_where_nothing_has_to_be_merged(
    attached: Path, candidates: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("prompt", "prefix"):
        code = main(["check", str(candidates / name), "-C", str(attached), "--quiet"])
        assert code in (0, 3, 4)
        found = verdict(attached)
        assert {suite["variant"] for suite in found["suites"]} == {"adapter"}
        checks = {check["name"] for check in found["checks"]}
        assert {"virtual-tokens@fp32", "virtual-tokens-canary@fp32", "base-restored@fp32"} <= checks
        assert main(["gate", str(candidates / name), "-C", str(attached)]) == code
        assert verdict(attached)["suites"] == found["suites"]
    capsys.readouterr()
    main(["check", str(candidates / "prefix"), "-C", str(attached), "--variants", "base,adapter,merged", "--quiet"])
    assert "merged could not be run: virtual tokens cannot be merged" in " ".join(capsys.readouterr().err.split())


def test_virtual_tokens_are_refused_where_the_lock_names_merged(
    locked: Path, candidates: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("check", "gate"):
        said = refused(locked, [command, str(candidates / "prompt")], capsys)
        assert "cannot be merged into weights, so merged cannot be answered, which the lock demands" in said
    assert outcome_logs(locked) == []
    said = refused(locked, ["check", str(candidates / "prompt"), "--quiet", "--variants", "base,adapter"], capsys)
    assert "merged is in the lock and was left out, so nothing is concluded" in said


def test_run_answers_as_what_the_candidate_is(
    locked: Path, candidates: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    full, prompt = str(candidates / "full"), str(candidates / "prompt")
    assert main(["run", "adapter", "--adapter", full, "-C", str(locked), "--quiet"]) == 0
    assert "answers adapter as merged" in capsys.readouterr().err
    assert runs_of(locked, candidates / "full") == {"merged@fp32"}
    merged = ["run", "merged", "-C", str(locked), "--quiet"]
    assert main([*merged, "--adapter", full, "--write-merged", str(tmp_path / "out")]) == 2
    assert main([*merged, "--adapter", prompt]) == 5
    assert main(["run", "adapter", "--adapter", prompt, "-C", str(locked), "--quiet"]) == 0
    assert runs_of(locked, candidates / "prompt") == {"adapter@fp32"}


def test_base_and_model_never_lie_in_memory_together(locked: Path, candidates: Path) -> None:
    loaded: list[weakref.ref[Any]] = []

    def factory(folder: Path, precision: Precision, device: str, tokens: int | None) -> HFEngine:
        assert all(earlier() is None for earlier in loaded)
        engine = load_engine(folder, precision, device, tokens)
        assert isinstance(engine, HFEngine)
        loaded.append(weakref.ref(engine.resident.model))
        return engine

    bench = open_bench(read_project(locked))
    result = check(bench, candidates / "full", engine_for=factory, progress=Silent())
    assert (len(loaded), result.decision.ruling) == (2, Ruling.PROMOTE)


def test_a_models_training_record_counts(locked: Path, candidates: Path, capsys: pytest.CaptureFixture[str]) -> None:
    full = Path(shutil.copytree(candidates / "full", locked / "full"))
    write_training_record(read_lock(locked / "baselines"), full, data="sha256:0", started=_long_ago())
    assert main(["check", str(full), "-C", str(locked), "--quiet"]) == 0
    assert verdict(locked)["candidate"]["trained_under_lock"] is True
    record = read(full / "regress_training.json")
    (full / "regress_training.json").write_text(json.dumps(record | {"lock": "sha256:" + "0" * 64}))
    assert "trained under another lock" in refused(locked, ["check", str(full), "--quiet"], capsys)


def _long_ago() -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)


def test_an_item_that_no_longer_fits_behind_the_virtual_tokens_is_refused(
    attached: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The window holds 512 positions, and the suites leave room for replies."""
    adapter = train(attached / "base", tmp_path / "long", "prompt", rate=1e-4, num_virtual_tokens=480)
    said = refused(attached, ["check", str(adapter), "--quiet"], capsys)
    assert "virtual tokens, and the context window holds 512" in said
    assert outcome_logs(attached) == []


# --- models that must not reach a single item -------------------------------------------------------------------------

Damage = Callable[[Path], None]
WEIGHTS = "model.safetensors"


def tensors(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Damage:
    def damage(model: Path) -> None:
        save_file(change(load_file(model / WEIGHTS)), model / WEIGHTS, metadata={"format": "pt"})

    return damage


def one_with(value: float) -> Damage:
    def change(old: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        old[sorted(old)[-1]].flatten()[-1] = value
        return old

    return tensors(change)


def settings(name: str, **changes: Any) -> Damage:
    def damage(model: Path) -> None:
        (model / name).write_text(json.dumps(read(model / name) | changes))

    return damage


def add(name: str, content: bytes = b"x") -> Damage:
    def damage(model: Path) -> None:
        (model / name).write_bytes(content)

    return damage


def equal_to_base(model: Path) -> None:
    shutil.copyfile(model.parent / "project" / "base" / WEIGHTS, model / WEIGHTS)


def linked(model: Path) -> None:
    (model / WEIGHTS).rename(model.parent / "elsewhere.safetensors")
    (model / WEIGHTS).symlink_to(model.parent / "elsewhere.safetensors")


def moved(name: str) -> Damage:
    def damage(model: Path) -> None:
        (model / WEIGHTS).rename(model / name)

    return damage


def index(**weight_map: str) -> Damage:
    return add("model.safetensors.index.json", json.dumps({"weight_map": weight_map}).encode())


CASES: dict[str, tuple[Damage, str]] = {
    "equal to the base": (equal_to_base, "identical to the base"),
    "NaN": (one_with(float("nan")), "NaN or infinity"),
    "infinity": (one_with(float("inf")), "NaN or infinity"),
    "integers": (tensors(lambda old: {n: t.to(torch.int8) for n, t in old.items()}), "torch.int8"),
    "a tensor missing": (tensors(lambda old: dict(sorted(old.items())[1:])), "1 missing"),
    "a tensor too many": (tensors(lambda old: old | {"model.extra": torch.ones(3)}), "1 unknown to the base"),
    "an untied head": (
        tensors(lambda old: old | {"lm_head.weight": torch.ones_like(old["model.embed_tokens.weight"])}),
        "1 unknown to the base (first: lm_head.weight)",
    ),
    "a tensor of another shape": (
        tensors(lambda old: {n: t[:-1] if n.endswith("0.mlp.up_proj.weight") else t for n, t in old.items()}),
        "has shape",
    ),
    "another depth": (settings("config.json", num_hidden_layers=4), "num_hidden_layers is 4, the base's is 5"),
    "a depth that never ends": (settings("config.json", num_hidden_layers=2**40), "num_hidden_layers is"),
    "another activation": (settings("config.json", hidden_act="gelu"), "hidden_act is gelu, the base's is silu"),
    "another family": (settings("config.json", model_type="qwen2"), "model_type is qwen2, the base's is llama"),
    "code of its own": (settings("config.json", auto_map={"AutoModelForCausalLM": "x.y"}), "auto_map is"),
    "quantised": (settings("config.json", quantization_config={"quant_method": "gptq"}), "quantization_config is"),
    "another position scheme": (
        settings("config.json", rope_parameters={"rope_theta": 9.0, "rope_type": "default"}),
        "rope_parameters is",
    ),
    "config is no JSON": (add("config.json", b"{"), "is not JSON"),
    "other end tokens": (settings("generation_config.json", eos_token_id=[1, 7]), "other end tokens than the base's"),
    "other template": (add("chat_template.jinja", b"{{ messages }}"), "another chat template"),
    "pickled beside": (add("training_args.bin"), "is a pickle, which can run code"),
    "stray code": (add("modeling_x.py"), "does not belong in a model's folder"),
    "an adapter beside": (add("adapter_config.json", b"{}"), "holds no adapter_model.safetensors"),
    "linked weights": (linked, "not a regular file"),
    "damaged weights": (add(WEIGHTS, b"weights"), "damaged safetensors file"),
    "pickled weights": (moved("pytorch_model.bin"), "neither"),
    "a shard that is not there": (index(x="model-00001-of-00002.safetensors"), "do not agree"),
    "an index that leads away": (index(x="../base/model.safetensors"), "do not agree"),
    "shards without an index": (
        moved("model-00001-of-00001.safetensors"),
        "weights in several files and no",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_model_is_refused_before_any_item_is_asked_of_it(
    case: str, locked: Path, candidates: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Path(shutil.copytree(candidates / "full", tmp_path / "model"))
    damage, reason = CASES[case]
    damage(model)
    assert reason in refused(locked, ["check", str(model), "--quiet"], capsys)
    assert not list(locked.glob("runs/*/outcomes.jsonl"))
