"""summary.md: the decision for a pull request or a chat, safe around untrusted replies."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence

from regress.report import attribution, serving, triggers
from regress.report.detector import TITLE, corrections, uncorrected
from regress.report.words import (
    BESIDE,
    EXAMPLES,
    amount,
    attempt,
    change,
    examples,
    headline,
    moved,
    new_kinds,
    noteworthy,
    p_value,
    spread,
    suites_with,
    unaudited,
    visible,
    worst_slices,
)
from regress.schema import Decision, Flip, Role, SuiteComparison, SuiteVerdict, Verdict

SUMMARY = "summary.md"

ICONS = {"PROMOTE": "✅", "REJECT": "❌", "INCONCLUSIVE": "❔", "REFUSED": "⛔"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~@&$])")
_BEGINNING = re.compile(r"^(\d*)([-=./])")  # of a list, a rule, an underlined heading or a quick action of GitLab's
_LINKED = re.compile(r"(?<=@)|(?<=:)(?=//)|(?<=\bwww)(?=\.)|(?<=[#!~%&$])(?=\w)|(?<=\bGH)(?=-\d)", re.IGNORECASE)
UNLINKED = "\u2060"  # a word joiner, where a page would link an address, an issue or a person, escaped or not
REPLY_LIMIT = 600
LEFT_OUT = "\n\nThere is no room for the rest here: it is in summary.md, among the job's reports.\n"


def render(decision: Decision, comparisons: Sequence[SuiteComparison]) -> str:
    """The summary's text, verdict first."""
    return "\n".join(pieces(decision, comparisons)).rstrip() + "\n"


def fitted(parts: Sequence[str], limit: int, size: Callable[[str], int] = len) -> str:
    """Of a summary's pieces as many, from the first on, as have the size `limit` together; what is left out is said."""
    whole = "\n".join(parts).rstrip() + "\n"
    if size(whole) <= limit:
        return whole
    room = limit - size(LEFT_OUT)
    kept: list[str] = []
    for part in parts:
        room -= size(part) + size("\n")
        if room < 0:
            break
        kept.append(part)
    return "\n".join(kept).rstrip() + LEFT_OUT


def pieces(decision: Decision, comparisons: Sequence[SuiteComparison], *, folded: bool = False) -> list[str]:
    """What the summary's lines are joined from, verdict first; none is broken by leaving out those behind it.

    With `folded` an example's replies are seen after a click on its title.
    """
    parts = [f"# {ICONS[decision.ruling]} {decision.ruling.value}", "", escaped(headline(decision)), ""]
    rows = noteworthy(decision)
    if rows:
        parts += _table(rows)
    held = suites_with(decision, Verdict.PASS)
    if held:
        parts += ["Within their margins: " + ", ".join(f"{v.suite} ({v.variant}, {change(v)})" for v in held), ""]
    parts += _detector(decision)
    parts += _kinds(decision, comparisons)
    parts += _slices(decision, comparisons)
    chosen = examples(comparisons, decision, EXAMPLES)
    if chosen:
        parts += [f"## Lost, for example ({len(chosen)})", ""]
        parts += [_folded(*one) if folded else _example(*one) for one in chosen]
    parts += _triggers(decision)
    parts += _serving(decision)
    parts += _beside(decision)
    parts += _attribution(decision)
    parts += _evidence(decision)
    return parts


def _triggers(decision: Decision) -> list[str]:
    lines = [f"- {escaped(line)}" for line in triggers.lines(decision)]
    return [f"## {triggers.TITLE.capitalize()}", "", *lines, ""] if lines else []


def _beside(decision: Decision) -> list[str]:
    if decision.beside is None:
        return []
    rows = _table(decision.beside.suites) if decision.beside.suites else []
    missing = [f"- {escaped(reason)}" for reason in decision.beside.missing]
    return [f"## Beside the lock: {BESIDE}", "", *rows, *missing, *([""] if missing else [])]


def _attribution(decision: Decision) -> list[str]:
    if decision.attribution is None or not decision.attribution.shares:
        return []
    rows = [f"| {' | '.join(attribution.cells(row))} |" for row in attribution.told(decision)]
    ruler = "|" + "|".join("---" if title in attribution.WORDS else "--:" for title in attribution.HEADER) + "|"
    table = [f"| {' | '.join(attribution.HEADER)} |", ruler, *rows, ""] if rows else []
    notes = [f"- {escaped(note)}" for note in attribution.notes(decision.attribution)]
    return [f"## {attribution.TITLE.capitalize()}", "", *table, *notes, ""]


def _serving(decision: Decision) -> list[str]:
    lines: list[str] = []
    for block in serving.blocks(decision):
        lines += [f"| | {block.against} | {block.variant} | change |", "|---|--:|--:|--:|"]
        lines += [f"| {row.what} | {row.base} | {row.candidate} | {row.change} |" for row in block.rows]
        lines += ["", *(f"- {escaped(note)}" for note in block.notes), ""]
    return [f"## {serving.TITLE.capitalize()}", "", *lines] if lines else []


