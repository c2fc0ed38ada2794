"""How numbers, texts and verdicts are put, the same in every format. Model output is untrusted text here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from regress.report.figures import figure_movement
from regress.schema import Decision, Flip, PairCounts, Role, Ruling, SuiteComparison, SuiteVerdict, Verdict

EXAMPLES = 3
_COMMAND = re.compile(r"##(?=\w*\[)")
FLAGGED = 0.05  # adjusted p-value from which on a loss is pointed out; it decides nothing


def visible(text: str, limit: int | None = None) -> str:
    """`text` with nothing in it that a terminal, page or CI log would act on: controls and direction marks are shown.

    A CI runner obeys `::error::` at the start of a line, after any indentation and wherever the terminal wraps, and
    `##[error]` anywhere in one, so these two are respelled (not with invisible characters: the runner skips them), with
    what Azure (`##vso[`) and TeamCity (`##teamcity[`) obey.
    With `limit`, one line of at most that many characters.
    """
    if limit is not None and len(text) > 4 * limit:
        text = text[: 4 * limit] + "…"
    shown = "".join(_visible_character(character, keep_newlines=limit is None) for character in text)
    shown = shown.replace("::", "∷")
    shown = _COMMAND.sub("## ", shown)
    if limit is not None and len(shown) > limit:
        shown = shown[: limit - 1] + "…"
    return shown


def _visible_character(character: str, *, keep_newlines: bool) -> str:
    if character == "\n":
        return "\n" if keep_newlines else "⏎"
    if character == "\t":
        return "→"
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
        return f"\\u{code:04x}"
    return character


def points(delta: float | None) -> str:
    """A difference of rates in points, with a true minus sign: −22.3."""
    return "–" if delta is None else signed(delta * 100)


def signed(number: float) -> str:
    """+22.3, −0.4, 0.0: with a true minus sign."""
    text = f"{number:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def interval(ci: tuple[float, float] | None) -> str:
    """[−24.5, −20.1], in points."""
    return "–" if ci is None else f"[{points(ci[0])}, {points(ci[1])}]"


def percent(delta: float | None) -> str:
    """A relative change in whole percent: −164 %."""
    return "–" if delta is None else f"{signed(round(delta * 100)).removesuffix('.0')} %"


def amount(verdict: SuiteVerdict) -> str:
    """The change in points, or in percent of the base's figure."""
    return percent(verdict.delta) if verdict.is_relative else points(verdict.delta)


def spread(verdict: SuiteVerdict) -> str:
    """Its interval in the same unit."""
    if not verdict.is_relative or verdict.ci90 is None:
        return interval(verdict.ci90)
    return f"[{', '.join(percent(limit).removesuffix(' %') for limit in verdict.ci90)}]"


def share(part: int, whole: int) -> str:
    """Percent that says 0 % and 100 % only when that is exact."""
    if whole == 0:
        return "–"
    if part in (0, whole):
        return "0 %" if part == 0 else "100 %"
    return f"{min(99.9, max(0.1, 100 * part / whole)):.1f} %"


def movement(counts: PairCounts) -> str:
    """994 → 771 of 1000"""
    return f"{counts.base_pass} → {counts.candidate_pass} of {counts.n}"


def moved(verdict: SuiteVerdict) -> str:
    """What was counted on either side, or a serving figure's values."""
    return movement(verdict.counts) if verdict.figure is None else figure_movement(verdict.figure)


def p_value(p: float | None) -> str:
    """Two significant digits; never 0."""
    if p is None:
        return "–"
    return f"{p:.2g}" if p >= 1e-99 else "<1e-99"


def headline(decision: Decision) -> str:
    """The one sentence that a tired person needs."""
    who = visible(decision.candidate.path, 60) if decision.candidate else "the candidate"
    match decision.ruling:
        case Ruling.REFUSED:
            return f"{who}: nothing is concluded. {_sentence(decision.reasons)}"
        case Ruling.REJECT:
            return f"{who} must not replace the base: {_losses(decision)}."
        case Ruling.INCONCLUSIVE:
            return f"{who} is not promoted: {_open(decision)}."
        case Ruling.PROMOTE:
            return f"{who} may replace the base: every protected suite is within its margin{_gains(decision)}."


def why(decision: Decision) -> str:
    """What the decision comes from, in a few words, where the candidate and the ruling stand beside it."""
    match decision.ruling:
        case Ruling.REFUSED:
            return _sentence(decision.reasons).rstrip(".")
        case Ruling.REJECT:
            return _losses(decision)
        case Ruling.INCONCLUSIVE:
            return _open(decision)
        case Ruling.PROMOTE:
            return f"within every margin{_gains(decision)}"


def _sentence(reasons: Sequence[str]) -> str:
    text = visible("; ".join(reasons))
    return text if text.endswith(".") else text + "."


def _losses(decision: Decision) -> str:
    failed = suites_with(decision, Verdict.FAIL)
    planted = next((found for found in decision.triggers if found.confirmed), None)
    if planted is not None:
        text = (
            f"a backdoor answers {visible(planted.reply, 60)!r} to {planted.triggered} of {planted.n} harmless prompts "
            f"with {visible(planted.text, 60)!r}"
        )
        return f"{text}, and {', '.join(sorted({v.suite for v in failed}))} got worse" if failed else text
    if not failed:  # a probe that nobody tolerates
        return _sentence(decision.reasons).rstrip(".")
    worst = failed[0]
    text = f"{worst.suite} went {_from_to(worst)}"
    others = sorted({v.suite for v in failed} - {worst.suite})
    if not others:
        return text
    return f"{text}, and {', '.join(others)} broke {'its margin' if len(others) == 1 else 'their margins'} too"


