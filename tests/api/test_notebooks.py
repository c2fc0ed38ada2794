"""A real notebook, run by a real kernel: decisions and comparisons show themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from stored_projects import base_run, runs_of

import regress

nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed (the extra `dev`)")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed (the extra `dev`)")
pytest.importorskip("ipykernel", reason="ipykernel is not installed (the extra `dev`)")


def test_a_notebook_shows_plots_and_tables(stored: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(regress.__file__).parents[1]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    base, adapter = base_run(stored), runs_of(stored, "careless")["adapter"]
    cells = [
        "import regress\ndecision = regress.judge('careless')\ndecision",
        f"diff = regress.compare(regress.load_run({str(base)!r}), {str(adapter)!r})\ndiff",
        "decision.to_frame()[['suite', 'variant', 'lost', 'verdict']]",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(stored)}}
    )
    client.execute()
    shown = [cell.outputs[-1].data for cell in notebook.cells]
    assert "<svg" in shown[0]["text/html"]
    assert ">REJECT</b>" in shown[0]["text/html"]
    assert shown[0]["text/plain"].startswith("<REJECT: careless must not replace the base")
    assert "3 suites compared, 2 lost more than the margin" in shown[1]["text/html"]
    assert "<svg" in shown[1]["text/html"]
    assert "colours" in shown[2]["text/html"]
