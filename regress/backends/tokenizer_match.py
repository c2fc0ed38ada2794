"""Does a candidate bring another chat template, vocabulary or end token than its base? Read from files alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from regress.errors import AdapterError
from regress.hashing.canonical import digest_json
from regress.hashing.models import chat_template
from regress.schema import Check

SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token")


def compare_tokenizers(base: Path, adapter: Path) -> list[Check]:
    """Chat template, special tokens and vocabulary of the candidate's folder against the base's.

    Evaluation uses the base's; an adapter that needs others would be served with what it was not judged with, so any
    difference fails. Files that the candidate's folder does not have are taken to be the base's.
    """
    checks = [_template(base, adapter), _special_tokens(base, adapter), _vocabulary(base, adapter)]
    return [check for check in checks if check is not None]


def _template(base: Path, adapter: Path) -> Check:
    own, locked = chat_template(adapter), chat_template(base)
    same = own is None or own == locked
    return Check(
        name="template-matches",
        ok=same,
        detail=("the candidate brings none of its own" if own is None else "equal to the base's")
        if same
        else "the candidate was saved with another chat template than the locked base's: it would be judged with one "
        "and served with the other. Put that template beside the base and lock again, or save the candidate without it",
    )


def _special_tokens(base: Path, adapter: Path) -> Check | None:
    own, locked = _read(adapter / "tokenizer_config.json"), _read(base / "tokenizer_config.json")
    if own is None or locked is None:
        return None
    changed = [
        f"{name} is {_content(own[name])!r} (base: {_content(locked.get(name))!r})"
        for name in SPECIAL_TOKENS
        # Trainers often name a pad token where the base has none; greedy evaluation never sees it.
        if name in own and name != "pad_token" and _content(own[name]) != _content(locked.get(name))
    ]
    return Check(
        name="special-tokens-match",
        ok=not changed,
        detail="; ".join(changed) if changed else "special tokens and end of text are the base's",
    )


def _vocabulary(base: Path, adapter: Path) -> Check | None:
    own, locked = _read(adapter / "tokenizer.json"), _read(base / "tokenizer.json")
    if own is None or locked is None:
        return None
    same = all(digest_json(own.get(part)) == digest_json(locked.get(part)) for part in ("model", "added_tokens"))
    return Check(
        name="vocabulary-matches",
        ok=same,
        detail="the candidate's tokenizer is the base's"
        if same
        else "the candidate's tokenizer.json has another vocabulary than the locked base's",
    )


def _content(token: Any) -> Any:
    """A special token is a text, or a mapping that holds it as `content`."""
    return token.get("content") if isinstance(token, dict) else token


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as reason:
        raise AdapterError(f"{path.name} is not JSON: {reason}") from reason
    if not isinstance(value, dict):
        raise AdapterError(f"{path.name} is not a JSON object.")
    return value
