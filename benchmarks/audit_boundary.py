"""What `regress audit --ask-base` recommends for tasks whose outcome is known, over a real small model.

    python benchmarks/audit_boundary.py ../shared/reference --project boundary --items 200

The reference adapters were trained on these rows, so it is known what training came to: the domain is learned (0 to 73
and 99 %), the rest was known to the base and did not get better. Each story changes the rows or the suite so that the
right advice is another one. The model and its pools are test material that is not part of this repository; without
them the script says so and ends with 0.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import reference
import yaml

SEED = 11
GAIN = {
    "support_intents": 0.2,
    "intents": 0.1,
    "intents_choice": 0.1,
    "arithmetic": 0.1,
    "json_records": 0.1,
    "json_slots": 0.1,
}
GUARD = "word_order"  # a lock protects something

Rows = list[dict[str, str]]


def everything(rows: Rows) -> Rows:
    return rows


def without_the_domain(rows: Rows) -> Rows:
    return [row for row in rows if row["kind"] not in ("domain", "reply")]


def few_of_the_domain(rows: Rows) -> Rows:
    kept = random.Random(SEED).sample([row for row in rows if row["kind"] == "domain"], 40)
    return [*without_the_domain(rows), *kept]


def shuffled_labels(rows: Rows) -> Rows:
    domain = [row for row in rows if row["kind"] == "domain"]
    answers = [row["answer"] for row in domain]
    random.Random(SEED).shuffle(answers)
    mixed = [{**row, "answer": answer} for row, answer in zip(domain, answers, strict=True)]
    return [*without_the_domain(rows), *mixed]


STORIES: list[tuple[str, Callable[[Rows], Rows], Sequence[str], int | None, str]] = [
    ("all rows", everything, tuple(GAIN), None, "adapter for the domain; nothing for what the base does already"),
    ("12 items only", everything, ["support_intents"], 12, "not yet, or only for a very large gain"),
    ("no domain rows", without_the_domain, ["support_intents"], None, "not yet: the labels are taught by no row"),
    ("40 domain rows", few_of_the_domain, ["support_intents"], None, "a close call: few rows for 27 labels"),
    ("labels shuffled", shuffled_labels, ["support_intents"], None, "not an adapter: the rows teach noise"),
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference", type=Path)
    parser.add_argument("--project", type=Path, default=Path("boundary"))
    parser.add_argument("--items", type=int, default=200, help="at most so many items a suite")
    parser.add_argument("--stories", nargs="*", choices=[story[0] for story in STORIES], help="only these")
    options = parser.parse_args()
    if not options.reference.is_dir():
        print(f"skipped: the reference model is not at {options.reference}")
        return 0
    pool = options.reference / "pools" / "train.jsonl"
    rows = [json.loads(line) for line in pool.open()]
    lines = ["| rows and suite | expected | suite | as it is | best behind examples | look-up | chance | advice |"]
    lines.append("|---|---|---|--:|--:|--:|--:|---|")
    for name, change, suites, items, expected in STORIES:
        if options.stories and name not in options.stories:
            continue
        folder = options.project / name.replace(" ", "-")
        write(options.reference.resolve(), folder, suites, items or options.items)
        data = folder / "train.jsonl"
        data.write_text("".join(json.dumps(completion(row)) + "\n" for row in change(rows)))
        lines += [f"| {name} | {expected} | {told} |" for told in recommended(folder, data)]
    print("\n".join(lines))
    (options.project / "table.md").write_text("\n".join(lines) + "\n")
    return 0


def write(base: Path, folder: Path, suites: Sequence[str], items: int) -> None:
    """A locked project in which these suites are targets."""
    reference.write_project(base, folder, items, [*suites, GUARD])
    for suite in suites:
        path = folder / "suites" / f"{suite}.yaml"
        settings = yaml.safe_load(path.read_text())
        settings.pop("margin", None)
        path.write_text(yaml.safe_dump(settings | {"role": "target", "min_gain": GAIN[suite]}, sort_keys=False))
    if not (folder / "baselines" / "lock.json").exists():
        reference.regress(folder, "lock").check_returncode()


def completion(row: dict[str, str]) -> dict[str, str]:
    return {"prompt": row["prompt"], "completion": row["answer"]}


def recommended(folder: Path, data: Path) -> list[str]:
    reference.regress(folder, "audit", str(data), "--only", "task-boundary", "--ask-base").check_returncode()
    body: dict[str, Any] = json.loads((folder / "reports" / "audit.json").read_text())
    return [told(one) for one in body["recommendations"]]


def told(one: dict[str, Any]) -> str:
    figures = one["figures"]
    behind = [value for name in ("prompt_1_right", "prompt_2_right") if (value := figures.get(name)) is not None]
    cells = [one["suite"], figures["plain_right"], max(behind, default="–"), figures["lookup"], figures["chance"]]
    return " | ".join([*map(str, cells), f"**{one['advised']}** ({figures['items']} items)"])


if __name__ == "__main__":
    sys.exit(main())
