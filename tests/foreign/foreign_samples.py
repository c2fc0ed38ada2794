"""Small results in the very shape that lm-eval 0.4.13 and Inspect 0.3 write, and changes to them."""

from __future__ import annotations

import copy
import hashlib
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

DATE = "2026-11-23T08-10-41.576062"
TASK = "capitals"


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class LmEval:
    """One evaluation: its results file and the rows of its samples files, both free to be changed before `write`."""

    def __init__(self, values: Sequence[Any], *, model: str = "org/base", task: str = TASK, groups: Any = None) -> None:
        self.rows = {task: [self.row(i, value) for i, value in enumerate(values)]}
        self.results: dict[str, Any] = {
            "results": {},
            **({"groups": {name: {} for name in groups}} if groups else {}),
            "group_subtasks": groups or {},
            "configs": {},
            "versions": {},
            "n-shot": {},
            "higher_is_better": {},
            "n-samples": {},
            "config": {
                "model": "hf",
                "model_args": f"pretrained={model}",
                "model_dtype": "torch.bfloat16",
                "batch_size": 8,
                "device": "cuda:0",
                "limit": None,
                "gen_kwargs": None,
                "random_seed": 0,
            },
            "lm_eval_version": "0.4.13",
            "transformers_version": "5.0.0",
            "max_length": 4096,
            "task_hashes": {},
            "model_name": model,
            "model_source": "hf",
            "chat_template": None,
            "system_instruction": None,
        }
        self.describe(task)

    def describe(self, task: str) -> None:
        share = {"aggregation": "mean", "higher_is_better": True}
        self.results["configs"][task] = {
            "task": task,
            "output_type": "multiple_choice",
            "repeats": 1,
            "num_fewshot": 0,
            "metric_list": [{"metric": "acc", **share}, {"metric": "acc_norm", **share}, {"metric": "words"}],
            "metadata": {"version": 1.0, "config_source": "/anywhere/capitals.yaml"},
        }
        self.results["versions"][task] = 1.0
        self.results["n-shot"][task] = 0
        self.results["higher_is_better"][task] = {"acc": True, "acc_norm": True, "words": False}

    @staticmethod
    def row(number: int, value: Any, filter_: str = "none") -> dict[str, Any]:
        prompt = f"Question: What is the capital of land {number}?\nAnswer:"
        doc: dict[str, Any] = {
            "question": f"What is the capital of land {number}?",
            "choices": ["Rome", "Lima"],
            "gold": number % 2,
        }
        return {
            "doc_id": number,
            "doc": doc,
            "target": str(number % 2),
            "arguments": {f"gen_args_{i}": {"arg_0": prompt, "arg_1": f" {c}"} for i, c in enumerate(doc["choices"])},
            "resps": [[["-1.5", "False"]], [["-2.5", "False"]]],
            "filtered_resps": [["-1.5", "False"], ["-2.5", "False"]],
            "filter": filter_,
            "metrics": ["acc", "acc_norm", "words"],
            "doc_hash": sha(json.dumps(doc)),
            "prompt_hash": sha(prompt),
            "target_hash": sha(str(number % 2)),
            "acc": value,
            "acc_norm": value,
            "words": -3.5,
        }

    def seal(self) -> None:
        """Counts, hashes and means, as lm-eval would have written them for these rows."""
        for task, rows in self.rows.items():
            ids = {str(row.get("doc_id")) for row in rows}
            self.results["n-samples"][task] = {"original": len(ids), "effective": len(ids)}
            hashes = "".join(str(row.get(key)) for row in rows for key in ("doc_hash", "prompt_hash", "target_hash"))
            self.results["task_hashes"][task] = sha(hashes)
            figures: dict[str, Any] = {"name": task, "alias": task, "sample_len": len(ids)}
            for metric in ("acc", "acc_norm", "words"):
                for name in dict.fromkeys(row.get("filter") for row in rows):
                    values = [row.get(metric) for row in rows if row.get("filter") == name]
                    numbers = [float(v) for v in values if isinstance(v, bool | int | float)]
                    figures[f"{metric},{name}"] = sum(numbers) / len(numbers) if numbers else 0.0
                    figures[f"{metric}_stderr,{name}"] = "N/A"
            self.results["results"][task] = figures

    def write(self, folder: Path, *, date: str = DATE, sealed: bool = True) -> Path:
        """OUT/MODEL/results_DATE.json and samples_TASK_DATE.jsonl; OUT is returned."""
        if sealed:
            self.seal()
        place = folder / str(self.results["model_name"]).replace("/", "__")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"results_{date}.json").write_text(json.dumps(self.results, indent=2))
        for task, rows in self.rows.items():
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (place / f"samples_{task}_{date}.jsonl").write_text(text)
        return folder

    def add(self, other: LmEval, task: str) -> LmEval:
        """Another task's rows in the same evaluation."""
        self.rows[task] = copy.deepcopy(other.rows[task])
        self.describe(task)
        return self


def samples_of(folder: Path) -> Path:
    (found,) = folder.rglob("samples_*.jsonl")
    return found


Change = Callable[[dict[str, Any]], None]


def inspect_log(values: Sequence[Any], *, model: str = "vllm/base", epochs: int = 1) -> dict[str, Any]:
    """A log of `len(values) / epochs` samples; `values` go epoch by epoch."""
    count = len(values) // epochs
    samples = [inspect_sample(i % count, i // count + 1, value) for i, value in enumerate(values)]
    scorer = {"name": "match", "options": {}, "metrics": [{"name": "inspect_ai/accuracy", "options": {}}]}
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "task": TASK,
            "task_version": 1,
            "task_args": {},
            "dataset": {"name": "caps", "samples": count, "shuffled": False},
            "model": model,
            "model_generate_config": {"max_connections": 10},
            "model_args": {},
            "config": {"epochs": epochs, "fail_on_error": True},
            "packages": {"inspect_ai": "0.3.285"},
            "scorers": [scorer],
        },
        "plan": {
            "steps": [{"solver": "generate", "params": {"temperature": 0.0}}],
            "config": {"temperature": 0.0, "max_connections": 10},
        },
        "results": {
            "total_samples": len(values),
            "completed_samples": len(values),
            "scores": [{"name": "match", "scorer": "match", "metrics": {}}],
        },
        "invalidated": False,
        "samples": samples,
    }


def inspect_sample(number: int, epoch: int, value: Any) -> dict[str, Any]:
    message = {"id": f"random-{number}-{epoch}-{value}", "role": "user", "content": f"Capital of land {number}?"}
    return {
        "id": f"land-{number}",
        "epoch": epoch,
        "input": [message],
        "target": "Rome",
        "messages": [message],
        "output": {"completion": "Rome" if value == "C" else "Lima"},
        "scores": {"match": {"value": value, "answer": "Rome"}},
        "metadata": {},
        "attachments": {},
    }


def write_log(path: Path, log: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(log))
    return path


def write_archive(path: Path, log: dict[str, Any], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """The same log as Inspect's `.eval` archive."""
    header = {key: value for key, value in log.items() if key != "samples"}
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("_journal/start.json", "{}")
        for sample in log["samples"]:
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
        archive.writestr("header.json", json.dumps(header))
    return path
