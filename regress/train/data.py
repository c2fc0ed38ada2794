"""Training data: JSON Lines in one of four shapes, read strictly; a broken row is refused by its line.

    {"prompt": "...", "completion": "..."}
    {"instruction": "...", "input": "...", "output": "..."}
    {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}
    {"prompt": "...", "chosen": "...", "rejected": "..."}                       objective: dpo

A prompt may be a list of messages, too. Every turn of the assistant in `messages` becomes an example of its own, behind
everything that came before it: that is what the model will see when it is asked, whatever its template does with turns
that are past.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regress.errors import TrainingError
from regress.hashing.files import digest_bytes
from regress.schema import Message
from regress.store.atomic import read_regular
from regress.strict_json import JsonFault, parse

MAX_BYTES = 2 * 2**30
MAX_LINE_BYTES = 4 * 2**20
ROLES = ("system", "user", "assistant")
SHAPES: dict[str, tuple[str, ...]] = {
    "a preference pair": ("prompt", "chosen", "rejected"),
    "prompt and completion": ("prompt", "completion"),
    "instruction and output": ("instruction", "output"),
    "messages": ("messages",),
}
OPTIONAL = {"instruction and output": ("input",)}

Refuse = Callable[[str], TrainingError]
"""Makes the refusal of the row that is being read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One thing to learn: what follows `prompt`, or which of two replies is better."""

    line: int
    prompt: tuple[Message, ...]
    completion: str = ""  # sft
    chosen: str = ""  # dpo
    rejected: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """A data file as it was read. `digest` covers its bytes, as `regress lock --training-data` digests them."""

    path: Path
    digest: str
    rows: int
    examples: tuple[Example, ...]
    unused: Mapping[str, int]  # keys that mean nothing here, and in how many rows they stand


def read_data(path: Path, objective: str) -> TrainingData:
    """Every row, or TrainingError for the first that is broken, with its line."""
    try:
        raw = read_regular(path, MAX_BYTES)
    except FileNotFoundError as reason:
        raise TrainingError(
            "there is no such file. Name the training data as train.data in regress.yaml.", path=path
        ) from reason
    examples: list[Example] = []
    unused: Counter[str] = Counter()
    rows = 0
    for number, line in enumerate(raw.split(b"\n"), start=1):
        if line.strip():
            rows += 1
            row = _row(line, path, number)
            examples += _examples(row, objective, path, number, unused)
    if not examples:
        raise TrainingError("holds no row, so there is nothing to learn.", path=path)
    return TrainingData(
        path=path, digest=digest_bytes(raw), rows=rows, examples=tuple(examples), unused=dict(sorted(unused.items()))
    )


def _row(line: bytes, path: Path, number: int) -> dict[str, Any]:
    if len(line) > MAX_LINE_BYTES:
        raise TrainingError(f"the line is longer than {MAX_LINE_BYTES:,} bytes.", path=path, line=number)
    try:
        parsed = parse(line)
    except JsonFault as reason:
        raise TrainingError(f"is not JSON: {reason}.", path=path, line=number) from reason
    if not isinstance(parsed.value, dict):
        raise TrainingError("is not a JSON object; write one row a line.", path=path, line=number)
    if parsed.duplicate_keys:
        raise TrainingError(f"gives the key {parsed.duplicate_keys[0]!r} twice.", path=path, line=number)
    return parsed.value


def _examples(row: dict[str, Any], objective: str, path: Path, number: int, unused: Counter[str]) -> Iterator[Example]:
    """What one row teaches."""
    shape = _shape(row, path, number)
    if (shape == "a preference pair") != (objective == "dpo"):
        wanted = "pairs (prompt, chosen, rejected)" if objective == "dpo" else "what to answer (prompt, completion)"
        raise TrainingError(
            f"the row holds {shape}, and train.objective is {objective}, which learns from {wanted}.",
            path=path,
            line=number,
        )
    unused.update(row.keys() - {*SHAPES[shape], *OPTIONAL.get(shape, ())})

    def refuse(message: str) -> TrainingError:
        return TrainingError(message, path=path, line=number)

    def text(key: str) -> str:
        return _reply(row[key], key, refuse)

    match shape:
        case "a preference pair":
            chosen, rejected = text("chosen"), text("rejected")
            if chosen == rejected:
                raise refuse("chosen and rejected are the same text, so the row prefers nothing.")
            yield Example(line=number, prompt=_prompt(row["prompt"], refuse), chosen=chosen, rejected=rejected)
        case "prompt and completion":
            yield Example(line=number, prompt=_prompt(row["prompt"], refuse), completion=text("completion"))
        case "instruction and output":
            asked = _said(row["instruction"], "instruction", refuse)
            more = row.get("input") or ""
            if not isinstance(more, str):
                raise refuse(f"input is {_kind(more)}, not a text.")
            whole = f"{asked}\n\n{more}" if more.strip() else asked
            yield Example(line=number, prompt=(Message(role="user", content=whole),), completion=text("output"))
        case _:
            yield from _turns(row["messages"], number, refuse)


def _shape(row: Mapping[str, Any], path: Path, number: int) -> str:
    fitting = [name for name, keys in SHAPES.items() if all(key in row for key in keys)]
    if len(fitting) == 1:
        return fitting[0]
    known = "; ".join(", ".join(keys) for keys in SHAPES.values())
    if fitting:
        raise TrainingError(f"could be {' or '.join(fitting)}: keep the keys of one of them.", path=path, line=number)
    given = ", ".join(sorted(row)[:8]) or "no key at all"
    raise TrainingError(f"has {given}, which is none of the known shapes: {known}.", path=path, line=number)


def _turns(value: Any, number: int, refuse: Refuse) -> Iterator[Example]:
    """An example for each turn of the assistant."""
    messages = _messages(value, "messages", refuse)
    places = [index for index, message in enumerate(messages) if message.role == "assistant"]
    if not places:
        raise refuse("no message is the assistant's, so there is nothing to learn.")
    for place in places:
        if not any(message.role == "user" for message in messages[:place]):
            raise refuse("the assistant speaks before any user does.")
        reply = messages[place].content
        if not reply.strip():
            raise refuse("a message of the assistant is empty.")
        yield Example(line=number, prompt=messages[:place], completion=reply)


def _prompt(value: Any, refuse: Refuse) -> tuple[Message, ...]:
    if not isinstance(value, list):
        return (Message(role="user", content=_said(value, "prompt", refuse)),)
    messages = _messages(value, "prompt", refuse)
    if messages[-1].role == "assistant":
        raise refuse("the prompt's last message is the assistant's; it belongs into the completion.")
    return messages


def _reply(value: Any, key: str, refuse: Refuse) -> str:
    """A text, or the list with one message of the assistant that TRL writes."""
    if isinstance(value, list):
        messages = _messages(value, key, refuse)
        if len(messages) != 1 or messages[0].role != "assistant":
            raise refuse(f"{key} must be one message of the assistant.")
        value = messages[0].content
    return _said(value, key, refuse)


def _messages(value: Any, key: str, refuse: Refuse) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        raise refuse(f"{key} is {_kind(value)}, not a list of messages.")
    return tuple(_message(message, f"{key}[{index}]", refuse) for index, message in enumerate(value))


def _message(value: Any, where: str, refuse: Refuse) -> Message:
    if not isinstance(value, dict) or set(value) != {"role", "content"}:
        raise refuse(f"{where} must hold role and content and nothing else.")
    if value["role"] not in ROLES:
        raise refuse(f"{where}.role is {value['role']!r}; choices: {', '.join(ROLES)}.")
    if not isinstance(value["content"], str):
        raise refuse(f"{where}.content is {_kind(value['content'])}, not a text.")
    return Message(role=value["role"], content=value["content"])


def _said(value: Any, key: str, refuse: Refuse) -> str:
    if not isinstance(value, str):
        raise refuse(f"{key} is {_kind(value)}, not a text.")
    if not value.strip():
        raise refuse(f"{key} is empty.")
    return value


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number") if value != [] else "an empty list"
