"""What GitHub Actions reads: annotations, outputs and the step's summary.

A runner takes every line of a job's log that begins with `::` for a command. Whatever comes from outside is therefore
made visible first, which respells `::`, and stands behind a command of ours on the same line, escaped as the runner
unescapes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from regress.report import comment, markdown
from regress.report.words import headline, noteworthy, visible
from regress.schema import Attempt, Decision, Ruling, SuiteVerdict, Verdict

SUMMARY_BYTES = 2**20  # of a step's summary; a longer one is thrown away whole
SHOWN = 10  # annotations of each level that GitHub keeps of one step
TEXT_LIMIT = 400


class Level(StrEnum):
    """How an annotation is marked."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


LEVELS: dict[Ruling, Level] = {
    Ruling.PROMOTE: Level.NOTICE,
    Ruling.REJECT: Level.ERROR,
    Ruling.INCONCLUSIVE: Level.WARNING,
    Ruling.REFUSED: Level.ERROR,
}


def annotated(decisions: Iterable[Decision], files: Mapping[str, str]) -> list[str]:
    """Commands for the log: a line a candidate, then one for each suite that is not within its margin.

    `files` holds the suites' files by name, relative to the repository. GitHub shows ten of each level.
    """
    judged = list(decisions)
    found = [(LEVELS[d.ruling], command(LEVELS[d.ruling], d.ruling.value, headline(d))) for d in judged]
    found += [(level, text) for d in judged for level, text in _suites(d, files)]
    return [text for level in Level for text in [text for one, text in found if one is level][:SHOWN]]


def _suites(decision: Decision, files: Mapping[str, str]) -> Iterator[tuple[Level, str]]:
    for verdict in worst_of_each(decision):
        level = Level.ERROR if verdict.verdict is Verdict.FAIL else Level.WARNING
        title = f"{verdict.suite} ({verdict.variant}): {verdict.verdict.value}"
        yield level, command(level, title, verdict.reason, files.get(verdict.suite.partition(":")[0]))


def worst_of_each(decision: Decision) -> list[SuiteVerdict]:
    """One verdict for each suite that is not within its margin, or no target reached: that of the worst variant."""
    found: dict[str, SuiteVerdict] = {}
    for verdict in noteworthy(decision):
        if verdict.verdict is not Verdict.PASS:
            found.setdefault(verdict.suite, verdict)
    return list(found.values())


def command(level: Level, title: str, text: str, file: str | None = None) -> str:
    """One line that a runner turns into an annotation."""
    properties = {"file": file, "title": f"regress: {visible(title, 100)}"}
    shown = ",".join(f"{name}={_property(value)}" for name, value in properties.items() if value is not None)
    return f"::{level.value} {shown}::{_data(visible(text, TEXT_LIMIT))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def outputs(ruling: Ruling, reports: Path, names: Sequence[str]) -> str:
    """Lines for the file of outputs: fixed words and the paths of the reports, nothing that a model wrote.

    `names` are file names in the folder `reports`; each becomes an output without its ending. A folder whose own name
    holds a line break yields no paths.
    """
    found = {"decision": ruling.value, "exit_code": str(int(ruling.exit_code))}
    if str(reports).isprintable():
        found |= {"reports": str(reports)} | {Path(name).stem: str(reports / name) for name in names}
    return "".join(f"{name}={value}\n" for name, value in found.items())


def step_summary(judged: comment.Judged, upcoming: Attempt | None) -> str:
    """The summaries, verdict first and only what changed, within what a step may say."""
    parts = comment.all_pieces(judged, upcoming, folded=False)
    return markdown.fitted(parts, SUMMARY_BYTES - 1, lambda text: len(text.encode()))
