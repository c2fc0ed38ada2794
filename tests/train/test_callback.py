"""RegressCallback on a plain Trainer: what it refuses, what it leaves alone, and what it stops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from train_projects import write_settings
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from regress.demo.corpus import training_rows
from regress.demo.project import MODEL
from regress.errors import LockError, Notice, TrainingError
from regress.lock.attempts import next_attempt
from regress.lock.lockfile import read_lock
from regress.run.bench import open_bench
from regress.run.engines import load_engine
from regress.schema import Precision
from regress.suite import read_project
from regress.train import RegressCallback
from regress.train.probes import Probes
from regress.train.push import Promoted, veto

ITEMS = 10


class Tracker(TrainerCallback):  # type: ignore[misc]
    """What W&B and the others see."""

    def __init__(self) -> None:
        self.seen: list[dict[str, float]] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        self.seen.append(dict(logs))


def make_trainer(output: Path, callbacks: list[Any], **arguments: Any) -> Trainer:
    """LoRA with dropout on the embedded model in fp32; eight rows, a batch of four."""
    set_seed(3)
    tokenizer: Any = AutoTokenizer.from_pretrained(MODEL)
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    config = LoraConfig(r=4, lora_dropout=0.2, target_modules="all-linear", task_type="CAUSAL_LM")
    rows = []
    for row in training_rows({"support": 8}, 5):
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": row.prompt}, {"role": "assistant", "content": row.answer}], return_dict=True
        )["input_ids"]
        rows.append({"input_ids": text, "labels": text})
    given = {
        "max_steps": 6,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-3,
        "use_cpu": True,
        "report_to": "none",
        "disable_tqdm": True,
        "save_strategy": "no",
        "logging_steps": 2,
        **arguments,
    }
    dataset = Dataset.from_list(rows)
    return Trainer(
        model=get_peft_model(model, config),
        args=TrainingArguments(output_dir=str(output), **given),
        train_dataset=dataset,
        eval_dataset=dataset,
        data_collator=DataCollatorForSeq2Seq(tokenizer),
        callbacks=callbacks,
    )


def weights(trainer: Any) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in trainer.model.named_parameters() if "lora" in name}


def test_probes_change_nothing_of_the_training_and_reach_every_tracker(locked: Path, tmp_path: Path) -> None:
    plain = make_trainer(tmp_path / "plain", [])
    plain.train()
    tracker, callback = Tracker(), RegressCallback(locked, items=ITEMS, every=2, data=locked / "data.jsonl")
    watched = make_trainer(tmp_path / "watched", [callback, tracker])
    callback.report_through(watched)
    watched.train()
    before, after = weights(plain), weights(watched)
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert {n for n, p in watched.model.named_parameters() if p.requires_grad} == set(after)
    assert [look.step for look in callback.looks] == [2, 4, 6]
    curve = [json.loads(line) for line in (tmp_path / "watched" / "regress_forgetting.jsonl").read_text().splitlines()]
    assert [line.get("step") for line in curve] == [None, 2, 4, 6]
    seen = [log for log in tracker.seen if "eval_regress_gain" in log]
    assert [log["eval_regress_general_words_delta"] for log in seen] == [
        next(s["delta"] for s in line["suites"] if s["suite"] == "general_words") for line in curve[1:]
    ]
    assert sum("loss" in log for log in tracker.seen) == 3
    record = json.loads((tmp_path / "watched" / "regress_training.json").read_bytes())
    assert record["lock"] == read_lock(locked / "baselines").digest and record["steps"] == 6
    (tmp_path / "adapter").mkdir()
    callback.write_record(tmp_path / "adapter")
    assert json.loads((tmp_path / "adapter" / "regress_training.json").read_bytes()) == record


def test_the_base_answers_probes_as_it_answers_the_engine(locked: Path) -> None:
    loaded = open_bench(read_project(locked)).loaded
    trainer = make_trainer(locked / "out", [], learning_rate=0.05, max_steps=2)
    probes = Probes(loaded, MODEL, trainer.model, ITEMS)
    probes.self_test(trainer.model)
    trainer.train()  # away from the base
    found, moved = probes.answer(trainer.model, as_base=True), probes.answer(trainer.model)
    engine = load_engine(MODEL, Precision.FP32, "cpu", None, workers=1)
    for suite in probes.suites:
        assert len(suite.items) == ITEMS
        requests = engine.render(suite)
        replies = {
            suite.items[place].id: reply
            for ready in engine.answers(suite, engine.batches(suite, requests))
            for place, reply in ready
        }
        for id_, outcome in found[suite.name].items():
            assert outcome.reply.text == replies[id_].text
            if replies[id_].logprobs:
                assert outcome.reply.logprobs == pytest.approx(replies[id_].logprobs, abs=2e-4)
    assert any(moved[s.name][i].reply != o.reply for s in probes.suites for i, o in found[s.name].items())


@pytest.mark.parametrize("stop", [True, False])
def test_a_wrecked_model_is_stopped_with_evidence(locked: Path, tmp_path: Path, stop: bool) -> None:
    callback = RegressCallback(locked, items=24, every=3, stop=stop)
    trainer = make_trainer(tmp_path, [callback], learning_rate=0.5, max_steps=9)
    if stop:
        with pytest.warns(Notice, match="training ends: step 3: what the base could do is being unlearned"):
            trainer.train()
        assert trainer.state.global_step == 3
        assert callback.stopped is not None and "general_words" in callback.stopped
    else:
        trainer.train()
        assert trainer.state.global_step == 9 and callback.stopped is None
    assert callback.looks[0].forgotten
    assert callback.best is None


def test_the_best_checkpoint_is_kept_and_the_choice_is_paid_for(locked: Path, tmp_path: Path) -> None:
    lock = read_lock(locked / "baselines")
    assert next_attempt(locked / "baselines", lock).number == 1
    callback = RegressCallback(locked, items=ITEMS, every=2, keep_best=True)
    trainer = make_trainer(tmp_path, [callback], save_strategy="steps", save_steps=100, save_total_limit=1)
    trainer.train()
    assert callback.best is not None and trainer.state.best_global_step == callback.best.step
    kept = tmp_path / f"checkpoint-{callback.best.step}"
    assert (kept / "adapter_model.safetensors").is_file()
    assert json.loads((kept / "regress_training.json").read_bytes())["step"] == callback.best.step
    assert next_attempt(locked / "baselines", lock).number == 3  # two others were looked at


def test_it_looks_at_each_evaluation_and_can_choose_for_the_trainer(locked: Path, tmp_path: Path) -> None:
    callback = RegressCallback(locked, items=ITEMS, every=None)
    trainer = make_trainer(
        tmp_path,
        [callback],
        eval_strategy="steps",
        eval_steps=3,
        save_strategy="best",
        metric_for_best_model="eval_regress_gain",
        greater_is_better=True,
    )
    trainer.train()
    assert [look.step for look in callback.looks] == [3, 6]
    assert trainer.state.best_metric == max(look.score for look in callback.looks)


@pytest.mark.parametrize("change", ["suite", "no lock", "base"])
def test_nothing_is_trained_where_the_lock_does_not_hold(locked: Path, tmp_path: Path, change: str) -> None:
    trainer = make_trainer(tmp_path / "out", [RegressCallback(locked, items=ITEMS)])
    before = weights(trainer)
    if change == "suite":
        path = locked / "suites" / "general_words.yaml"
        path.write_text(path.read_text().replace("0.25", "0.3"))
    elif change == "no lock":
        (locked / "baselines" / "lock.json").unlink()
    else:
        other = tmp_path / "other"
        base = AutoModelForCausalLM.from_pretrained(MODEL)
        base.lm_head.weight.data += 0.5
        base.save_pretrained(other)
        trainer.model.config._name_or_path = str(other)
    with pytest.raises(LockError):
        trainer.train()
    assert all(torch.equal(now, before[name]) for name, now in weights(trainer).items())
    assert not (tmp_path / "out" / "regress_training.json").exists()


def test_nothing_is_pushed_that_was_not_promoted(locked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads: list[Any] = []
    monkeypatch.setattr(Trainer, "init_hf_repo", lambda self, **_: uploads.append("repository"))
    monkeypatch.setattr(Trainer, "save_model", lambda self, *_, **__: uploads.append("model"))
    callback = RegressCallback(locked, items=0)
    trainer = make_trainer(tmp_path, [callback], max_steps=1)
    trainer.train()
    with pytest.raises(TrainingError, match="the push to the hub is vetoed: there is no promotion record"):
        trainer.push_to_hub()
    (tmp_path / "unsigned").mkdir()
    trainer.model.save_pretrained(tmp_path / "unsigned")
    callback.allow_push(tmp_path / "unsigned", trust=tmp_path / "trust.json")
    with pytest.raises(TrainingError, match="the push to the hub is vetoed"):
        trainer.push_to_hub()
    assert uploads == []
    trainer.remove_callback(RegressCallback)
    monkeypatch.setattr(Trainer, "create_model_card", lambda self, **_: uploads.append("card"))
    with pytest.raises(Exception, match="offline"):  # without the callback it goes as far as the hub
        trainer.push_to_hub()
    assert uploads == ["repository", "model", "card"]


def test_only_the_promoted_weights_are_pushed(locked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verification itself is promotion's business; here it accepts the folder, and the weights still have to agree."""
    trainer = make_trainer(tmp_path / "out", [], max_steps=1)
    trainer.train()
    trainer.model.save_pretrained(tmp_path / "promoted")
    asked: list[Path] = []
    monkeypatch.setattr("regress.train.push.verify_adapter", lambda folder, **_: asked.append(folder))
    promoted = Promoted(folder=tmp_path / "promoted", trust=tmp_path / "trust.json")
    veto(promoted, trainer.model)
    assert asked == [tmp_path / "promoted"]
    next(p for n, p in trainer.model.named_parameters() if "lora_B" in n).data[0, 0] += 1e-3
    with pytest.raises(TrainingError, match="the weights in memory are not those of the promoted adapter"):
        veto(promoted, trainer.model)
    with pytest.raises(TrainingError, match="a whole model"):
        veto(promoted, trainer.model.get_base_model())


