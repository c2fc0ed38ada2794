"""Rescue and bisect as a user runs them, on an adapter that was really trained too hard."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from e2e_projects import once, take_suite, write_settings
from peft import PeftModel
from tiny_models import adapter_tensors, plain_model, write_tensors

from regress.cli import main
from regress.demo.adapters import RECIPES, train_adapter
from regress.demo.project import MODEL
from regress.rescue.halves import split
from regress.suite import read_project, read_suites

HARD = replace(RECIPES["careless"], counts={"support": 300}, steps=24, batch=16, learning_rate=6e-3)


def trained_project(folder: Path) -> Path:
    """Two protected suites, and an adapter that learned nothing but a support desk: checked, and rejected."""
    take_suite(folder, "general_words", 200, margin=0.2)
    take_suite(folder, "general_choice", 120, margin=0.15)
    (folder / "base").mkdir()
    for path in [found for pattern in ("*.safetensors", "*.json", "*.jinja") for found in MODEL.glob(pattern)]:
        shutil.copyfile(path, folder / "base" / path.name)
    write_settings(folder)
    assert main(["lock", "-C", str(folder)]) == 0
    train_adapter(folder / "base", folder / "hard", HARD, lambda *_: None)
    assert main(["check", str(folder / "hard"), "-C", str(folder), "--quiet"]) == 3
    return folder


@pytest.fixture
def trained(shared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(once(shared, "trained", trained_project), tmp_path / "project"))


def attempts(project: Path) -> list[str]:
    lines = (project / "baselines" / "attempts.jsonl").read_text().splitlines()
    return [json.loads(line.split(" ", 1)[1])["candidate"] for line in lines if "candidate" in line]


def report(project: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((project / "reports" / "rescue.json").read_bytes())
    return read


def test_a_weaker_copy_is_found_confirmed_and_works_like_any_adapter(trained: Path) -> None:
    code = main(["rescue", str(trained / "hard"), "-C", str(trained), "--quiet"])
    found = report(trained)
    assert code == found["exit_code"] == found["confirmation"]["exit_code"]
    assert code in (0, 4)  # what looked best on one half need not be certain on the other
    words = {p["scale"]: s["delta"] for p in found["probes"] for s in p["suites"] if s["suite"] == "general_words"}
    assert words[1.0] < -0.2 < words[found["proposal"]["scale"]]
    confirmed = found["confirmation"]
    assert {(s["suite"], s["variant"]) for s in confirmed["suites"]} == {
        (suite, variant) for suite in ("general_choice", "general_words") for variant in ("adapter", "merged")
    }
    for suite in confirmed["suites"]:
        assert suite["n"] == found["halves"][suite["suite"]]["confirm"]
    ledger = attempts(trained)
    assert len(ledger) == 2
    assert ledger[1] == confirmed["candidate"]["digest"] + "#half"
    assert confirmed["attempt"]["number"] == 2

    rescued = Path(found["folder"])
    PeftModel.from_pretrained(plain_model(trained / "base"), str(rescued))
    for name, tensor in adapter_tensors(trained / "hard").items():
        factor = found["proposal"]["scale"] if "lora_B" in name else 1.0
        assert (adapter_tensors(rescued)[name] - factor * tensor).abs().max() < 1e-6

    before = json.dumps(found)
    assert main(["rescue", str(trained / "hard"), "-C", str(trained), "--quiet"]) == code
    assert json.dumps(report(trained)) == before
    assert attempts(trained) == ledger  # the same rescue again is no new attempt

    assert main(["check", str(rescued), "-C", str(trained), "--quiet"]) in (0, 4)
    verdict = json.loads((trained / "reports" / "verdict.json").read_bytes())
    assert verdict["attempt"]["number"] == 3  # all items again, half of which chose it: charged once more
    assert any(check["name"] == "rescued" and "unbiased" in check["detail"] for check in verdict["checks"])


def test_without_a_confirmation_nothing_is_charged_nor_is_the_other_half_asked(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = attempts(trained)
    capsys.readouterr()
    assert main(["rescue", str(trained / "hard"), "-C", str(trained), "--no-confirm", "--json", "--quiet"]) == 4
    found = json.loads(capsys.readouterr().out)
    assert found == report(trained)
    assert (found["confirmation"], found["decision"]) == (None, "INCONCLUSIVE")
    assert attempts(trained) == before
    assert (trained / "reports" / "rescue.svg").read_text().startswith("<svg")

    opened = read_project(trained)
    halves = split(read_suites(opened.suite_paths()))
    logs = list((trained / "runs" / "rescue").glob("*/outcomes.jsonl"))
    assert len(logs) == 1 + len(found["probes"])
    for log in logs:
        outcomes = [json.loads(line.split(" ", 1)[1]) for line in log.read_text().splitlines()]
        for suite, half in halves.select.items():
            asked = {outcome["item"] for outcome in outcomes if outcome["suite"] == suite}
            assert asked
            assert asked <= {item.id for item in half.items}


def test_refusals(trained: Path, judged_once: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str) -> str:
        capsys.readouterr()
        main([*arguments, "--quiet"])
        return " ".join(capsys.readouterr().err.split())

    hard, project, before = trained / "hard", str(trained), attempts(trained)
    unknown = Path(shutil.copytree(hard, tmp_path / "unknown"))
    write_tensors(unknown, {name: tensor * 2 for name, tensor in adapter_tensors(hard).items()})
    assert "no preflight under this lock" in said("rescue", str(unknown), "-C", project)
    promoted = Path(shutil.copytree(judged_once, tmp_path / "judged"))
    assert "nothing to rescue" in said("rescue", str(promoted / "tiny"), "-C", str(promoted))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not touch")
    assert "exists and is no rescued copy" in said("rescue", str(hard), "-C", project, "--out", str(tmp_path / "mine"))
    assert (tmp_path / "mine" / "thesis.txt").exists()
    assert attempts(trained) == before
    for log in (promoted / "runs").glob("*/outcomes.jsonl"):
        log.write_bytes(log.read_bytes().replace(b'"pass"', b'"fail"', 1))
    assert "REFUSED" in said("rescue", str(promoted / "broken"), "-C", str(promoted))


def test_bisect_finds_the_checkpoint_between_good_and_bad(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Checkpoints that grow from nothing to twice what was trained, with a trainer's pickles beside them."""
    output, before = tmp_path / "training", attempts(trained)
    for number, share in ((5, 0.02), (10, 0.04), (50, 0.06), (100, 1.5), (200, 2.0)):
        folder = Path(shutil.copytree(trained / "hard", output / f"checkpoint-{number}"))
        tensors = adapter_tensors(folder)
        write_tensors(folder, {name: t * share if "lora_B" in name else t for name, t in tensors.items()})
        (folder / "optimizer.pt").write_bytes(b"nobody opens this")
    arguments = ["bisect", str(output), "-C", str(trained), "--suite", "general_words", "--quiet", "--json"]
    capsys.readouterr()
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["checkpoints"] == [f"checkpoint-{n}" for n in (5, 10, 50, 100, 200)]
    (suite,) = found["suites"]
    assert suite["sentence"] == (
        "checkpoint-100 is the first that breaks general_words; checkpoint-50 is within its margin."
    )
    assert found["alpha_each"] == pytest.approx(0.05 / 5)
    assert attempts(trained) == before
    assert main([*arguments[:-2], "--suite", "nonesuch"]) == 2
    assert main(["bisect", str(output / "checkpoint-5"), "-C", str(trained)]) == 2
