"""How long `regress gate` takes on stored runs of 10,000 items: the whole process, median of five.

    python benchmarks/gate_speed.py [--items 10000] [--profile]

The project is generated in a temporary folder: ten suites, a lock, three sealed runs (base, adapter, merged) written
through the store with replies that are made up, and a preflight. No model is involved.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from regress.hashing.canonical import digest_json
from regress.hashing.files import digest_files
from regress.hashing.models import read_model
from regress.lock import lockfile
from regress.lock.lockfile import Lock
from regress.lock.promise import Loaded, load
from regress.run.kept_checks import store_preflight
from regress.run.session import settings_digest
from regress.schema import Ask, Check, Finish, Item, ItemOutcome, Manifest, Outcome, Reply, Suite
from regress.store.runs import RunWriter, run_name
from regress.suite import read_project, read_suites

ROOT = Path(__file__).resolve().parent.parent
SUITES = 10
REPEATS = 5
LOSES_ONE_IN = 97  # the candidate
WRONG_ONE_IN = 11  # both


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--profile", action="store_true", help="show the slowest imports and functions, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project, adapter = make_project(Path(folder), options.items)
        if options.profile:
            profile(project, adapter)
        seconds = sorted(gate_seconds(project, adapter) for _ in range(REPEATS))
        idle = sorted(gate_seconds(project, adapter, "--help") for _ in range(REPEATS))
    print(f"regress gate, {options.items:,} items x 3 runs: median {statistics.median(seconds):.2f} s of {REPEATS}")
    print(f"  all: {', '.join(f'{s:.2f}' for s in seconds)} s; `regress gate --help`: {statistics.median(idle):.2f} s")
    return 0


def gate_seconds(project: Path, adapter: Path, *more: str) -> float:
    """Wall time of one process, which must come to PROMOTE."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "regress", "gate", str(adapter), "-C", str(project), *more]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}: {done.stderr}")
    return seconds


def environment() -> dict[str, str]:
    """As a user's: an installed package is compiled already."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPATH": str(ROOT)}


def profile(project: Path, adapter: Path) -> None:
    arguments = ["-m", "regress", "gate", str(adapter), "-C", str(project), "--json"]
    imports = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], env=environment(), capture_output=True, text=True, check=True
    )
    rows = [line.split("|") for line in imports.stderr.splitlines() if line.startswith("import time:")][1:]
    slowest = sorted(rows, key=lambda row: -int(row[1]))[:25]
    print("\n".join(f"{int(total) / 1000:8.1f} ms  {name.strip()}" for _, total, name in slowest))
    code = (
        "import cProfile, pstats, sys; from regress.cli import main; p = cProfile.Profile(); "
        f"p.runcall(main, {arguments[2:]!r}); "
        "pstats.Stats(p, stream=sys.stderr).sort_stats('tottime').print_stats(25)"
    )
    calls = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    print(calls.stderr)


# --- a project without a model ----------------------------------------------------------------------------------------


def make_project(folder: Path, items: int) -> tuple[Path, Path]:
    """(project folder, adapter folder), judged already as far as the store is concerned."""
    write_files(folder, items)
    project = read_project(folder)
    loaded = load(project, read_suites(project.suite_paths()), check_items=True)
    lock = lockfile.create(loaded, read_model(folder / "base"), now=datetime.now(UTC))
    adapter = write_adapter(folder / "adapter")
    digest = digest_files(adapter, [path.name for path in adapter.iterdir()]).digest
    store_run(loaded, lock, folder / "baselines" / "runs", "base@fp32", None)
    for variant in ("adapter@fp32", "merged@fp32"):
        store_run(loaded, lock, folder / "runs", variant, digest)
    store_preflight(project, lock, digest, [Check(name="adapter-is-on", ok=True, detail="made up")])
    return folder, adapter


def write_files(folder: Path, items: int) -> None:
    (folder / "suites").mkdir()
    (folder / "base").mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / "base" / name).write_text("{}")
    (folder / "regress.yaml").write_text("base: {model: base}\nsuites: [suites/*.yaml]\n")
    for number in range(SUITES):
        name, choose = f"suite_{number}", number % 2 == 0
        scorer = "ask: choose\nscorer: choice\n" if choose else "ask: generate\nscorer: exact_match\n"
        head = f"name: {name}\nversion: 1\ncategory: capability\nitems: {name}.jsonl\nprompt: raw\nmargin: 0.05\n"
        (folder / "suites" / f"{name}.yaml").write_text(head + scorer)
        (folder / "suites" / f"{name}.jsonl").write_text(
            "".join(
                json.dumps(
                    {
                        "id": f"{name}-{k:05}",
                        "prompt": f"Question {k} of {name}: which day of the week comes {k} days after Monday?",
                        **(
                            {"choices": ["Monday", "Tuesday", "Friday"], "answer": 0}
                            if choose
                            else {"target": "Monday"}
                        ),
                        "slice": f"slice {k % 5}",
                    }
                )
                + "\n"
                for k in range(items // SUITES)
            )
        )


def write_adapter(folder: Path) -> Path:
    folder.mkdir()
    config = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "adapter_model.safetensors").write_bytes(bytes(1_000_000))
    return folder


def store_run(loaded: Loaded, lock: Lock, parent: Path, variant: str, adapter: str | None) -> None:
    base = lock.promise["base"]
    manifest = Manifest(
        lock=lock.digest,
        variant=variant,
        base=base["digest"],
        adapter=adapter,
        tokenizer=base["tokenizer"],
        template=base["template"],
        backend="made up 1",
        device="cpu",
        batch_policy="none",
        settings=settings_digest(loaded),
    )
    with RunWriter.open(parent / run_name(manifest), manifest) as writer:
        for suite in loaded.suites:
            for number, item in enumerate(suite.items):
                lost = adapter is not None and number % LOSES_ONE_IN == 0
                writer.append(outcome(suite, item, right=number % WRONG_ONE_IN != 1 and not lost))
        writer.seal({suite.name: [(item.id, item.digest) for item in suite.items] for suite in loaded.suites})


def outcome(suite: Suite, item: Item, *, right: bool) -> ItemOutcome:
    if suite.ask is Ask.CHOOSE:
        reply = Reply(logprobs=(-1.25 if right else -9.5, -3.0078125, -4.75), prompt_tokens=31, reply_tokens=5)
    else:
        text = "Monday" if right else "I do not know."
        reply = Reply(text=text, finish=Finish.EOS, prompt_tokens=31, reply_tokens=4)
    return ItemOutcome(
        suite=suite.name,
        item=item.id,
        item_digest=item.digest,
        request_digest=digest_json([item.prompt]),
        outcome=Outcome.PASS if right else Outcome.FAIL,
        kind=None if right else "wrong",
        detail=None,
        reply=reply,
    )


if __name__ == "__main__":
    sys.exit(main())
