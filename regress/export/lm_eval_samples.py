"""Runs as lm-eval 0.4 writes them with `--log_samples`: VARIANT/results_DATE.json and samples_SUITE_DATE.jsonl.

Tools that read those read these, `regress diff` among them, which finds the same items lost and gained. What is not
lm-eval's is said where it says it: `model_source` is regress, `doc` holds our item and the digest of the tokens sent. A
chat's prompt is its messages as JSON, as lm-eval keeps them for chat endpoints: rendering them takes the tokenizer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from regress import __version__
from regress.errors import ExportError
from regress.run.judge import Judgement
from regress.schema import Ask, Item, ItemOutcome, Manifest, Outcome, PromptStyle, Suite
from regress.store.atomic import make_folder, write_atomic
from regress.store.runs import StoredRun

ACC, SCORE = "acc", "score"
FILTER = "none"


def write_lm_eval(judgement: Judgement, folder: Path, now: datetime) -> list[Path]:
    """One folder a variant under `folder`; returns the results files. Raises ExportError for a reply without its score.

    The first metric is what the gate judges: the right ones, or the mean score where the scorer grades.
    """
    assert judgement.grounds is not None
    runs, suites = list(judgement.grounds.runs.values()), judgement.grounds.loaded.suites
    graded = {s.name for s in suites for run in runs for o in _of(run, s).values() if o.value is not None}
    return [_write_run(run, suites, graded, folder, now) for run in runs]


def _write_run(run: StoredRun, suites: Sequence[Suite], graded: set[str], folder: Path, now: datetime) -> Path:
    date = now.strftime("%Y-%m-%dT%H-%M-%S.%f")
    place = folder / run.manifest.variant
    make_folder(place)
    rows = {suite.name: list(_rows(suite, _of(run, suite), suite.name in graded)) for suite in suites}
    for name, found in rows.items():
        text = "".join(json.dumps(row, allow_nan=False) + "\n" for row in found)
        write_atomic(place / f"samples_{name}_{date}.jsonl", text.encode("ascii"))
    results = place / f"results_{date}.json"  # last: samples without it are not whole
    body = _results(run.manifest, suites, rows, now)
    write_atomic(results, json.dumps(body, indent=2, allow_nan=False).encode("ascii"))
    return results


def _of(run: StoredRun, suite: Suite) -> Mapping[str, ItemOutcome]:
    return run.outcomes.get(suite.name, {})


# --- a row ------------------------------------------------------------------------------------------------------------


def _rows(suite: Suite, outcomes: Mapping[str, ItemOutcome], graded: bool) -> Iterator[dict[str, Any]]:
    """In the suite's order, whatever the order of asking."""
    for item in suite.items:
        if item.id in outcomes:
            yield _row(suite, item, outcomes[item.id], graded)


def _row(suite: Suite, item: Item, outcome: ItemOutcome, graded: bool) -> dict[str, Any]:
    doc = _document(item) | {"item_digest": outcome.item_digest, "request_digest": outcome.request_digest}
    target, sent = _target(item), _requests(suite, item)
    scores = {ACC: 1.0 if outcome.outcome is Outcome.PASS else 0.0}
    if graded:
        scores = {SCORE: _value(outcome)} | scores
    answers = _answers(suite, outcome)
    return {
        "doc_id": item.id,
        "doc": doc,
        "target": target,
        "arguments": {f"gen_args_{k}": {"arg_0": first, "arg_1": second} for k, (first, second) in enumerate(sent)},
        "resps": [[answer] for answer in answers] if suite.ask is Ask.CHOOSE else [answers],
        "filtered_resps": answers if suite.ask is Ask.CHOOSE else answers[:1],
        "filter": FILTER,
        "metrics": list(scores),
        "doc_hash": _hash(json.dumps(doc, indent=2, ensure_ascii=False)),
        "prompt_hash": _hash(sent[0][0]),
        "target_hash": _hash(target),
        **scores,
    }


def _document(item: Item) -> dict[str, Any]:
    """What the suite file says of it, keys that it leaves out left out."""
    said = asdict(item)
    shown = ("id", "messages", "targets", "choices", "contexts", "answer", "schema", "cluster", "slice")
    return {key: said[key] for key in shown if said[key] not in (None, ())}


def _target(item: Item) -> str:
    """The choice's number, the one target, or whatever else says what is right, as text."""
    if item.answer is not None:
        return str(item.answer)
    if len(item.targets) == 1:
        return item.targets[0]
    return json.dumps(item.targets or item.schema) if item.targets or item.schema else ""


