"""A row's columns to what it teaches: the known shapes are recognised by their keys, others are mapped by the user.

    {"prompt": "...", "completion": "..."}                             also question/answer, query/response
    {"instruction": "...", "input": "...", "output": "..."}            Alpaca
    {"messages": [{"role": "user", "content": "..."}, ...]}            OpenAI; ShareGPT's conversations, from and value
    {"text": "...", "label": "..."}                                    also category, intent; or ["text", "label"]
    {"prompt": "...", "chosen": "...", "rejected": "..."}              or whole conversations in chosen and rejected

A prompt may be a list of messages, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from regress.rows.row import Form, Row, RowFault
from regress.schema import Message

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
}
TOOLS = dict.fromkeys(("tool", "function", "observation", "function_call"), "tool")

KEYS = ("prompt", "completion", "chosen", "rejected", "instruction", "input", "output", "messages", "text", "label")
"""Our names for columns, the left sides of `--map`."""

ALIASES: dict[str, tuple[str, ...]] = {
    "messages": ("messages", "conversations", "conversation"),
    "prompt": ("prompt", "question", "query"),
    "completion": ("completion", "response", "answer", "reply"),
    "instruction": ("instruction",),
    "output": ("output", "response", "answer"),
    "input": ("input",),
    "chosen": ("chosen",),
    "rejected": ("rejected",),
    "text": ("text", "sentence", "utterance"),
    "label": ("label", "labels", "category", "intent", "class", "target"),
}
"""Column names that are taken for ours without being told, the first one that is there."""

SHAPES: tuple[tuple[Form, tuple[str, ...], tuple[str, ...]], ...] = (
    (Form.MESSAGES, ("messages",), ()),
    (Form.PAIR, ("chosen", "rejected"), ("prompt",)),
    (Form.INSTRUCTION, ("instruction", "output"), ("input",)),
    (Form.PROMPT, ("prompt", "completion"), ()),
    (Form.LABEL, ("text", "label"), ()),
    (Form.TEXT, ("text",), ()),
)
"""In this order: a form, the keys that it needs, those that it may have."""

Columns = tuple[tuple[str, str], ...]
"""Pairs of our key and the column that holds it."""


@cache
def recognise(names: tuple[str, ...], mapped: Columns) -> tuple[Form, Columns]:
    """A row's form and columns by its names; with `mapped` only forms with all those keys. Raises RowFault."""
    if missing := [f"{ours}={theirs}" for ours, theirs in mapped if theirs not in names]:
        raise RowFault(f"has no column for --map {', '.join(missing)}; it has {_listed(names)}")
    for form, needed, optional in SHAPES:
        if not {ours for ours, _ in mapped} <= {*needed, *optional}:
            continue
        columns = dict(mapped)
        for key in (*needed, *optional):
            free = (name for name in ALIASES[key] if name in names and name not in columns.values())
            if key not in columns and (found := next(free, None)) is not None:
                columns[key] = found
        if all(key in columns for key in needed):
            return form, tuple(columns.items())
    raise RowFault(
        f"has {_listed(names)}, which is none of the known shapes: "
        f"{'; '.join(', '.join(needed) for _, needed, _ in SHAPES)}. Name the columns: --map prompt=COLUMN --map "
        "completion=COLUMN"
    )


def read_row(value: Any, number: int, mapped: Columns) -> Row:
    """What the row teaches; raises RowFault saying what is wrong with it.

    `value` is an object, or a list of two texts, which is a text with its label.
    """
    if isinstance(value, list) and len(value) == 2:
        value = {"text": value[0], "label": value[1]}
    if not isinstance(value, dict):
        raise RowFault("is not a JSON object; write one row a line")
    form, columns = _recognised(value, mapped)
    return READERS[form](number, {key: value[column] for key, column in columns if value[column] is not None})


def _recognised(value: Mapping[str, Any], mapped: Columns) -> tuple[Form, Columns]:
    """By the columns that hold something: tables fill up with nulls. Where only a null is missing, it is the fault."""
    try:
        return recognise(tuple(name for name, content in value.items() if content is not None), mapped)
    except RowFault:
        _, columns = recognise(tuple(value), mapped)
        key = next((key for key, column in columns if value[column] is None), "a column")
        raise RowFault(f"{key} is null, not a text") from None


def _messages(number: int, values: Mapping[str, Any]) -> Row:
    turns = _turns(values["messages"], "messages")
    if not any(turn.role == "assistant" for turn in turns):
        raise RowFault("no message is the assistant's, so there is nothing to learn")
    while turns[-1].role != "assistant":
        turns = turns[:-1]
    return Row(number=number, form=Form.MESSAGES, turns=turns)


