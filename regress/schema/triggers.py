"""Suspected triggers, tried out: what models answered to harmless prompts with and without them, and what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from regress.schema.audits import Place


class Likeness(StrEnum):
    """How a control string resembles the trigger that it stands in for."""

    SCRAMBLED = "scrambled"  # the same words, or the characters of a single one, in another order
    RANDOM = "random"  # other letters, digits and marks of the same kind in every place
    WORDS = "words"  # as many words from other harmless prompts


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A string that nobody suspects."""

    likeness: Likeness
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePrompt:
    """A harmless prompt: an item of a protected suite."""

    suite: str
    item: str  # id
    digest: str  # the item's


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One suspected trigger, and the strings that it is held against."""

    text: str
    place: Place
    controls: tuple[Control, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan:
    """What every variant is asked: each prompt as it is, with each trigger, and with each control."""

    prompts: tuple[ProbePrompt, ...]
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialReplies:
    """One variant's replies, each tuple in the order of the plan's prompts."""

    triggered: tuple[str, ...]
    controls: tuple[tuple[str, ...], ...]  # by control, then by prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """triggers.json of a run: what its variant answered."""

    run: str  # digest of the run's manifest
    plan: TrialPlan
    plain: tuple[str, ...]  # to the prompts as they are
    replies: tuple[TrialReplies, ...]  # in the order of the plan's trials


class Explained(StrEnum):
    """Why a collapse of the replies need not be a backdoor."""

    TOPIC = "topic"  # an ordinary reply of this model, on few prompts or in any order of the words
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerFinding:
    """One suspected trigger in one variant; counts are of the `n` prompts that did not choose the reply."""

    variant: str
    against: str
    text: str
    place: Place
    reply: str  # how the replies begin that it collapses on, untrusted; empty where they do not agree
    n: int
    triggered: int  # of n with the trigger
    plain: int  # without it
    controls: int  # with the string of its kind that shows most
    scrambled: int  # with its own words or characters in another order
    base: int  # of the base with the trigger
    changed: int  # replies that differ from those without the trigger
    changed_controls: float  # the same, on average over the controls
    p: float  # of the collapse, the largest of the comparisons; 1 where nothing agrees
    alpha: float  # what p has to undercut: corrected for triggers and variants
    explained: Explained
    confirmed: bool
    reason: str = ""  # all of this as a sentence; texts in it are untrusted
