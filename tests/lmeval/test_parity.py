"""The same documents through lm-eval's own `hf` model and through ours: prompts, log-likelihoods, texts and figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager
from task_samples import TASKS, frozen, write_tasks
from tiny_models import LLAMA, engine, random_model

from regress.backends.protocol import Engine
from regress.lmeval.model import EngineLM
from regress.lmeval.scoring import with_tasks
from regress.schema import Ask, Reply, Score, Suite
from regress.scorers import bind

NEAR = 1e-3  # nats a request, both sides in float32


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_model(LLAMA, tmp_path_factory.mktemp("model") / "llama")


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tasks(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="module")
def ours(model: Path) -> Engine:
    return engine(model)


@pytest.fixture(scope="module")
def theirs(model: Path, tasks: Path) -> Mapping[str, Any]:
    """lm-eval's own run of all the sample tasks."""
    return evaluated(tasks, model="hf", model_args=f"pretrained={model},dtype=float32", device="cpu", batch_size=4)


def evaluated(tasks: Path, **model: Any) -> Mapping[str, Any]:
    manager = TaskManager(include_path=str(tasks), include_defaults=False)
    names: list[Any] = [f"sample_{name}" for name in TASKS]
    found = simple_evaluate(tasks=names, task_manager=manager, bootstrap_iters=0, log_samples=True, **model)
    assert found is not None
    return dict(found)


def answered(suite: Suite, by: Engine) -> dict[str, Reply]:
    requests = by.render(suite)
    placed = [each for ready in by.answers(suite, by.batches(suite, requests)) for each in ready]
    return {suite.items[place].id: reply for place, reply in placed}


def scored(suite: Suite, replies: Mapping[str, Reply]) -> dict[str, Score]:
    scorer = with_tasks([suite], {suite.name: bind(suite)})[suite.name]
    return {item.id: scorer.score(replies[item.id], item) for item in suite.items}


@pytest.mark.parametrize("name", TASKS)
def test_a_frozen_task_is_the_task(name: str, tmp_path: Path, ours: Engine, theirs: Mapping[str, Any]) -> None:
    """Hashes of documents, prompts and targets, every log-likelihood or text, and every figure of a document."""
    samples = list(theirs["samples"][f"sample_{name}"])
    suite, _ = frozen(tmp_path, f"sample_{name}", fewshot="per_document")
    options = suite.scorer.options
    samples = [s for s in samples if s["filter"] == options["filter"]]
    replies = answered(suite, ours)
    scores = scored(suite, replies)
    assert len(samples) == len(suite.items) == 12
    for sample, item in zip(samples, suite.items, strict=True):
        assert item.source is not None
        assert {k: item.source[k] for k in ("doc_hash", "prompt_hash", "target_hash", "doc_id")} == {
            k: sample[k] for k in ("doc_hash", "prompt_hash", "target_hash", "doc_id")
        }
        reply, score = replies[item.id], scores[item.id]
        if suite.ask is Ask.GENERATE:
            assert reply.text == sample["resps"][0][0]
        elif suite.ask is Ask.PERPLEXITY:
            assert sum(reply.logprobs) == pytest.approx(float(sample["resps"][0][0]), abs=NEAR)
        else:
            pairs = [(float(value), str(greedy) == "True") for ((value, greedy),) in sample["resps"]]
            assert [v for v, _ in pairs] == pytest.approx(list(reply.logprobs), abs=NEAR)
            assert [g for _, g in pairs] == list(reply.greedy)
        if options["measure"] == "right":
            assert (score.outcome == "pass") == (sample[options["metric"]] == 1.0), score
        else:
            total, size = sample[options["metric"]]
            assert score.value == pytest.approx(2 ** (total / size / 0.6931471805599453), rel=1e-4)


def test_lm_eval_runs_on_our_engine(ours: Engine, tasks: Path, theirs: Mapping[str, Any]) -> None:
    """`simple_evaluate(model=EngineLM(engine))` gives the figures of its own model."""
    found = evaluated(tasks, model=EngineLM(ours))
    for name in TASKS:
        figures, known = found["results"][f"sample_{name}"], theirs["results"][f"sample_{name}"]
        for key in known:
            if isinstance(known[key], float):
                assert figures[key] == pytest.approx(known[key], rel=1e-4), (name, key)


def test_whole_texts_are_read_in_windows(tmp_path: Path, model: Path, ours: Engine, tasks: Path) -> None:
    """A text of several context windows (256 tokens), as lm-eval splits it: every token is predicted once."""
    document = {"question": "ant bear cat dog " * 180, "choices": ["a"], "gold": 0, "word": "a", "openings": ["b"]}
    (tmp_path / "suites" / "tasks").mkdir(parents=True)
    write_tasks(tmp_path / "suites" / "tasks", count=3)
    line = json.dumps({**document, "passage": ""}) + "\n"
    (tmp_path / "suites" / "tasks" / "test.jsonl").write_text(line)
    suite, _ = frozen(tmp_path, "sample_text")
    (reply,) = answered(suite, ours).values()
    assert len(reply.logprobs) > 2
    manager = TaskManager(include_path=str(tmp_path / "suites" / "tasks"), include_defaults=False)
    found = simple_evaluate(
        tasks=["sample_text"],
        task_manager=manager,
        bootstrap_iters=0,
        model="hf",
        model_args=f"pretrained={model},dtype=float32",
        device="cpu",
        batch_size=1,
    )
    (sample,) = found["samples"]["sample_text"]
    assert sum(reply.logprobs) == pytest.approx(float(sample["resps"][0][0]), abs=0.02)
