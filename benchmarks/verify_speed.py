"""How long `regress verify` takes for an adapter of 100 MB: the whole process and the function, medians.

    python benchmarks/verify_speed.py [--megabytes 100] [--versions 20]

A local registry is made in a temporary folder, with signed records of adapters of random bytes; nothing is judged.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from regress.hashing.files import digest_files
from regress.promote import verify_adapter
from regress.promote.envelope import sign
from regress.promote.keys import SigningKey, make_key
from regress.promote.local import PRODUCTION, LocalRegistry
from regress.promote.record import Facts, payload
from regress.promote.registry import ADAPTER, RECORD
from regress.promote.times import stamp
from regress.promote.trust import TrustRoot, write_trust
from regress.promote.verifying import stated
from regress.schema import Ruling

ROOT = Path(__file__).resolve().parent.parent
REPEATS = 7


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--versions", type=int, default=20, help="promotions in the registry; the last one is large")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        key, registry = make_key(folder / "key.pem"), LocalRegistry(folder / "registry")
        trust, now = folder / "trust.json", datetime.now(UTC)
        write_trust(trust, TrustRoot().with_key(key.public, name="release", expires=None, now=now))
        for number in range(options.versions):
            put(registry, key, os.urandom(options.megabytes * 10**6 if number == options.versions - 1 else 1000))
        adapter = registry.folder / PRODUCTION / ADAPTER
        copy = Path(shutil.copytree(adapter, folder / "copy"))
        known = ["--trust", str(trust), "--registry", str(registry.folder)]
        to = folder / "to"
        cases: dict[str, Callable[[], object]] = {
            "regress --help": lambda: command("--help"),
            "regress verify (what is in production)": lambda: command("verify", *known),
            "regress verify FOLDER (record found by its bytes)": lambda: command("verify", str(copy), *known),
            "regress verify --to DIR (a private copy)": lambda: command("verify", *known, "--to", str(to)),
            "verify_adapter(...)": lambda: verify_adapter(adapter.resolve(), trust=trust, now=datetime.now(UTC)),
        }
        print(f"{options.megabytes} MB, {options.versions} promotions, seconds, medians of {REPEATS}")
        print("  wall clock   processor")
        for what, run in cases.items():
            measured = [timed(run, to) for _ in range(REPEATS)]
            wall, processor = (statistics.median(part) for part in zip(*measured, strict=True))
            print(f"  {wall:10.2f}  {processor:10.2f}  {what}")
    return 0


def timed(run: Callable[[], object], to: Path) -> tuple[float, float]:
    """Wall time, and processor time with that of processes started: what it takes where nothing else runs."""
    shutil.rmtree(to, ignore_errors=True)
    started, before = time.perf_counter(), sum(os.times()[:4])
    run()
    return time.perf_counter() - started, sum(os.times()[:4]) - before


def command(*arguments: str) -> None:
    """One process, which must end in 0."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-m", "regress", *arguments],
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}: {done.stderr}")


def put(registry: LocalRegistry, key: SigningKey, weights: bytes) -> None:
    """A promotion of these weights, without a judgement."""
    now = datetime.now(UTC)
    with registry.writing() as scratch:
        line, version = registry.line(), scratch / "version"
        (version / ADAPTER).mkdir(parents=True)
        (version / ADAPTER / "adapter_config.json").write_text("{}")
        (version / ADAPTER / "adapter_model.safetensors").write_bytes(weights)
        files = digest_files(version / ADAPTER, ["adapter_config.json", "adapter_model.safetensors"])
        facts = Facts(
            decision=Ruling.PROMOTE,
            judged=Ruling.PROMOTE,
            made=stamp(now),
            previous=line.production,
            adapter=files.digest,
            sizes={name: entry.size for name, entry in files.files.items()},
            trained_under_lock=True,
            attempt=1,
            alpha="0.0304",
            checks=(),
            suites=(),
            waivers=(),
        )
        (version / RECORD).write_bytes(sign(payload(files, {"lock": "sha256:" + "0" * 64}, facts), key))
        digest = stated((version / RECORD).read_bytes()).digest
        registry.point(registry.publish(version, digest), line.promoted(digest, now))


if __name__ == "__main__":
    raise SystemExit(main())
