"""Code blocks of Markdown pages, with what the HTML comments above them say of how they are run.

Shell blocks are the fenced ones marked bash, and indented ones that begin with a command.

    <!-- sandbox: judged -->            from here on blocks run in a new copy of this sandbox, one after the other
    <!-- sandbox: fresh, slow -->       likewise, and only with the slow tests
    <!-- exits: 3 -->                   the exit code of the next block, 0 unless said
    <!-- not run: why -->               the next block is not run; the reasons are counted
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_SANDBOX = "judged"
COMMANDS = ("regress ", "pip ", "git ", "make ", "python ", "pytest ")
FENCE = re.compile(r"^(`{3,})(\w*)\s*$")
SAYS = re.compile(r"^<!-- (sandbox|exits|not run): (.+) -->$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block, or an indented one (language "indented"), with its place and its directives."""

    page: str
    line: int
    language: str
    text: str
    exits: int = 0
    not_run: str | None = None

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Shell blocks of one page that follow each other in one sandbox."""

    sandbox: str
    slow: bool
    blocks: tuple[Block, ...]

    @property
    def place(self) -> str:
        return self.blocks[0].place


def pages() -> list[Path]:
    """The README and every page of the site that is written by hand, decisions aside."""
    found = [path for path in (ROOT / "docs").rglob("*.md") if path.parent.name not in ("adr", "reference")]
    return [ROOT / "README.md", ROOT / "docs" / "reference" / "files.md", *sorted(found)]


def read_page(path: Path) -> tuple[list[Block], list[Session]]:
    """All blocks, and the shell sessions that they make."""
    page = path.relative_to(ROOT).as_posix()
    blocks: list[Block] = []
    sessions: list[Session] = []
    says: dict[str, str] = {}
    begun: list[Block] = []
    sandbox, slow = DEFAULT_SANDBOX, False

    def end() -> None:
        if begun:
            sessions.append(Session(sandbox=sandbox, slow=slow, blocks=tuple(begun)))
            begun.clear()

    for line, language, text in _parts(path.read_text(encoding="utf-8")):
        if language == "says":
            key, _, value = text.partition(": ")
            says[key] = value
            continue
        block = Block(
            page=page,
            line=line,
            language=language,
            text=text,
            exits=int(says.pop("exits", "0")),
            not_run=says.pop("not run", None),
        )
        blocks.append(block)
        if "sandbox" in says:
            end()
            name, _, rest = says.pop("sandbox").partition(", ")
            sandbox, slow = name, rest == "slow"
        if language == "bash" and block.not_run is None:
            begun.append(block)
    end()
    assert not says, f"{page}: {says} stands above no block"
    return blocks, sessions


def _parts(text: str) -> list[tuple[int, str, str]]:
    """(line, language, text) of blocks, and (line, "says", text) of directives, in order."""
    lines = text.splitlines()
    found: list[tuple[int, str, str]] = []
    at = 0
    while at < len(lines):
        if fence := FENCE.match(lines[at]):
            end = next(i for i in range(at + 1, len(lines)) if lines[i].rstrip() == fence[1])
            found.append((at + 1, fence[2], "\n".join(lines[at + 1 : end]) + "\n"))
            at = end
        elif says := SAYS.match(lines[at]):
            found.append((at + 1, "says", f"{says[1]}: {says[2]}"))
        elif lines[at].startswith("    ") and (at == 0 or not lines[at - 1].strip()):
            end = at
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            inner = "\n".join(line[4:] for line in lines[at:end]).rstrip() + "\n"
            found.append((at + 1, "bash" if inner.startswith(COMMANDS) else "indented", inner))
            at = end - 1
        at += 1
    return found