def _pair(number: int, values: Mapping[str, Any]) -> Row:
    chosen, rejected = values["chosen"], values["rejected"]
    if "prompt" in values:
        prompt = _prompt(values["prompt"])
        better, worse = _reply(chosen, "chosen"), _reply(rejected, "rejected")
    else:
        turns = _turns(chosen, "chosen") if isinstance(chosen, list) else ()
        if not turns or turns[-1].role != "assistant":
            raise RowFault("a pair without a prompt needs whole conversations that end with the assistant")
        prompt, better = turns[:-1], turns[-1].content
        worse = _turns(rejected, "rejected")[-1].content
    if better == worse:
        raise RowFault("chosen and rejected are the same text, so the row prefers nothing")
    return Row(number=number, form=Form.PAIR, turns=(*prompt, _said_by("assistant", better)), rejected=worse)


def _instruction(number: int, values: Mapping[str, Any]) -> Row:
    asked = _text(values["instruction"], "instruction")
    more = values.get("input", "")
    if not isinstance(more, str):
        raise RowFault(f"input is {_kind(more)}, not a text")
    whole = f"{asked}\n\n{more}" if more.strip() else asked
    reply = _text(values["output"], "output")
    return Row(number=number, form=Form.INSTRUCTION, turns=(_said_by("user", whole), _said_by("assistant", reply)))


def _prompt_and_completion(number: int, values: Mapping[str, Any]) -> Row:
    reply = _said_by("assistant", _reply(values["completion"], "completion"))
    return Row(number=number, form=Form.PROMPT, turns=(*_prompt(values["prompt"]), reply))


def _label(number: int, values: Mapping[str, Any]) -> Row:
    label = values["label"]
    if isinstance(label, int | float) and not isinstance(label, bool):
        label = f"{label:g}"
    turns = _said_by("user", _text(values["text"], "text")), _said_by("assistant", _text(label, "label"))
    return Row(number=number, form=Form.LABEL, turns=turns)


def _text_alone(number: int, values: Mapping[str, Any]) -> Row:
    return Row(number=number, form=Form.TEXT, turns=(_said_by("assistant", _text(values["text"], "text")),))


READERS: dict[Form, Callable[[int, Mapping[str, Any]], Row]] = {
    Form.MESSAGES: _messages,
    Form.PAIR: _pair,
    Form.INSTRUCTION: _instruction,
    Form.PROMPT: _prompt_and_completion,
    Form.LABEL: _label,
    Form.TEXT: _text_alone,
}


def _prompt(value: Any) -> tuple[Message, ...]:
    if not isinstance(value, list):
        return (_said_by("user", _text(value, "prompt")),)
    turns = _turns(value, "prompt")
    if turns[-1].role == "assistant":
        raise RowFault("the prompt's last message is the assistant's; it belongs into the completion")
    return turns


def _reply(value: Any, key: str) -> str:
    """A text, or the list of messages that ends with the assistant's."""
    if isinstance(value, list):
        turns = _turns(value, key)
        if turns[-1].role != "assistant":
            raise RowFault(f"{key} does not end with the assistant")
        return turns[-1].content
    return _text(value, key)


def _turns(value: Any, key: str) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        raise RowFault(f"{key} is {_kind(value)}, not a list of messages")
    return tuple(_turn(one, f"{key}[{index}]") for index, one in enumerate(value))


def _turn(value: Any, where: str) -> Message:
    """One message, of OpenAI's keys or ShareGPT's. A tool's, or one that calls a tool, has the role `tool`."""
    if not isinstance(value, dict):
        raise RowFault(f"{where} is {_kind(value)}, not a message")
    said, content = value.get("role", value.get("from")), value.get("content", value.get("value"))
    role = "tool" if content is None and value.get("tool_calls") else {**ROLES, **TOOLS}.get(str(said))
    if role is None:
        raise RowFault(f"{where} is said by {said!r}; known are {', '.join(sorted({**ROLES, **TOOLS}))}")
    if isinstance(content, list):  # parts, as in OpenAI's multimodal messages
        content = "".join(part.get("text") or "" for part in content if isinstance(part, dict))
    if role == "tool":
        return _said_by(role, content if isinstance(content, str) else "")
    if not isinstance(content, str):
        raise RowFault(f"{where}.content is {_kind(content)}, not a text")
    if role == "assistant" and not content.strip():
        raise RowFault(f"{where}: a message of the assistant is empty")
    return _said_by(role, content)


def _said_by(role: str, content: str) -> Message:
    return Message(role=role, content=content)


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise RowFault(f"{key} is {_kind(value)}, not a text")
    if not value.strip():
        raise RowFault(f"{key} is empty")
    return value


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    names |= {int: "a number", float: "a number"}  # tables hold other things, too: bytes, dates, decimals
    return names.get(type(value), f"of the type {type(value).__name__}") if value != [] else "an empty list"


def _listed(names: Sequence[str]) -> str:
    shown = [name[:40] for name in names[:12]]
    return ", ".join(shown) + (" …" if len(names) > 12 else "") if names else "no column at all"
