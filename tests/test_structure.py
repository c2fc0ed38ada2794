"""The house's measures (STYLE), held for every module: what is too long or hidden is seen here, not in a review."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import regress

PACKAGE = Path(regress.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES, MAX_FUNCTION, MAX_PARAMETERS = 400, 60, 8
MAX_OPTIONS = 12  # of a command, each of whose parameters is an argument or option with its own help

PROGRAMS = ("cli/", "demo/pretrain.py", "demo/build_suites.py")
"""What may print, exit and read the environment: the command line, and the two scripts that made the demo's files."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def functions(tree: ast.AST) -> Iterator[Function]:
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield node


def too_long(tree: ast.AST) -> list[str]:
    found = []
    for function in functions(tree):
        first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
        length = (function.end_lineno or first) - first + 1
        if length > MAX_FUNCTION:
            found.append(f"{function.name}: {length} lines")
    return found


def too_wide(tree: ast.AST, most: int) -> list[str]:
    found = []
    for function in functions(tree):
        given = function.args
        count = (
            len(given.posonlyargs) + len(given.args) + len(given.kwonlyargs) + bool(given.vararg) + bool(given.kwarg)
        )
        if count > most:
            found.append(f"{function.name}: {count} parameters")
    return found


def undocumented(tree: ast.Module) -> list[str]:
    """The module and its public top-level functions and classes without a docstring."""
    found = [] if ast.get_docstring(tree) else ["the module"]
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node):
            found.append(node.name)
    return found


def reaches_outside(tree: ast.AST) -> list[str]:
    """print(...), exits, and the environment: what only the command line may do."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "exit", "quit"):
            found.append(f"{node.lineno}: {node.func.id}()")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            text = f"{node.value.id}.{node.attr}"
            if text in ("sys.exit", "os._exit", "os.environ", "os.getenv", "os.putenv"):
                found.append(f"{node.lineno}: {text}")
        if isinstance(node, ast.Raise) and "SystemExit" in ast.dump(node):
            found.append(f"{node.lineno}: raise SystemExit")
        if isinstance(node, ast.ImportFrom) and node.module in ("os", "sys"):
            found += [
                f"{node.lineno}: from {node.module} import {alias.name}"
                for alias in node.names
                if alias.name in ("exit", "environ", "getenv")
            ]
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_keeps_the_measures(path: Path) -> None:
    source = path.read_text()
    tree = ast.parse(source)
    lines = len(source.splitlines())
    assert lines <= MAX_LINES
    assert too_long(tree) == []
    assert too_wide(tree, MAX_OPTIONS if name_of(path).startswith("cli/") else MAX_PARAMETERS) == []
    assert undocumented(tree) == []
    if not name_of(path).startswith(PROGRAMS) and name_of(path) != "__main__.py":
        assert reaches_outside(tree) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def f():\n" + "    pass\n" * 60, ["f: 61 lines"]),
        ("@a\ndef f():\n" + "    pass\n" * 58, []),
        ("class C:\n  def f(self):\n" + "    pass\n" * 60, ["f: 61 lines"]),
        ("def f(a, b, /, c, *d, e, f, g, h, **i): pass", ["f: 9 parameters"]),
        ("def f(a, b, c, d, *, e, f, g, h): pass", []),
        ('"""M."""\ndef f(): pass\ndef _g(): pass\nclass C: pass', ["f", "C"]),
        ("x = 1", ["the module"]),
        ("print(1)", ["1: print()"]),
        ("import sys\nsys.exit(3)", ["2: sys.exit"]),
        ("import os\nx = os.environ['A']", ["2: os.environ"]),
        ("from os import environ", ["1: from os import environ"]),
        ("raise SystemExit(1)", ["1: raise SystemExit"]),
    ],
)
def test_the_measures_measure(source: str, found: list[str]) -> None:
    tree = ast.parse(source)
    documented = [] if "module" not in str(found) and '"""' not in source else undocumented(tree)
    assert too_long(tree) + too_wide(tree, MAX_PARAMETERS) + documented + reaches_outside(tree) == found
