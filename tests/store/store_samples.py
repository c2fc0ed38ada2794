"""Small runs for the store's tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from regress.schema import Finish, ItemOutcome, Manifest, Outcome, Reply
from regress.store.runs import RunWriter

Expected = dict[str, list[tuple[str, str]]]


def a_manifest(**changes: Any) -> Manifest:
    fields: dict[str, Any] = {
        "lock": "sha256:" + "1" * 64,
        "variant": "adapter@bf16",
        "base": "sha256:" + "2" * 64,
        "adapter": "sha256:" + "3" * 64,
        "tokenizer": "sha256:" + "4" * 64,
        "template": None,
        "backend": "hf torch=2.13.0",
        "device": "cpu",
        "batch_policy": "sorted-by-length rows=32",
        "settings": "sha256:" + "5" * 64,
    }
    return Manifest(**(fields | changes))


def an_outcome(number: int, outcome: Outcome = Outcome.PASS) -> ItemOutcome:
    """Even numbers generate, odd ones choose; two suites."""
    return ItemOutcome(
        suite=f"suite{number % 3 // 2}",
        item=f"q{number}",
        item_digest=f"sha256:{number:064x}",
        request_digest=f"sha256:{number + 2**128:064x}",
        outcome=outcome,
        kind=None if outcome is Outcome.PASS else "some_kind",
        detail=None if outcome is Outcome.PASS else "why\n☃",
        reply=Reply(logprobs=(-0.1 / (number + 1), -3.0, -1e-7 * number), prompt_tokens=7)
        if number % 2
        else Reply(text=f"answer {number} \u2028é😀\x00", finish=Finish.EOS, prompt_tokens=5, reply_tokens=3),
    )


def expected_of(outcomes: Iterable[ItemOutcome]) -> Expected:
    expected: Expected = {}
    for outcome in outcomes:
        expected.setdefault(outcome.suite, []).append((outcome.item, outcome.item_digest))
    return expected


def store(folder: Path, outcomes: Iterable[ItemOutcome], *, manifest: Manifest | None = None, seal: bool) -> Path:
    """A run of these outcomes, in order, each committed."""
    listed = list(outcomes)
    with RunWriter.open(folder, manifest or a_manifest()) as writer:
        for outcome in listed:
            writer.append(outcome)
        if seal:
            writer.seal(expected_of({(o.suite, o.item): o for o in listed}.values()))
    return folder
