"""The base's own noise for a plan: of the very same base, items and settings, or none at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from fake_engine import FakeEngine, Stage, Ticks, open_stage, write_project

from regress.cli import main
from regress.errors import StoreError
from regress.hashing.canonical import digest_promise
from regress.hashing.models import ModelFiles, read_model
from regress.lock.lockfile import HISTORY_LABEL
from regress.lock.promise import load
from regress.run.bench import Bench, Mode, evaluate
from regress.run.pilot import measured_noise
from regress.schema import NoiseFloor, Precision, Variant, VariantKind
from regress.store.chain import ChainWriter
from regress.suite import read_project, read_suites

BASE = Variant(kind=VariantKind.BASE)


class Wavering(FakeEngine):
    """Answers differently in smaller company."""

    wavers: frozenset[str] = frozenset()

    def batches(self, suite, requests, *, shuffled=False):  # type: ignore[no-untyped-def]
        self.wrong = self.wavers if shuffled else ()
        return super().batches(suite, requests, shuffled=shuffled)


def engine(*wavers: str, device: str = "cpu", precision: Precision = Precision.FP32) -> FakeEngine:
    made = Wavering(device=device, precision=precision)
    made.wavers = frozenset(wavers)
    return made


def ask_twice(stage: Stage, made: FakeEngine) -> tuple[Path, Path]:
    bench = Bench(loaded=stage.loaded, lock=stage.lock, base=read_model(stage.folder / "base"))
    once, again = (
        evaluate(bench, None, [BASE], engine_for=lambda *_: made, progress=Ticks(), mode=mode)[BASE]
        for mode in (Mode.ALL, Mode.AGAIN)
    )
    return once, again


def noise(folder: Path) -> dict[str, NoiseFloor]:
    project = read_project(folder)
    loaded = load(project, read_suites(project.suite_paths()), check_items=True)
    return measured_noise(loaded, lambda: read_model(folder / "base"))


def flips(folder: Path) -> dict[str, tuple[int, int]]:
    return {name: (f.counts.lost + f.counts.gained, f.counts.n) for name, f in noise(folder).items()}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return open_stage(write_project(tmp_path / "project", choose=60, generate=50))


def test_the_noise_of_each_suite_is_found(stage: Stage) -> None:
    ask_twice(stage, engine("c-3", "c-4", "e-1"))
    assert flips(stage.folder) == {"colours": (2, 60), "echoes": (1, 50)}


def test_without_a_second_run_the_base_is_not_even_read(stage: Stage) -> None:
    def unread() -> ModelFiles:
        raise AssertionError("hashing gigabytes for nothing")

    assert measured_noise(stage.loaded, unread) == {}
    _, again = ask_twice(stage, engine())
    (again / "seal.json").unlink()
    assert measured_noise(stage.loaded, unread) == {}


def test_of_several_measurements_the_noisier_counts(stage: Stage) -> None:
    ask_twice(stage, engine("c-3", "c-4"))
    ask_twice(stage, engine("c-5", "e-1", device="a GPU"))
    assert flips(stage.folder) == {"colours": (2, 60), "echoes": (1, 50)}


def test_another_base_has_another_noise(stage: Stage) -> None:
    ask_twice(stage, engine("c-3"))
    (stage.folder / "base" / "model.safetensors").write_text("other weights")
    assert flips(stage.folder) == {}


def test_a_changed_item_takes_its_suites_noise_away(stage: Stage) -> None:
    ask_twice(stage, engine("c-3", "e-1"))
    items = stage.folder / "suites" / "colours.jsonl"
    items.write_text(items.read_text().replace("Colour 0?", "Which colour is 0?", 1))
    assert flips(stage.folder) == {"echoes": (1, 50)}


def test_other_settings_take_all_of_it_away(stage: Stage) -> None:
    ask_twice(stage, engine("c-3", "e-1"))
    path = stage.folder / "suites" / "echoes.yaml"
    path.write_text(path.read_text() + "generation: {max_new_tokens: 7}\n")
    assert flips(stage.folder) == {}


def test_a_damaged_run_is_refused_not_passed_over(stage: Stage) -> None:
    _, again = ask_twice(stage, engine("c-3"))
    log = again / "outcomes.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"c-3"', b'"c-4"', 1))
    with pytest.raises(StoreError):
        noise(stage.folder)


# --- at the command line ----------------------------------------------------------------------------------------------


def locked_plan(folder: Path) -> dict[str, dict[str, object]]:
    plan: dict[str, dict[str, object]] = json.loads((folder / "baselines" / "lock.json").read_text())["plan"]
    return plan


def rates(plan: dict[str, dict[str, object]], suite: str) -> list[str]:
    outlooks = plan[suite]["outlooks"]
    assert isinstance(outlooks, list)
    return [outlook["flip_rate"] for outlook in outlooks]


def test_lock_keeps_the_rates_it_was_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_project(tmp_path / "project")
    given = ["--flip-rate", "0.04", "--flip-rate", "echoes=0.080"]
    assert main(["lock", "-C", str(folder), *given, "--json"]) == 0
    told = capsys.readouterr()
    plan = locked_plan(folder)
    assert json.loads(told.out)["plan"] == json.loads(told.out)["plan_today"] == plan
    assert (rates(plan, "colours"), rates(plan, "echoes")) == (["0.04"], ["0.08"])
    assert plan["echoes"]["flip_rates"] == {"source": "given", "expected": ["0.08"], "noise": None}
    assert "Given: 4 % for colours; 8 % for echoes." in " ".join(told.err.split())


def test_an_amended_lock_uses_what_was_measured(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    ask_twice(stage, engine("c-3", "c-4", "c-5"))
    before = (stage.folder / "baselines" / "lock.json").read_bytes()
    assert main(["lock", "-C", str(stage.folder), "--json"]) == 0
    told = capsys.readouterr()
    said = " ".join(told.err.split())
    assert "already locked, and nothing changed." in said
    assert "asked twice: colours 3 of 60 (at most 12.4 %), echoes 0 of 50 (at most 5.8 %)." in said
    assert "assumed to flip: colours 12 / 15 / 20 %." in said
    assert "The lock keeps those of the day it was written" in said
    assert (stage.folder / "baselines" / "lock.json").read_bytes() == before
    assert rates(json.loads(told.out)["plan_today"], "colours") == ["0.12", "0.15", "0.2"]

    path = stage.folder / "suites" / "echoes.yaml"
    path.write_text(path.read_text().replace("0.10", "0.20"))
    assert main(["lock", "-C", str(stage.folder), "--amend", "--why", "a wider margin"]) == 0
    plan = locked_plan(stage.folder)
    assert rates(plan, "colours") == ["0.12", "0.15", "0.2"]
    assert plan["colours"]["flip_rates"] == {
        "source": "measured",
        "expected": ["0.02", "0.05", "0.1"],
        "noise": {"n": 60, "flips": 3, "at_most": "0.1242"},
    }


def test_a_lock_from_before_flip_rates_had_a_source_is_read(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Its plan has no `flip_rates`; the digest is made to fit, as the older version would have written it."""
    path, history = (stage.folder / "baselines" / name for name in ("lock.json", "history.jsonl"))
    body = json.loads(path.read_text())
    for suite in body["plan"].values():
        del suite["flip_rates"]
    del body["digest"]
    digest = digest_promise(body)
    path.write_text(json.dumps({**body, "digest": digest}))
    history.unlink()
    with ChainWriter.open(history, HISTORY_LABEL) as log:
        log.append({"lock": digest, "previous": None, "created": body["created"], "why": "first lock", "changes": []})
    assert main(["lock", "-C", str(stage.folder)]) == 0
    assert "The lock keeps" not in capsys.readouterr().err  # the same rates, whoever says so


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (["0"], "must lie between 0 and 1"),
        (["1"], "must lie between 0 and 1"),
        (["nan"], "must lie between 0 and 1"),
        (["four"], "write a number"),
        (["colours="], "write a number"),
        (["=0.1"], "no suite with a margin"),
        (["colour=0.1"], "no suite with a margin: colours, echoes."),
        (["0.1", "0.2"], "twice for all suites"),
        (["colours=0.1", "colours=0.1"], "twice for colours"),
    ],
)
def test_a_flip_rate_that_means_nothing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], complaint: str
) -> None:
    folder = write_project(tmp_path / "project")
    options = [part for text in given for part in ("--flip-rate", text)]
    assert main(["lock", "-C", str(folder), *options]) == 2
    assert complaint in " ".join(capsys.readouterr().err.split())
    assert not (folder / "baselines").exists()


