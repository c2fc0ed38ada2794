"""What can be saved of an adapter: the trade-off as a table, on a terminal and in Markdown, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from regress.report.markdown import ICONS, escaped
from regress.report.terminal import RULING_STYLE, VERDICT_STYLE
from regress.report.verdict_json import as_object, suite_object
from regress.report.words import interval, points, visible, why
from regress.schema import Probe, Rescue, Role, Ruling, Standing, SuiteVerdict, Verdict

RESCUE_FORMAT = 1

_STANDING = {Standing.HELD: "holds", Standing.OPEN: "open", Standing.BROKEN: "breaks"}


def headline(rescue: Rescue) -> str:
    """The one sentence that a tired person needs."""
    who = visible(rescue.source.path, 60)
    if rescue.proposal is None:
        return f"nothing can be saved of {who}: {_why_none(rescue)}."
    at = f"at strength {rescue.proposal.strength}"
    match rescue.ruling:
        case Ruling.PROMOTE:
            return (
                f"{who} {at} keeps every protected suite within its margin{_gains(rescue)}, confirmed on items that "
                "had no part in choosing it."
            )
        case Ruling.REJECT:
            return f"{who} {at} looked best on one half of the items and breaks its margins on the other."
        case Ruling.REFUSED:
            reasons = "; ".join(rescue.confirmation.reasons) if rescue.confirmation else ""
            return f"{who} {at}: nothing is concluded. {visible(reasons)}"
        case _:
            return f"{who} {at} is the best that was found, and is not confirmed: {_why_open(rescue)}."


def _why_none(rescue: Rescue) -> str:
    """Whether the losses or the missing gain are to blame."""
    weaker = [probe for probe in rescue.probes if probe.share < 1.0]
    whole = [probe for probe in weaker if probe.standing is not Standing.BROKEN]
    if not whole:
        return "every strength that was tried breaks a protected suite"
    best = max(whole, key=lambda probe: probe.share)
    missed = ", ".join(
        f"{v.suite} gains {points(v.delta).lstrip('+')} points where {float(v.min_gain or 0) * 100:g} are asked"
        for v in best.suites
        if v.role is Role.TARGET
    )
    return f"what keeps the protected suites (strength {best.strength}) does not reach the target: {missed}"


def _why_open(rescue: Rescue) -> str:
    if rescue.confirmation is None:
        return visible("; ".join(rescue.open))
    return f"on the other half {why(rescue.confirmation)}"


def _gains(rescue: Rescue) -> str:
    verdicts = rescue.confirmation.suites if rescue.confirmation else ()
    gains = {v.suite: v for v in reversed(verdicts) if v.role is Role.TARGET}
    return "".join(f", and {v.suite} gained {points(v.delta).lstrip('+')} points" for v in gains.values())


NEXT = (
    "Unbiased is the confirmation half alone: the strength was chosen on the other items. A later `regress check` of "
    "the written adapter asks all of them again and is charged as a further candidate."
)


def terminal(rescue: Rescue) -> RenderableType:
    """Headline, curve, confirmation."""
    ruling = Text(f" {rescue.ruling.value} ", style=RULING_STYLE[rescue.ruling])
    parts: list[RenderableType] = [Text.assemble(ruling, "  ", headline(rescue))]
    parts += [Text(""), Text("points on the half to select on", style="dim")]
    for probes in ([p for p in _ordered(rescue) if (p.strength.without is None) is whole] for whole in (True, False)):
        parts += [_curve(rescue, probes), Text("")] if probes else []
    if rescue.confirmation is not None and rescue.confirmation.suites:
        parts += [Text("on the half to confirm on", style="dim"), _confirmation(rescue), Text("")]
    if rescue.folder is not None:
        parts += [Text(f"written to {visible(rescue.folder)}"), Text(NEXT, style="dim")]
    return Group(*parts)


def _ordered(rescue: Rescue) -> list[Probe]:
    """The whole adapter from strong to weak, then those with a group left out."""
    return sorted(rescue.probes, key=lambda p: (p.strength.without is not None, -p.share))


def _columns(rescue: Rescue) -> list[SuiteVerdict]:
    """One verdict a suite, for its name and margin, protected ones first."""
    return sorted(rescue.probes[0].suites, key=lambda v: (v.role is not Role.PROTECT, v.suite))


def _bound(verdict: SuiteVerdict) -> str:
    if verdict.role is Role.TARGET:
        return "gain" if verdict.min_gain is None else f"+{float(verdict.min_gain) * 100:g}"
    return "–" if verdict.margin is None else f"−{float(verdict.margin) * 100:g}"


def _curve(rescue: Rescue, probes: Sequence[Probe]) -> Table:
    """A row for each suite, a column for each strength."""
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    table.add_column("strength", overflow="fold")
    table.add_column("", justify="right", no_wrap=True)
    for probe in probes:
        name = f"{probe.strength.scale:g}" + (f"\nno {probe.strength.without}" if probe.strength.without else "")
        chosen = rescue.proposal is not None and probe.strength == rescue.proposal.strength
        table.add_column(name, justify="right", header_style="bold" if chosen else "dim", overflow="fold")
    for row in _columns(rescue):
        cells = []
        for probe in probes:
            found = next((v for v in probe.suites if v.suite == row.suite), None)
            style = "" if found is None else VERDICT_STYLE[found.verdict]
            cells.append(Text("–" if found is None else points(found.delta), style=style))
        table.add_row(visible(row.suite, 30), _bound(row), *cells)
    table.add_row("", "", *(Text(_STANDING[probe.standing], style="dim") for probe in probes))
    return table


def _confirmation(rescue: Rescue) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    for name in ("suite", "variant", "points", "90 % interval", "of", ""):
        table.add_column(name, justify="left" if name in ("suite", "variant", "") else "right", no_wrap=name != "suite")
    for v in rescue.confirmation.suites if rescue.confirmation else ():
        word = Text(v.verdict.value, style=VERDICT_STYLE[v.verdict])
        table.add_row(visible(v.suite), v.variant, points(v.delta), interval(v.ci90), str(v.counts.n), word)
    return table


def markdown(rescue: Rescue, figure: str) -> str:
    """rescue.md, safe around untrusted names; `figure` is the drawing's file name."""
    columns = _columns(rescue)
    lines = [f"# {ICONS[rescue.ruling]} {rescue.ruling.value}", "", escaped(headline(rescue)), ""]
    lines += [f"![What each strength costs and gains]({figure})", ""]
    lines += ["On the half to select on: points, and 90 % intervals.", ""]
    head = [f"{escaped(v.suite)} ({_bound(v)})" for v in columns]
    lines += [f"| strength | {' | '.join(head)} | |", f"|---|{'--:|' * len(head)}---|"]
    for probe in _ordered(rescue):
        found = {v.suite: v for v in probe.suites}
        cells = [f"{_cell(found[v.suite])}" if v.suite in found else "–" for v in columns]
        chosen = rescue.proposal is not None and probe.strength == rescue.proposal.strength
        name = f"**{probe.strength}**" if chosen else str(probe.strength)
        lines.append(f"| {name} | {' | '.join(cells)} | {_STANDING[probe.standing]} |")
    if rescue.confirmation is not None and rescue.confirmation.suites:
        spent = rescue.confirmation.attempt
        charged = "" if spent is None else f", candidate {spent.number}, at an alpha of {spent.alpha * 100:.2g} %"
        lines += ["", f"On the half to confirm on{charged}:", ""]
        lines += ["| suite | variant | points | 90 % interval | of | |", "|---|---|--:|--:|--:|---|"]
        lines += [
            f"| {escaped(v.suite)} | {v.variant} | {points(v.delta)} | {interval(v.ci90)} | {v.counts.n} | "
            f"{v.verdict.value} |"
            for v in rescue.confirmation.suites
        ]
    lines += ["", NEXT] if rescue.folder is not None else []
    return "\n".join(lines) + "\n"


