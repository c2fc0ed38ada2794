"""The site is built strictly, whole without a network, and a broken link fails the build."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from doc_blocks import ROOT

pytest.importorskip("mkdocs", reason="pip install 'regress-harness[docs]'")
LOADED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=[\"']?(https?:)?//", re.IGNORECASE)


def build(site: Path, config: Path = ROOT / "mkdocs.yml") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config), "-d", str(site)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = build(folder)
    assert built.returncode == 0, built.stderr[-3000:]
    return folder


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    written = list(site.rglob("*.html"))
    assert len(written) > 40
    assert [path.name for path in written if LOADED.search(path.read_text())] == []
    assert [path.name for path in site.rglob("*.css") if re.search(r"url\([\"']?https?:", path.read_text())] == []


def test_links_out_of_the_documentation_lead_to_copies(site: Path) -> None:
    page = (site / "ci.html").read_text()
    assert "repository/examples/ci/github.yml.txt" in page
    assert (site / "repository/examples/ci/github.yml.txt").read_text() == (ROOT / "examples/ci/github.yml").read_text()


@pytest.mark.parametrize(
    ("link", "good"),
    [("index.md#here", True), ("nowhere.md", False), ("index.md#nowhere", False), ("../nowhere.py", False)],
)
def test_a_broken_link_fails_the_build(tmp_path: Path, link: str, good: bool) -> None:
    config = ROOT / "mkdocs.yml"
    text = config.read_text().replace("docs_dir: docs", f"docs_dir: {tmp_path / 'docs'}")
    text = text.replace("hooks: [docs_site/hooks.py]", f"hooks: [{tmp_path / 'hook.py'}]")
    nav = text.index("\nnav:")
    (tmp_path / "hook.py").write_text(
        f"from pathlib import Path\nfrom docs_site import hooks\nhooks.DOCS = Path({str(tmp_path / 'docs')!r})\n"
        "from docs_site.hooks import on_files, on_page_markdown\n"
    )
    (tmp_path / "mkdocs.yml").write_text(text[:nav] + "\n")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# Here\n\n[good](ci.md)\n")
    (tmp_path / "docs" / "ci.md").write_text(f"# There\n\n[somewhere]({link})\n")
    assert (build(tmp_path / "site", tmp_path / "mkdocs.yml").returncode == 0) is good