def test_plan_in_a_project_says_what_lock_would(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ask_twice(stage, engine("c-3"))
    shutil.rmtree(stage.folder / "runs")
    monkeypatch.chdir(stage.folder)
    before = sorted(stage.folder.rglob("*"))
    assert main(["plan", "--flip-rate", "echoes=0.03", "--alpha", "0.1", "--json"]) == 0
    told = capsys.readouterr()
    result = json.loads(told.out)
    assert (result["alpha"], result["power"], len(result["together"])) == ("0.1", "0.8", 3)
    assert (rates(result["plan"], "echoes"), rates(result["plan"], "colours")[0]) == (["0.03"], "0.0534")
    assert "Given: 3 % for echoes." in " ".join(told.err.split())
    assert sorted(stage.folder.rglob("*")) == before


def test_plan_in_general_needs_no_project(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, asked in ((tmp_path, []), (stage.folder, ["--margin", "0.03"])):
        monkeypatch.chdir(folder)
        assert main(["plan", "--json", *asked]) == 0
        result = json.loads(capsys.readouterr().out)
        assert (result["margin"], list(result["needed"])) == ("0.03", ["0.02", "0.05", "0.1", "0.2"])
        assert main(["plan", "--flip-rate", "echoes=0.1", "--margin", "0.02"]) == 2
        assert "names a suite" in capsys.readouterr().err
