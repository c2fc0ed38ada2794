"""A project with two suites and a model of a few bytes, in a temporary folder."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from regress.hashing.canonical import digest_promise
from regress.hashing.models import ModelFiles, locate_model, read_model
from regress.lock.lockfile import Lock, create, verify
from regress.lock.promise import Loaded, load
from regress.suite import read_project, read_suites

NOW = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)

SUMS = """\
name: sums
version: 1
category: capability
role: protect
items: sums.jsonl
ask: generate
generation: {max_new_tokens: 16, stop: ["END"]}
scorer: {name: exact_match, ignore_case: true}
margin: 0.10
"""

QUEUES = """\
name: queues
version: 1
category: domain
role: target
items: queues.jsonl
ask: choose
scorer: choice
min_gain: 0.05
"""

SETTINGS = """\
base: {model: model}
suites: [suites/*.yaml]
policy: {alpha: 0.05, power: 0.8}
"""


def write_weights(folder: Path, value: float = 0.5) -> None:
    save_file({"weight": np.full((2, 3), value, dtype=np.float32)}, folder / "model.safetensors")


def a_project(folder: Path) -> Path:
    suites, model = folder / "suites", folder / "model"
    suites.mkdir(parents=True)
    model.mkdir()
    (folder / "regress.yaml").write_text(SETTINGS)
    (suites / "sums.yaml").write_text(SUMS)
    sums = [{"id": f"q{k}", "prompt": f"{k} + {k} =", "target": str(2 * k)} for k in range(1, 6)]
    (suites / "sums.jsonl").write_text("".join(json.dumps(item) + "\n" for item in sums))
    (suites / "queues.yaml").write_text(QUEUES)
    item = {"id": "m1", "prompt": "My card was charged twice.", "choices": ["billing", "login"], "answer": 0}
    (suites / "queues.jsonl").write_text(json.dumps(item) + "\n")
    write_weights(model)
    (model / "config.json").write_text('{"model_type": "llama"}')
    (model / "tokenizer.json").write_text('{"version": "1.0"}')
    (model / "chat_template.jinja").write_text("{{ messages[-1].content }}")
    return folder


def opened(folder: Path) -> tuple[Loaded, ModelFiles]:
    """The project and its base as they are on disk now."""
    project = read_project(folder)
    base = read_model(locate_model(project.file.base.model, project.file.base.revision, folder))
    return load(project, read_suites(project.suite_paths()), check_items=True), base


def locked(folder: Path) -> Lock:
    return create(*opened(folder), now=NOW)


def verified(lock: Lock, folder: Path) -> None:
    verify(lock, *opened(folder))


def edit(path: Path, old: str, new: str) -> None:
    """Replace the one occurrence of `old`."""
    text = path.read_text()
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new))


def forge(path: Path, **changes: Any) -> str:
    """Change keys of a lock's promise (or, with None, remove them) and make the digest fit again."""
    body = json.loads(path.read_text())
    del body["digest"]
    for key, value in changes.items():
        if value is None:
            del body["promise"][key]
        else:
            body["promise"][key] = value
    digest = digest_promise(body)
    path.write_text(json.dumps({**body, "digest": digest}))
    return digest
