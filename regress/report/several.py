"""Several candidates that were judged one after the other: one row each, and what the next one may still claim."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from rich.table import Table
from rich.text import Text

from regress.report.html import PAGE
from regress.report.markdown import ICONS, SUMMARY, escaped
from regress.report.terminal import RULING_STYLE
from regress.report.words import visible, why
from regress.schema import Attempt, Decision, Ruling

Decisions = Mapping[str, Decision]
"""By the name of the candidate's folder of reports, in the order in which they were judged."""


def table(decisions: Decisions) -> Table:
    """The summary on a terminal."""
    found = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    found.add_column("adapter", overflow="fold")
    found.add_column("", no_wrap=True)
    found.add_column("candidate", justify="right", no_wrap=True)
    found.add_column("alpha", justify="right", no_wrap=True)
    found.add_column("why", overflow="fold")
    for name, decision in decisions.items():
        ruling = Text(decision.ruling.value, style=RULING_STYLE[decision.ruling])
        found.add_row(visible(name, 40), ruling, *_spent(decision.attempt), visible(why(decision), 200))
    return found


def headline(decisions: Decisions) -> str:
    """3 adapters: 1 PROMOTE, 2 REJECT"""
    counts = [(ruling, sum(d.ruling is ruling for d in decisions.values())) for ruling in Ruling]
    return f"{len(decisions)} adapters: {', '.join(f'{count} {ruling.value}' for ruling, count in counts if count)}"


def order(upcoming: Attempt | None) -> str:
    """Why the order matters, and what is left for the next."""
    sentence = (
        "Candidates count in the order given: every further try is another chance to pass by luck, so it may spend"
    )
    if upcoming is None:
        return f"{sentence} less of alpha."
    return (
        f"{sentence} less of alpha; the next one would be candidate {upcoming.number} and may spend {_share(upcoming)}."
    )


def index(decisions: Decisions, upcoming: Attempt | None) -> str:
    """index.md: the table with links to each summary and page, safe around untrusted names."""
    return "\n".join(lines(decisions, upcoming, linked=True))


def lines(decisions: Decisions, upcoming: Attempt | None, *, linked: bool) -> list[str]:
    """The index line by line; without links where the summaries do not lie beside it."""
    found = [f"# {headline(decisions)}", ""]
    found += ["| adapter | decision | candidate | alpha | why |", "|---|---|--:|--:|---|"]
    for name, decision in decisions.items():
        number, alpha = _spent(decision.attempt)
        links = f"[{escaped(name)}]({quote(name)}/{SUMMARY}) ([page]({quote(name)}/{PAGE}))"
        shown = links if linked else escaped(name)
        ruling = f"{ICONS[decision.ruling]} {decision.ruling.value}"
        found.append(f"| {shown} | {ruling} | {number} | {alpha} | {escaped(visible(why(decision), 300))} |")
    return [*found, "", order(upcoming), ""]


def _spent(attempt: Attempt | None) -> tuple[str, str]:
    return ("–", "–") if attempt is None else (str(attempt.number), _share(attempt))


def _share(attempt: Attempt) -> str:
    return f"{attempt.alpha * 100:.2g} %"