def _requests(suite: Suite, item: Item) -> list[tuple[str, Any]]:
    """What was sent: a context and a choice each, or a prompt and its settings."""
    prompt = item.messages[-1].content
    if suite.prompt is PromptStyle.CHAT:
        prompt = json.dumps([{"role": m.role, "content": m.content} for m in item.messages], ensure_ascii=False)
    if suite.ask is Ask.CHOOSE:
        contexts = item.contexts or (prompt,) * len(item.choices)
        return list(zip(contexts, item.choices, strict=True))
    return [(prompt, _generation(suite))]


def _generation(suite: Suite) -> dict[str, Any]:
    settings = suite.generation
    drawn = {"temperature": float(settings.temperature), "top_p": float(settings.top_p), "seed": settings.seed}
    return {
        "until": list(settings.stop),
        "max_gen_toks": settings.max_new_tokens,
        "do_sample": bool(settings.temperature),
        **(drawn if settings.temperature else {}),
    }


def _answers(suite: Suite, outcome: ItemOutcome) -> list[Any]:
    """(log-likelihood, whether greedy) a choice, as lm-eval spells them; or the texts, one a repeat."""
    reply = outcome.reply
    if suite.ask is Ask.CHOOSE:
        greedy = reply.greedy or (False,) * len(reply.logprobs)
        return [[str(value), str(best)] for value, best in zip(reply.logprobs, greedy, strict=True)]
    return [sample.text or "" for sample in reply.samples or (reply,)]


def _value(outcome: ItemOutcome) -> float:
    if outcome.value is None:
        raise ExportError(f"{outcome.suite}/{outcome.item} has no graded score, and others have. Run again.")
    return float(outcome.value)


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


# --- the results file -------------------------------------------------------------------------------------------------


def _results(
    manifest: Manifest, suites: Sequence[Suite], rows: Mapping[str, list[dict[str, Any]]], now: datetime
) -> dict[str, Any]:
    by_name = {suite.name: suite for suite in suites}
    metrics = {name: found[0]["metrics"] if found else [ACC] for name, found in rows.items()}
    return {
        "results": {name: _figures(name, found, metrics[name]) for name, found in rows.items()},
        "group_subtasks": {},
        "configs": {name: _config(by_name[name], metrics[name]) for name in rows},
        "versions": {name: by_name[name].version for name in rows},
        "n-shot": dict.fromkeys(rows, 0),
        "higher_is_better": {name: dict.fromkeys(metrics[name], True) for name in rows},
        "n-samples": {
            name: {"original": len(by_name[name].items), "effective": len(found)} for name, found in rows.items()
        },
        "config": {
            "model": "regress",
            "model_args": f"base={manifest.base},adapter={manifest.adapter}",
            "model_dtype": manifest.variant.partition("@")[2],
            "batch_size": manifest.batch_policy,
            "device": manifest.device,
            "limit": None,
            "gen_kwargs": None,
        },
        "git_hash": None,
        "date": now.timestamp(),
        "lm_eval_version": None,  # nothing of lm-eval ran
        "transformers_version": None,
        "task_hashes": {name: _task_hash(found) for name, found in rows.items()},
        "model_source": f"regress-harness {__version__}, {manifest.backend}",
        "model_name": manifest.variant,
        "model_name_sanitized": manifest.variant,
        "chat_template": manifest.template,
        "system_instruction": None,
        "regress": {"lock": manifest.lock, "adapter": manifest.adapter, "settings": manifest.settings},
    }


def _figures(name: str, rows: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> dict[str, Any]:
    means = {f"{metric},{FILTER}": sum(row[metric] for row in rows) / len(rows) for metric in metrics if rows}
    return {"alias": name, "sample_len": len(rows), **means}


def _config(suite: Suite, metrics: Sequence[str]) -> dict[str, Any]:
    return {
        "task": suite.name,
        "output_type": "multiple_choice" if suite.ask is Ask.CHOOSE else "generate_until",
        "generation_kwargs": None if suite.ask is Ask.CHOOSE else _generation(suite),
        "repeats": suite.generation.repeats,
        "num_fewshot": 0,
        "metric_list": [{"metric": m, "aggregation": "mean", "higher_is_better": True} for m in metrics],
        "metadata": {"version": suite.version, "scorer": suite.scorer.name},
    }


def _task_hash(rows: Sequence[Mapping[str, Any]]) -> str:
    return _hash("".join(row["doc_hash"] + row["prompt_hash"] + row["target_hash"] for row in rows))
