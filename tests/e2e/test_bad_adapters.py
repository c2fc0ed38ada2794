"""Adapters that must not reach a single item: refused by the preflight, with the reason, and nothing stored."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from e2e_projects import outcome_logs, refused
from tiny_models import LLAMA, adapter_tensors, make_adapter, random_model, write_tensors

from regress.cli import main
from regress.demo.project import MODEL
from regress.lock.lockfile import read_lock

Damage = Callable[[Path], None]


def tensors(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Damage:
    return lambda adapter: write_tensors(adapter, change(adapter_tensors(adapter)))


def renamed(old: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """As some trainers save: PEFT loads it with a warning, matches nothing, and answers like the base."""
    return {name.replace("base_model.model.model.", "base_model.model.transformer."): t for name, t in old.items()}


def one_with(value: float) -> Damage:
    def change(old: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        name = sorted(old)[-1]
        old[name].flatten()[-1] = value
        return old

    return tensors(change)


def config(**changes: Any) -> Damage:
    def damage(adapter: Path) -> None:
        path = adapter / "adapter_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return damage


def add(name: str, content: bytes = b"x") -> Damage:
    def damage(adapter: Path) -> None:
        (adapter / name).write_bytes(content)

    return damage


def pickled_weights(adapter: Path) -> None:
    (adapter / "adapter_model.safetensors").unlink()
    (adapter / "adapter_model.bin").write_bytes(pickle.dumps({}))


def linked_weights(adapter: Path) -> None:
    weights = adapter / "adapter_model.safetensors"
    weights.rename(adapter.parent / "elsewhere.safetensors")
    weights.symlink_to(adapter.parent / "elsewhere.safetensors")


def fifo(adapter: Path) -> None:
    """Opening it for reading would wait for ever."""
    (adapter / "README.md").unlink(missing_ok=True)
    os.mkfifo(adapter / "README.md")


def other_end_token(adapter: Path) -> None:
    settings = json.loads((MODEL / "tokenizer_config.json").read_text())
    (adapter / "tokenizer_config.json").write_text(json.dumps(settings | {"eos_token": "<|user|>"}))


def other_vocabulary(adapter: Path) -> None:
    read = json.loads((MODEL / "tokenizer.json").read_text())
    words = read["model"]["vocab"]
    one, two = sorted(words)[100:102]
    words[one], words[two] = words[two], words[one]
    (adapter / "tokenizer.json").write_text(json.dumps(read))


def record(**changes: str) -> Damage:
    """A training record; the conftest's project is found from the adapter's place beside it."""

    def damage(adapter: Path) -> None:
        lock = read_lock(adapter.parent / "project" / "baselines")
        right = {"format": 1, "lock": lock.digest, "base": lock.promise["base"]["digest"], "data": "sha256:0"}
        (adapter / "regress_training.json").write_text(json.dumps(right | changes))

    return damage


def truncate(adapter: Path) -> None:
    path = adapter / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


CASES: dict[str, tuple[Damage, str]] = {
    "all B zero": (
        tensors(lambda old: {n: torch.zeros_like(t) if "lora_B" in n else t for n, t in old.items()}),
        "identical to the base",
    ),
    "all A zero": (
        tensors(lambda old: {n: torch.zeros_like(t) if "lora_A" in n else t for n, t in old.items()}),
        "answers exactly like the base",
    ),
    "renamed tensors": (tensors(renamed), "matching no module"),
    "missing tensors": (tensors(lambda old: dict(list(old.items())[2:])), "2 missing"),
    "no tensors at all": (tensors(lambda old: {}), "missing"),
    "one tensor too many": (tensors(lambda old: old | {"base_model.model.extra": torch.ones(1)}), "matching no module"),
    "NaN": (one_with(float("nan")), "NaN or infinity"),
    "infinity": (one_with(float("inf")), "NaN or infinity"),
    "overflow": (tensors(lambda old: {n: t * 1e30 for n, t in old.items()}), "adapter"),
    "integers": (tensors(lambda old: {n: t.to(torch.int8) for n, t in old.items()}), "torch.int8"),
    "float8": (tensors(lambda old: {n: t.to(torch.float8_e4m3fn) for n, t in old.items()}), "float8"),
    "truncated weights": (truncate, "no intact safetensors file"),
    "weights that are text": (add("adapter_model.safetensors", b"weights"), "no intact safetensors file"),
    "pickled weights": (pickled_weights, "is a pickle"),
    "a pickle beside them": (add("optimizer.pt"), "is a pickle, which can run code"),
    "stray .py": (add("modeling.py", b"print('hello')"), "does not belong in an adapter folder"),
    "symlink": (linked_weights, "not a regular file"),
    "FIFO": (fifo, "not a regular file"),
    "subfolder": (lambda adapter: (adapter / "README.md").mkdir(), "not a regular file"),
    "no config": (lambda adapter: (adapter / "adapter_config.json").unlink(), "holds no adapter_config.json"),
    "config is no JSON": (add("adapter_config.json", b"{"), "is not JSON"),
    "config with a key twice": (add("adapter_config.json", b'{"r": 4, "r": 8}'), "each key once"),
    "rank bomb": (config(r=2_000_000_000), "r is 2000000000; a rank lies between 1 and 4096"),
    "rank bomb in a pattern": (config(rank_pattern={"q_proj": 2_000_000_000}), "rank_pattern must map"),
    "rank that the weights do not have": (config(r=4096), "declares rank [4096], the weights have [4]"),
    "regex as target": (config(target_modules="(a+)+$"), "must list literal module names"),
    "regex in the list": (config(target_modules=[".*proj"]), "must list literal module names"),
    "regex in a pattern": (config(rank_pattern={"(a+)+$": 4}), "must map literal module names"),
    "layer replication": (config(layer_replication=[[0, 5], [0, 5]]), "layer_replication is [[0, 5], [0, 5]]"),
    "unknown key": (config(surprise=1), "surprise is 1, which this version does not know how to judge"),
    "initialised from the base": (config(init_lora_weights="pissa"), "init_lora_weights is"),
    "another method": (config(peft_type="LOHA"), "peft_type is 'LOHA'"),
    "another task": (config(task_type="SEQ_CLS"), "task_type is"),
    "bias": (config(bias="all"), "bias is"),
    "imports something": (
        config(auto_mapping={"base_model_class": "LlamaForCausalLM", "parent_library": "os"}),
        "auto_mapping names no class of transformers",
    ),
    "no such module": (config(target_modules=["no_such_proj"]), "does not fit this base model"),
    "another scaling of A": (config(lora_alpha=float("inf")), "adapter_config.json is not JSON"),
    "other chat template": (add("chat_template.jinja", b"{{ messages }}"), "another chat template"),
    "other end token": (other_end_token, "eos_token is '<|user|>' (base: '<|end|>')"),
    "other vocabulary": (other_vocabulary, "another vocabulary"),
    "trained under another lock": (record(lock="sha256:" + "0" * 64), "trained under another lock"),
    "trained on another base": (record(base="sha256:" + "0" * 64), "other base weights"),
}


@pytest.fixture
def adapter(judged_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(judged_once / "tiny", tmp_path / "adapter"))


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_before_any_item_is_asked(
    case: str, locked: Path, adapter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, reason = CASES[case]
    damage(adapter)
    said = refused(locked, ["check", str(adapter), "--quiet"], capsys)
    assert reason in said
    assert outcome_logs(locked) == []
    assert not list(locked.rglob("seal.json"))


def test_an_adapter_for_another_base_is_refused(
    locked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow = random_model(LLAMA, tmp_path / "narrow", num_hidden_layers=5)
    adapter = make_adapter(narrow, tmp_path / "adapter", scale=0.1)
    assert "is for another base model" in refused(locked, ["check", str(adapter), "--quiet"], capsys)
    shallow = random_model(LLAMA, tmp_path / "shallow", num_hidden_layers=2)
    adapter = make_adapter(shallow, tmp_path / "adapter2", scale=0.1)
    assert "missing" in refused(locked, ["check", str(adapter), "--quiet"], capsys)
    assert outcome_logs(locked) == []


@pytest.mark.parametrize("place", ["missing", "a file"])
def test_a_path_that_is_no_folder_is_refused(
    place: str, locked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "adapter"
    if place == "a file":
        path.write_text("x")
    assert "is not a folder" in refused(locked, ["check", str(path)], capsys)


@pytest.mark.parametrize("case", ["stray .py", "pickled weights", "symlink", "FIFO", "regex as target", "rank bomb"])
def test_gate_refuses_the_folder_too(
    case: str, judged: Path, adapter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, reason = CASES[case]
    damage(adapter)
    assert reason in refused(judged, ["gate", str(adapter)], capsys)


def test_run_refuses_like_check(locked: Path, adapter: Path) -> None:
    one_with(float("nan"))(adapter)
    assert main(["run", "adapter", "--adapter", str(adapter), "-C", str(locked), "--quiet"]) == 5
    assert outcome_logs(locked) == []


def test_the_same_files_and_a_right_record_are_welcome(locked: Path, adapter: Path) -> None:
    """What the cases above do not differ in is accepted: PEFT's own folder, the base's tokenizer, our record."""
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(MODEL / name, adapter / name)
    record()(adapter)
    (adapter / "README.md").write_text("# mine")
    for name in ("general_words", "json_records"):
        (locked / "suites" / f"{name}.yaml").unlink()
    assert main(["lock", "--amend", "--why", "faster", "-C", str(locked)]) == 0
    record()(adapter)
    assert main(["check", str(adapter), "-C", str(locked), "--quiet"]) == 0
    read = json.loads((locked / "reports" / "verdict.json").read_text())
    assert read["candidate"]["trained_under_lock"] is True
