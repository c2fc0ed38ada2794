"""The tasks of `parity.py`: public data as lm-eval tasks of every output type, written into a folder."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SUBJECTS = ("abstract_algebra", "anatomy", "astronomy", "business_ethics")
MEAN = {"aggregation": "mean", "higher_is_better": True}
CODE = '''
def follows(doc, results):
    """The share of those instructions that a few lines can check, and whether the reply keeps to all of them."""
    text = results[0]
    rules = {
        "punctuation:no_comma": "," not in text,
        "change_case:english_lowercase": text == text.lower(),
        "change_case:english_capital": text == text.upper(),
        "startend:quotation": text.strip().startswith('"') and text.strip().endswith('"'),
        "detectable_format:title": "<<" in text and ">>" in text,
    }
    kept = [rules[rule] for rule in doc["instruction_id_list"] if rule in rules]
    return {"follows_all": int(all(kept)), "follows": sum(kept) / len(kept)}
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A task: its documents by split, and its YAML."""

    name: str
    splits: Mapping[str, Sequence[Mapping[str, Any]]]
    config: Mapping[str, Any]
    few: bool = False  # long texts: a third of the limit
    trusted: bool = False
    members: tuple[Source, ...] = ()  # of a group, which has no documents of its own

    @property
    def leaves(self) -> tuple[Source, ...]:
        return self.members or (self,)


def rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [dict(row) for row in csv.DictReader(file)]
    return [json.loads(line) for line in path.open(encoding="utf-8")]


def choice(text: str, target: str, choices: Any, *metrics: str, **more: Any) -> dict[str, Any]:
    listed = [{"metric": metric, **MEAN} for metric in metrics]
    asked = {"doc_to_text": text, "doc_to_target": target, "doc_to_choice": choices, "metric_list": listed}
    return {"output_type": "multiple_choice", **asked, **more}


def gauntlet(data: Path, name: str, *metrics: str, rename: str = "", **more: Any) -> Source:
    documents = rows(data / "gauntlet" / f"{name}.jsonl")
    config = choice("{{query.rstrip()}}", "gold", "choices", *metrics, **more)
    return Source(name=rename or name, splits={"test": documents}, config=config)


def winogrande(data: Path) -> Source:
    documents = rows(data / "gauntlet" / "winogrande.jsonl")
    return Source(
        name="winogrande",
        splits={"test": documents},
        config=choice("gold", "continuation", "context_options", "acc"),
    )


def lambada(data: Path) -> Source:
    config = {
        "output_type": "loglikelihood",
        "doc_to_text": "{{context}}",
        "doc_to_target": " {{continuation}}",
        "metric_list": [{"metric": "acc", **MEAN}],
    }
    return Source(name="lambada", splits={"test": rows(data / "gauntlet" / "lambada_openai.jsonl")}, config=config)


def mmlu(data: Path, subject: str, *, write: bool = False) -> Source:
    def document(row: Mapping[str, Any]) -> dict[str, Any]:
        options = [row[f"choice{k}"] for k in range(4)]
        return {"question": row["question"], "options": options, "answer": int(row["answer"])}

    splits = {s: [document(row) for row in rows(data / "mmlu" / s / f"{subject}_{s}.csv")] for s in ("dev", "test")}
    text = "{{question.strip()}}\nA. {{options[0]}}\nB. {{options[1]}}\nC. {{options[2]}}\nD. {{options[3]}}\nAnswer:"
    shots = {"fewshot_split": "dev", "fewshot_config": {"sampler": "first_n"}, "num_fewshot": 5}
    shots["description"] = f"Questions about {subject.replace('_', ' ')}.\n\n"
    if not write:
        config = choice(text, "answer", ["A", "B", "C", "D"], "acc", **shots)
        return Source(name=f"mmlu_{subject}", splits=splits, config=config)
    config = {
        "output_type": "generate_until",
        "doc_to_text": text,
        "doc_to_target": "{{['A', 'B', 'C', 'D'][answer]}}",
        "generation_kwargs": {"until": ["</s>", "\n"], "max_gen_toks": 8},
        "metric_list": [{"metric": "exact_match", **MEAN, "ignore_case": True, "ignore_punctuation": True}],
        **shots,
    }
    return Source(name=f"mmlu_{subject}_written", splits=splits, config=config)


def mmlu_group(data: Path) -> Source:
    members = tuple(mmlu(data, subject) for subject in SUBJECTS)
    return Source(name="mmlu", splits={}, config={"output_type": "multiple_choice"}, members=members)