def _table(rows: Sequence[SuiteVerdict]) -> list[str]:
    lines = [
        "| suite | variant | right, base → candidate | change | 90 % interval | margin | p (FAIL, Holm) | verdict |",
        "|---|---|--:|--:|--:|--:|--:|---|",
    ]
    for v in rows:
        bound = "–" if v.margin is None else f"{float(v.margin) * 100:g}"
        lines.append(
            f"| {v.suite} | {v.variant} | {moved(v)} | {amount(v)} | {spread(v)} | {bound} "
            f"| {p_value(v.p_fail_holm)} | **{v.verdict.value}** |"
        )
    return [*lines, ""]


def _detector(decision: Decision) -> list[str]:
    lines = []
    for head, *rest in corrections(decision):
        lines += [f"- {escaped(head)}", *(f"  - {escaped(line)}" for line in rest)]
    return [f"{TITLE.capitalize()}:", "", *lines, ""] if lines else []


def _kinds(decision: Decision, comparisons: Sequence[SuiteComparison]) -> list[str]:
    shown = {(v.suite, v.variant) for v in noteworthy(decision)}
    lines = [
        f"- {c.suite} ({c.variant}): {escaped(grown)}"
        for c in comparisons
        if (c.suite, c.variant) in shown and (grown := new_kinds(c))
    ]
    return ["How they fail now:", "", *lines, ""] if lines else []


def _slices(decision: Decision, comparisons: Sequence[SuiteComparison]) -> list[str]:
    shown = {(v.suite, v.variant) for v in noteworthy(decision) if v.role is Role.PROTECT}
    lines = [
        f"- {c.suite} ({c.variant}): {escaped(worst)}"
        for c in comparisons
        if (c.suite, c.variant) in shown and (worst := worst_slices(c))
    ]
    return ["Worst slices:", "", *lines, ""] if lines else []


def _example(comparison: SuiteComparison, flip: Flip) -> str:
    title = f"**{comparison.suite}** ({comparison.variant}), item {escaped(visible(flip.item, 80))}"
    kind = f": {escaped(flip.candidate_kind)}" if flip.candidate_kind else ""
    return "\n".join([title + kind, "", *_replies(comparison, flip)])


def _folded(comparison: SuiteComparison, flip: Flip) -> str:
    """As HTML, whose title knows entities and no backslashes; a blank line leads back to Markdown."""
    kind = f": {_in_html(flip.candidate_kind)}" if flip.candidate_kind else ""
    title = f"<b>{comparison.suite}</b> ({comparison.variant}), item {_in_html(flip.item)}{kind}"
    return "\n".join([f"<details><summary>{title}</summary>", "", *_replies(comparison, flip), "</details>", ""])


def _in_html(text: str) -> str:
    return html.escape(_LINKED.sub(UNLINKED, visible(text, 80)))


def _replies(comparison: SuiteComparison, flip: Flip) -> list[str]:
    return [
        *_fenced("prompt", flip.prompt),
        *_fenced(comparison.against, flip.base_reply),
        *_fenced(comparison.variant, flip.candidate_reply),
    ]


def _fenced(label: str, text: str) -> list[str]:
    """A code block whose fence is longer than any run of backticks inside."""
    shown = visible(text if len(text) <= REPLY_LIMIT else text[:REPLY_LIMIT] + "…")
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    body = [f"  {line}" for line in shown.split("\n")]  # indented: no line of it can end the block
    return [f"{label}:", "", f"{fence}text", *body, fence, ""]


def _evidence(decision: Decision) -> list[str]:
    lines = []
    if decision.candidate and decision.candidate.digest:
        known = "under this lock" if decision.candidate.trained_under_lock else "without a training record"
        lines.append(f"- {decision.candidate.kind} `{decision.candidate.digest}`, trained {known}")
    if decision.lock:
        lines.append(f"- lock `{decision.lock}`")
    if (spent := attempt(decision)) is not None:
        lines.append(f"- {escaped(spent)}")
    if (other := unaudited(decision)) is not None:
        lines.append(f"- {escaped(other)}")
    failed = [check for check in decision.checks if not check.ok]
    lines += [f"- {escaped(line)}" for line in uncorrected(decision)]
    if decision.checks:
        lines.append(f"- {len(decision.checks) - len(failed)} of {len(decision.checks)} checks hold")
    lines += [f"- check {check.name} failed: {escaped(visible(check.detail))}" for check in failed]
    return ["## What it rests on", "", *lines] if lines else []


def escaped(text: str) -> str:
    """Text without meaning to Markdown, also where it begins a line; it mentions nobody and links nothing."""
    line = visible(text).replace("\n", " ").strip()
    line = _LINKED.sub(UNLINKED, _SPECIAL.sub(r"\\\1", line).replace("\\@", "@"))
    return _BEGINNING.sub(r"\1\\\2", line)
