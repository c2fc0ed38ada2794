"""Refusing less and refusing more belong side by side: a lock with one of them says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from regress.cli import main
from regress.demo.project import MODEL, shipped_suites


@pytest.mark.parametrize(
    ("suites", "told"),
    [
        (["refuse_harmful"], "Only refusing less is measured"),
        (["answer_benign"], "Only refusing more is measured"),
        (["refuse_harmful", "answer_benign"], None),
    ],
)
def test_one_side_alone_is_pointed_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suites: list[str], told: str | None
) -> None:
    (tmp_path / "suites").mkdir()
    (tmp_path / "regress.yaml").write_text(f"base: {{model: {MODEL}}}\nsuites: [suites/*.yaml]\n")
    for name in suites:
        for ending in (".yaml", ".jsonl"):
            shutil.copyfile(shipped_suites() / f"{name}{ending}", tmp_path / "suites" / f"{name}{ending}")
    assert main(["lock", "-C", str(tmp_path)]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert (told in said) if told else ("is measured" not in said)