def _cell(verdict: SuiteVerdict) -> str:
    broken = " ✗" if verdict.verdict is Verdict.FAIL else ""
    return f"{points(verdict.delta)} {interval(verdict.ci90)}{broken}"


def as_json(rescue: Rescue) -> dict[str, Any]:
    """rescue.json, version 1: keys are only ever added."""
    return {
        "schema_version": RESCUE_FORMAT,
        "decision": rescue.ruling.value,
        "exit_code": int(rescue.ruling.exit_code),
        "lock": rescue.lock,
        "source": {"digest": rescue.source.digest, "path": _text(rescue.source.path)},
        "alpha": rescue.alpha,
        "halves": {name: {"select": sizes[0], "confirm": sizes[1]} for name, sizes in rescue.halves.items()},
        "probes": [_probe(probe) for probe in rescue.probes],
        "proposal": rescue.proposal and _strength(rescue.proposal),
        "confirmation": rescue.confirmation and as_object(rescue.confirmation),
        "open": [_text(reason) for reason in rescue.open],
        "folder": rescue.folder and _text(rescue.folder),
    }


def _strength(probe: Probe) -> dict[str, Any]:
    without = probe.strength.without
    return {"scale": probe.strength.scale, "without": without and without.value, "share": probe.share}


def _probe(probe: Probe) -> dict[str, Any]:
    return {
        **_strength(probe),
        "ruling": probe.ruling.value,
        "standing": probe.standing.value,
        "reached": probe.reached,
        "suites": [suite_object(verdict) for verdict in probe.suites],
    }


def _text(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
