"""The examples run: plain Trainer, GRPO and DPO on the embedded model, and the adapters that they leave are judged."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from train_projects import pairs, record_of, write_rows

from regress.cli import main
from regress.errors import LockError

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = found
    spec.loader.exec_module(found)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain_trainer", "grpo", "dpo"])
def test_an_example_leaves_an_adapter_that_check_judges(locked: Path, name: str) -> None:
    write_rows(locked / "pairs.jsonl", list(pairs(16)))
    data = locked / ("pairs.jsonl" if name == "dpo" else "data.jsonl")
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), str(locked), str(data), str(locked / name)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    options = ["--steps", "4", "--every", "2", "--items", "8"]
    options += ["--temperature", "3"] if name == "grpo" else []  # the model is sure of itself: one answer, no advantage
    done = subprocess.run(
        [*command, *options], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "next: regress check" in done.stdout
    record = record_of(locked, f"{name}/adapter")
    assert (record["steps"], record["lock"]) == (4, json.loads((locked / "baselines/lock.json").read_bytes())["digest"])
    assert len((locked / name / "adapter" / "regress_forgetting.jsonl").read_text().splitlines()) == 3
    assert main(["check", str(locked / name / "adapter"), "--quiet", "-C", str(locked)]) == 4  # no gain in four steps
    verdict = json.loads((locked / "reports" / "verdict.json").read_bytes())
    assert verdict["candidate"]["trained_under_lock"] is True


def test_the_axolotl_plugin_does_what_axolotl_calls(locked: Path) -> None:
    base = pytest.importorskip("axolotl.integrations.base", reason="axolotl pins other versions than ours")
    plugin = module(EXAMPLES / "axolotl" / "regress_plugin.py").RegressPlugin()
    assert isinstance(plugin, base.BasePlugin)
    assert plugin.get_input_args() == "regress_plugin.RegressArgs"
    assert set(vars(type(plugin))) - {"__doc__", "__module__", "__firstlineno__"} <= set(dir(base.BasePlugin))
    cfg = {"regress": {"project": str(locked), "every": 3}}
    plugin.pre_model_load(cfg)
    trainer = SimpleNamespace(log=lambda logs: None)
    (callback,) = plugin.add_callbacks_post_trainer(cfg, trainer)
    assert callback._asked_every == 3 and callback._log is trainer.log
    (locked / "baselines" / "lock.json").unlink()
    with pytest.raises(LockError, match="no lock at"):
        plugin.pre_model_load(cfg)


def test_llama_factory_gets_its_recipe_and_the_callback(locked: Path) -> None:
    """A stand-in for run_exp(args, callbacks), which LLaMA-Factory documents; see the example's README."""
    example = module(EXAMPLES / "llama_factory" / "train.py")
    given: list[Any] = []

    def run_exp(args: dict[str, Any], callbacks: list[Any]) -> None:
        given.extend((args, callbacks))

    callback = example.train(EXAMPLES / "llama_factory" / "recipe.yaml", locked, run_exp, every=5)
    assert given[1] == [callback] and given[0]["stage"] == "sft"
    (locked / "baselines" / "lock.json").unlink()
    with pytest.raises(LockError, match="no lock at"):
        example.train(EXAMPLES / "llama_factory" / "recipe.yaml", locked, run_exp)
    assert len(given) == 2
