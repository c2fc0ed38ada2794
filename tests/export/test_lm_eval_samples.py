"""What is exported as lm-eval's is read back as what it was: the same items lost, the same mean scores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import regress
from regress.errors import ResultsError
from regress.export.lm_eval_samples import write_lm_eval
from regress.run.judge import Judgement
from regress.schema import PairCounts, SuiteComparison

NOW = datetime(2026, 11, 23, 8, 10, 41, 576062, tzinfo=UTC)


@pytest.fixture(scope="module")
def written(careless: Judgement, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lm-eval")
    files = write_lm_eval(careless, folder, NOW)
    assert sorted(path.relative_to(folder).as_posix() for path in files) == [
        f"{variant}@fp32/results_2026-11-23T08-10-41.576062.json" for variant in ("adapter", "base", "merged")
    ]
    return folder


def by_suite(comparisons: Any, variant: str) -> Mapping[str, SuiteComparison]:
    return {c.suite: c for c in comparisons if c.variant == variant}


def lost(comparison: SuiteComparison) -> set[str]:
    return {flip.item for flip in comparison.flips if flip.lost}


@pytest.mark.parametrize("variant", ["adapter", "merged"])
def test_the_round_trip_loses_nothing(written: Path, careless: Judgement, variant: str) -> None:
    back = by_suite(regress.compare(written / "base@fp32", written / f"{variant}@fp32").comparisons, "B")
    ours = by_suite(careless.comparisons, variant)
    assert back.keys() == ours.keys() == {"colours", "echoes", "overlap"}
    for name, comparison in ours.items():
        assert back[name].counts == comparison.counts
        assert back[name].graded == comparison.graded
        assert lost(back[name]) == lost(comparison)
    assert ours["overlap"].graded is not None
    assert ours["overlap"].graded.delta == pytest.approx(-0.45)
    assert ours["colours"].counts == PairCounts(both_pass=30, lost=30)


def test_the_outcomes_of_a_graded_suite_can_be_chosen(written: Path, careless: Judgement) -> None:
    back = regress.compare(written / "base@fp32", written / "adapter@fp32", metric={"overlap": "acc"})
    assert back.comparisons[-1].suite == "overlap"
    assert back.comparisons[-1].graded is None
    assert back.comparisons[-1].counts == by_suite(careless.comparisons, "adapter")["overlap"].counts


def test_rows_have_the_keys_that_lm_eval_writes(written: Path) -> None:
    (path,) = (written / "adapter@fp32").glob("samples_colours_*.jsonl")
    row = json.loads(path.read_text().splitlines()[1])
    assert list(row) == [
        *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"),
        *("doc_hash", "prompt_hash", "target_hash", "acc"),
    ]
    assert (row["doc_id"], row["target"], row["acc"]) == ("c-1", "1", 1.0)
    assert row["arguments"]["gen_args_2"] == {"arg_0": "Colour 1?!", "arg_1": "blue"}
    assert [len(row["resps"]), row["resps"][0], row["filtered_resps"][0][1]] == [3, [row["filtered_resps"][0]], "False"]


def test_a_chat_is_kept_as_its_messages(written: Path) -> None:
    (path,) = (written / "base@fp32").glob("samples_overlap_*.jsonl")
    row = json.loads(path.read_text().splitlines()[0])
    (message,) = json.loads(row["arguments"]["gen_args_0"]["arg_0"])
    assert (message["role"], message["content"][:6]) == ("user", "Say 0 ")
    assert row["arguments"]["gen_args_0"]["arg_1"] == {"until": [], "max_gen_toks": 128, "do_sample": False}
    assert (row["score"], row["metrics"]) == (1.0, ["score", "acc"])


def test_what_was_edited_afterwards_is_seen(written: Path, tmp_path: Path) -> None:
    folder = tmp_path / "edited"
    folder.mkdir()
    for path in (written / "adapter@fp32").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (samples,) = folder.glob("samples_echoes_*.jsonl")
    samples.write_text(samples.read_text().replace('"acc": 0.0', '"acc": 1.0', 1))
    with pytest.raises(ResultsError, match="were edited"):
        regress.compare(written / "base@fp32", folder)


def test_the_same_runs_and_time_give_the_same_bytes(written: Path, careless: Judgement, tmp_path: Path) -> None:
    write_lm_eval(careless, tmp_path, NOW)
    files = {path.relative_to(written): path.read_bytes() for path in written.rglob("*.json*")}
    assert {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.json*")} == files
