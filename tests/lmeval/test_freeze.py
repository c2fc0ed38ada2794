"""What freezing writes, and everything that it refuses: in one sentence, with nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from task_samples import CHOICE, SHARE, TASKS, documents, frozen, suite_file, write_group, write_task, write_tasks

from regress.errors import SuiteError
from regress.lmeval.freeze import freeze
from regress.schema import Ask
from regress.suite import read_suite


def tasks_in(project: Path, **changes: Any) -> Path:
    return write_tasks(project / "suites" / "tasks", changes=changes)


def refused(project: Path, task: str, **keys: Any) -> str:
    before = set((project / "suites").glob("*.json*"))
    with pytest.raises(SuiteError) as caught:
        frozen(project, task, **keys)
    assert set((project / "suites").glob("*.json*")) == before
    assert not list((project / "suites").glob(".*"))
    return str(caught.value)


@pytest.mark.parametrize("name", TASKS)
def test_freezing_again_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    frozen(tmp_path, f"sample_{name}")
    files = sorted((tmp_path / "suites").glob("asked.*json*"))
    before = [path.read_bytes() for path in files]
    frozen(tmp_path, f"sample_{name}")
    assert len(files) == 2
    assert [path.read_bytes() for path in files] == before


def test_one_set_of_examples_stands_before_every_document(tmp_path: Path) -> None:
    """That is what lets the engine compute them once; drawn per document they are lm-eval's."""
    fixed, done = frozen(tmp_path, "sample_letters")
    heads = {item.messages[-1].content.rpartition("\n\nQuestion")[0] for item in fixed.items}
    assert len(heads) == 1
    assert "the few-shot examples are the same for all items; lm-eval draws them anew for each" in done.notes
    drawn, done = frozen(tmp_path, "sample_letters", fewshot="per_document")
    assert len({item.messages[-1].content.rpartition("\n\nQuestion")[0] for item in drawn.items}) > 1
    assert done.notes == ()
    other, _ = frozen(tmp_path, "sample_letters", seed=3)
    assert {item.messages for item in other.items}.isdisjoint(item.messages for item in fixed.items)


def test_a_document_is_never_its_own_example(tmp_path: Path) -> None:
    tasks_in(tmp_path, letters={"fewshot_split": "test", "num_fewshot": 5})
    suite, _ = frozen(tmp_path, "sample_letters")
    for item in suite.items:
        assert item.source is not None
        assert item.messages[-1].content.count(item.source["doc"]["question"]) == 1
        assert item.messages[-1].content.count("Question:") == 6
        assert item.prompt.count("Question:") == 1  # what people are shown


def test_settings_of_the_suite_file(tmp_path: Path) -> None:
    suite, _ = frozen(tmp_path, "sample_write", limit=5, num_fewshot=3, max_new_tokens=7, filter="letters", margin=0.1)
    assert len(suite.items) == 5
    assert suite.items[0].messages[-1].content.count("Answer:") == 4
    assert (suite.ask, suite.generation.max_new_tokens, suite.generation.stop) == (Ask.GENERATE, 7, ("\n", "."))
    assert (suite.scorer.options["filter"], suite.scorer.options["num_fewshot"]) == ("letters", "3")
    assert suite.truncate


def test_chat_prompts_keep_the_turns(tmp_path: Path) -> None:
    suite, _ = frozen(tmp_path, "sample_letters", prompt="chat")
    item = suite.items[0]
    assert [message.role for message in item.messages] == ["user", "assistant"] * 2 + ["user"]
    assert item.choices == ("A", "B", "C", "D")
    assert item.source is not None and "prompt_hash" not in item.source
    assert "another context for each choice" in refused(tmp_path, "sample_mutual", prompt="chat", name="other")


def test_groups_are_one_suite_with_slices(tmp_path: Path) -> None:
    folder = tasks_in(tmp_path)
    write_group(folder, "sample_pair", ["sample_choice", {"task": "sample_several", "num_fewshot": 0}])
    write_group(folder, "sample_all", [{"group": "sample_pair"}, "sample_choice"])
    suite, done = frozen(tmp_path, "sample_all", limit=5)
    assert (done.tasks, len(suite.items)) == (2, 10)
    assert [item.slice for item in suite.items] == ["sample_choice"] * 5 + ["sample_several"] * 5
    assert {item.cluster for item in frozen(tmp_path, "sample_pair", limit=5, cluster="none")[0].items} == {None}
    assert {item.cluster for item in frozen(tmp_path, "sample_pair", limit=5, cluster="task")[0].items} == {
        "sample_choice",
        "sample_several",
    }


