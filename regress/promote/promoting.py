"""From a PROMOTE decision to production: judge again, copy, sign, publish, and only then move the alias."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

from regress import __version__
from regress.backends.candidate_files import CandidateFiles, open_candidate
from regress.errors import AdapterError, LockError, PromotionError
from regress.hashing.canonical import digest_promise
from regress.hashing.files import verify_copy
from regress.lock.lockfile import Lock, read_lock
from regress.promote.envelope import sign
from regress.promote.keys import SigningKey
from regress.promote.record import Facts, Figures, PromotionRecord, Waiver, payload, tool_digest
from regress.promote.registry import ADAPTER, RECORD, Registry
from regress.promote.times import stamp
from regress.promote.trust import TrustRoot
from regress.promote.verifying import verify_record
from regress.promote.waivers import refuse_unfit, waive
from regress.run.judge import Judgement
from regress.run.stored import judge_stored
from regress.schema import Decision, Ruling, SuiteVerdict
from regress.store.atomic import write_atomic
from regress.suite import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody asks for besides the promotion itself."""

    waivers: tuple[Waiver, ...] = ()
    unrecorded_training: bool = False  # whether an adapter without a training record will do


def promote(
    project: Project,
    adapter: Path,
    registry: Registry,
    *,
    key: SigningKey,
    trust: TrustRoot,
    wish: Wish,
    now: datetime,
) -> PromotionRecord:
    """Promote exactly the bytes that lie in `adapter` now; raises Refused, with production where it was.

    They are copied first, and the copy is judged, signed and published, so nothing can change in between.
    """
    trust.trusted(key.id, now)
    with registry.writing() as scratch:
        line = registry.line()
        version = scratch / "version"
        version.mkdir(mode=0o700)
        copy = open_candidate(adapter, version / ADAPTER)
        judgement = judge_stored(project, copy.folder)
        decision = granted(judgement, project, wish, now)
        lock = read_lock(project.baselines)
        facts = _facts(copy, decision, judgement.decision.ruling, wish, previous=line.production, made=stamp(now))
        envelope = sign(payload(copy.files, _configuration(lock, judgement), facts), key)
        write_atomic(version / RECORD, envelope)
        digest = f"sha256:{sha256(envelope).hexdigest()}"
        record = verify_record(envelope, trust, now=now)  # as whoever deploys will do
        verify_copy(copy.files, copy.folder, refuse=AdapterError)
        if lock.digest != decision.lock or read_lock(project.baselines).digest != lock.digest:
            raise LockError("the lock changed while the adapter was promoted. Check and promote it again.")
        placed = registry.publish(version, digest)
        registry.point(placed, line.promoted(digest, now))
        return record


def granted(judgement: Judgement, project: Project, wish: Wish, now: datetime) -> Decision:
    """The decision with the waivers; raises PromotionError, with the gate's reasons, unless it is PROMOTE."""
    refuse_unfit(wish.waivers, judgement.decision, project.policy, now)
    waived = [waiver.suite for waiver in wish.waivers]
    decision = judgement.decision
    if waived:
        decision = waive(judgement, project.policy, waived)
    if decision.ruling is not Ruling.PROMOTE:
        despite = f" even without {', '.join(waived)}" if waived else ""
        raise PromotionError(f"the decision is {decision.ruling}{despite}: {'; '.join(decision.reasons[:3])}.")
    recorded = decision.candidate is not None and decision.candidate.trained_under_lock is True
    if not recorded and not wish.unrecorded_training:
        raise PromotionError(
            "the adapter has no training record, so nobody knows whether the lock came before the training. Train it "
            "with `regress train`, or take the responsibility with --allow-unrecorded-training."
        )
    return decision


def _configuration(lock: Lock, judgement: Judgement) -> dict[str, str]:
    """What the decision rests on, by name, sorted."""
    base = lock.promise["base"]
    found = {
        "lock": lock.digest,
        "policy": digest_promise(lock.promise["policy"]),
        "base": base["digest"],
        "tokenizer": base["tokenizer"],
        "template": base["template"],
        f"tool regress-harness {__version__}": tool_digest(),
        **{f"seal {variant}": digest for variant, digest in judgement.seals.items()},
    }
    return {name: digest for name, digest in sorted(found.items()) if digest is not None}


def _facts(
    copy: CandidateFiles, decision: Decision, judged: Ruling, wish: Wish, *, previous: str | None, made: str
) -> Facts:
    return Facts(
        decision=decision.ruling,
        judged=judged,
        made=made,
        previous=previous,
        adapter=copy.digest,
        sizes={name: entry.size for name, entry in copy.files.files.items()},
        trained_under_lock=bool(decision.candidate and decision.candidate.trained_under_lock),
        attempt=None if decision.attempt is None else decision.attempt.number,
        alpha=None if decision.attempt is None else _text(decision.attempt.alpha),
        checks=tuple(check.name for check in decision.checks if check.ok),
        suites=figures(decision.suites),
        waivers=wish.waivers,
    )


def figures(verdicts: Sequence[SuiteVerdict]) -> tuple[Figures, ...]:
    """Every verdict with the numbers it rests on."""
    return tuple(
        Figures(
            suite=v.suite,
            category=v.category,
            role=v.role,
            variant=v.variant,
            against=v.against,
            verdict=v.verdict,
            n=v.counts.n,
            base_pass=v.counts.base_pass,
            candidate_pass=v.counts.candidate_pass,
            lost=v.counts.lost,
            gained=v.counts.gained,
            delta=_text(v.delta),
            ci90=None if v.ci90 is None else (_number(v.ci90[0]), _number(v.ci90[1])),
            margin=_text(v.margin),
            min_gain=_text(v.min_gain),
            p_pass=_text(v.p_pass),
            p_fail_holm=_text(v.p_fail_holm),
            p_gain=_text(v.p_gain),
            measured=None if v.figure is None else (_number(v.figure.base), _number(v.figure.candidate)),
        )
        for v in verdicts
    )


def _text(value: float | Decimal | None) -> str | None:
    return None if value is None else _number(value)


def _number(value: float | Decimal) -> str:
    """The shortest decimal text that reads back as the same number; raises PromotionError for NaN and infinity."""
    if not math.isfinite(value):
        raise PromotionError(f"a figure is {value}, which shows nothing.")
    return f"{value.normalize():f}" if isinstance(value, Decimal) else repr(float(value))
