"""`python -m docs_site.reference`: write the reference pages anew; a test compares them with the code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from docs_site import commands, exits, keys, python_api

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
NOTICE = "<!-- Written by `make docs` from the code; do not edit. -->\n\n"

PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands.page,
    "project-file.md": keys.project_page,
    "suite-file.md": keys.suite_page,
    "exit-codes.md": exits.page,
    "python.md": python_api.page,
}


def written(name: str) -> str:
    """A page as it should be."""
    return NOTICE + PAGES[name]().rstrip() + "\n"


def main() -> int:
    """Write all of them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        (FOLDER / name).write_text(written(name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
