"""From evidence and a locked policy to a decision: a pure function without files, clocks or randomness.

Per suite and variant two one-sided tests at alpha ask whether the drop is certainly smaller than the margin (PASS) or
certainly larger (FAIL). The candidate is promoted when every protected suite passes in every variant and every target
suite shows its gain (intersection-union: no correction needed); it is rejected when a FAIL survives Holm's correction
over all of them; otherwise nothing is concluded, and each open suite says how many items it would take.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from decimal import Decimal

from regress.early import Stop, StopKind, first_stop, look_sizes, p_values
from regress.evidence import comparison_flaw, flaw, policy_flaw
from regress.schema import (
    Attempt,
    Candidate,
    Check,
    Decision,
    FigureChange,
    GradedChange,
    Policy,
    Role,
    Ruling,
    Screened,
    SuiteComparison,
    SuiteVerdict,
    Verdict,
)
from regress.schema.serving import RELATIVE
from regress.stats.cluster import MIN_CLUSTERS
from regress.stats.graded import MeanDifference, p_mean_above, t_interval, t_test
from regress.stats.margin import clustered_score_test, margin_test, score_interval
from regress.stats.multiple import holm
from regress.stats.paired import mcnemar_midp_gain, mcnemar_midp_loss, p_above, tango_z
from regress.stats.power import needed_n, needed_n_mean

STOPPED = {StopKind.PASS: Verdict.PASS, StopKind.FAIL: Verdict.FAIL, StopKind.FUTILE: Verdict.UNDECIDED}

Expected = Collection[tuple[str, str]]
"""(suite, candidate variant) pairs that the lock promises evidence for."""


def decide(
    comparisons: Sequence[SuiteComparison],
    *,
    expected: Expected,
    checks: Sequence[Check],
    policy: Policy,
    candidate: Candidate | None,
    lock: str | None,
    attempt: Attempt | None = None,
    left_out: Sequence[str] = (),
) -> Decision:
    """The decision on one candidate, at the alpha that its attempt may spend (without one: the policy's).

    `left_out` names locked variants that were not asked for: without them nothing is concluded. Anything missing,
    unpaired or in error, a failed check, and a policy or lock that requires nothing are REFUSED: only complete evidence
    can promote, and only complete evidence can reject.
    """
    policy = at_alpha(policy, attempt)
    verdicts = adjust([judge(comparison, policy) for comparison in comparisons])
    refusals = [*_left_out(left_out), *_refusals(comparisons, expected, checks, policy)]
    if refusals:
        ruling, reasons = Ruling.REFUSED, refusals
    else:
        ruling, reasons = rule(verdicts, comparisons, policy)
    return Decision(
        ruling=ruling,
        lock=lock,
        attempt=attempt,
        candidate=candidate,
        suites=tuple(verdicts),
        checks=tuple(checks),
        reasons=tuple(reasons),
    )


def at_alpha(policy: Policy, attempt: Attempt | None) -> Policy:
    """The policy with the alpha that the attempt may spend."""
    return policy if attempt is None else replace(policy, alpha=Decimal(repr(attempt.alpha)))


def inform(comparisons: Sequence[SuiteComparison], policy: Policy, attempt: Attempt | None) -> tuple[SuiteVerdict, ...]:
    """What variants show that no lock names: tested like the others, corrected among themselves, deciding nothing."""
    verdicts = adjust([judge(comparison, at_alpha(policy, attempt)) for comparison in comparisons])
    return tuple(replace(verdict, role=Role.INFORM) for verdict in verdicts)


def judge(comparison: SuiteComparison, policy: Policy) -> SuiteVerdict:
    """One suite and variant by itself, before the correction for several FAIL tests."""
    counts, alpha = comparison.counts, float(policy.alpha)
    verdict, reason, p_pass, p_fail, p_gain, needed = Verdict.UNDECIDED, "", None, None, None, None
    few = comparison.clusters is not None and comparison.clusters < MIN_CLUSTERS
    stop: Stop | None = None
    if (fault := flaw(comparison, policy)) is not None:
        reason = fault
    elif comparison.role is Role.TARGET:
        p_gain = _p_gain(comparison)
        verdict = Verdict.PASS if p_gain <= alpha and not few else Verdict.UNDECIDED
        reason = _too_few(comparison) if few else _gain_reason(comparison, verdict)
    elif comparison.margin is None:
        reason = "no margin: reported only"
    else:
        stop = _stop(comparison, alpha)
        p_pass, p_fail = _margin_test(comparison, comparison.margin)
        verdict = Verdict.PASS if p_pass <= alpha else Verdict.FAIL if p_fail <= alpha else Verdict.UNDECIDED
        if stop is not None:  # the first crossing decides, whatever came after it
            verdict = STOPPED[stop.kind]
        if few:
            verdict, reason = Verdict.UNDECIDED, _too_few(comparison)
        elif verdict is Verdict.UNDECIDED:
            needed, reason = _open_question(comparison, policy)
        else:
            reason = _movement(comparison)
        if comparison.screened is not None and comparison.planned_n != counts.n:
            verdict, needed, reason = (
                Verdict.UNDECIDED,
                comparison.planned_n,
                _screening(comparison, comparison.screened),
            )
        if stop is not None and comparison.planned_n != counts.n:
            reason += f"; stopped at look {stop.look}, of {comparison.planned_n:,} items"
    return SuiteVerdict(
        suite=comparison.suite,
        category=comparison.category,
        role=comparison.role,
        variant=comparison.variant,
        against=comparison.against,
        verdict=verdict,
        counts=counts,
        delta=_delta(comparison),
        ci90=None if fault else _interval(comparison),
        margin=comparison.margin,
        min_gain=comparison.min_gain,
        p_pass=p_pass,
        p_fail=p_fail,
        p_fail_holm=None,
        p_gain=p_gain,
        p_lost=None if fault else mcnemar_midp_loss(counts.lost, counts.gained),
        needed_n=needed,
        look=None if stop is None else stop.look,
        no_answer=comparison.no_answer,
        error=comparison.error,
        reason=reason,
        detected=comparison.detected,
        figure=comparison.figure,
    )


def adjust(verdicts: Sequence[SuiteVerdict]) -> list[SuiteVerdict]:
    """Holm's correction: of FAIL over all protected suites and variants, of the flag for any loss over everything."""
    gating = [index for index, v in enumerate(verdicts) if v.role is Role.PROTECT and v.p_fail is not None]
    adjusted = holm([p for index in gating if (p := verdicts[index].p_fail) is not None])
    result = list(verdicts)
    for index, p in zip(gating, adjusted, strict=True):
        result[index] = replace(result[index], p_fail_holm=p)
    flags = [index for index, v in enumerate(verdicts) if v.p_lost is not None]
    for index, p in zip(flags, holm([p for index in flags if (p := verdicts[index].p_lost) is not None]), strict=True):
        result[index] = replace(result[index], p_lost=p)
    return result


def rule(
    verdicts: Sequence[SuiteVerdict],
    comparisons: Sequence[SuiteComparison],
    policy: Policy,
    waived: Collection[str] = (),
) -> tuple[Ruling, list[str]]:
    """What complete evidence comes to, and why; of the `waived` suites nothing is required."""
    alpha = float(policy.alpha)
    corrected = sum(v.role is Role.PROTECT for v in verdicts)
    verdicts = [v for v in verdicts if v.suite not in waived]
    comparisons = [c for c in comparisons if c.suite not in waived]
    protected = [v for v in verdicts if v.role is Role.PROTECT]
    broken = [
        v for v in protected if v.p_fail_holm is not None and v.p_fail_holm <= alpha and v.verdict is Verdict.FAIL
    ]
    hits = _zero_tolerance_hits(comparisons, policy, confirmed=True)
    if broken or hits:
        worst = sorted(broken, key=lambda v: v.delta if v.delta is not None else 0.0)
        return Ruling.REJECT, [*(f"{v.suite} ({v.variant}): {v.reason}" for v in worst), *hits]
    alone = f"; beyond the margin by itself, not after Holm's correction over {corrected} comparisons"
    open_reasons = [
        f"{v.suite} ({v.variant}): {v.reason}{alone if v.verdict is Verdict.FAIL else ''}"
        for v in protected
        if v.verdict is not Verdict.PASS
    ]
    open_reasons += _zero_tolerance_hits(comparisons, policy, confirmed=False)
    if not open_reasons:  # fixed sequence: gain is asked for only once nothing protected is open
        open_reasons += [
            f"{v.suite} ({v.variant}): {v.reason}"
            for v in verdicts
            if v.role is Role.TARGET and v.verdict is not Verdict.PASS
        ]
    if open_reasons:
        return Ruling.INCONCLUSIVE, open_reasons
    return Ruling.PROMOTE, [f"{len(protected)} protected comparisons are within their margins"]


def _refusals(
    comparisons: Sequence[SuiteComparison], expected: Expected, checks: Sequence[Check], policy: Policy
) -> list[str]:
    """Why nothing may be concluded, if so."""
    found = [(c.suite, c.variant) for c in comparisons]
    reasons = [f"check {check.name} failed: {check.detail}" for check in checks if not check.ok]
    if not checks:
        reasons.append("no preflight check was made")
    if (fault := policy_flaw(policy)) is not None:
        reasons.append(fault)
    if not any(c.role is Role.PROTECT for c in comparisons):
        reasons.append("no protected suite was compared, so nothing was required")
    reasons += [f"{suite} ({variant}) has no evidence" for suite, variant in sorted(set(expected) - set(found))]
    reasons += [f"{suite} ({variant}) is not in the lock" for suite, variant in sorted(set(found) - set(expected))]
    if len(set(found)) != len(found):
        reasons.append("a suite was compared twice in one variant")
    reasons += [
        f"zero_tolerance names {n}, which was not compared" for n in policy.zero_tolerance if n not in dict(found)
    ]
    for c in comparisons:
        if c.error:
            reasons.append(f"{c.suite} ({c.variant}): {c.error} replies could not be scored")
        if c.counts.unpaired:
            reasons.append(f"{c.suite} ({c.variant}): {c.counts.unpaired} items were answered by one side only")
        if (fault := comparison_flaw(c)) is not None:
            reasons.append(f"{c.suite} ({c.variant}): {fault}")
        elif _ended_without_a_stop(c, policy):
            reasons.append(f"{c.suite} ({c.variant}): ended after {c.counts.n} of {c.planned_n} items without a stop")
    return reasons


def _left_out(variants: Sequence[str]) -> list[str]:
    if not variants:
        return []
    are, were = ("is", "was") if len(variants) == 1 else ("are", "were")
    return [
        f"{', '.join(variants)} {are} in the lock and {were} left out, so nothing is concluded: check with every "
        "locked variant (what is stored is not asked again)"
    ]


def _ended_without_a_stop(comparison: SuiteComparison, policy: Policy) -> bool:
    unfinished = comparison.planned_n is not None and comparison.counts.n < comparison.planned_n
    if not unfinished or policy_flaw(policy) is not None:
        return unfinished
    if comparison.screened is not None:
        return min(comparison.screened.p_within, comparison.screened.p_beyond) > float(policy.alpha)
    return _stop(comparison, float(policy.alpha)) is None


def _screening(comparison: SuiteComparison, screened: Screened) -> str:
    within = screened.p_within <= screened.p_beyond
    return (
        f"{_movement(comparison)}; screened: all {comparison.planned_n:,} items would show a drop "
        f"{'within' if within else 'beyond'} the margin; check without --screen to conclude more"
    )


def _zero_tolerance_hits(comparisons: Sequence[SuiteComparison], policy: Policy, *, confirmed: bool) -> list[str]:
    """Failures where none is tolerated: those that a second detector confirms, or the others.

    A detector that is wrong once in a hundred would fail nearly every clean model over 200 probes; two that look at
    different things seldom err together.
    """
    reasons = []
    for c in comparisons:
        failed = c.counts.n - c.counts.candidate_pass
        seen = c.confirmed or 0
        if c.suite not in policy.zero_tolerance or not failed or confirmed is not (seen > 0):
            continue
        probes = f"{c.suite} ({c.variant}): {failed} of {c.counts.n} zero-tolerance probes failed"
        told = f"{seen} of them confirmed by a second detector" if confirmed else "none confirmed by a second detector"
        reasons.append(f"{probes}, {told}")
    return reasons


def _stop(comparison: SuiteComparison, alpha: float) -> Stop | None:
    """Where the stopping rule ended the suite; None where all was asked at once, or no look decided anything."""
    if not _sequential(comparison):
        return None
    return first_stop(_seen(comparison), look_sizes(comparison.planned_n or 0), float(comparison.margin or 0), alpha)


def _sequential(comparison: SuiteComparison) -> bool:
    protected = comparison.role is Role.PROTECT and comparison.margin is not None
    return bool(comparison.looks) and comparison.graded is None and protected


def _seen(comparison: SuiteComparison) -> list[tuple[int, int, int]]:
    return [(counts.lost, counts.gained, counts.n) for counts in comparison.looks]


def _margin_test(comparison: SuiteComparison, margin: Decimal) -> tuple[float, float]:
    counts = comparison.counts
    if _sequential(comparison):
        return p_values(_seen(comparison), look_sizes(comparison.planned_n or 0), float(margin))
    if comparison.graded is not None:
        return t_test(_mean(comparison.graded), float(margin))
    return margin_test(
        counts.lost,
        counts.gained,
        counts.n,
        float(margin),
        clusters=comparison.clusters,
        design_effect=comparison.design_effect,
    )


def _p_gain(comparison: SuiteComparison) -> float:
    """Larger of the p-values for 'it gained at all' and, where asked for, 'it gained at least min_gain'."""
    counts, least = comparison.counts, float(comparison.min_gain or 0)
    if comparison.graded is not None:
        return p_mean_above(_mean(comparison.graded), least)
    if comparison.clusters is not None:

        def p(delta0: float) -> float:
            return clustered_score_test(
                counts.lost, counts.gained, counts.n, delta0, comparison.clusters or 0, comparison.design_effect
            )[0]

        return max(p(0.0), p(least))
    any_gain = mcnemar_midp_gain(counts.lost, counts.gained)
    return max(any_gain, p_above(tango_z(counts.lost, counts.gained, counts.n, least))) if least else any_gain


def _interval(comparison: SuiteComparison) -> tuple[float, float]:
    counts = comparison.counts
    if comparison.graded is not None:
        return t_interval(_mean(comparison.graded), 0.90, bounded=not comparison.is_relative)
    return score_interval(counts.lost, counts.gained, counts.n, 0.90, comparison.design_effect)


def _mean(graded: GradedChange) -> MeanDifference:
    return MeanDifference(**asdict(graded))


def _delta(comparison: SuiteComparison) -> float | None:
    counts = comparison.counts
    if comparison.graded is not None:
        return comparison.graded.delta
    return (counts.gained - counts.lost) / counts.n if counts.n else None


def _open_question(comparison: SuiteComparison, policy: Policy) -> tuple[int | None, str]:
    """How many items would decide, and the sentence: if nothing was lost, or else if what was seen is the truth."""
    counts = comparison.counts
    flips = max(counts.lost + counts.gained, 1) / counts.n  # at least one flip is assumed
    seen = -(_delta(comparison) or 0.0)

    def items(drop: float) -> int | None:
        margin, alpha, power = float(comparison.margin or 0), float(policy.alpha), float(policy.power)
        if comparison.graded is not None:  # its standard error knows of the clusters
            return needed_n_mean(comparison.graded.standard_error * math.sqrt(counts.n), margin, alpha, power, drop)
        n = needed_n(margin, flips, alpha, power, drop)
        return None if n is None else math.ceil(n * comparison.design_effect)

    if (needed := items(0.0)) is not None and needed > counts.n:
        return (
            needed,
            f"{_movement(comparison)}: within the margin or beyond it; {needed:,} items would settle no change",
        )
    needed = items(seen)
    unit = "%" if comparison.is_relative else "points"
    close = f"{_movement(comparison)}: a drop of {seen * 100:.1f} {unit} is too close to the margin to call"
    return needed, close if needed is None else f"{close}; {needed:,} items would settle it"


def _too_few(comparison: SuiteComparison) -> str:
    return f"{comparison.clusters} clusters are too few to tell (at least {MIN_CLUSTERS})"


def _movement(comparison: SuiteComparison) -> str:
    counts = comparison.counts
    if comparison.figure is not None:
        return _figure(comparison.figure)
    if comparison.graded is not None:
        return f"mean score {comparison.graded.delta:+.3f} over {counts.n} items"
    return (
        f"{counts.lost} lost, {counts.gained} gained of {counts.n} ({counts.base_pass} → {counts.candidate_pass} right)"
    )


def _figure(change: FigureChange) -> str:
    amount = f"{change.change * 100:+.1f} {'%' if change.figure in RELATIVE else 'points'}"
    return f"{change.figure} {change.base:.4g} → {change.candidate:.4g} ({amount})"


def _gain_reason(comparison: SuiteComparison, verdict: Verdict) -> str:
    wanted = "a gain" if comparison.min_gain is None else f"a gain of {float(comparison.min_gain) * 100:g} points"
    return f"{_movement(comparison)}; {wanted} is {'shown' if verdict is Verdict.PASS else 'not shown'}"