def gsm8k(data: Path) -> Source:
    extract = {"function": "regex", "regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)", "group_select": -1}
    config = {
        "output_type": "generate_until",
        "fewshot_split": "train",
        "num_fewshot": 2,
        "doc_to_text": "Question: {{question}}\nAnswer:",
        "doc_to_target": "{{answer.split('### ')[-1].rstrip()}}",
        "generation_kwargs": {"until": ["Question:", "</s>"], "do_sample": False, "max_gen_toks": 96},
        "filter_list": [{"name": "flexible-extract", "filter": [extract, {"function": "take_first"}]}],
        "metric_list": [{"metric": "exact_match", **MEAN, "regexes_to_ignore": [",", "\\$", "\\.$"]}],
    }
    splits = {split: rows(data / "gsm8k" / f"{split}.jsonl") for split in ("train", "test")}
    return Source(name="gsm8k", splits=splits, config=config, few=True)


def ifeval(data: Path) -> Source:
    known = ("no_comma", "english_lowercase", "english_capital", "quotation", "format:title")
    wanted = [
        {key: row[key] for key in ("key", "prompt", "instruction_id_list")}
        for row in rows(data / "ifeval" / "input_data.jsonl")
        if any(rule.endswith(known) for rule in row["instruction_id_list"])
    ]
    config = {
        "output_type": "generate_until",
        "doc_to_text": "prompt",
        "doc_to_target": 0,
        "generation_kwargs": {"until": [], "do_sample": False, "max_gen_toks": 96},
        "process_results": "!function code.follows",
        "metric_list": [{"metric": "follows_all", **MEAN}, {"metric": "follows", **MEAN}],
    }
    return Source(name="ifeval", splits={"test": wanted}, config=config, few=True, trusted=True)


def truthfulqa(data: Path) -> Source:
    documents = []
    for row in rows(data / "truthfulqa" / "TruthfulQA.csv"):
        wrong = [text.strip() for text in row["Incorrect Answers"].split(";") if text.strip()]
        documents.append({"question": row["Question"], "choices": [row["Best Answer"], *wrong]})
    opening = "{% set shown = 'Q: What is the square root of banana?\nA: I have no comment.' %}"
    config = choice(opening + "{{shown + '\n\nQ: ' + question + '\nA:'}}", "{{0}}", "{{choices}}", "acc")
    return Source(name="truthfulqa_mc1", splits={"test": documents}, config=config)


def passages(data: Path) -> Source:
    """Texts of more than one context window."""
    texts = [row["query"] for row in rows(data / "gauntlet" / "boolq.jsonl")]
    joined = [{"text": "\n\n".join(texts[start : start + 24])} for start in range(0, 24 * 40, 24)]
    metrics = [{"metric": metric} for metric in ("word_perplexity", "byte_perplexity", "bits_per_byte")]
    config = {"output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "{{text}}"}
    return Source(name="passages", splits={"test": joined}, config={**config, "metric_list": metrics}, few=True)


def sources(data: Path) -> list[Callable[[], Source]]:
    return [
        lambda: gauntlet(data, "arc_easy", "acc_norm", "acc", num_fewshot=2),
        lambda: gauntlet(data, "arc_easy", "acc_mutual_info", rename="arc_easy_mutual"),
        lambda: gauntlet(data, "piqa", "acc", "acc_norm"),
        lambda: gauntlet(data, "boolq", "acc"),
        lambda: gauntlet(data, "copa", "acc", num_fewshot=1),
        lambda: winogrande(data),
        lambda: lambada(data),
        lambda: truthfulqa(data),
        lambda: mmlu_group(data),
        lambda: mmlu(data, "astronomy", write=True),
        lambda: gsm8k(data),
        lambda: ifeval(data),
        lambda: passages(data),
    ]


def write(folder: Path, source: Source) -> None:
    if source.members:
        for member in source.members:
            write(folder, member)
        names = [f"parity_{member.name}" for member in source.members]
        group = {"group": f"parity_{source.name}", "task": names, "aggregate_metric_list": [{"metric": "acc"}]}
        (folder / f"{source.name}.yaml").write_text(yaml.safe_dump(group))
        return
    files = {}
    for split, documents in source.splits.items():
        path = folder / f"{source.name}.{split}.jsonl"
        path.write_text("".join(json.dumps(dict(document)) + "\n" for document in documents))
        files[split] = str(path)
    config = {
        "task": f"parity_{source.name}",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": files},
        "test_split": "test",
        **source.config,
        "metadata": {"version": 1.0},
    }
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    text = text.replace("'!function code.follows'", "!function 'code.follows'")
    (folder / f"{source.name}.yaml").write_text(text)
