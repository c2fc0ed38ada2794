"""Reads `suites/NAME.jsonl`: one item a line, strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StrictInt, StrictStr, model_validator

from regress.errors import Refused, SuiteError
from regress.hashing.canonical import digest_json
from regress.schema import Item, Message
from regress.strict_json import JsonFault, parse
from regress.suite.strict_yaml import KeyPath
from regress.suite.validate import FileModel, Label, validated

MAX_FILE_BYTES = 512 * 2**20
MAX_LINE_BYTES = 4 * 2**20

Text = Annotated[StrictStr, Field(min_length=1)]


class MessageFile(FileModel):
    """One of an item's `messages`."""

    role: Literal["system", "user", "assistant"]  # the last one is not the assistant's
    content: StrictStr  # what is said


class ItemFile(FileModel):
    """The keys of one item."""

    id: Label  # unique in the suite
    prompt: Text | None = None  # what is asked; or `messages`, or `contexts`
    messages: Annotated[tuple[MessageFile, ...], Field(min_length=1)] | None = None  # turns
    target: StrictStr | Annotated[tuple[StrictStr, ...], Field(min_length=1)] | None = None  # what is right, or several
    choices: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None  # one of them is right
    contexts: tuple[StrictStr, ...] | None = None  # a prompt for each choice
    answer: Annotated[StrictInt, Field(ge=0)] | None = None  # the right choice; the first is 0
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None  # JSON Schema, Draft 2020-12
    cluster: Label | None = None  # items that belong together count for fewer
    slice: Label | None = None  # reports break figures down by it
    source: dict[str, Any] | None = None  # of imported tasks: the document

    @model_validator(mode="after")
    def _fits_together(self) -> ItemFile:
        if sum(given is not None for given in (self.prompt, self.messages, self.contexts)) != 1:
            raise ValueError("an item has either 'prompt' or 'messages', or 'contexts', one for each choice.")
        if self.messages is not None and self.messages[-1].role == "assistant":
            raise ValueError("the last of 'messages' is the assistant's: nothing is left to ask.")
        if self.choices is not None and self.answer is not None and self.answer >= len(self.choices):
            raise ValueError(f"answer {self.answer} names none of {len(self.choices)} choices (the first is 0).")
        if self.contexts is not None and len(self.contexts) != len(self.choices or ()):
            raise ValueError(f"{len(self.contexts)} 'contexts' for {len(self.choices or ())} choices.")
        if self.source is None:  # an imported task says itself what is right, and may ask about one text only
            self._is_a_question()
        return self

    def _is_a_question(self) -> None:
        """What we ask of an item that we score by ourselves."""
        if (self.choices is None) != (self.answer is None):
            raise ValueError("'choices' and 'answer' belong together.")
        if self.choices is not None and len(self.choices) < 2:
            raise ValueError(f"choices is {list(self.choices)}: one choice leaves nothing to choose.")
        asked = list(zip(self.contexts or ("",) * len(self.choices or ()), self.choices or (), strict=True))
        if len(set(asked)) != len(asked):
            raise ValueError("two of 'choices' are the same.")


def read_items(path: Path) -> tuple[Item, ...]:
    """All items of a file, in its order.

    Raises SuiteError with file and line for a broken line, an unknown key, a wrong type, a repeated id and for a file
    without items.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as reason:
        raise SuiteError(f"cannot be read: {reason.strerror}.", path=path) from reason
    if len(raw) > MAX_FILE_BYTES:
        raise SuiteError(f"is larger than {MAX_FILE_BYTES:,} bytes.", path=path)
    items: dict[str, Item] = {}
    for number, line in enumerate(raw.split(b"\n"), start=1):
        if not line.strip():
            continue
        item = _read_item(line, path, number)
        if item.id in items:
            raise SuiteError(f"the id {item.id!r} stands on line {items[item.id].line} too.", path=path, line=number)
        items[item.id] = item
    if not items:
        raise SuiteError("holds no item.", path=path)
    return tuple(items.values())


def _read_item(line: bytes, path: Path, number: int) -> Item:
    if len(line) > MAX_LINE_BYTES:
        raise SuiteError(f"the line is longer than {MAX_LINE_BYTES:,} bytes.", path=path, line=number)
    try:
        parsed = parse(line)
    except JsonFault as reason:
        raise SuiteError(f"is not JSON: {reason}", path=path, line=number) from reason
    if parsed.duplicate_keys:
        raise SuiteError(f"gives the key {parsed.duplicate_keys[0]!r} twice.", path=path, line=number)

    def line_of(_: KeyPath) -> int:
        return number

    file = validated(ItemFile, parsed.value, path=path, line_of=line_of, error=SuiteError)
    try:
        return _item(file, parsed.value, number)
    except Refused as reason:
        raise SuiteError(f"has no digest: {reason}", path=path, line=number) from reason


def _item(file: ItemFile, content: object, number: int) -> Item:
    if file.messages is not None:
        messages = tuple(Message(role=m.role, content=m.content) for m in file.messages)
    else:  # with contexts it is what people see of the item
        shown = next(filter(None, file.contexts or ()), "") if file.prompt is None else file.prompt
        messages = (Message(role="user", content=shown),)
    targets = (file.target,) if isinstance(file.target, str) else (file.target or ())
    return Item(
        id=file.id,
        messages=messages,
        targets=targets,
        choices=file.choices or (),
        contexts=file.contexts or (),
        answer=file.answer,
        schema=file.schema_,
        cluster=file.cluster,
        slice=file.slice,
        source=file.source,
        digest=digest_json(content),
        line=number,
    )
