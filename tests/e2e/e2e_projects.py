"""Projects over the embedded model, and the command line on them: in this process, or in one of their own."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny_models import make_adapter

from regress.cli import main
from regress.demo.project import MODEL, shipped_suites
from regress.hashing.files import digest_files
from regress.lock.lockfile import read_lock, write_training_record

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(ROOT),
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "NO_COLOR": "1",
}
# Margins at which a suite without a single flip passes, for the first four candidates: (1 - margin)^n <= .03 / 16.
SUITES = {"general_choice": (50, 0.15), "general_words": (35, 0.2), "json_records": (25, 0.25)}
ITEMS = sum(count for count, _ in SUITES.values())
ADAPTERS = {"tiny": 1e-5, "broken": 3.0}
RUN_FILES = ("manifest.json", "outcomes.jsonl", "seal.json")


def take_suite(project: Path, name: str, count: int, **changes: Any) -> None:
    """The first `count` items of a shipped suite, with other settings where given."""
    (project / "suites").mkdir(parents=True, exist_ok=True)
    settings = yaml.safe_load((shipped_suites() / f"{name}.yaml").read_text()) | changes
    (project / "suites" / f"{name}.yaml").write_text(yaml.safe_dump(settings))
    lines = (shipped_suites() / f"{name}.jsonl").read_text().splitlines(keepends=True)
    (project / "suites" / f"{name}.jsonl").write_text("".join(lines[:count]))


def write_settings(project: Path, **changes: Any) -> None:
    """regress.yaml, with the embedded model copied into the project, where a test may damage it."""
    settings = {"base": {"model": "base"}, "suites": ["suites/*.yaml"], **changes}
    (project / "regress.yaml").write_text(yaml.safe_dump(settings))


def lock_project(folder: Path) -> Path:
    """Three suites of 110 items together, locked; nothing has been asked."""
    for name, (count, margin) in SUITES.items():
        take_suite(folder, name, count, margin=margin)
    base = ("*.safetensors", "*.json", "*.jinja")
    (folder / "base").mkdir()
    for path in [found for pattern in base for found in MODEL.glob(pattern)]:
        shutil.copyfile(path, folder / "base" / path.name)
    write_settings(folder)
    assert main(["lock", "-C", str(folder)]) == 0
    return folder


def judged_project(folder: Path, locked: Path) -> Path:
    """The locked project with an adapter that changes next to nothing and one that destroys everything, both judged.

    What stands in reports/ is the broken one's verdict.
    """
    shutil.copytree(locked, folder)
    for name, scale in ADAPTERS.items():
        make_adapter(folder / "base", folder / name, scale=scale)
    assert main(["check", str(folder / "tiny"), "-C", str(folder), "--quiet"]) == 0
    assert main(["check", str(folder / "broken"), "-C", str(folder), "--quiet"]) == 3
    return folder


def recorded_project(folder: Path, judged: Path) -> Path:
    """The judged project, with a record that `tiny` was trained under its lock; other bytes, so judged again."""
    shutil.copytree(judged, folder)
    lock = read_lock(folder / "baselines")
    write_training_record(lock, folder / "tiny", data="sha256:0", started=datetime(2026, 1, 1, tzinfo=UTC))
    assert main(["check", str(folder / "tiny"), "-C", str(folder), "--quiet"]) == 0
    return folder


def once(root: Path, name: str, make: Callable[[Path], Path]) -> Path:
    """`root/name`, made by the first test process that asks for it; the others wait."""
    with (root / f"{name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (root / f"{name}.done").exists():
            make(root / name)
            (root / f"{name}.done").touch()
    return root / name


def run_of(project: Path, variant: str, adapter: str = "tiny") -> Path:
    """The run folder of a variant, for the adapter of that name."""
    if variant == "base":
        (found,) = (project / "baselines" / "runs").iterdir()
        return found
    preflights = {path.name.split("-")[1]: path for path in (project / "runs").glob("preflight-*.json")}
    digest = digest_of(project / adapter)
    assert digest.removeprefix("sha256:")[:12] in preflights
    (found,) = [
        path
        for path in (project / "runs").glob(f"{variant}@*")
        if json.loads((path / "manifest.json").read_bytes())["manifest"]["adapter"] == digest
    ]
    return found


def digest_of(adapter: Path) -> str:
    return digest_files(adapter, [path.name for path in adapter.iterdir()]).digest


def outcome_logs(project: Path) -> list[Path]:
    return sorted(project.glob("*/**/outcomes.jsonl"))


def verdict(project: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((project / "reports" / "verdict.json").read_bytes())
    return read


def plant_promotion(project: Path) -> None:
    """Yesterday's verdict, for another candidate."""
    (project / "reports").mkdir(exist_ok=True)
    (project / "reports" / "verdict.json").write_text('{"decision": "PROMOTE", "exit_code": 0}')
    (project / "reports" / "summary.md").write_text("# PROMOTE")


def promotion_left(project: Path) -> bool:
    found = [path.read_text() for path in (project / "reports").glob("*") if path.is_file()]
    return any("PROMOTE" in text for text in found)


def refused(project: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must be refused over a planted promotion; returns the reason, white space folded."""
    plant_promotion(project)
    capsys.readouterr()
    assert main([*arguments, "-C", str(project)]) == 5
    said = " ".join(capsys.readouterr().err.split())
    assert "REFUSED" in said
    written = verdict(project)
    assert (written["decision"], written["exit_code"]) == ("REFUSED", 5)
    assert not promotion_left(project)
    return said + " " + " ".join(" ".join(written["reasons"]).split())


def process(*arguments: str, code: str | None = None, **changes: str) -> subprocess.CompletedProcess[str]:
    """`python -m regress ARGUMENTS` in a process of its own; with `code`, that program instead."""
    command = [sys.executable, *(("-m", "regress") if code is None else ("-c", code)), *arguments]
    return subprocess.run(command, env=ENVIRONMENT | changes, capture_output=True, text=True, timeout=300, check=False)
