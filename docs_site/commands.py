"""The command line as a page: what every `--help` says, read from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from docs_site.tables import cell, table
from regress.cli.main import app


def page() -> str:
    """`reference/commands.md`."""
    root: Any = typer.main.get_command(app)
    parts = ["# Command line", _paragraphs(root.help), root.epilog or ""]
    for path, command in commands(root):
        parts += [f"## {' '.join(('regress', *path))}", *_command(path, command)]
    return "\n\n".join(part for part in parts if part)


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with its words, in the order of `--help`; groups are entered and not listed."""
    for name, command in group.commands.items():
        if getattr(command, "hidden", False):
            continue
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def shown(command: Any) -> tuple[list[Any], list[Any]]:
    """Its arguments and its options, without hidden ones and `--help`."""
    visible = [found for found in command.params if not getattr(found, "hidden", False) and found.name != "help"]
    arguments = [found for found in visible if not found.opts[0].startswith("-")]
    return arguments, [found for found in visible if found not in arguments]


def _command(path: tuple[str, ...], command: Any) -> list[str]:
    arguments, options = shown(command)
    usage = " ".join(["regress", *path, *(_placeholder(one) for one in arguments), *(["[OPTIONS]"] if options else [])])
    parts = [f"```text\n{usage}\n```", _paragraphs(command.help)]
    if arguments:
        parts.append(table(("argument", "", "default"), [_row(f"`{_word(one)}`", one) for one in arguments]))
    if options:
        parts.append(table(("option", "", "default"), [_row(_flags(one), one) for one in options]))
    return parts


def _row(name: str, parameter: Any) -> tuple[str, str, str]:
    says = parameter.help or ""
    if getattr(parameter, "multiple", False) and "repeated" not in says:
        says += " May be repeated."
    return name, cell(says), cell(_default(parameter))


def _flags(option: Any) -> str:
    value = "" if getattr(option, "is_flag", False) else f" {_word(option)}"
    return "<br>".join(f"`{name}{value}`" for name in (*option.opts, *option.secondary_opts))


def _word(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _placeholder(argument: Any) -> str:
    word = _word(argument) + ("..." if argument.nargs == -1 else "")
    return word if argument.required else f"[{word}]"


def _default(parameter: Any) -> str:
    """In the words of `--help`: a text that stands for the default, or its value."""
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    default = parameter.default
    if parameter.required:
        return "required" if parameter.opts[0].startswith("-") else ""
    if default is None or default is False or default == () or default == [] or callable(default):
        return ""
    return str(getattr(default, "value", default))


def _paragraphs(text: str | None) -> str:
    """Help texts are wrapped by hand: what stands between empty lines is one paragraph."""
    return "\n\n".join(cell(" ".join(part.split())) for part in (text or "").split("\n\n")).replace("\\|", "|")
