"""The task behind its scorer: outcomes, values, and whose fault it is when there are none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from task_samples import SHARE, frozen, write_tasks

from regress.errors import SuiteError
from regress.lmeval.scoring import scoring_code, with_tasks
from regress.schema import Finish, Item, Reply, Score, Suite
from regress.scorers import BoundScorer, bind


def ready(suite: Suite) -> BoundScorer:
    code = scoring_code(suite)
    return with_tasks([suite], {suite.name: bind(suite)}, trusted=[code.digest] if code else [])[suite.name]


def said(score: Score) -> tuple[str, str | None, float | None]:
    return str(score.outcome), score.kind, score.value


def picking(item: Item, place: int) -> Reply:
    count = len(item.choices)
    logprobs = tuple(-1.0 if place == index else -9.0 for index in range(count))
    return Reply(logprobs=logprobs, greedy=(False,) * count)


@pytest.mark.parametrize("name", ["choice", "letters", "openings", "several"])
def test_the_right_choice_passes(tmp_path: Path, name: str) -> None:
    suite, _ = frozen(tmp_path, f"sample_{name}")
    scorer = ready(suite)
    for item in suite.items:
        assert item.source is not None
        gold = item.source["doc"]["gold"]
        assert said(scorer.score(picking(item, gold), item)) == ("pass", None, None)
        wrong = next(place for place in (1, 2, 3) if place != gold)
        assert said(scorer.score(picking(item, wrong), item)) == ("fail", "wrong", None)


def test_another_metric_of_the_same_replies(tmp_path: Path) -> None:
    """acc_norm divides by the choice's length: ' goat' at -8 beats ' ant' at -7."""
    plain, _ = frozen(tmp_path, "sample_choice")
    normal, _ = frozen(tmp_path, "sample_choice", name="normal", metric="acc_norm")
    item = plain.items[0]
    assert (item.choices, item.answer) == ((" goat", " lion", " ant", " eel"), 3)
    reply = Reply(logprobs=(-8.0, -99.0, -99.0, -7.0), greedy=(False,) * 4)
    assert said(ready(plain).score(reply, item)) == ("pass", None, None)
    assert said(ready(normal).score(reply, normal.items[0])) == ("fail", "wrong", None)


def test_a_last_word_passes_where_it_is_the_greedy_one(tmp_path: Path) -> None:
    suite, _ = frozen(tmp_path, "sample_last_word")
    scorer, item = ready(suite), suite.items[0]
    for greedy, outcome in ((True, "pass"), (False, "fail")):
        assert said(scorer.score(Reply(logprobs=(-2.0,), greedy=(greedy,)), item))[0] == outcome


def test_texts_go_through_the_filter(tmp_path: Path) -> None:
    first, _ = frozen(tmp_path, "sample_write")
    letters, _ = frozen(tmp_path, "sample_write", name="letters", filter="letters")
    word = first.items[0].targets[0]
    for text, finish, plain, filtered in (
        (word, Finish.STOP, "pass", "pass"),
        (f" ({word.upper()}, ", Finish.STOP, "fail", "fail"),
        (f"12 {word}!", Finish.EOS, "fail", "pass"),
        ("  ", Finish.EOS, "no_answer", "no_answer"),
        ("something long", Finish.LENGTH, "fail", "fail"),
    ):
        reply = Reply(text=text, finish=finish)
        assert ready(first).score(reply, first.items[0]).outcome == plain, text
        assert ready(letters).score(reply, letters.items[0]).outcome == filtered, text
    assert ready(first).score(Reply(text="x", finish=Finish.LENGTH), first.items[0]).kind == "truncated"


def test_a_text_is_worth_the_mean_probability_of_its_bytes(tmp_path: Path) -> None:
    suite, _ = frozen(tmp_path, "sample_text")
    item = suite.items[0]
    size = len(item.messages[0].content.encode())
    score = ready(suite).score(Reply(logprobs=(-0.5 * size, -0.1931471805599453 * size)), item)
    assert score.value == pytest.approx(0.5)
    assert ready(suite).score(Reply(logprobs=(-2.0 * size,)), item).outcome == "fail"
    assert ready(suite).score(Reply(logprobs=(-0.1 * size,)), item).outcome == "pass"


def test_repeats_are_what_the_filters_see(tmp_path: Path) -> None:
    vote = [{"name": "vote", "filter": [{"function": "majority_vote"}, {"function": "take_first"}]}]
    sampled = {"until": ["\n"], "do_sample": True, "temperature": 0.7, "top_p": 0.9}
    write_tasks(
        tmp_path / "suites" / "tasks",
        changes={"write": {"filter_list": vote, "repeats": 3, "generation_kwargs": sampled}},
    )
    suite, _ = frozen(tmp_path, "sample_write", seed=5)
    assert (suite.generation.repeats, str(suite.generation.temperature), suite.generation.seed) == (3, "0.7", 5)
    item = suite.items[0]
    word = item.targets[0]

    def voted(*texts: str) -> str:
        reply = Reply(samples=tuple(Reply(text=text, finish=Finish.EOS) for text in texts))
        return str(ready(suite).score(reply, item).outcome)

    assert (voted(word, "no", word), voted("no", word, "no")) == ("pass", "fail")


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(), "no_reply"),
        (Reply(logprobs=(-1.0, -2.0, -3.0), greedy=(False,) * 3), "no_reply"),
        (Reply(logprobs=(-1.0, -2.0, -3.0, -4.0)), "no_reply"),
        (Reply(logprobs=(-1.0, float("nan"), -3.0, -4.0), greedy=(False,) * 4), "not_finite"),
        (Reply(logprobs=(-1.0, float("-inf"), -3.0, -4.0), greedy=(False,) * 4), "not_finite"),
    ],
)
def test_the_backends_failure_is_never_the_models(tmp_path: Path, reply: Reply, kind: str) -> None:
    suite, _ = frozen(tmp_path, "sample_choice")
    assert said(ready(suite).score(reply, suite.items[0])) == ("error", kind, None)
    text, _ = frozen(tmp_path, "sample_write", name="texts")
    assert said(ready(text).score(Reply(), text.items[0])) == ("error", "no_reply", None)


