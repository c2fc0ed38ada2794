"""Which variants are run: those of the lock, or what somebody asked for beside or instead of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from regress.errors import AdapterError, UsageError
from regress.schema import Form, Precision, Variant, VariantKind, answered_as
from regress.store.runs import StoredRun
from regress.suite.project import parse_variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Only `locked` ones decide, and only while none is `left_out`; `extra` ones are reported beside them."""

    locked: tuple[Variant, ...]
    left_out: tuple[Variant, ...] = ()
    extra: tuple[Variant, ...] = ()

    @classmethod
    def of(cls, locked: Sequence[Variant], chosen: Sequence[Variant] | None) -> Wanted:
        """`chosen` against what the lock names; None is the lock itself."""
        if chosen is None:
            return cls(locked=tuple(locked))
        return cls(
            locked=tuple(variant for variant in locked if variant in chosen),
            left_out=tuple(variant for variant in locked if variant not in chosen),
            extra=tuple(variant for variant in chosen if variant not in locked),
        )

    def as_answered(self, kind: str) -> Wanted:
        """The same as a candidate of this kind answers it (`schema.answered_as`); what it answers is not left out."""
        locked = answered_as(kind, self.locked)
        left_out = tuple(v for v in answered_as(kind, self.left_out) if v not in locked)
        extra = tuple(v for v in answered_as(kind, self.extra) if v not in (*locked, *left_out))
        return Wanted(locked=locked, left_out=left_out, extra=extra)


def parse_variants(text: str) -> tuple[Variant, ...]:
    """`base,adapter,merged@bf16`; raises UsageError that names the choices."""
    try:
        chosen = tuple(parse_variant(part.strip()) for part in text.split(","))
    except ValueError as reason:
        raise UsageError(f"--variants: {str(reason).removesuffix('.')}, separated by commas.") from reason
    if len(set(chosen)) != len(chosen):
        raise UsageError("--variants names one of them twice.")
    kinds = {variant.kind for variant in chosen}
    if VariantKind.BASE not in kinds or len(kinds) == 1:
        raise UsageError("--variants needs base and at least one of adapter and merged: base,adapter,merged@bf16.")
    return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What one set of resident weights answers; locked ones first."""

    precision: Precision
    locked: tuple[Variant, ...]
    extra: tuple[Variant, ...]

    def as_answered(self, kind: str) -> Group:
        """See `Wanted.as_answered`."""
        own = Wanted(locked=self.locked, extra=self.extra).as_answered(kind)
        return Group(precision=self.precision, locked=own.locked, extra=own.extra)


def groups(wanted: Wanted, default: Precision) -> list[Group]:
    """By precision, those that hold locked variants first; within each, the base first."""
    locked, extra = by_precision(wanted.locked, default), by_precision(wanted.extra, default)
    return [
        Group(precision=precision, locked=tuple(locked.get(precision, ())), extra=tuple(extra.get(precision, ())))
        for precision in {**locked, **extra}
    ]


def base_at(precision: Precision, bases: Sequence[StoredRun]) -> StoredRun:
    """The base of that precision, else the first."""
    return next((base for base in bases if parse_variant(base.manifest.variant).precision is precision), bases[0])


def by_precision(variants: Sequence[Variant], default: Precision) -> dict[Precision, list[Variant]]:
    """Variants grouped by the precision they need, base first in each group."""
    order = [VariantKind.BASE, VariantKind.ADAPTER, VariantKind.MERGED]
    found: dict[Precision, list[Variant]] = {}
    for variant in sorted(variants, key=lambda v: order.index(v.kind)):
        precision = default if variant.precision is Precision.AUTO else variant.precision
        found.setdefault(precision, []).append(variant)
    return found


def refuse_unanswerable(form: Form, variants: Sequence[Variant]) -> None:
    """Raises AdapterError where one of the variants cannot exist for this form: no evidence, no decision."""
    impossible = [str(variant) for variant in variants if variant.kind is VariantKind.MERGED]
    if form is Form.PROMPT and impossible:
        raise AdapterError(
            f"virtual tokens cannot be merged into weights, so {', '.join(impossible)} cannot be answered, which the "
            "lock demands of every candidate. Where candidates are served attached, take it out of `variants` and "
            '`regress lock --amend --why "…"`; else train LoRA.'
        )
