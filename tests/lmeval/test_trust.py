"""What a task may do without being trusted: read its fields and put them into text. Everything else is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from task_samples import CHOICE, CODE, frozen, write_task, write_tasks

from regress.errors import SuiteError
from regress.lmeval.scoring import scoring_code, with_tasks
from regress.lmeval.trust import code_of, computes
from regress.scorers import bind


@pytest.mark.parametrize(
    "template",
    [
        "no field at all",
        "{{question}}",
        "{{ question.strip() }} {{choices[0]}} {{choices.text[3]}} {{sentence[start:end]}}",
        "{{choices.label.index(answerKey)}}",
        "{{text.split(' ')[:-1]|join(' ')}}",
        "{{['no', 'yes'][label]}}",
        "{{ A if Correct == 'A' else B }}",
        "{% set shown = 'Q: ' + question %}{{shown + '\nA:'}}",
        "{% for choice in choices %}{{choice}}{% if not loop.last %}, {% endif %}{% endfor %}",
        "{{answer | default('none') | trim | replace('a', 'b')}}",
        "{{answer if answer is defined and answer is not none}}",
    ],
)
def test_templates_that_only_read(template: str) -> None:
    assert computes(template) is None


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{''.__class__.__mro__[1].__subclasses__()}}", "a call of __subclasses__"),
        ("{{question.__class__}}", ".__class__"),
        ("{{question['__class__']}}", "'__class__'"),
        ("{{lipsum.__globals__.os.popen('id').read()}}", "a call of read"),
        ("{{question|attr('__class__')}}", "the filter attr"),
        ("{{choices|map(attribute='__class__')|list}}", "the filter map"),
        ("{{choices|join(', ', '__class__')}}", "the filter join"),
        ("{{choices|join(attribute='__class__')}}", "the filter join"),
        ("{{'{0.__class__}'.format(question)}}", "a call of format"),
        ("{{'%s'|format(question)}}", "the filter format"),
        ("{{'a' * 1000000000}}", "mul"),
        ("{{9 ** 9 ** 9}}", "pow"),
        ("{{range(1000000000)|list}}", "a call of range"),
        ("{{cycler('a').next}}", "a call of cycler"),
        ("{{question(1)}}", "a call of question"),
        ("{{(question.strip)()}}", None),  # parenthesised or not, it is the same call
        ("{{question.strip(*choices)}}", "a call of strip"),
        ("{% include 'x' %}", "include"),
        ("{% macro m() %}{% endmacro %}", "macro"),
        ("{{question|regex_replace('(a+)+b', '')}}", "the filter regex_replace"),
        ("{{question is callable}}", "the test callable"),
        ("{{_TemplateReference__context}}", "_TemplateReference__context"),
        ("{{ unfinished", "it is no template"),
    ],
)
def test_templates_that_compute(template: str, why: str | None) -> None:
    found = computes(template)
    assert found is None if why is None else found is not None and why in found


@pytest.mark.parametrize(
    ("config", "clause"),
    [
        ({"process_results": "!function code.ends_alike"}, "process_results is code.ends_alike (suite:tasks/code.py)"),
        ({"process_docs": "!function code.louder"}, "process_docs is code.louder"),
        ({"doc_to_text": "!function code.shout"}, "doc_to_text is code.shout"),
        ({"class": "!function code.Task"}, "class is code.Task"),
        ({"unsafe_code": True}, "unsafe_code is set"),
        ({"use_prompt": "promptsource:*"}, "use_prompt loads"),
        ({"dataset_path": "pandas"}, "dataset_path 'pandas'"),
        ({"metric_list": [{"metric": "bleurt", "aggregation": "mean"}]}, "metric 'bleurt' is loaded"),
        ({"metric_list": [{"metric": "acc", "hf_evaluate": True}]}, "metric 'acc' is loaded"),
        ({"fewshot_config": {"sampler": "!function code.Sampler"}}, "fewshot_config.sampler is code.Sampler"),
        ({"fewshot_config": {"doc_to_text": "{{question.__class__}}"}}, "fewshot_config.doc_to_text computes"),
        ({"description": "{{range(3)}}"}, "description computes: a call of range"),
    ],
)
def test_a_task_that_runs_something_is_refused_before_it_does(tmp_path: Path, config: Any, clause: str) -> None:
    tasks = write_tasks(tmp_path / "suites" / "tasks", changes={"choice": config})
    (tasks / "code.py").write_text("raise SystemExit('this was run')\n")
    with pytest.raises(SuiteError) as caught:
        frozen(tmp_path, "sample_choice")
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'suites' / 'asked.yaml'}:")
    assert "lm-eval would run code for this task: sample_choice: " + clause in said
    assert "Read it; if you trust it, say --trust-task-code" in said
    assert not list((tmp_path / "suites").glob("asked.*json*"))


def test_trusted_code_runs_and_is_named(tmp_path: Path) -> None:
    """And again when replies are scored, there too only with trust; what ran only while freezing needs none."""
    tasks = write_tasks(
        tmp_path / "suites" / "tasks", count=4, changes={"choice": {"process_docs": "!function code.louder"}}
    )
    (tasks / "code.py").write_text(CODE)
    suite, _ = frozen(tmp_path, "sample_choice", trust=True)
    assert suite.items[0].prompt.endswith("!!\nAnswer:")
    assert suite.scorer.options["code"] == ("sample_choice: process_docs is code.louder (suite:tasks/code.py)",)
    with_tasks([suite], {suite.name: bind(suite)})

    write_tasks(tasks, count=4, changes={"choice": {"doc_to_choice": "!function code.shout"}})
    with pytest.raises(SuiteError, match="which is no list of texts"):
        frozen(tmp_path, "sample_choice", trust=True)

    write_task(tasks, "choice", {**CHOICE, "task": "x"})
    write_tasks(tasks, count=4, changes={"write": {"process_results": "!function code.ends_alike", **_GRADED}})
    graded, _ = frozen(tmp_path, "sample_write", trust=True, filter="letters")
    with pytest.raises(SuiteError, match=r"would run code .* process_results is code.ends_alike"):
        with_tasks([graded], {graded.name: bind(graded)})
    code = scoring_code(graded)
    assert code is not None
    with_tasks([graded], {graded.name: bind(graded)}, trusted=[code.digest])
    (tasks / "code.py").write_text(CODE + "# another\n")
    with pytest.raises(SuiteError, match=r"tasks/code.py, which scores replies to 'sample_write', is not the file"):
        with_tasks([graded], {graded.name: bind(graded)}, trusted=[code.digest])


_GRADED = {"metric_list": [{"metric": "alike", "aggregation": "mean", "higher_is_better": True}]}


def test_data_by_name_is_no_code(tmp_path: Path) -> None:
    assert (
        code_of("t", {"dataset_path": "allenai/ai2_arc", "dataset_kwargs": {"trust_remote_code": True}}, tmp_path) == ()
    )
