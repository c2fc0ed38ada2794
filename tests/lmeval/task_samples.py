"""Tasks of every output type over documents that a test can count on its fingers, and suites that ask them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import yaml

from regress.lmeval.freeze import Freezing, freeze
from regress.schema import Suite
from regress.suite import read_suite

WORDS = ("ant", "bear", "cat", "dog", "eel", "fox", "goat", "hen", "ibis", "jay", "kite", "lion")
CODE = """
def ends_alike(doc, results):
    return {"alike": float(results[0].strip()[-1:] == doc["word"][-1:]) / 2}

def shout(doc):
    return doc["question"].upper()

def louder(dataset):
    return dataset.map(lambda doc: {"question": doc["question"] + "!!"})
"""


def documents(count: int, seed: int = 0) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    found = []
    for number in range(count):
        choices = rng.sample(WORDS, 4)
        gold = rng.randrange(4)
        found.append(
            {
                "question": f"Which of {', '.join(choices)} is number {gold + 1}? ({number})",
                "choices": choices,
                "gold": gold,
                "word": choices[gold],
                "openings": [f"The {choice} is number {gold + 1}, so the {choice}" for choice in choices],
                "passage": f"passage {number // 3}",
            }
        )
    return found


SHARE = {"aggregation": "mean", "higher_is_better": True}
CHOICE: dict[str, Any] = {
    "output_type": "multiple_choice",
    "doc_to_text": "Question: {{question.strip()}}\nAnswer:",
    "doc_to_target": "gold",
    "doc_to_choice": "choices",
    "metric_list": [{"metric": "acc", **SHARE}, {"metric": "acc_norm", **SHARE}],
}
TASKS: dict[str, dict[str, Any]] = {
    "choice": CHOICE,
    "letters": CHOICE | {"doc_to_choice": ["A", "B", "C", "D"], "num_fewshot": 2, "fewshot_split": "dev"},
    "openings": CHOICE
    | {
        "doc_to_text": "gold",
        "doc_to_choice": "openings",
        "doc_to_target": "is an animal",
        "metric_list": CHOICE["metric_list"][:1],
    },
    "mutual": CHOICE | {"metric_list": [{"metric": "acc_mutual_info", **SHARE}]},
    "several": CHOICE | {"doc_to_target": "{{[gold, 0]}}"},
    "last_word": {
        "output_type": "loglikelihood",
        "doc_to_text": "{{question}} It is the",
        "doc_to_target": " {{word}}",
        "metric_list": [
            {"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False},
            {"metric": "acc", **SHARE},
        ],
    },
    "text": {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{openings|join(' ')}} {{openings|join(', ')}} {{question}}",
        "metric_list": [{"metric": "word_perplexity"}, {"metric": "byte_perplexity"}, {"metric": "bits_per_byte"}],
    },
    "write": {
        "output_type": "generate_until",
        "doc_to_text": "{{question}}\nAnswer:",
        "doc_to_target": "{{word}}",
        "generation_kwargs": {"until": ["\n", "."], "max_gen_toks": 12, "do_sample": False, "temperature": 0.0},
        "filter_list": [
            {"name": "first", "filter": [{"function": "take_first"}]},
            {
                "name": "letters",
                "filter": [
                    {"function": "regex", "regex_pattern": "([a-z]+)", "fallback": "[none]"},
                    {"function": "take_first"},
                ],
            },
        ],
        "metric_list": [{"metric": "exact_match", **SHARE, "ignore_case": True, "regexes_to_ignore": [","]}],
        "fewshot_split": "dev",
        "num_fewshot": 1,
    },
}


def write_tasks(folder: Path, *, count: int = 12, changes: dict[str, Any] | None = None) -> Path:
    """Every sample task with its documents in `folder`; `changes` to each task by name, None leaves a key out."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, number, seed in (("test", count, 0), ("dev", 6, 1)):
        lines = [json.dumps(document) + "\n" for document in documents(number, seed)]
        (folder / f"{split}.jsonl").write_text("".join(lines))
    data = {split: str(folder / f"{split}.jsonl") for split in ("test", "dev")}
    for name, task in TASKS.items():
        config = {
            "task": f"sample_{name}",
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": data},
            "test_split": "test",
            **task,
            "metadata": {"version": 1.0},
            **(changes or {}).get(name, {}),
        }
        write_task(folder, name, {key: value for key, value in config.items() if value is not None})
    return folder


def write_task(folder: Path, name: str, config: dict[str, Any]) -> None:
    """One task's YAML; a value that begins with `!function ` stays such."""
    text = yaml.safe_dump(config, sort_keys=False)
    (folder / f"{name}.yaml").write_text(text.replace("'!function ", "!function '"))


def write_group(folder: Path, name: str, members: list[Any], **keys: Any) -> None:
    (folder / f"{name}.yaml").write_text(yaml.safe_dump({"group": name, "task": members, **keys}))


def suite_file(project: Path, task: str, name: str = "asked", **keys: Any) -> Path:
    """suites/NAME.yaml in `project`, over the tasks in suites/tasks."""
    own: dict[str, Any] = {
        key: keys.pop(key) for key in ("prompt", "margin", "role", "generation", "items", "ask") if key in keys
    }
    section: dict[str, Any] = {"task": task, "include_path": "tasks", **keys}
    settings: dict[str, Any] = {
        "name": name,
        "version": 1,
        "category": "capability",
        "margin": 0.2,
        "lm_eval": section,
        **own,
    }
    path = project / "suites" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({key: value for key, value in settings.items() if value is not None}))
    return path


def frozen(project: Path, task: str, *, trust: bool = False, **keys: Any) -> tuple[Suite, Freezing]:
    """The suite over a sample task, frozen and read again."""
    if not (project / "suites" / "tasks").exists():
        write_tasks(project / "suites" / "tasks")
    path = suite_file(project, task, **keys)
    done = freeze(path, project, trust=trust)
    return read_suite(path), done
