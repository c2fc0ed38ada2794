"""The public Python API as a page: signatures and docstrings, read from the sources without importing them."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

PUBLIC: dict[str, tuple[str, ...]] = {
    "regress.train.callback": ("RegressCallback",),
    "regress.promote.verifying": ("verify_adapter",),
    "regress.lmeval.model": ("EngineLM",),
}
"""Where public names live, by module; what `regress` itself offers is read from there."""

SHOWN_AS = {
    "regress.train.callback": "regress.train",
    "regress.promote.verifying": "regress.promote",
}
"""From where to import, if not from the module that a name lives in."""

Definition = ast.FunctionDef | ast.ClassDef


def page() -> str:
    """`reference/python.md`."""
    parts = ["# Python API", "How to use it: [from Python](../python.md). What is not listed here may change."]
    for module, names in {**at_the_top(), **PUBLIC}.items():
        tree = parsed(module)
        found = {node.name: node for node in tree.body if isinstance(node, Definition)}
        home = "regress" if module in at_the_top() else SHOWN_AS.get(module, module)
        for name in names:
            parts += _entry(home, found[name])
    errors = ast.get_docstring(parsed("regress.errors")) or ""
    return "\n\n".join([*parts, "## regress.errors", f"```text\n{errors}\n```"])


def at_the_top() -> dict[str, tuple[str, ...]]:
    """What `import regress` offers, by the module that it comes from."""
    homes: dict[str, list[str]] = {}
    for node in parsed("regress").body:
        named = (
            isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "_HOMES"
        )
        if named and isinstance(node, ast.Assign):
            for name, module in ast.literal_eval(node.value).items():
                homes.setdefault(module, []).append(name)
    return {module: tuple(names) for module, names in homes.items()}


def parsed(module: str) -> ast.Module:
    """The syntax tree of a module that is not imported."""
    spec = find_spec(module)
    assert spec is not None and spec.origin is not None, module
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


def _entry(home: str, node: Definition) -> Iterator[str]:
    yield f"## {home}.{node.name}"
    if isinstance(node, ast.FunctionDef):
        yield f"```python\n{signature(node)}\n```"
        yield documented(node)
        return
    constructors = [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
    if constructors:
        yield f"```python\n{signature(constructors[0], name=node.name)}\n```"
    yield documented(node)
    for one in node.body:
        if isinstance(one, ast.FunctionDef) and not one.name.startswith(("_", "on_")) and ast.get_docstring(one):
            yield f"### {node.name}.{one.name}"
            yield f"```python\n{signature(one)}\n```"
            yield documented(one)


def signature(node: ast.FunctionDef, name: str | None = None) -> str:
    """`name(arguments) -> type`, a line for each argument where there are many; `self` is left out."""
    if any(isinstance(one, ast.Name) and one.id == "property" for one in node.decorator_list):
        return f"{node.name}: {ast.unparse(node.returns) if node.returns else ''}"
    arguments = node.args
    arguments.args = [one for one in arguments.args if one.arg not in ("self", "cls")]
    returns = "" if node.returns is None or name else f" -> {ast.unparse(node.returns)}"
    line = f"{name or node.name}({ast.unparse(arguments)}){returns}"
    if len(line) <= 100:
        return line
    return f"{name or node.name}(\n    {_broken(ast.unparse(arguments))},\n){returns}"


def _broken(text: str) -> str:
    """Arguments a line each: at the commas that stand in no bracket."""
    depth, lines = 0, [""]
    for character in text:
        depth += (character in "[(") - (character in "])")
        if character == "," and depth == 0:
            lines.append("")
        else:
            lines[-1] += character
    return ",\n    ".join(line.strip() for line in lines)


def documented(node: Definition) -> str:
    """The docstring; its sections `Args:` and `Raises:` become lists."""
    lines = inspect.cleandoc(ast.get_docstring(node) or "").splitlines()
    out: list[str] = []
    section = False
    for line in lines:
        if line in ("Args:", "Returns:", "Raises:"):
            section = True
            out += [f"**{line[:-1]}**", ""]
        elif section and line.startswith("    ") and not line.startswith("     "):
            name, colon, meaning = line.strip().partition(": ")
            out.append(f"* `{name}`: {meaning}" if colon else f"* {line.strip()}")
        elif section and line.startswith("     "):
            out.append("  " + line.strip())
        else:
            section = section and not line
            out.append(line)
    return "\n".join(out)
