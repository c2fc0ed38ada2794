"""Options that belong together, as one dataclass in several commands' signatures."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints


def grouped(command: Callable[..., int]) -> Callable[..., int]:
    """The command with every parameter that is a dataclass spread out: each field is an option of its own to typer.

    A field is annotated as typer wants it and has a default.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
    spread: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in groups:
            inner = get_type_hints(groups[name], include_extras=True)
            spread += [_option(field.name, inner[field.name], field.default) for field in fields(groups[name])]
        else:
            spread.append(_option(name, hints[name], parameter.default))

    @wraps(command)
    def called(**given: Any) -> int:
        built = {name: kind(**{f.name: given.pop(f.name) for f in fields(kind)}) for name, kind in groups.items()}
        return command(**given, **built)

    called.__signature__ = inspect.Signature(spread, return_annotation=int)  # type: ignore[attr-defined]
    return called


def _option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