@pytest.mark.parametrize(
    "text", ["[" * 99_999, "\ud800" * 9_999, "a" * 999_999 + "1", "\x00\x1b[31m" * 9_999, "1," * 99_999]
)
def test_whatever_a_model_writes_is_scored(tmp_path: Path, text: str) -> None:
    suite, _ = frozen(tmp_path, "sample_write", filter="letters")
    assert ready(suite).score(Reply(text=text, finish=Finish.EOS), suite.items[0]).outcome in ("fail", "no_answer")


def own_metric(folder: Path, code: str, *, at: Any = "process_results") -> Suite:
    """sample_write with a metric `m` of its own code."""
    metrics = {"metric_list": [{"metric": "m", **SHARE}]}
    write_tasks(folder / "suites" / "tasks", count=4, changes={"write": {at: "!function code.own", **metrics}})
    (folder / "suites" / "tasks" / "code.py").write_text(code)
    return frozen(folder, "sample_write", trust=True)[0]


@pytest.mark.parametrize(
    ("figure", "measure", "scored"),
    [
        ("len(results[0]) / 10", "share", ("pass", None, 0.7)),
        ("len(results[0]) / 20", "share", ("fail", "wrong", 0.35)),
        ("int(len(results[0]) > 3)", "right", ("pass", None, None)),
        ("results[0] == 'another'", "right", ("pass", None, None)),
        ("bool(results[0]) and 0.5", "right", ("error", "scorer_error", None)),  # neither right nor wrong
        ("len(results[0]) / 1.0", "share", ("error", "scorer_error", None)),  # 7.0
        ("float('nan') if results[0] else 0.0", "share", ("error", "scorer_error", None)),
        ("[1.0][len(results[0])]", "share", ("error", "scorer_error", None)),  # it raises
        ("'x' if results[0] else 0.0", "share", ("error", "scorer_error", None)),
    ],
)
def test_a_tasks_own_figures(tmp_path: Path, figure: str, measure: str, scored: tuple[Any, ...]) -> None:
    """What a task returns for an empty reply says whether it grades; anything out of bounds ends the run as broken."""
    suite = own_metric(tmp_path, f"def own(doc, results):\n    return {{'m': {figure}}}\n")
    assert suite.scorer.options["measure"] == measure
    outcome, kind, value = said(ready(suite).score(Reply(text="another", finish=Finish.EOS), suite.items[0]))
    assert (outcome, kind, value) == (*scored[:2], pytest.approx(scored[2]))


def test_a_task_that_cannot_score_an_empty_reply_is_refused_when_frozen(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="cannot score an empty reply: IndexError"):
        own_metric(tmp_path, "def own(doc, results):\n    return {'m': float(results[0][0] == 'a')}\n")


def test_a_python_class_over_a_yaml_file(tmp_path: Path) -> None:
    code = (
        "from lm_eval.api.task import ConfigurableTask\n"
        "class own(ConfigurableTask):\n"
        "    def process_results(self, doc, results):\n"
        "        return {'exact_match': int(doc['word'] in results[0])}\n"
    )
    write_tasks(tmp_path / "suites" / "tasks", count=4, changes={"write": {"class": "!function code.own"}})
    (tmp_path / "suites" / "tasks" / "code.py").write_text(code)
    suite, _ = frozen(tmp_path, "sample_write", trust=True)
    text = f"I say {suite.items[0].targets[0]}"
    assert ready(suite).score(Reply(text=text, finish=Finish.EOS), suite.items[0]).outcome == "pass"
    (tmp_path / "suites" / "tasks" / "code.py").write_text("class own:\n    pass\n")
    with pytest.raises(SuiteError, match="is a Python class that no YAML file configures"):
        frozen(tmp_path, "sample_write", trust=True)


def test_without_its_task_nothing_is_scored(tmp_path: Path) -> None:
    suite, _ = frozen(tmp_path, "sample_choice")
    item = suite.items[0]
    assert said(bind(suite).score(picking(item, 3), item)) == ("error", "scorer_error", None)
    bare = replace(suite, items=(replace(item, source=None),))
    with pytest.raises(SuiteError, match="has no lm-eval document"):
        bind(bare)


def test_another_version_of_lm_eval_may_score_otherwise(tmp_path: Path) -> None:
    suite, _ = frozen(tmp_path, "sample_choice")
    sidecar = tmp_path / "suites" / "asked.frozen.json"
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | {"lm_eval": "0.4.99"}))
    with pytest.raises(SuiteError, match=r"was frozen with lm-eval 0\.4\.99, and .* is installed"):
        ready(suite)
