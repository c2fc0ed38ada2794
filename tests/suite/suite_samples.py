"""Small suites and projects on disk, each key replaceable."""

from __future__ import annotations

from pathlib import Path

ITEM = '{"id": "q1", "prompt": "2 + 2 =", "target": "4"}'

SUITE = {
    "name": "sums",
    "version": "1",
    "category": "capability",
    "role": "protect",
    "items": "sums.jsonl",
    "ask": "generate",
    "scorer": "exact_match",
    "margin": "0.02",
}

PROJECT = {"base": "{model: model}", "suites": "[suites/*.yaml]"}


def yaml_text(defaults: dict[str, str], **changes: str | None) -> str:
    """One `key: value` a line, in the defaults' order; None leaves a key out, new keys come last."""
    merged: dict[str, str | None] = {**defaults, **changes}
    return "".join(f"{key}: {value}\n" for key, value in merged.items() if value is not None)


def write_suite(folder: Path, text: str | bytes, items: str | bytes = ITEM + "\n") -> Path:
    """`sums.yaml` with its items beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sums.jsonl").write_bytes(items if isinstance(items, bytes) else items.encode())
    path = folder / "sums.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path
