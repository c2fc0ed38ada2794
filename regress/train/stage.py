"""The trainer stage in order: everything that can be refused is refused before a model library is loaded."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from regress import __version__
from regress.errors import LockError, TrainingError
from regress.run.bench import Bench
from regress.suite.project import FILE_NAME, Project
from regress.suite.train_section import TrainSection
from regress.train import folders, recipe
from regress.train.data import TrainingData, read_data
from regress.train.folders import Found, Place
from regress.train.overlap import find_overlap

TOOLS = ("torch", "transformers", "peft", "trl", "bitsandbytes", "accelerate", "datasets")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A training that may begin, or go on, or is done already. `notes` are sentences for whoever starts it."""

    bench: Bench
    section: TrainSection  # settled
    data: TrainingData
    place: Place
    promised: Mapping[str, Any]  # lock, base, data, recipe
    notes: tuple[str, ...]


def plan(bench: Bench) -> Plan:
    """Read recipe and data of a project whose lock holds; raises TrainingError or LockError, before anything is loaded.

    `notes` names the recipe's known mistakes.
    """
    project = bench.loaded.project
    section = recipe.settled(project.file.train)
    data = read_data(project.folder / section.data, section.objective)
    if bench.lock.training_data not in (None, data.digest):
        raise LockError(
            f"{data.path} is not the training data that the lock names ({data.digest[:19]}…, locked "
            f'{str(bench.lock.training_data)[:19]}…). Train on the locked data, or `regress lock --amend --why "…" '
            "--training-data FILE`."
        )
    return Plan(
        bench=bench,
        section=section,
        data=data,
        place=Place(output=_output(project, section)),
        promised={
            "lock": bench.lock.digest,
            "base": bench.base.digest,
            "data": data.digest,
            "recipe": recipe.record(section),
        },
        notes=(*recipe.mistakes(section), *_unused(data), *_overlap(bench, section, data), *_template(bench)),
    )


def _output(project: Project, section: TrainSection) -> Path:
    output = (project.folder / section.output).resolve()
    kept = [project.folder, project.baselines, project.runs, project.reports, project.folder / "suites"]
    if any(path.resolve() == output or path.resolve().is_relative_to(output) for path in kept):
        raise TrainingError(
            f"train.output is {section.output!r}, a folder of the project itself. Name a new one, such as runs/train.",
            path=project.folder / FILE_NAME,
        )
    return output


def _unused(data: TrainingData) -> list[str]:
    if not data.unused:
        return []
    keys = ", ".join(f"{key!r} (in {count:,} rows)" for key, count in list(data.unused.items())[:8])
    return [f"{data.path.name}: keys that nothing is learned from: {keys}."]


def _overlap(bench: Bench, section: TrainSection, data: TrainingData) -> list[str]:
    found = find_overlap(data.examples, bench.loaded.suites)
    if found is None:
        return []
    what = (
        f"{found.examples:,} of {len(data.examples):,} examples ask what is locked, word for word (here item "
        f"{found.item!r} of {found.suite}): what is learned by heart says nothing about anything else"
    )
    if not section.allow_overlap:
        raise TrainingError(
            f"{what}. Take them out, or set train.allow_overlap: true.", path=data.path, line=found.line
        )
    return [f"{data.path}:{found.line}: {what}. train.allow_overlap lets it pass, and the record says so."]


def _template(bench: Bench) -> list[str]:
    if bench.base.template is not None:
        return []
    return [
        "the base has no chat template: prompts and replies are learned as plain text, one behind the other. Put a "
        "chat_template.jinja beside the tokenizer if people will talk to it."
    ]


def begin(plan: Plan, found: Found, now: datetime) -> dict[str, Any]:
    """What started.json says: of the start that is gone on with, or of this one, which is written first."""
    if found.started is not None:
        return dict(found.started)
    body = {
        "format": 1,
        **plan.promised,
        "audit": (plan.bench.lock.audit or {}).get("digest"),
        "tool": f"regress-harness {__version__}",
        "tools": tools(),
        "started": _utc(now),
    }
    folders.write_started(plan.place, body)
    return body


def finish(plan: Plan, started: Mapping[str, Any], result: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Deliver adapter and record; returns the record."""
    record = {**started, **result, "finished": _utc(now)}
    folders.deliver(plan.place, record)
    return record


def tools() -> dict[str, str]:
    """Versions of what trains."""
    found = {}
    for package in TOOLS:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


def other_tools(started: Mapping[str, Any]) -> str | None:
    """A sentence where a training goes on with other versions than it began with."""
    then = started.get("tools")
    now = tools()
    changed = [name for name in now if isinstance(then, Mapping) and then.get(name) != now[name]]
    if not changed:
        return None
    return f"goes on with other versions than it began with: {', '.join(changed)}. Its end may differ for that."


def _utc(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
