"""A project with stored runs of two adapters, made by an engine without a model: one to promote, one to reject."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from fake_engine import FakeEngine, Ticks, open_stage, write_project

from regress.hashing.models import read_model
from regress.run.bench import Bench
from regress.run.check import check
from regress.schema import Precision, VariantKind

CONFIG = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}
HOSTILE = "<script>alert(1)</script> ::error:: \u202e `x` | @all"
OVERLAP = """\
name: overlap
version: 3
category: domain
items: overlap.jsonl
ask: generate
prompt: chat
scorer: token_f1
margin: 0.2
"""
LOST = frozenset({f"c-{k}" for k in range(0, 60, 2)} | {f"e-{k}" for k in range(7)} | {f"g-{k}" for k in range(30)})


class Forgetful(FakeEngine):
    """As the adapter and as the merged model it answers these items wrongly."""

    forgets: Collection[str] = ()

    def answer(self, suite, batch):  # type: ignore[no-untyped-def]
        self.wrong = () if self.kind is VariantKind.BASE else self.forgets
        return super().answer(suite, batch)


def stored_project(folder: Path) -> Path:
    """`careful` loses nothing and `careless` half of one suite; both were judged in this order."""
    write_project(folder, margin="0.10", choose=60, generate=60)
    (folder / "suites" / "overlap.yaml").write_text(OVERLAP)
    items = [
        {
            "id": f"g-{k}",
            "prompt": f"Say {k} {HOSTILE}",
            "target": f"echo g-{k}{' again' * (k % 2)}",
            "slice": f"part {k % 3} {HOSTILE}",
        }
        for k in range(60)  # the odd ones are right by four fifths
    ]
    (folder / "suites" / "overlap.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    stage = open_stage(folder)
    for name, forgets in (("careful", ()), ("careless", LOST)):
        adapter = folder / name
        adapter.mkdir()
        (adapter / "adapter_config.json").write_text(json.dumps(CONFIG))
        (adapter / "adapter_model.safetensors").write_bytes(name.encode())

        def load(_folder: Path, _precision: Precision, _device: str, _tokens: int | None, f=forgets) -> FakeEngine:  # type: ignore[no-untyped-def]
            engine = Forgetful()
            engine.forgets = f
            return engine

        bench = Bench(loaded=stage.loaded, lock=stage.lock, base=read_model(folder / "base"))
        check(bench, adapter, engine_for=load, progress=Ticks())
    return folder


def base_run(project: Path) -> Path:
    """The base's sealed run."""
    (found,) = (project / "baselines" / "runs").iterdir()
    return found


def runs_of(project: Path, adapter: str) -> dict[str, Path]:
    """An adapter's runs by variant; adapters are told apart by the order in which their runs were made."""
    from regress.hashing.files import digest_files
    from regress.store.runs import read_manifest

    digest = digest_files(project / adapter, [path.name for path in (project / adapter).iterdir()]).digest
    manifests = {path.parent: read_manifest(path.parent) for path in project.glob("runs/*/manifest.json")}
    return {m.variant.partition("@")[0]: folder for folder, m in manifests.items() if m.adapter == digest}