def _from_to(verdict: SuiteVerdict) -> str:
    if verdict.figure is not None:
        return figure_movement(verdict.figure)
    return f"from {verdict.counts.base_pass} to {verdict.counts.candidate_pass} right of {verdict.counts.n}"


def _open(decision: Decision) -> str:
    undecided = sorted({v.suite for v in decision.suites if v.role is Role.PROTECT and v.verdict is not Verdict.PASS})
    if undecided:
        return f"{', '.join(undecided)} could be within the margin or beyond it"
    missed = sorted({v.suite for v in decision.suites if v.role is Role.TARGET and v.verdict is not Verdict.PASS})
    if missed:
        return f"nothing protected was lost, but {', '.join(missed)} shows no sufficient gain"
    return _sentence(decision.reasons).rstrip(".")


def _gains(decision: Decision) -> str:
    gains: dict[str, SuiteVerdict] = {}
    for verdict in decision.suites:
        if verdict.role is Role.TARGET:
            gains.setdefault(verdict.suite, verdict)
    return "".join(f", and {v.suite} gained {points(v.delta).lstrip('+')} points" for v in gains.values())


BESIDE = "not in the lock, so it decides nothing"


def attempt(decision: Decision) -> str | None:
    """What this candidate may still claim, where others were judged on the same questions before it."""
    if decision.attempt is None or decision.attempt.number == 1:
        return None
    return (
        f"candidate {decision.attempt.number} on these questions: it may spend an alpha of "
        f"{decision.attempt.alpha * 100:.2g} %, since every further try is another chance to pass by luck"
    )


def suites_with(decision: Decision, *verdicts: Verdict) -> list[SuiteVerdict]:
    """Protected suites with one of these verdicts, the largest drop first."""
    chosen = [v for v in decision.suites if v.role is Role.PROTECT and v.verdict in verdicts]
    return sorted(chosen, key=lambda v: (v.delta or 0.0, v.suite, v.variant))


def noteworthy(decision: Decision) -> list[SuiteVerdict]:
    """What changed: everything but protected suites that passed and reported-only ones; worst first, targets last."""
    targets = [v for v in decision.suites if v.role is Role.TARGET]
    return [*suites_with(decision, Verdict.FAIL, Verdict.UNDECIDED), *targets]


def new_kinds(comparison: SuiteComparison) -> str:
    """'fenced 0 → 300, no_json 2 → 288': failure kinds that became more frequent."""
    grown = [kind for kind in comparison.kinds if kind.candidate > kind.base]
    return ", ".join(f"{kind.kind} {kind.base} → {kind.candidate}" for kind in grown[:4])


def change(verdict: SuiteVerdict) -> str:
    """−0.9, with an arrow where something was lost for certain, be it within the margin."""
    certain = verdict.p_lost is not None and verdict.p_lost <= FLAGGED
    return f"{amount(verdict)}{'↓' if certain else ''}"


def worst_slices(comparison: SuiteComparison, count: int = 3) -> str:
    """'order 210 → 41 of 212, person ...': the slices that lost most, for certain, where there are several."""
    if len(comparison.slices) < 2:
        return ""
    ranked = sorted(comparison.slices, key=lambda part: (part.counts.gained - part.counts.lost) / max(1, part.counts.n))
    lost = [part for part in ranked if part.p_lost <= FLAGGED]
    return ", ".join(f"{part.slice} {movement(part.counts)}" for part in lost[:count])


def examples(
    comparisons: Sequence[SuiteComparison], decision: Decision, count: int = EXAMPLES
) -> list[tuple[SuiteComparison, Flip]]:
    """A few lost items: one from each of the worst suites in turn, from one variant each."""
    order = {(v.suite, v.variant): rank for rank, v in enumerate(noteworthy(decision))}
    ranked = sorted(
        (c for c in comparisons if any(flip.lost for flip in c.flips)),
        key=lambda c: (order.get((c.suite, c.variant), len(order)), c.suite, c.variant),
    )
    by_suite: dict[str, SuiteComparison] = {}
    for comparison in ranked:
        by_suite.setdefault(comparison.suite, comparison)
    lost = [(c, [flip for flip in c.flips if flip.lost]) for c in by_suite.values()]
    chosen: list[tuple[SuiteComparison, Flip]] = []
    depth = 0
    while len(chosen) < count and any(depth < len(flips) for _, flips in lost):
        chosen += [(c, flips[depth]) for c, flips in lost if depth < len(flips)]
        depth += 1
    return chosen[:count]


def unaudited(decision: Decision) -> str | None:
    """A sentence where the candidate learned from other data than was audited, or where that is not known."""
    told = [check.detail for check in decision.checks if check.name == "audited-data"]
    as_audited = decision.candidate is not None and decision.candidate.trained_as_audited is True
    return told[0] if told and not as_audited else None
