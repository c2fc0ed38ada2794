"""The training itself: TRL's SFTTrainer or DPOTrainer with PEFT, checkpoints that can be trusted, and the adapter."""

from __future__ import annotations

import gc
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from datasets import Dataset, disable_progress_bars
from peft import get_peft_model
from transformers import PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from regress.backends.adapter_files import CONFIG, FORGETTING_CURVE, WEIGHTS
from regress.backends.hf import resolve_device
from regress.errors import BackendError, TrainingError
from regress.suite.train_section import TrainSection
from regress.train import examine, folders, models
from regress.train.callback import RegressCallback
from regress.train.stage import Plan

LOGGED = 20
"""Losses over a training."""


class StepProgress(Protocol):
    """What a training tells the outside."""

    def say(self, text: str) -> None:
        """One line about what happens now."""

    def start(self, what: str, total: int, done: int) -> None:
        """So many steps begin."""

    def advance(self, count: int, what: str) -> None:
        """So many more are done."""

    def finish(self, unit: str = ...) -> None:
        """All are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """How a training ended; `stopped` says why it ended early."""

    steps: int
    planned: int
    kept: int  # the step whose weights are the adapter
    stopped: str | None
    device: str
    figures: Mapping[str, int]

    def as_record(self) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "planned_steps": self.planned,
            "kept_step": self.kept,
            "stopped": self.stopped,
            "device": self.device,
            **self.figures,
        }


def fit(plan: Plan, progress: StepProgress, checkpoint: Path | None) -> Fitted:
    """Train, or go on from a checkpoint, and leave adapter and curve in `plan.place.adapter`.

    Raises TrainingError for targets that match nothing, rows that leave nothing to learn, and a training that diverged.
    """
    section, base = plan.section, plan.bench.base.folder
    device = resolve_device(plan.bench.loaded.project.file.engine.device)
    if device.index:
        torch.cuda.set_device(device)  # where transformers puts everything else
    models.check_targets(base, section)
    tokenizer = models.load_tokenizer(base)
    lengths = examine.measure(plan.data.examples, tokenizer, section.max_length)
    for line in examine.sentences(lengths, len(plan.data.examples), section.max_length):
        progress.say(line)
    progress.say(f"loading the base ({base.name}, {section.method})")
    watch = RegressCallback(
        plan.place.work,
        items=section.probe.items,
        every=section.probe.every,
        stop=section.probe.stop,
        keep_best=section.probe.keep == "best",
        data=plan.data.path,
        bench=plan.bench,
    )
    trainer, trained = _trainer(plan, tokenizer, device, [watch, _Marks(), _Tells(progress)])
    trainer.remove_callback(PrinterCallback)
    watch.report_through(trainer)
    ends = trainer.model.generation_config.eos_token_id
    known = {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}
    learned, total = examine.ends_learned(trainer.train_dataset, known)
    if (unended := examine.end_sentence(learned, total)) is not None:
        progress.say(unended)
    try:
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    except torch.OutOfMemoryError as reason:
        raise BackendError(
            f"out of memory on {device}. Lower train.batch_size (and raise gradient_accumulation by as much) or "
            "max_length; the training goes on from its last checkpoint only with the same recipe."
        ) from reason
    kept = _keep(plan, trainer, watch)
    return Fitted(
        steps=int(trainer.state.global_step),
        planned=int(trainer.state.max_steps),
        kept=kept,
        stopped=watch.stopped,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        figures={
            "examples": len(plan.data.examples),
            "cut_by_max_length": lengths.cut,
            "without_end_token": total - learned,
            "trained_parameters": trained,
        },
    )


def free_memory() -> None:
    """Give back what a training held, for the check that follows."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _keep(plan: Plan, trainer: Any, watch: RegressCallback) -> int:
    """Leave the adapter that was chosen, with the curve, where it is delivered from; returns its step."""
    place, step = plan.place, int(trainer.state.global_step)
    if place.adapter.exists():
        shutil.rmtree(place.adapter)
    chosen = watch.best.step if plan.section.probe.keep == "best" and watch.best is not None else step
    checkpoint = place.work / f"{folders.CHECKPOINT}{chosen}"
    if chosen != step and folders.is_complete(checkpoint):
        place.adapter.mkdir()
        for name in (CONFIG, WEIGHTS):
            shutil.copyfile(checkpoint / name, place.adapter / name)
    else:
        chosen = step
        models.save_adapter(trainer.model, place.adapter)
    if (place.work / FORGETTING_CURVE).exists():
        shutil.copyfile(place.work / FORGETTING_CURVE, place.adapter / FORGETTING_CURVE)
    return chosen


