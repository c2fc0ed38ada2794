"""Task configurations as plain data: YAML with its code named and not loaded, and back to what lm-eval takes.

lm-eval's own loader imports a function as soon as it reads `!function`. Here it becomes a `Code`, which is what can be
shown, digested and kept in JSON; it is imported only when the task is built.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lm_eval.tasks
import yaml
from lm_eval.tasks import _yaml_loader

from regress.errors import SuiteError
from regress.hashing.files import digest_file

CODE_KEY = "!function"
LIBRARY = Path(lm_eval.tasks.__file__).parent
MAX_BYTES = 2**20
MAX_DEPTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """`!function utils.process_docs` in a YAML file of `folder`."""

    name: str
    folder: Path

    @property
    def file(self) -> Path | None:
        """The module's file, as lm-eval looks for it; None for one that Python finds somewhere."""
        module, _, _ = self.name.rpartition(".")
        found = self.folder / f"{module.replace('.', '/')}.py"
        return found if found.is_file() else None

    def load(self) -> Any:
        """The function or class itself: this runs its module."""
        return _yaml_loader._import_func_in_yml(self.name, self.folder)


def read_config(path: Path, _seen: frozenset[Path] = frozenset()) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """A task's or group's YAML file with its includes merged as lm-eval does, and all files that were read.

    Raises SuiteError for a file that is too large or too deep, is no mapping, or includes itself.
    """
    path = path.resolve()
    if path in _seen:
        raise SuiteError("includes itself.", path=path)
    config = _parse(path)
    sources = [path]
    merged: dict[str, Any] = {}
    includes = config.pop("include", None) or []
    for name in includes if isinstance(includes, list) else [includes]:
        inherited, read = read_config(path.parent / str(name), _seen | {path})
        inherited.pop("task_list", None)
        merged.update(inherited)
        sources += read
    return {**merged, **config}, tuple(sources)


def _parse(path: Path) -> dict[str, Any]:
    text = check_yaml(path)

    class Loader(yaml.SafeLoader):
        pass

    def code(loader: yaml.SafeLoader, node: yaml.Node) -> Code:
        return Code(name=str(loader.construct_scalar(node)), folder=path.parent)  # type: ignore[arg-type]

    Loader.add_constructor(CODE_KEY, code)
    try:
        config = yaml.load(text, Loader=Loader)
    except (yaml.YAMLError, ValueError) as reason:
        raise SuiteError(f"is not a task's YAML: {' '.join(str(reason).split())}.", path=path) from reason
    if not isinstance(config, dict):
        raise SuiteError("holds no mapping, so it describes no task.", path=path)
    return config


def check_yaml(path: Path) -> str:
    """The text of a YAML file that any parser survives: lm-eval reads every file of a folder with libyaml."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        text = raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as reason:
        raise SuiteError(f"cannot be read: {reason}.", path=path) from reason
    if len(raw) > MAX_BYTES:
        raise SuiteError(f"is larger than {MAX_BYTES:,} bytes.", path=path)
    depth = 0
    try:
        for token in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(token, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    raise SuiteError(f"is nested deeper than {MAX_DEPTH} levels.", path=path)
            elif isinstance(token, yaml.CollectionEndEvent):
                depth -= 1
    except (yaml.YAMLError, ValueError, RecursionError) as reason:
        raise SuiteError(f"is not YAML: {' '.join(str(reason).split())}.", path=path) from reason
    return text


# --- to JSON and back -------------------------------------------------------------------------------------------------


def place_of(path: Path, beside: Path) -> str:
    """A file or folder by a name that holds on every machine: within lm-eval, or from the suite file's folder."""
    path = path.resolve()
    if path.is_relative_to(LIBRARY):
        return f"lm_eval:{path.relative_to(LIBRARY).as_posix()}"
    return f"suite:{Path(os.path.relpath(path, beside.resolve())).as_posix()}"


def located(place: str, beside: Path) -> Path:
    """The file or folder of `place_of`."""
    kind, _, name = place.partition(":")
    return LIBRARY / name if kind == "lm_eval" else beside / name


def to_json(value: Any, beside: Path) -> Any:
    """A configuration as JSON, code as `{"!function": name, "folder": place}`; TypeError for what has no form."""
    if isinstance(value, Code):
        return {CODE_KEY: value.name, "folder": place_of(value.folder, beside)}
    if isinstance(value, Mapping):
        return {str(key): to_json(inner, beside) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(inner, beside) for inner in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"{value!r} of type {type(value).__name__}")


def from_json(value: Any, beside: Path) -> Any:
    """The configuration again, code unloaded."""
    if isinstance(value, dict):
        if value.keys() == {CODE_KEY, "folder"}:
            return Code(name=value[CODE_KEY], folder=located(value["folder"], beside))
        return {key: from_json(inner, beside) for key, inner in value.items()}
    if isinstance(value, list):
        return [from_json(inner, beside) for inner in value]
    return value


def with_code(value: Any) -> Any:
    """The configuration as lm-eval takes it: every `Code` imported."""
    if isinstance(value, Code):
        return value.load()
    if isinstance(value, dict):
        return {key: with_code(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_code(inner) for inner in value]
    return value


def code_in(value: Any, at: str = "") -> list[tuple[str, Code]]:
    """Every piece of code with the key that it stands under: ("metric_list[0].aggregation", ...)."""
    if isinstance(value, Code):
        return [(at, value)]
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in code_in(inner, f"{at}.{key}" if at else str(key))]
    if isinstance(value, list):
        return [found for index, inner in enumerate(value) for found in code_in(inner, f"{at}[{index}]")]
    return []


def digests(config: Mapping[str, Any], sources: tuple[Path, ...], beside: Path) -> dict[str, str]:
    """Digests of the YAML files that a configuration came from and of the modules that it names, by place."""
    modules = [code.file for _, code in code_in(dict(config)) if code.file is not None]
    return {place_of(path, beside): digest_file(path, refuse=SuiteError).digest for path in (*sources, *modules)}
