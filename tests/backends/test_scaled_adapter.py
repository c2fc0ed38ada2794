"""A weakened adapter is base + s·update in plain PEFT, module by module; anything that does not scale is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from tiny_models import GPT2, LLAMA, Family, adapter_tensors, make_adapter, plain_model, random_model, write_tensors

from regress.backends.adapter_files import RESCUE_NOTE, open_adapter, read_rescue_note, take_adapter
from regress.backends.scaled_adapter import ScalableAdapter
from regress.errors import AdapterError
from regress.schema import Group, Strength

MODULES = ["q_proj", "v_proj", "down_proj"]


def scalable(adapter: Path, tmp_path: Path) -> ScalableAdapter:
    return ScalableAdapter(open_adapter(adapter, tmp_path / "private"))


def merged(base: Path, adapter: Path) -> dict[str, torch.Tensor]:
    """Every weight of the base with the adapter merged, by PEFT alone."""
    model: Any = PeftModel.from_pretrained(plain_model(base), str(adapter)).merge_and_unload()
    return {name: tensor.double() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize(
    ("family", "lora"),
    [
        (LLAMA, {}),
        (LLAMA, {"use_rslora": True, "alpha_pattern": {"q_proj": 3}, "rank_pattern": {"down_proj": 2}}),
        (LLAMA, {"target_modules": ["embed_tokens", "q_proj", "up_proj"]}),
        (GPT2, {"target_modules": list(GPT2.modules), "fan_in_fan_out": True}),
    ],
    ids=["plain", "rslora", "embedding", "conv1d"],
)
def test_it_is_the_update_times_s_in_plain_peft(tmp_path: Path, family: Family, lora: dict[str, Any]) -> None:
    base = random_model(family, tmp_path / "base")
    adapter = make_adapter(base, tmp_path / "adapter", scale=0.5, **lora)
    scalable(adapter, tmp_path).write(Strength(scale=0.625), tmp_path / "weak")
    before = {name: tensor.double() for name, tensor in plain_model(base).state_dict().items()}
    full, weak = merged(base, adapter), merged(base, tmp_path / "weak")
    moved = [name for name in before if not torch.equal(before[name], full[name])]
    assert moved
    for name in before:
        expected = before[name] + 0.625 * (full[name] - before[name])
        assert torch.allclose(weak[name], expected, rtol=0, atol=2e-6), name


def test_a_group_left_out_is_the_base_there_and_the_share_is_the_norm_that_is_left(tmp_path: Path) -> None:
    base = random_model(LLAMA, tmp_path / "base")
    adapter = make_adapter(base, tmp_path / "adapter", scale=0.5, alpha_pattern={"down_proj": 3})
    source = scalable(adapter, tmp_path)
    assert source.groups == list(Group)
    before = {name: tensor.double() for name, tensor in plain_model(base).state_dict().items()}
    full = merged(base, adapter)
    norms = {name: float((full[name] - before[name]).norm()) for name in before}
    for group, part in (
        (Group.MLP, "mlp"),
        (Group.ATTENTION, "self_attn"),
        (Group.EARLY, "layers.0."),
        (Group.LATE, "layers.2."),
    ):
        strength = Strength(scale=0.5, without=group)
        source.write(strength, tmp_path / group)
        weak = merged(base, tmp_path / group)
        for name in before:
            factor = 0.0 if part in name else 0.5
            assert torch.allclose(weak[name], before[name] + factor * (full[name] - before[name]), rtol=0, atol=2e-6)
        left = sum((0.5 * norm) ** 2 for name, norm in norms.items() if part not in name) ** 0.5
        whole = sum(norm**2 for norm in norms.values()) ** 0.5
        assert source.share(strength) == pytest.approx(left / whole, rel=1e-4)


def test_the_same_bytes_twice_and_a_note_of_where_it_comes_from(tmp_path: Path) -> None:
    base = random_model(LLAMA, tmp_path / "base")
    adapter = make_adapter(base, tmp_path / "adapter", scale=0.5)
    (adapter / "regress_training.json").write_text(json.dumps({"lock": "sha256:1", "base": "sha256:2"}))
    source = scalable(adapter, tmp_path)
    for name in ("one", "two"):
        source.write(Strength(scale=0.25, without=Group.LATE), tmp_path / name)
    first, second = (open_adapter(tmp_path / name, tmp_path / f"private-{name}") for name in ("one", "two"))
    assert first.digest == second.digest
    assert first.rescue_note is not None
    assert first.rescue_note.strength == Strength(scale=0.25, without=Group.LATE)
    assert first.rescue_note.source == open_adapter(adapter, tmp_path / "again").digest
    assert first.training_record is not None
    assert first.training_record["lock"] == "sha256:1"
    assert first.rescue_note.source in first.training_record["derived"]


@pytest.mark.parametrize(
    ("lora", "said"),
    [({"use_dora": True}, "DoRA"), ({"modules_to_save": ["lm_head"]}, "replaces whole modules")],
)
def test_what_does_not_shrink_with_b_is_refused(tmp_path: Path, lora: dict[str, Any], said: str) -> None:
    base = random_model(LLAMA, tmp_path / "base")
    with pytest.raises(AdapterError, match=said):
        scalable(make_adapter(base, tmp_path / "adapter", scale=0.1, **lora), tmp_path)


@pytest.mark.parametrize("damage", ["half a pair", "strange tensor", "other rank", "three dimensions", "torn file"])
def test_tensors_that_are_no_pairs_are_refused(tmp_path: Path, damage: str) -> None:
    base = random_model(LLAMA, tmp_path / "base")
    adapter = make_adapter(base, tmp_path / "adapter", scale=0.1)
    tensors = adapter_tensors(adapter)
    name = next(name for name in tensors if "lora_B" in name)
    match damage:
        case "half a pair":
            del tensors[name]
        case "strange tensor":
            tensors["base_model.model.lm_head.weight"] = torch.zeros(2)
        case "other rank":
            tensors[name] = tensors[name][:, :2].contiguous()
        case "three dimensions":
            tensors[name] = tensors[name][None].contiguous()
    write_tensors(adapter, tensors)
    if damage == "torn file":
        weights = adapter / "adapter_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-5])
    with pytest.raises(AdapterError):
        scalable(adapter, tmp_path)


@pytest.mark.parametrize(
    "note",
    [
        b"[]",
        b'{"from": "sha256:x", "scale": "0.5", "without": null}',
        b'{"from": "sha256:' + b"0" * 64 + b'", "scale": "0.51", "without": null}',
        b'{"from": "sha256:' + b"0" * 64 + b'", "scale": [], "without": null}',
        b'{"from": "sha256:' + b"0" * 64 + b'", "scale": "0.5", "without": {"a": 1}}',
        b'{"from": "sha256:' + b"0" * 64 + b'", "scale": "0.5", "without": "\\u001b[31m"}',
    ],
)
def test_a_note_that_nobody_of_ours_wrote_is_refused(tmp_path: Path, note: bytes) -> None:
    (tmp_path / RESCUE_NOTE).write_bytes(note)
    with pytest.raises(AdapterError):
        read_rescue_note(tmp_path)


def test_a_checkpoint_gives_its_adapter_and_nothing_else(tmp_path: Path) -> None:
    base = random_model(LLAMA, tmp_path / "base")
    checkpoint = make_adapter(base, tmp_path / "checkpoint-10", scale=0.1)
    before = open_adapter(checkpoint, tmp_path / "before").digest
    (checkpoint / "optimizer.pt").write_bytes(b"a pickle that nobody opens")
    (checkpoint / "global_step10").mkdir()
    (checkpoint / "rng_state.pth").symlink_to("/dev/zero")
    take_adapter(checkpoint, tmp_path / "clean")
    assert open_adapter(tmp_path / "clean", tmp_path / "private").digest == before
    (checkpoint / "README.md").symlink_to("/etc/hosts")
    with pytest.raises(AdapterError, match="regular files"):
        take_adapter(checkpoint, tmp_path / "linked")
    (checkpoint / "adapter_model.safetensors").unlink()
    with pytest.raises(AdapterError, match=r"no adapter_model\.safetensors"):
        take_adapter(checkpoint, tmp_path / "none")
