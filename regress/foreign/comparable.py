"""May two results be compared? Only where everything that was asked, and how it was scored, is the same.

What ran it (model, precision, device, versions) may differ, since one of these is what the comparison is about; each of
these differences is said. Anything else is refused with the field, both values and the mend.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from regress.errors import ComparisonError
from regress.foreign.records import ForeignResults, ForeignTask, shown

MENDS = {
    "chat_template": "--apply_chat_template or --chat_template of the other",
    "system_instruction": "--system_instruction of the other",
    "limit": "--limit of the other",
    "gen_kwargs": "--gen_kwargs of the other",
    "generation_kwargs": "--gen_kwargs of the other",
    "num_fewshot": "--num_fewshot of the other",
    "task version": "lm-eval of the other's version",
    "number of samples": "--limit or --samples of the other",
    "metric": "--metric here",
    "filter": "--filter here",
    "scorer": "--metric here",
    "epochs": "--epochs of the other",
}
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+>")  # of a function that was written as text
_FIRST = 3  # names in a message


def check(a: ForeignResults, b: ForeignResults) -> dict[str, tuple[Any, Any]]:
    """What runs `a` and `b` in different ways; raises ComparisonError for any other difference."""
    _same_tasks(a, b)
    _same_settings("", a.settings, b.settings)
    for name, task in a.tasks.items():
        other = b.tasks[name]
        _same_settings(f"task {shown(name)}: ", task.settings, other.settings)
        _same_items(task, other)
    keys = dict.fromkeys([*a.how, *b.how])
    return {key: (a.how.get(key), b.how.get(key)) for key in keys if _differ(a.how.get(key), b.how.get(key))}


def _refuse(what: str, mend: str) -> ComparisonError:
    return ComparisonError(f"A and B are not comparable: {what}. {mend}")


def _same_tasks(a: ForeignResults, b: ForeignResults) -> None:
    only_a, only_b = sorted(a.tasks.keys() - b.tasks.keys()), sorted(b.tasks.keys() - a.tasks.keys())
    if not (only_a or only_b):
        return
    sides = [f"{_some(names)} only in {side}" for side, names in (("A", only_a), ("B", only_b)) if names]
    raise _refuse(
        f"they hold different tasks: {', '.join(sides)}",
        "Run what is missing, or name the files of one task each.",
    )


def _same_settings(where: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> None:
    for key in dict.fromkeys([*a, *b]):
        if (key in a) is not (key in b):  # one side has no results file to tell
            continue
        if _differ(a[key], b[key]):
            mend = MENDS.get(key)
            again = "Run one of them again" + (" with the other's settings" if mend is None else f" with {mend}")
            here = f"Choose one for both: {mend}" if mend is not None and mend.endswith(" here") else again
            raise _refuse(f"{where}{key} is {shown(a[key])} in A and {shown(b[key])} in B", f"{here}.")


def _differ(a: Any, b: Any) -> bool:
    return _text(a) != _text(b)


def _text(value: Any) -> str:
    return _ADDRESS.sub(">", json.dumps(value, sort_keys=True))


def _same_items(a: ForeignTask, b: ForeignTask) -> None:
    """The same questions under the same ids: never the intersection, and no id is taken for a question's identity."""
    name = shown(a.name)
    only_a, only_b = sorted(a.items.keys() - b.items.keys()), sorted(b.items.keys() - a.items.keys())
    if only_a or only_b:
        sides = [f"{_some(ids)} only in {side}" for side, ids in (("A", only_a), ("B", only_b)) if ids]
        raise _refuse(
            f"task {name} was asked of {len(a.items)} items in A and of {len(b.items)} in B: {', '.join(sides)}",
            "Run one of them again with the other's items.",
        )
    for id_, item in a.items.items():
        other = b.items[id_]
        changed = [part for part, digest in item.asked.items() if other.asked.get(part) != digest]
        if changed:
            count = sum(dict(i.asked) != dict(b.items[k].asked) for k, i in a.items.items())
            raise _refuse(
                f"task {name}: {count} of {len(a.items)} items are others in B (item {shown(id_)}: another "
                f"{' and '.join(changed)}, {shown(item.prompt, 60)} in A and {shown(other.prompt, 60)} in B)",
                "Run one of them again on the other's documents, worked examples and template.",
            )
    if not a.items:
        raise _refuse(f"task {name} holds no item", "Run it again.")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _FIRST} more" if len(names) > _FIRST else ""
    return ", ".join(shown(name, 60) for name in names[:_FIRST]) + more
