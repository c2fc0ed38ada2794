"""Real trainings of a few steps: NF4 through bitsandbytes, LoRA, DoRA, rsLoRA, DPO, packed rows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from train_projects import pairs, record_of, write_rows, write_settings

from regress.backends.adapter_files import open_adapter
from regress.cli import main
from regress.demo.project import MODEL

BLOCKS = 5  # of the embedded model, seven linear layers each: q, k, v, o, gate, up, down
LAYERS = 7 * BLOCKS


def trained(project: Path, capsys: pytest.CaptureFixture[str], **recipe: Any) -> str:
    """Train without a check; returns what was said, white space folded."""
    write_settings(project, **recipe)
    capsys.readouterr()
    assert main(["train", "--no-check", "--quiet", "-C", str(project)]) == 0
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("recipe", "config"),
    [
        ({}, {"r": 16, "lora_alpha": 32, "use_dora": False, "use_rslora": False}),
        ({"method": "lora", "r": 4, "targets": ["q_proj", "v_proj"], "dropout": 0.1}, {"r": 4, "lora_dropout": 0.1}),
        ({"dora": True, "r": 4}, {"use_dora": True}),
        ({"rslora": True}, {"use_rslora": True, "lora_alpha": 8}),
        ({"gradient_checkpointing": True, "packing": True, "gradient_accumulation": 2}, {}),
        ({"objective": "dpo", "data": "pairs.jsonl", "learning_rate": 1e-4}, {"r": 16}),
    ],
    ids=["qlora", "lora", "dora", "rslora", "packed", "dpo"],
)
def test_a_few_steps_make_an_adapter_that_differs_from_its_base(
    locked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], recipe: dict[str, Any], config: dict[str, Any]
) -> None:
    write_rows(locked / "pairs.jsonl", list(pairs(16)))
    said = trained(locked, capsys, **recipe)
    assert "end token" not in said and "max_length" not in said
    files = open_adapter(locked / "runs" / "train", tmp_path / "private")  # what check accepts
    assert {key: files.config[key] for key in config} == config
    weights = load_file(locked / "runs" / "train" / "adapter_model.safetensors")
    ups = {name: tensor for name, tensor in weights.items() if "lora_B" in name}
    assert len(ups) == (LAYERS if "targets" not in recipe else 2 * BLOCKS)
    assert all(tensor.any() and tensor.dtype is torch.float32 for tensor in ups.values())
    record = record_of(locked)
    assert (record["steps"], record["planned_steps"], record["stopped"]) == (4, 4, None)
    assert record["lock"] == json.loads((locked / "baselines" / "lock.json").read_bytes())["digest"]
    assert record["tools"]["trl"] != "absent"


def test_the_loss_is_on_the_reply_and_its_end_alone(locked: Path) -> None:
    from transformers import AutoTokenizer

    from regress.run.bench import open_bench
    from regress.suite import read_project
    from regress.train import fit, stage

    plan = stage.plan(open_bench(read_project(locked)))
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    trainer, _ = fit._trainer(plan, tokenizer, torch.device("cpu"), [])
    for example, row in zip(plan.data.examples, trainer.train_dataset, strict=True):
        learned = [token for token in row["labels"] if token != -100]
        assert tokenizer.decode(learned) == f"{example.completion}<|end|>"
        assert tokenizer.decode(row["input_ids"]).startswith(f"<|user|>{example.prompt[0].content}")
    quantised = [p for p in trainer.model.parameters() if p.dtype is torch.uint8]
    assert len(quantised) == LAYERS and not any(p.requires_grad for p in quantised)
    assert {p.dtype for p in trainer.model.parameters() if p.requires_grad} == {torch.float32}


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({"quant": "fp4"}, "quant is fp4"),
        ({"learning_rate": 0.01}, "learning_rate is 0.01: above 0.001"),
        ({"max_length": 30}, "rows exceed max_length (30 tokens) and are cut"),
    ],
)
def test_mistakes_are_said_and_trained_all_the_same(
    locked: Path, capsys: pytest.CaptureFixture[str], recipe: dict[str, Any], said: str
) -> None:
    write_settings(locked, **recipe)
    assert main(["train", "--no-check", "-C", str(locked)]) == 0
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_template_that_never_ends_the_reply_is_noticed(
    locked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = Path(shutil.copytree(MODEL, tmp_path / "base"))
    template = (base / "chat_template.jinja").read_text()
    (base / "chat_template.jinja").write_text(template.replace("<|end|>{% endgeneration %}", "{% endgeneration %}"))
    settings = (locked / "regress.yaml").read_text().replace(str(MODEL), str(base))
    (locked / "regress.yaml").write_text(settings)
    assert main(["lock", "--amend", "--why", "another template", "-C", str(locked)]) == 0
    capsys.readouterr()
    assert main(["train", "--no-check", "-C", str(locked)]) == 0
    assert "no example teaches an end token" in " ".join(capsys.readouterr().err.split())
    assert record_of(locked)["without_end_token"] == 60


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (
            {"targets": ["q_proj", "query"]},
            "train.targets names query, which no layer of this base is called. Layers: ",
        ),
        ({"targets": ["lm_head"]}, "train.targets names lm_head"),
        ({"max_length": 8}, "every prompt alone fills max_length (8 tokens)"),
    ],
)
def test_what_could_train_nothing_is_refused(
    locked: Path, capsys: pytest.CaptureFixture[str], recipe: dict[str, Any], said: str
) -> None:
    write_settings(locked, **recipe)
    assert main(["train", "-C", str(locked)]) == 5
    assert said in " ".join(capsys.readouterr().err.split())
    assert json.loads((locked / "reports" / "verdict.json").read_bytes())["decision"] == "REFUSED"
    assert not (locked / "runs" / "train").exists()


def test_a_training_that_diverges_leaves_no_adapter(locked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_settings(locked, learning_rate=1e30, clip=1e9, warmup=0, max_steps=8)
    assert main(["train", "--no-check", "-C", str(locked)]) == 5
    assert "the training diverged" in " ".join(capsys.readouterr().err.split())
    assert not (locked / "runs" / "train").exists()
