"""`RegressCallback`: a lock before training, forgetting curves during it, no push without a promotion after it.

For transformers' Trainer, TRL's trainers, Unsloth, and whatever else calls transformers callbacks:

    callback = RegressCallback("my-gate", every=50)
    trainer = SFTTrainer(..., callbacks=[callback])
    callback.report_through(trainer)      # optional: W&B, TensorBoard, MLflow see the curves, too
    trainer.train()
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import TrainerCallback
from transformers.trainer_utils import HubStrategy

from regress import __version__
from regress.backends.adapter_files import FORGETTING_CURVE, TRAINING_RECORD
from regress.errors import LockError, Notice, Refused, TrainingError
from regress.hashing.canonical import digest_json
from regress.hashing.models import weight_files
from regress.lock.attempts import record_attempt
from regress.rows.opening import open_source
from regress.run.bench import Bench, open_bench
from regress.store.atomic import make_folder, write_atomic
from regress.suite import read_project
from regress.train import forgetting
from regress.train.forgetting import Look
from regress.train.probes import Answers, Probes, evaluating
from regress.train.push import Promoted, veto

STARTED = "regress_started.json"
LOOKS = 4
"""With `every="auto"`."""


class RegressCallback(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    """Holds a training to the lock: curves of what is forgotten, a record, and no push without a promotion.

    `project`: the folder of regress.yaml. `items` of each protected and target suite are asked every so many steps:
    `every` is a number, "auto" for a quarter of the training, or None for each of the trainer's own evaluations; with 0
    items nothing is asked. `stop` ends the training once a protected suite has lost more than its margin with evidence
    (at most alpha of the trainings that lose nothing beyond a margin are stopped, see `forgetting`). `keep_best` saves
    the checkpoint with the largest gain among those that pass, and keeps it from being rotated away: `best` names it,
    and `eval_regress_gain` may be the trainer's `metric_for_best_model`. A choice among k checkpoints is k attempts;
    the others enter the ledger when training ends. `data` is the training data's file, for the record.

    Raises LockError when training begins where lock, suites or base are not as locked. Beside the model stand
    regress_training.json (which `regress check` reads) and regress_forgetting.jsonl (the curves).
    """

    def __init__(
        self,
        project: str | Path = ".",
        *,
        items: int = 64,
        every: int | Literal["auto"] | None = "auto",
        stop: bool = True,
        keep_best: bool = False,
        data: str | Path | None = None,
        bench: Bench | None = None,
    ) -> None:
        if items < 0 or (isinstance(every, int) and every < 1):
            raise ValueError(f"items={items}, every={every}: a number of items, and of steps above 0")
        self._project = Path(project)
        self._items = items
        self._asked_every = every
        self._every: int | None = None
        self._stop = stop
        self._keep_best = keep_best
        self._data = None if data is None else Path(data)
        self._bench = bench
        self._log: Callable[[dict[str, float]], None] | None = None
        self._record: dict[str, Any] = {}
        self._done: dict[str, Any] = {}
        self._promoted: Promoted | None = None
        self._probes: Probes | None = None
        self._base: Answers = {}
        self._curve: Path | None = None
        self.looks: list[Look] = []
        self.stopped: str | None = None

    @property
    def best(self) -> Look | None:
        """The look with the largest gain among those that pass."""
        return forgetting.best(self.looks)

    def report_through(self, trainer: Any) -> None:
        """Send the curves through `trainer.log`, to every tracker that the trainer reports to."""
        self._log = trainer.log

    def allow_push(self, promoted: str | Path, *, trust: str | Path, record: str | Path | None = None) -> None:
        """Let the trainer push weights that equal those of this promoted adapter's folder; all others stay vetoed.

        `trust` and `record` as for `regress verify`; both are checked when a push begins.
        """
        where = None if record is None else Path(record)
        self._promoted = Promoted(folder=Path(promoted), trust=Path(trust), record=where)

    def write_record(self, folder: str | Path) -> None:
        """Copy record and curve of this training into the folder that the adapter was saved to, for `regress check`.

        Raises TrainingError before training.
        """
        if not self._done:
            raise TrainingError("no training has ended yet, so there is no record of one.")
        if self._curve is None:  # not the first of several processes
            return
        self._write(Path(folder) / TRAINING_RECORD, self._done)
        if self._curve.exists():
            write_atomic(Path(folder) / FORGETTING_CURVE, self._curve.read_bytes())

    # --- events ----------------------------------------------------------------------------------------------------

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        bench = self._bench = self._bench or open_bench(read_project(self._project))
        _refuse_early_pushes(args)
        _require_base(model, bench)
        output = Path(args.output_dir)
        self._record = {
            "format": 1,
            "lock": bench.lock.digest,
            "base": bench.base.digest,
            "data": None if self._data is None else open_source(str(self._data)).digest(),
            "audit": (bench.lock.audit or {}).get("digest"),
            "tool": f"regress-harness {__version__}",
            "started": _now(),
        }
        self._every = _interval(self._asked_every, int(state.max_steps))
        if state.is_world_process_zero:
            make_folder(output)
            self._write(output / STARTED, self._record)
            self._curve = output / FORGETTING_CURVE
            if self._items:
                self._begin_probes(bench, model, int(state.global_step))

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if self._every is not None and state.global_step % self._every == 0:
            self._look(args, state, control, model)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, model: Any = None, metrics: Any = None, **_: Any
    ) -> None:
        if self._asked_every is None and (found := self._look(args, state, control, model)) and metrics is not None:
            metrics.update(found.as_logs())  # so that one of them can be metric_for_best_model

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if state.is_world_process_zero and folder.is_dir():
            self._write(folder / TRAINING_RECORD, self._record | {"step": int(state.global_step)})

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        ended = {"steps": int(state.global_step), "stopped": self.stopped, "finished": _now()}
        self._done = self._record | ended
        if state.is_world_process_zero and self._record:
            self._write(Path(args.output_dir) / TRAINING_RECORD, self._done)
            if self._keep_best:
                self._pay_for_choosing()

    def _pay_for_choosing(self) -> None:
        """Enter the checkpoints that were not chosen as attempts: the chosen one is the best of so many."""
        bench, chosen = self._bench, self.best
        if bench is None or len(self.looks) < 2:
            return
        for one in self.looks:
            if one is not chosen:
                name = digest_json({**self._record, "step": one.step})
                record_attempt(bench.loaded.project.baselines, bench.lock, name, now=datetime.now(UTC))

    def on_push_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        veto(self._promoted, model)

    # --- looking ---------------------------------------------------------------------------------------------------

    def _begin_probes(self, bench: Bench, model: Any, step: int) -> None:
        can_be_base = hasattr(model, "disable_adapter") or step == 0
        if not can_be_base or _is_sharded(model):
            why = "its weights are sharded" if can_be_base else "the base is not there any more after a resumption"
            warnings.warn(f"the model answers no probes: {why}.", Notice, stacklevel=3)
            return
        probes = Probes(bench.loaded, bench.base.folder, model, self._items)
        if not probes.suites:
            return
        probes.self_test(model)
        self._base = probes.answer(model, as_base=True)
        self._probes = probes
        self.looks = forgetting.read_curve(self._curve, self._head(), step) if self._curve and step else []

    def _look(self, args: Any, state: Any, control: Any, model: Any) -> Look | None:
        """Ask the probes once a step; every process learns whether to stop."""
        found = None
        if state.is_world_process_zero and self._probes is not None:
            found = next((one for one in self.looks if one.step == state.global_step), None) or self._ask(
                state, control, model
            )
        forgotten = self._stop and found is not None and bool(found.forgotten)
        if _agreed(forgotten):
            control.should_training_stop = True
            if found is not None:
                self.stopped = forgetting.sentence(found)
                warnings.warn(f"training ends: {self.stopped}", Notice, stacklevel=3)
        is_best = self._keep_best and found is not None and self.best is found
        if _agreed(is_best):
            control.should_save = True
            if args.metric_for_best_model is None:
                state.best_global_step = int(state.global_step)
        return found

    def _ask(self, state: Any, control: Any, model: Any) -> Look | None:
        """One look, entered in the curve and told to the trackers; None, with a notice, where it fails."""
        if self._probes is None or self._bench is None or self._curve is None:
            return None
        step, policy = int(state.global_step), self._bench.loaded.project.policy
        try:
            answers = self._probes.answer(model)
            found = forgetting.look(step, len(self.looks) + 1, self._probes.suites, self._base, answers, policy)
        except (Refused, torch.OutOfMemoryError) as reason:
            warnings.warn(f"step {step}: the probes were not answered: {reason}", Notice, stacklevel=4)
            return None
        self.looks.append(found)
        forgetting.write_curve(self._curve, self._head(), self.looks)
        if self._log is not None:
            due = control.should_log
            with evaluating(model):  # TRL's trainers would mix them with what they collect while they train
                self._log(found.as_logs())
            control.should_log = due  # the handler takes any log for the one of this step
        else:
            state.log_history.append({**found.as_logs(), "step": step, "epoch": state.epoch})
        return found

    def _head(self) -> dict[str, Any]:
        digests = {} if self._probes is None else self._probes.digests
        return {"lock": self._record["lock"], "probes": digest_json(digests)}

    def _write(self, path: Path, body: dict[str, Any]) -> None:
        write_atomic(path, json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n")


def _interval(every: int | Literal["auto"] | None, steps: int) -> int | None:
    return max(1, math.ceil(steps / LOOKS)) if every == "auto" else every


def _refuse_early_pushes(args: Any) -> None:
    """Checkpoints that are pushed while nothing is decided: said now, and not hours later by a veto."""
    if args.push_to_hub and args.hub_strategy != HubStrategy.END:
        raise TrainingError(
            f"push_to_hub with hub_strategy={args.hub_strategy.value!r} would push checkpoints that nobody judged. Use "
            "hub_strategy='end', or push after `regress promote`."
        )


def _require_base(model: Any, bench: Bench) -> None:
    """Raise LockError where the model was loaded from a folder with other weights than the locked base's."""
    name = getattr(getattr(model, "config", None), "_name_or_path", None)
    if not name:
        return
    folder = Path(name)
    if folder.is_dir():
        if folder.resolve() != bench.base.folder.resolve() and weight_files(folder).digest != bench.base.digest:
            raise LockError(f"the model in training comes from {folder}, which is not the locked base. Train that one.")
    elif name != bench.loaded.project.file.base.model:
        warnings.warn(
            f"the model in training is called {name!r} and the locked base {bench.loaded.project.file.base.model!r}: "
            "whether they are the same is not known.",
            Notice,
            stacklevel=4,
        )


def _is_sharded(model: Any) -> bool:
    return any(not parameter.numel() or hasattr(parameter, "device_mesh") for parameter in model.parameters())


def _agreed(wanted: bool) -> bool:
    """What the first process says, in all of them: they must stop and save at the same step."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return wanted
    said = [wanted]
    torch.distributed.broadcast_object_list(said, src=0)
    return bool(said[0])


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
