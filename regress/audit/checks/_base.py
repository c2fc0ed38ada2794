"""What an audit needs of the base without a model library: its tokenizer, special tokens and context window."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regress.errors import ModelError
from regress.store.atomic import read_regular

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MAX_TOKENIZER_BYTES = 200 * 2**20
MAX_CONFIG_BYTES = 2**22


@lru_cache(maxsize=2)
def tokenizer(base: Path) -> Tokenizer | None:
    """The base's fast tokenizer, once a process; None where it has no tokenizer.json. Raises ModelError."""
    from tokenizers import Tokenizer

    path = base / "tokenizer.json"
    if not path.is_file():
        return None
    try:
        found: Tokenizer = Tokenizer.from_buffer(read_regular(path.resolve(), MAX_TOKENIZER_BYTES))
    except Exception as reason:
        raise ModelError(f"{path} is no tokenizer that can be read: {reason}.") from reason
    found.no_truncation()
    found.no_padding()
    return found


def special_tokens(base: Path | None) -> tuple[str, ...]:
    """Texts of the tokens that the base's tokenizer calls special, sorted; none without a base."""
    if base is None:
        return ()
    tokens = _json(base / "tokenizer.json", MAX_TOKENIZER_BYTES).get("added_tokens") or []
    found = {
        token["content"]
        for token in tokens
        if isinstance(token, dict) and token.get("special") is True and isinstance(token.get("content"), str)
    }
    return tuple(sorted(text for text in found if len(text) >= 3))


def window(base: Path) -> int | None:
    """How many tokens the base's positions reach, `max_position_embeddings` of its config.json."""
    config = _json(base / "config.json", MAX_CONFIG_BYTES)
    text = config.get("text_config")  # of models that see pictures, too
    for place in (config, text if isinstance(text, dict) else {}):
        value = place.get("max_position_embeddings", place.get("n_positions"))
        if isinstance(value, int) and value > 0:
            return value
    return None


def _json(path: Path, most: int) -> dict[str, Any]:
    """A file of the base as an object, empty where there is none; raises ModelError where it is no JSON."""
    try:
        value = json.loads(read_regular(path.resolve(), most))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as reason:
        raise ModelError(f"{path} is not JSON: {reason}.") from reason
    return value if isinstance(value, dict) else {}