def test_checkpoints_are_not_pushed_while_nothing_is_decided(locked: Path, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, [RegressCallback(locked, items=0)])
    trainer.args.push_to_hub = True
    with pytest.raises(TrainingError, match="hub_strategy='every_save' would push checkpoints that nobody judged"):
        trainer.train()
    assert trainer.state.global_step == 0


def test_a_look_that_fails_is_said_and_does_not_end_the_training(
    locked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("no room")

    callback = RegressCallback(locked, items=ITEMS, every=3)
    trainer = make_trainer(tmp_path, [callback])
    monkeypatch.setattr("regress.train.callback.forgetting.look", out_of_memory)
    with pytest.warns(Notice, match="step 3: the probes were not answered: no room"):
        trainer.train()
    assert trainer.state.global_step == 6 and callback.looks == []


def test_impossible_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="every=0"):
        RegressCallback(every=0)
    with pytest.raises(TrainingError, match="no training has ended"):
        RegressCallback().write_record("somewhere")


def test_regress_train_shows_its_curve(locked: Path) -> None:
    from regress.cli import main

    write_settings(locked, probe={"items": ITEMS, "every": 2, "keep": "best"})
    assert main(["train", "--no-check", "--quiet", "-C", str(locked)]) == 0
    curve = (locked / "runs" / "train" / "regress_forgetting.jsonl").read_text().splitlines()
    assert [json.loads(line).get("step") for line in curve] == [None, 2, 4]
