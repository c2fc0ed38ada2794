"""Hooks of the site: reference pages are written first, links that leave docs/ lead to copies, decisions are listed.

Everything that a page links to is in the site, so that it is whole on a disk without a network.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

from docs_site import reference

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
LINK = re.compile(r"(?<=\]\()(\.\./[^)#\s]+)(?=[)#])")
COPIES = "repository"


def on_config(config: Any) -> Any:
    """Write the reference anew, and list every decision in the navigation."""
    reference.main()
    decisions = sorted((DOCS / "adr").glob("*.md"))
    config.nav.append({"Decisions": [f"adr/{path.name}" for path in decisions]})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Copies of the repository's files that pages link to."""
    for page in sorted(DOCS.rglob("*.md")):
        for target in outside(page):
            name = f"{COPIES}/{target}.txt"
            if files.get_file_from_path(name) is None:
                files.append(File.generated(config, name, abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Point links that leave docs/ at the copies."""
    source = Path(page.file.abs_src_path)
    depth = len(source.relative_to(DOCS).parents) - 1

    def copied(match: re.Match[str]) -> str:
        target = _target(source, match[1])
        return match[1] if target is None else f"{'../' * depth}{COPIES}/{target}.txt"

    return LINK.sub(copied, markdown)


def outside(page: Path) -> list[str]:
    """The repository's files that a page links to, relative to the root; raises PluginError for one that is missing."""
    found = {_target(page, link) for link in LINK.findall(page.read_text(encoding="utf-8"))}
    return sorted(target for target in found if target is not None)


def _target(page: Path, link: str) -> str | None:
    """Where a link leads, if it leaves docs/ and stays in the repository."""
    path = (page.parent / link).resolve()
    if path.is_relative_to(DOCS):
        return None
    if not path.is_relative_to(ROOT) or not path.is_file():
        raise PluginError(f"{page}: {link} is no file of the repository.")
    return path.relative_to(ROOT).as_posix()
