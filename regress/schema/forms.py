"""What a candidate is to its base, and so as which variants it can answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

from regress.schema.runs import Variant
from regress.schema.words import VariantKind


class Form(StrEnum):
    """Fixed by the candidate's files; nobody chooses it."""

    WEIGHTS = "weights"  # changes the base's weights (LoRA, AdaLoRA, IA3): attached, or merged into them
    PROMPT = "prompt"  # virtual tokens (prompt, prefix and P-tuning): attached only
    MODEL = "model"  # weights of its own: nothing is attached, so merging changes nothing

    @property
    def kind(self) -> str:
        """What `Candidate.kind` says."""
        return "model" if self is Form.MODEL else "adapter"


def answered_as(kind: str, variants: Iterable[Variant]) -> tuple[Variant, ...]:
    """The variants as which a candidate of this `kind` answers them, each once, in order.

    A model of its own is what merging ends in: one run of it is the evidence for `adapter` and for `merged`.
    """
    if kind != Form.MODEL.kind:
        return tuple(variants)
    return tuple(dict.fromkeys(_without_adapter(variant) for variant in variants))


def _without_adapter(variant: Variant) -> Variant:
    return replace(variant, kind=VariantKind.MERGED) if variant.kind is VariantKind.ADAPTER else variant
