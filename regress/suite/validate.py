"""Pydantic models for files in, and refusals that name file, line, key and the choices."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError

from regress.errors import LocatedError
from regress.suite.strict_yaml import KeyPath

Model = TypeVar("Model", bound=BaseModel)

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""Names that are safe in file names, reports and terminals."""

Label = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
"""A short text for people, without control characters."""


def _written_as_number(value: object) -> object:
    if isinstance(value, str):
        raise ValueError(f"{value!r} is text; write a number without quotes.")
    if isinstance(value, Decimal) and value.adjusted() - len(value.as_tuple().digits) < -16:
        raise ValueError(f"{value} has more than 15 decimals, which a double cannot tell from 0 or 1.")
    return value


Number = Annotated[Decimal, BeforeValidator(_written_as_number)]
"""A number that the file writes as one: text that Python would take for a number ('0.0_1') is refused."""


class FileModel(BaseModel):
    """Base of everything read from a user's file: unknown keys are refused, nothing is changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=False)


def validated(
    model: type[Model], value: object, *, path: Path, line_of: Callable[[KeyPath], int], error: type[LocatedError]
) -> Model:
    """`value` as `model`, or the first complaint as one located sentence."""
    if not isinstance(value, dict):
        raise error(f"must hold a mapping with {_listing(_keys(model))}.", path=path, line=line_of(()))
    try:
        return model.model_validate(value)
    except ValidationError as failure:
        first = min(failure.errors(), key=lambda e: (e["type"] != "extra_forbidden", line_of(_path(model, e["loc"]))))
        where = _path(model, first["loc"])
        raise error(_sentence(model, first, where), path=path, line=line_of(where)) from failure


def _path(model: type[BaseModel], loc: tuple[int | str, ...]) -> KeyPath:
    """The complaint's place in the file: pydantic adds the branch of a union, which is no key ('scorer.str')."""
    for end, part in enumerate(loc):
        if isinstance(part, str) and _submodel(model, loc[:end]) is None:
            return tuple(loc[:end])
    return tuple(loc)


def _sentence(model: type[BaseModel], complaint: Any, where: KeyPath) -> str:
    key = ".".join(str(part) for part in where)
    match complaint["type"]:
        case "extra_forbidden":
            known = _keys(_submodel(model, where[:-1]))
            guess = difflib.get_close_matches(str(where[-1]), known, n=1)
            hint = f" Did you mean {guess[0]!r}?" if guess else ""
            return f"unknown key {key!r}.{hint} Known keys: {', '.join(known)}."
        case "missing":
            return f"the key {key!r} is missing."
        case "enum" | "literal_error":
            return f"{key} is {complaint['input']!r}; choices: {complaint['ctx']['expected']}."
        case "value_error":
            reason = str(complaint["ctx"]["error"])
            return f"{key}: {reason}" if key else reason
        case _:
            message = complaint["msg"][0].lower() + complaint["msg"][1:]
            return f"{key} is {_short(complaint['input'])}: {message}."


def _short(value: object) -> str:
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _keys(model: type[BaseModel] | None) -> list[str]:
    return [] if model is None else [field.alias or name for name, field in model.model_fields.items()]


def _listing(names: list[str]) -> str:
    return "the keys " + ", ".join(names)


def _submodel(model: type[BaseModel], where: KeyPath) -> type[BaseModel] | None:
    """The model that describes the mapping at `where`, for naming the keys that it knows."""
    current: type[BaseModel] | None = model
    for part in where:
        if current is None:
            return None
        if isinstance(part, int):
            continue
        names = {field.alias or name: field for name, field in current.model_fields.items()}
        if part in names:
            current = _model_in(names[part].annotation)
    return current


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType, list, tuple, Annotated):
        for inner in get_args(annotation):
            if (found := _model_in(inner)) is not None:
                return found
    return None
