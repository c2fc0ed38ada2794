"""What was answered: replies, scores, outcomes, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass

from regress.schema.words import Finish, Outcome, Precision, VariantKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a variant answered: a text, several (`samples`), or one log-likelihood for each choice.

    `logprobs` are in nats, summed over tokens; `greedy` says for each whether greedy decoding would have written it.
    """

    text: str | None = None
    logprobs: tuple[float, ...] = ()
    greedy: tuple[bool, ...] = ()
    samples: tuple[Reply, ...] = ()  # the repeats, where generation.repeats > 1
    finish: Finish | None = None
    prompt_tokens: int = 0
    reply_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A scorer's answer. `kind` names the failure in a fixed word (`fenced`, `schema_violation`), `detail` explains."""

    outcome: Outcome
    value: float | None = None  # 0..1, of a graded scorer only, whatever the outcome
    kind: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemOutcome:
    """One line of a run's log: who was asked what, the reply, and what the scorer said."""

    suite: str
    item: str  # id
    item_digest: str
    request_digest: str  # of the exact token ids sent (prompt and choices) and the generation settings
    outcome: Outcome
    value: float | None = None  # 0..1, of a graded scorer only
    kind: str | None
    detail: str | None
    reply: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What is evaluated: `base`, `adapter` or `merged`, at a precision. Written `merged@bf16`."""

    kind: VariantKind
    precision: Precision = Precision.AUTO

    def __str__(self) -> str:
        return self.kind.value if self.precision is Precision.AUTO else f"{self.kind}@{self.precision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What was asked of whom. Two runs are comparable when only the declared fields differ (`diff.DECLARED`)."""

    lock: str  # lock digest
    variant: str  # with its resolved precision: `adapter@bf16`
    base: str  # digest over the base's weight and configuration files
    adapter: str | None  # digest over the adapter's file set; None for the base
    tokenizer: str
    template: str | None  # digest of the chat template's text
    backend: str  # name and versions: `hf torch=2.13.0 transformers=5.23.0 peft=0.21.2`
    device: str  # cpu | cuda:<name>
    batch_policy: str  # e.g. `sorted-by-length rows=32`
    settings: str  # digest of every suite's prompt style, generation settings and scorer version
