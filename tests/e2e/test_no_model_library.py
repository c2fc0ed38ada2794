"""`gate`, `diff` and `report` read stored runs: no model library is imported, so they start at once, anywhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from e2e_projects import process, run_of

from regress.cli import main

HEAVY = {"torch", "transformers", "peft", "bitsandbytes", "accelerate", "safetensors", "tokenizers", "lm_eval"} | {
    "pandas",
    "scipy",  # numpy, a third of its weight, is what the exact tests count with
}
ABSENT = {"torch", "transformers", "peft", "bitsandbytes", "accelerate", "safetensors", "huggingface_hub"}
"""What the pipelines' light installation leaves out."""

AND_THEN_SAY = """
import sys
from regress.cli import main
code = main(sys.argv[1:])
sys.stdout.write("\\n" + " ".join(sorted({name.partition(".")[0] for name in sys.modules})))
sys.exit(code)
"""


@pytest.mark.parametrize("command", ["gate", "report", "diff"])
def test_stored_runs_need_no_model_library(judged: Path, command: str) -> None:
    runs = [str(run_of(judged, variant)) for variant in ("base", "adapter")]
    arguments = runs if command == "diff" else [str(judged / "tiny")]
    done = process(command, *arguments, "-C", str(judged), code=AND_THEN_SAY)
    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.splitlines()[-1].split())
    assert "regress" in imported
    assert imported & HEAVY == set()


@pytest.mark.parametrize("arguments", [["--help"], ["check", "--help"], ["run", "base@int3"], ["lock", "--why", "x"]])
def test_help_and_usage_errors_need_none_either(arguments: list[str]) -> None:
    done = process(*arguments, code=AND_THEN_SAY)
    assert set(done.stdout.splitlines()[-1].split()) & HEAVY == set()


def test_gate_works_where_the_model_is_not(judged: Path) -> None:
    """Stored runs, lock and adapter are enough: a CI job needs neither the weights nor torch."""
    shutil.rmtree(judged / "base")
    hidden = f"import sys; sys.modules.update(dict.fromkeys({sorted(ABSENT)}, None))\n" + AND_THEN_SAY
    assert process("gate", str(judged / "tiny"), "-C", str(judged), code=hidden).returncode == 0
    assert process("lock", "--check", "-C", str(judged), code=hidden).returncode == 0
    assert main(["check", str(judged / "tiny"), "-C", str(judged)]) == 5