def test_what_is_asked_twice_is_one_cluster(tmp_path: Path) -> None:
    folder = tasks_in(tmp_path)
    lines = (folder / "test.jsonl").read_text().splitlines(keepends=True)
    (folder / "test.jsonl").write_text("".join([*lines[:4], lines[1], lines[1]]))
    suite, done = frozen(tmp_path, "sample_choice")
    clusters = [item.cluster for item in suite.items]
    assert clusters[1] is not None and clusters[1] == clusters[4] == clusters[5]
    assert clusters.count(None) == 3
    assert done.notes == ("3 items ask the same as another; they count as 1 clusters",)


def test_a_field_can_be_the_cluster(tmp_path: Path) -> None:
    suite, _ = frozen(tmp_path, "sample_choice", cluster="passage")
    assert len({item.cluster for item in suite.items}) == 4
    assert "cluster is 'pasage', which is no field" in refused(tmp_path, "sample_choice", cluster="pasage")


def test_documents_may_have_different_numbers_of_choices(tmp_path: Path) -> None:
    folder = tasks_in(tmp_path)
    first, second = documents(2)
    lines = [json.dumps(first) + "\n", json.dumps(second | {"choices": ["a", "b"], "gold": 0}) + "\n"]
    (folder / "test.jsonl").write_text("".join(lines))
    suite, _ = frozen(tmp_path, "sample_choice")
    assert [len(item.choices) for item in suite.items] == [4, 2]


def test_examples_may_stand_in_the_task_file(tmp_path: Path) -> None:
    samples = {"fewshot_split": None, "fewshot_config": {"samples": documents(3, seed=9)}, "num_fewshot": 3}
    tasks_in(tmp_path, letters=samples)
    suite, _ = frozen(tmp_path, "sample_letters")
    assert suite.items[0].messages[-1].content.count("Question:") == 4
    assert "the split 'fewshot_config.samples' of 'sample_letters' holds 3" in refused(
        tmp_path, "sample_letters", name="more", num_fewshot=4
    )


def test_twins_are_no_examples_for_each_other(tmp_path: Path) -> None:
    folder = tasks_in(tmp_path, choice={"fewshot_split": "test", "num_fewshot": 2})
    (folder / "test.jsonl").write_text("".join([json.dumps(d) + "\n" for d in (documents(2)[0], *documents(2))]))
    assert "2 examples are wanted, and only 1 others are there" in refused(tmp_path, "sample_choice")


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_unknown_names_get_close_ones(tmp_path: Path) -> None:
    tasks_in(tmp_path)
    assert "lm-eval has no task 'sample_choise'. Did you mean 'sample_choice'" in refused(tmp_path, "sample_choise")
    assert "Did you mean" not in refused(tmp_path, "zzzzqqqq")