def _trainer(plan: Plan, tokenizer: Any, device: torch.device, callbacks: list[TrainerCallback]) -> tuple[Any, int]:
    """TRL's trainer on the base with a new adapter, and how many numbers are trained."""
    section = plan.section
    chat = bool(getattr(tokenizer, "chat_template", None))
    disable_progress_bars()
    dataset = Dataset.from_list(list(examine.rows(plan.data.examples, chat=chat)))
    steps = _steps(section, len(dataset))
    common = _arguments(section, plan.place.work, device, steps)
    model = models.load_base(plan.bench.base.folder, section, device)
    torch.manual_seed(section.seed)
    try:
        if section.objective == "dpo":
            trainer: Any = DPOTrainer(
                model=model,
                args=_one_device(DPOConfig(**common, beta=float(section.beta))),
                train_dataset=dataset,
                processing_class=tokenizer,
                peft_config=models.adapter_config(section),
                callbacks=callbacks,
            )
        else:
            trainer = SFTTrainer(
                model=get_peft_model(model, models.adapter_config(section)),
                args=_one_device(SFTConfig(**common, packing=section.packing, completion_only_loss=True)),
                train_dataset=dataset,
                processing_class=tokenizer,
                callbacks=callbacks,
            )
    except torch.OutOfMemoryError as reason:
        raise BackendError(f"the base does not fit {device} with an adapter; try method: qlora.") from reason
    trained = models.trainable_in_float32(trainer.model)
    if not trained:
        raise TrainingError(
            "the adapter matches no layer of this base, so there is nothing to train. Change train.targets."
        )
    return trainer, trained


def _steps(section: TrainSection, rows: int) -> int:
    """About how many there will be: TRL may leave rows out, or pack them."""
    batch = section.batch_size * section.gradient_accumulation
    return section.max_steps or max(1, math.ceil(float(section.epochs) * math.ceil(rows / batch)))


def _arguments(section: TrainSection, output: Path, device: torch.device, steps: int) -> dict[str, Any]:
    """What both of TRL's configurations take."""
    on_gpu = device.type == "cuda"
    return {
        "output_dir": str(output),
        "per_device_train_batch_size": section.batch_size,
        "gradient_accumulation_steps": section.gradient_accumulation,
        "num_train_epochs": float(section.epochs),
        "max_steps": section.max_steps or -1,
        "learning_rate": float(section.learning_rate),
        "lr_scheduler_type": section.scheduler,
        "warmup_steps": math.ceil(float(section.warmup) * steps),
        "weight_decay": float(section.weight_decay),
        "max_grad_norm": float(section.clip),
        "max_length": section.max_length,
        "optim": "paged_adamw_8bit" if on_gpu and section.method == "qlora" else "adamw_torch",
        "bf16": on_gpu,
        "use_cpu": not on_gpu,
        "gradient_checkpointing": section.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False} if section.gradient_checkpointing else None,
        "seed": section.seed,
        "data_seed": section.seed,
        "save_strategy": "steps",
        "save_steps": max(1, steps // 10) if section.save_steps == "auto" else section.save_steps,
        "save_total_limit": 2,
        "logging_steps": max(1, steps // LOGGED),
        "logging_nan_inf_filter": False,
        "eval_strategy": "no",
        "report_to": list(section.report_to) or "none",
        "disable_tqdm": True,
        "push_to_hub": False,
    }


def _one_device(arguments: Any) -> Any:
    """Train on one GPU of several: TRL refuses the threads that transformers would start for the others."""
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1
    return arguments


class _Marks(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    """Says of each checkpoint, last, that it is whole."""

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            folders.mark_complete(Path(args.output_dir) / f"{folders.CHECKPOINT}{state.global_step}")


class _Tells(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    """Steps and losses as progress."""

    def __init__(self, progress: StepProgress) -> None:
        self._progress = progress
        self._loss = ""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step:
            self._progress.say(f"going on behind step {state.global_step:,} of {state.max_steps:,}")
        self._progress.start("training", state.max_steps - state.global_step, 0)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if logs and "loss" in logs:
            self._loss = f"loss {logs['loss']:.3g}"
            if not math.isfinite(logs["loss"]):
                raise TrainingError(
                    f"the training diverged: the loss is {logs['loss']} at step {state.global_step}. Lower "
                    "train.learning_rate, and begin anew with --again."
                )

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._progress.advance(1, self._loss)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._progress.finish(unit="steps")
