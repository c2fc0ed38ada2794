"""`regress export`: where things go, what is refused, and what is not loaded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from regress.cli import main
from regress.cli.export import FORMATS, Format

ROOT = Path(__file__).resolve().parents[2]


def export(project: Path, *arguments: str, adapter: str = "careful") -> int:
    return main(["export", str(project / adapter), "-C", str(project), *arguments])


@pytest.fixture
def own(project: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(project, tmp_path / "project"))


def test_every_format_has_its_writer() -> None:
    assert set(FORMATS) == set(Format)


@pytest.mark.parametrize(
    ("to", "files"),
    [
        ("card", ["model-card.md"]),
        ("parquet", ["parquet/outcomes.parquet", "parquet/verdicts.parquet"]),
        ("lm-eval", ["lm-eval/adapter@fp32", "lm-eval/base@fp32", "lm-eval/merged@fp32"]),
    ],
)
def test_reports_is_where_it_goes_unless_told(
    own: Path, to: str, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(own, "--to", to, "--json", adapter="careless") == 0  # written, whatever it says
    said = json.loads(capsys.readouterr().out)
    assert (said["decision"], said["format"], len(said["written"])) == ("REJECT", to, len(files))
    assert all((own / "reports" / name).exists() for name in files)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--to", "card", "--uri", "x"], 2, "--uri says nothing to --to card; that takes --output, --name."),
        (["--to", "lm-eval", "--name", "x"], 2, "--name says nothing to --to lm-eval"),
        (["--to", "mlflow", "--offline"], 2, "--offline says nothing"),
        (["--to", "nothing"], 2, "nothing"),
        ([], 2, "--to"),
    ],
)
def test_usage(own: Path, arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(own, *arguments) == code
    assert message in " ".join(capsys.readouterr().err.split())


def test_the_judged_bytes_are_not_written_to(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(own, "--to", "card", "--output", str(own / "careful" / "README.md")) == 2
    assert "whose bytes were judged" in " ".join(capsys.readouterr().err.split())
    assert sorted(path.name for path in (own / "careful").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


def test_broken_evidence_exports_nothing(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for log in own.glob("runs/*/outcomes.jsonl"):
        log.write_bytes(log.read_bytes()[:-40])
    assert export(own, "--to", "parquet") == 5
    assert not (own / "reports" / "parquet").exists()


def test_no_model_library_is_loaded(own: Path) -> None:
    """An export runs on the CPU runner that gates. (pyarrow imports pandas where that is installed.)"""
    code = f"""
import sys
from regress.cli import main
for to in ("card", "lm-eval", "parquet"):
    assert main(["export", {str(own / "careful")!r}, "-C", {str(own)!r}, "--to", to]) == 0
heavy = {{"torch", "transformers", "peft", "scipy", "lm_eval", "mlflow", "wandb"}}
print(sorted(heavy & {{name.partition(".")[0] for name in sys.modules}}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("to", "module", "extra"),
    [("parquet", "pyarrow", "frames"), ("mlflow", "mlflow", "mlflow"), ("wandb", "wandb", "wandb")],
)
def test_without_the_extra_the_mend_is_named(
    own: Path, to: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [
        name for name in sys.modules if name.partition(".")[0] == module or name.startswith("regress.export.")
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    assert export(own, "--to", to) == 5
    assert f"pip install 'regress-harness[{extra}]'" in " ".join(capsys.readouterr().err.split())