@pytest.mark.parametrize(
    ("name", "keys", "said"),
    [
        ("choice", {"num_fewshot": 13}, "num_fewshot is 13, and the split 'test' of 'sample_choice' holds 12"),
        ("choice", {"num_fewshot": 12}, "holds 12 documents"),  # one of them is the one that is asked
        ("letters", {"num_fewshot": 7}, "num_fewshot is 7, and the split 'dev' of 'sample_letters' holds 6 documents"),
        ("text", {"num_fewshot": 2}, "scores whole texts, before which nothing stands"),
        ("choice", {"limit": 0}, "lm_eval.limit is 0"),
        ("choice", {"fewshot": "random"}, "lm_eval.fewshot is 'random'; choices: 'fixed' or 'per_document'"),
        ("choice", {"num_fewshots": 1}, "unknown key 'lm_eval.num_fewshots'. Did you mean 'num_fewshot'?"),
        ("choice", {"metric": "f2"}, "has no metric 'f2'; it has acc, acc_norm"),
        ("choice", {"filter": "strict"}, "has no filter 'strict'; it has none"),
        ("last_word", {"metric": "perplexity"}, "perplexity is a figure of all documents together (perplexity)"),
        ("text", {"metric": "word_perplexity"}, "counts words; byte_perplexity and bits_per_byte rank models alike"),
        ("choice", {"include_path": "../../elsewhere"}, "include_path '../../elsewhere' lies outside the project"),
        ("choice", {"include_path": "none"}, "is no folder"),
        ("choice", {"ask": "choose"}, "ask stands beside lm_eval, and comes from the task there"),
        ("write", {"generation": {"max_new_tokens": 4}}, "generation stands beside lm_eval"),
        ("choice", {"items": "a.jsonl"}, "items stands beside lm_eval"),
    ],
)
def test_settings_that_do_not_fit(tmp_path: Path, name: str, keys: dict[str, Any], said: str) -> None:
    assert said in refused(tmp_path, f"sample_{name}", **keys)


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("choice", {"num_fewshot": 0}, None),
        ("choice", {"dataset_kwargs": {"data_files": "nowhere.jsonl"}}, "cannot be loaded (json): FileNotFoundError"),
        ("choice", {"dataset_path": "someone/data", "dataset_kwargs": None}, "cannot be loaded (someone/data)"),
        ("choice", {"test_split": "nope"}, "lm-eval cannot build the task 'sample_choice': KeyError"),
        ("choice", {"doc_to_text": "{{nothing}}"}, "'nothing' is undefined"),
        ("choice", {"output_type": "rank"}, "Got invalid output_type 'rank'"),
        ("choice", {"metric_list": [{"metric": "brier_score"}]}, "figure of all documents together (brier_score)"),
        ("choice", {"metric_list": [{"metric": "mcc"}, {"metric": "f1"}]}, "mcc is a figure of all documents"),
        ("choice", {"metric_list": [{"metric": "acc", **SHARE, "higher_is_better": False}]}, "is better when it is lo"),
        ("choice", {"metric_list": [{"metric": "likelihood", **SHARE}]}, "which is no number from 0 to 1"),
        ("write", {"metric_list": [{"metric": "bleu"}]}, "bleu is a figure of all documents together (bleu)"),
        ("write", {"generation_kwargs": {"until": [], "num_beams": 4}}, "generates with num_beams: 4"),
        ("write", {"generation_kwargs": {"do_sample": True, "temperature": 1, "top_k": 5}}, "generates with top_k: 5"),
        ("choice", {"doc_to_image": "question"}, "shows images or plays sound"),
    ],
)
def test_tasks_that_cannot_be_asked(tmp_path: Path, name: str, changes: dict[str, Any], said: str | None) -> None:
    tasks_in(tmp_path, **{name: changes})
    if said is None:  # a task that fixes its examples at none
        assert "fixes it at 0" in refused(tmp_path, f"sample_{name}", num_fewshot=1)
        return
    found = refused(tmp_path, f"sample_{name}")
    assert said in found
    assert found.startswith(f"{tmp_path / 'suites' / 'asked.yaml'}:")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("task: [", "is not YAML"),
        ("- a\n- b\n", "holds no mapping"),
        ("a: " + "[" * 100, "is nested deeper than 64"),
        ("a: !!python/object:os.system x", "is not a task's YAML"),
        ("task: sample_choice\n", "the name 'sample_choice' is also that of"),
        ("task: x\ninclude: broken.yaml\n", "includes itself"),
        ("a: '" + "x" * 2**20 + "'", "is larger than"),
    ],
)
def test_a_folder_of_tasks_is_read_strictly(tmp_path: Path, text: str, said: str) -> None:
    """lm-eval skips a file that it cannot read, and takes the first of two tasks with one name."""
    folder = tasks_in(tmp_path)
    (folder / ("choice2.yaml" if "also" in said else "broken.yaml")).write_text(text)
    assert said in refused(tmp_path, "sample_choice")


def test_groups_that_do_not_fit_together(tmp_path: Path) -> None:
    folder = tasks_in(tmp_path, choice={"num_fewshot": 0})
    write_group(folder, "mixed", ["sample_choice", "sample_write"])
    write_group(folder, "gone", ["sample_choice", "sample_gone"])
    write_group(folder, "round", ["sample_choice", {"group": "round"}])
    write_group(folder, "figures", ["sample_choice", "sample_mutual"])
    assert "differ in ask: choose in 'sample_choice', generate in 'sample_write'" in refused(tmp_path, "mixed")
    assert "differ in metric: acc in 'sample_choice', acc_mutual_info in" in refused(tmp_path, "figures")
    assert "'round' contains itself" in refused(tmp_path, "round")
    assert "sample_gone" in refused(tmp_path, "gone")


def test_items_of_somebody_else_are_not_overwritten(tmp_path: Path) -> None:
    tasks_in(tmp_path)
    (tmp_path / "suites" / "asked.jsonl").write_text("mine\n")
    assert "is no frozen task" in refused(tmp_path, "sample_choice")
    assert (tmp_path / "suites" / "asked.jsonl").read_text() == "mine\n"


