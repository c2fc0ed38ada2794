"""Keys, adapters of a few bytes, records and registries for the tests of promotions: real files, real signatures."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from regress.hashing.files import digest_files
from regress.promote.envelope import sign
from regress.promote.keys import SigningKey, load_key, make_key
from regress.promote.local import LocalRegistry
from regress.promote.record import Facts, Figures, Waiver, payload
from regress.promote.registry import ADAPTER, RECORD, Registry
from regress.promote.times import stamp
from regress.promote.trust import TrustRoot, write_trust
from regress.promote.verifying import stated
from regress.schema import Category, Role, Ruling, Verdict

NOW = datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
LOCK = "sha256:" + "1" * 64
CONFIGURATION = {"base": "sha256:" + "2" * 64, "lock": LOCK, "policy": "sha256:" + "3" * 64}
WAIVER = Waiver(suite="json", reason="the desk writes no JSON", by="Mara", expires="2026-12-31")


def a_key(folder: Path, name: str = "key.pem") -> SigningKey:
    """The key of that name, made at the first call."""
    path = folder / name
    return load_key(path) if path.exists() else make_key(path)


def a_root(*keys: SigningKey, **changes: Any) -> TrustRoot:
    root = TrustRoot()
    for number, key in enumerate(keys):
        root = root.with_key(key.public, name=f"key {number}", expires=None, now=NOW)
    return replace(root, **changes)


def a_trust_file(folder: Path, root: TrustRoot) -> Path:
    write_trust(folder / "trust.json", root)
    return folder / "trust.json"


def an_adapter(folder: Path, content: bytes = b"weights") -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (folder / "adapter_model.safetensors").write_bytes(content)
    (folder / "README.md").write_text("# mine")
    return folder


def some_figures(**changes: Any) -> Figures:
    figures = Figures(
        suite="words",
        category=Category.CAPABILITY,
        role=Role.PROTECT,
        variant="adapter",
        against="base@fp32",
        verdict=Verdict.PASS,
        n=100,
        base_pass=90,
        candidate_pass=89,
        lost=1,
        gained=0,
        delta="-0.01",
        ci90=("-0.04", "0.01"),
        margin="0.05",
        min_gain=None,
        p_pass="0.001",
        p_fail_holm="1.0",
        p_gain=None,
    )
    return replace(figures, **changes)


def envelope_for(adapter: Path, key: SigningKey, **changes: Any) -> bytes:
    """A signed record of exactly the adapter's files, as `promote` would write it."""
    files = digest_files(adapter, [path.name for path in adapter.iterdir()])
    facts = Facts(
        decision=Ruling.PROMOTE,
        judged=Ruling.PROMOTE,
        made=stamp(NOW),
        previous=None,
        adapter=files.digest,
        sizes={name: entry.size for name, entry in files.files.items()},
        trained_under_lock=True,
        attempt=1,
        alpha="0.0304",
        checks=("adapter-is-on",),
        suites=(some_figures(),),
        waivers=(),
    )
    return sign(payload(files, CONFIGURATION, replace(facts, **changes)), key)


def a_version(folder: Path, key: SigningKey, content: bytes = b"weights", **changes: Any) -> Path:
    """A version folder: the adapter and its record beside it."""
    adapter = an_adapter(folder / ADAPTER, content)
    (folder / RECORD).write_bytes(envelope_for(adapter, key, **changes))
    return folder


def put(registry: Registry, key: SigningKey, content: bytes, **changes: Any) -> str:
    """Promote an adapter of those bytes without judging it; returns the record's digest."""
    with registry.writing() as scratch:
        line = registry.line()
        version = a_version(scratch / "version", key, content, previous=line.production, **changes)
        digest = stated((version / RECORD).read_bytes()).digest
        registry.point(registry.publish(version, digest), line.promoted(digest, NOW))
    return digest


def a_registry(folder: Path) -> LocalRegistry:
    return LocalRegistry(folder / "registry")
