"""lm-eval's tasks by name: its own, and those of a folder inside the project. Nothing here runs a task's code."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from lm_eval.config.group import GroupConfig
from lm_eval.tasks._index import Entry, Kind, TaskIndex

from regress.errors import SuiteError
from regress.lmeval.configs import LIBRARY, Code, check_yaml, read_config

GROUP_KEYS = frozenset(field.name for field in fields(GroupConfig)) | {"include"}
STRUCTURAL = ("tag", "group", "task_list")
Index = Mapping[str, Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSource:
    """One task: its configuration with code unloaded, and the YAML files that it came from."""

    name: str
    config: Mapping[str, Any]
    files: tuple[Path, ...]


def find(name: str, include_path: Path | None) -> tuple[TaskSource, ...]:
    """The task of that name, or every task of the group or tag, in lm-eval's order.

    Tasks of `include_path` go before lm-eval's. Raises SuiteError for an unknown name, with close ones.
    """
    own = _index_of(include_path) if include_path is not None else {}
    if name in own:
        try:
            return _leaves(name, own)
        except KeyError:  # a group that also names lm-eval's tasks
            pass
    index = {**_library(), **own}
    if name not in index:
        near = difflib.get_close_matches(name, index, n=3, cutoff=0.6)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise SuiteError(f"lm-eval has no task {name!r}.{hint} `regress suites list '{name[:4]}*'` lists some.")
    try:
        return _leaves(name, index)
    except KeyError as reason:
        raise SuiteError(f"the lm-eval group {name!r} names the task {reason}, which there is not.") from reason


def matching(pattern: str, include_path: Path | None = None) -> list[tuple[str, str]]:
    """(name, `task`, `group` or `tag`) of everything that the shell pattern matches, sorted."""
    index = {**_library(), **(_index_of(include_path) if include_path is not None else {})}
    words = {Kind.TASK: "task", Kind.PY_TASK: "task", Kind.GROUP: "group", Kind.TAG: "tag"}
    return sorted((name, words.get(index[name].kind, "task")) for name in fnmatch.filter(index, pattern))


@cache
def _library() -> Index:
    """Everything that comes with lm-eval: some 14,000 names, read in eight seconds."""
    index: Index = TaskIndex.build([LIBRARY])
    return index


def _index_of(folder: Path) -> Index:
    """The tasks of a folder; every YAML file in it is read strictly first, since lm-eval skips what it cannot read."""
    if not folder.is_dir():
        raise SuiteError(f"include_path {folder} is no folder.")
    index: dict[str, Entry] = {}
    for path in sorted(folder.glob("**/*.yaml"), key=Path.as_posix):
        check_yaml(path)
        config, _ = read_config(path)
        if not {"task", "group"} & config.keys():
            continue  # a template that others include
        before = dict(index)
        TaskIndex.process_cfg(_plain(config), path, index)
        name = str(config.get("group") or config["task"])
        if name in before and index[name] is before[name]:
            raise SuiteError(f"the name {name!r} is also that of {before[name].yaml_path}.", path=path)
    return index


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value.name if isinstance(value, Code) else value for key, value in config.items()}


# --- groups -----------------------------------------------------------------------------------------------------------


def _leaves(name: str, index: Index) -> tuple[TaskSource, ...]:
    """The tasks below a name; raises KeyError for one that is not in this index, SuiteError where there is none."""
    found = {leaf.name: leaf for leaf in _below(index[name], {}, index, frozenset())}
    if not found:
        raise SuiteError(f"the lm-eval group {name!r} holds no task.")
    return tuple(found.values())


def _below(entry: Entry, overrides: Mapping[str, Any], index: Index, above: frozenset[str]) -> Iterator[TaskSource]:
    if entry.name in above:
        raise SuiteError(f"the lm-eval group {entry.name!r} contains itself.")
    if entry.kind is Kind.TAG:
        for name in sorted(entry.tags):
            yield from _below(index[name], overrides, index, above | {entry.name})
    elif entry.kind is Kind.GROUP:
        config, _ = read_config(entry.yaml_path)
        yield from _members(config, entry.name, overrides, index, above | {entry.name})
    else:
        yield _task(entry, overrides)


def _task(entry: Entry, overrides: Mapping[str, Any]) -> TaskSource:
    config, files = read_config(entry.yaml_path)
    merged = {key: value for key, value in {**config, **overrides}.items() if key not in STRUCTURAL}
    return TaskSource(name=entry.name, config={**merged, "task": entry.name}, files=files)


def _members(
    config: Mapping[str, Any], group: str, overrides: Mapping[str, Any], index: Index, above: frozenset[str]
) -> Iterator[TaskSource]:
    """A group's tasks. What the group says of them goes before what they say themselves, a caller's before both."""
    merged = {**{key: value for key, value in config.items() if key not in GROUP_KEYS}, **overrides}
    members = config.get("task")
    for member in members if isinstance(members, list) else []:
        if isinstance(member, str):
            name, own = member, dict(merged)
        elif isinstance(member, dict) and isinstance(member.get("group", member.get("task")), str):
            name = str(member.get("group", member.get("task")))
            own = {**merged, **{key: value for key, value in member.items() if key not in ("group", "task")}}
        elif isinstance(member, dict) and "group" in member:
            yield from _members(member, f"{group}::{member['group']}", merged, index, above)
            continue
        else:
            raise SuiteError(f"the lm-eval group {group!r} has a member that names no task: {member!r}.")
        if name in index:
            yield from _below(index[name], own, index, above)
        elif isinstance(member, dict) and "group" in member:
            yield from _members(member, f"{group}::{name}", merged, index, above)
        elif isinstance(member, dict) and "dataset_path" in own:
            yield TaskSource(name=f"{group}::{name}", config={**own, "task": f"{group}::{name}"}, files=())
        else:
            raise KeyError(name)