def test_documents_that_json_cannot_hold(tmp_path: Path) -> None:
    folder = tasks_in(tmp_path)
    lines = [json.dumps(document | {"number": 2**60}) + "\n" for document in documents(3)]
    (folder / "test.jsonl").write_text("".join(lines))
    assert "item sample_choice:0 cannot be written down: 1152921504606846976 is beyond" in refused(
        tmp_path, "sample_choice"
    )


def test_a_right_choice_that_there_is_not(tmp_path: Path) -> None:
    """lm-eval logs a warning and scores 0."""
    folder = tasks_in(tmp_path)
    first, *rest = documents(4)
    lines = [json.dumps(document) + "\n" for document in (first, *(document | {"gold": 7} for document in rest))]
    (folder / "test.jsonl").write_text("".join(lines))
    _, done = frozen(tmp_path, "sample_choice")
    assert done.notes == ("3 items name a right choice that there is not, and are always wrong",)


# --- reading what was frozen ------------------------------------------------------------------------------------------


def test_missing_changed_or_replaced_files_are_refused_with_the_mend(tmp_path: Path) -> None:
    folder = tasks_in(tmp_path)
    path = suite_file(tmp_path, "sample_choice")
    with pytest.raises(SuiteError, match=r"'sample_choice' is not frozen yet: .* Run `regress lock`"):
        read_suite(path)
    freeze(path, tmp_path, trust=False)
    for file in folder.iterdir():  # neither the tasks nor their data are read any more
        file.unlink()
    assert len(read_suite(path).items) == 12

    suite_file(tmp_path, "sample_choice", num_fewshot=2)
    with pytest.raises(
        SuiteError, match=r"num_fewshot is 2, and asked.frozen.json was frozen with unset. .*`regress su"
    ):
        read_suite(path)
    suite_file(tmp_path, "sample_choice", prompt="chat")
    with pytest.raises(SuiteError, match=r"prompt is chat, and asked.frozen.json was frozen with raw"):
        read_suite(path)
    suite_file(tmp_path, "sample_choice", margin=0.05)  # how the gate judges is no matter of the task
    read_suite(path)

    items = tmp_path / "suites" / "asked.jsonl"
    kept = items.read_bytes()
    items.write_bytes(kept.replace(b'"answer": 3', b'"answer": 2', 1))
    with pytest.raises(SuiteError, match=r"is not what asked.frozen.json was written for. Restore both"):
        read_suite(path)
    items.write_bytes(kept)
    sidecar = tmp_path / "suites" / "asked.frozen.json"
    record = json.loads(sidecar.read_text())
    for broken in (record | {"format": 2}, {k: v for k, v in record.items() if k != "metric"}, record | {"more": 1}):
        sidecar.write_text(json.dumps(broken))
        with pytest.raises(SuiteError):
            read_suite(path)


def test_everything_about_the_task_is_in_the_scorers_options(tmp_path: Path) -> None:
    """Which is where the lock takes it from: another task file, version or number of examples is another promise."""
    known, _ = frozen(tmp_path, "sample_letters")
    for change in (
        {"metadata": {"version": 2.0}},
        {"description": "Answer well."},
        {"target_delimiter": "  "},
        {"num_fewshot": 1},
    ):
        tasks_in(tmp_path, letters=change)
        other, _ = frozen(tmp_path, "sample_letters")
        assert other.scorer.options["config"] != known.scorer.options["config"]


def test_a_plain_suite_has_nothing_to_freeze(tmp_path: Path) -> None:
    path = suite_file(tmp_path, "x")
    settings = yaml.safe_load(path.read_text())
    del settings["lm_eval"]
    path.write_text(yaml.safe_dump(settings | {"items": "a.jsonl", "ask": "generate", "scorer": "exact_match"}))
    with pytest.raises(SuiteError, match="there is nothing to freeze"):
        freeze(path, tmp_path, trust=False)


def test_a_task_of_one_choice_or_inline(tmp_path: Path) -> None:
    """Tasks that stand only in their group are named by it."""
    folder = tasks_in(tmp_path)
    data = {"data_files": {"test": str(folder / "test.jsonl")}}
    inline = {**CHOICE, "task": "inner", "dataset_path": "json", "dataset_kwargs": data, "test_split": "test"}
    write_group(folder, "outer", [inline])
    suite, _ = frozen(tmp_path, "outer", limit=2)
    assert [item.id for item in suite.items] == ["outer::inner:0", "outer::inner:1"]
    write_task(folder, "tagged", {**inline, "task": "tagged", "tag": ["some_tag"]})
    assert len(frozen(tmp_path, "some_tag", limit=2)[0].items) == 2
