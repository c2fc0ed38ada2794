"""The records and enums that every stage shares: frozen, keyword-only, counts not rates.

Schema versions of what is written to disk (additive changes keep the number):

    RUN_FORMAT 1      manifest.json, outcomes.jsonl, seal.json
    LOCK_FORMAT 1     baselines/lock.json, baselines/history.jsonl
    VERDICT_FORMAT 1  reports/verdict.json
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any

RUN_FORMAT = 1
LOCK_FORMAT = 1
VERDICT_FORMAT = 1


class Exit(IntEnum):
    """Process exit codes. Python owns 1 and argument parsers own 2, so no verdict uses them."""

    PROMOTE = 0
    BUG = 1
    USAGE = 2
    REJECT = 3
    INCONCLUSIVE = 4
    REFUSED = 5


class Category(StrEnum):
    """What a suite guards."""

    CAPABILITY = "capability"
    DOMAIN = "domain"
    FORMAT = "format"
    SAFETY = "safety"


class Role(StrEnum):
    """What the gate asks of a suite."""

    PROTECT = "protect"  # must not get worse by the margin
    TARGET = "target"  # must get better
    INFORM = "inform"  # reported, decides nothing


class Ask(StrEnum):
    """How a model is asked."""

    GENERATE = "generate"
    CHOOSE = "choose"


class PromptStyle(StrEnum):
    """How an item becomes tokens."""

    CHAT = "chat"
    RAW = "raw"


class Outcome(StrEnum):
    """What a scorer says of one reply. An enum, never a number that might mean 'missing'."""

    PASS = "pass"
    FAIL = "fail"
    NO_ANSWER = "no_answer"  # the model's failure: nothing that could be scored
    ERROR = "error"  # the harness's failure: a run that holds one is never sealed


class Finish(StrEnum):
    """Why a generated reply ended."""

    EOS = "eos"
    STOP = "stop"
    LENGTH = "length"


class VariantKind(StrEnum):
    """Base alone, with the adapter attached, or with the adapter merged into its weights."""

    BASE = "base"
    ADAPTER = "adapter"
    MERGED = "merged"


class Precision(StrEnum):
    """What the weights are held in; AUTO is resolved before a run starts and never stored."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    NF4 = "nf4"


class Verdict(StrEnum):
    """Per suite and variant."""

    PASS = "PASS"
    FAIL = "FAIL"
    UNDECIDED = "UNDECIDED"


class Ruling(StrEnum):
    """For the candidate."""

    PROMOTE = "PROMOTE"
    REJECT = "REJECT"
    INCONCLUSIVE = "INCONCLUSIVE"
    REFUSED = "REFUSED"

    @property
    def exit_code(self) -> Exit:
        return Exit[self.name]


# --- suites -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: str  # system | user | assistant
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question. `digest` is the SHA-256 of everything that could change its answer or its place in the figures."""

    id: str
    messages: tuple[Message, ...]  # one user message where the file says `prompt`
    targets: tuple[str, ...] = ()  # any of them is right
    choices: tuple[str, ...] = ()
    answer: int | None = None  # index into choices
    schema: Mapping[str, Any] | None = None
    cluster: str | None = None
    slice: str | None = None
    digest: str
    line: int  # in the items file, for error messages; not part of the digest

    @property
    def prompt(self) -> str:
        """The last message's text: what a person recognises the item by."""
        return self.messages[-1].content


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationSettings:
    """Greedy generation: how long at most, and at which texts it stops."""

    max_new_tokens: int = 128
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerSpec:
    """A scorer's name and its options as the suite file gives them (checked by the scorer itself)."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A named, versioned set of items, one scorer and a margin."""

    name: str
    version: int
    category: Category
    role: Role
    ask: Ask
    prompt: PromptStyle
    generation: GenerationSettings
    scorer: ScorerSpec
    margin: Decimal | None  # largest acceptable drop, 0.01 = one point; always there where role is protect
    min_gain: Decimal | None = None
    items: tuple[Item, ...]
    path: str  # the suite file, for messages
    items_path: str


# --- replies and outcomes ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a variant answered: a text, or one log-likelihood (nats, summed over tokens) for each choice."""

    text: str | None = None
    logprobs: tuple[float, ...] = ()
    finish: Finish | None = None
    prompt_tokens: int = 0
    reply_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A scorer's answer. `kind` names the failure in a fixed word (`fenced`, `schema_violation`), `detail` explains."""

    outcome: Outcome
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
    kind: str | None
    detail: str | None
    reply: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What is evaluated: `base`, `adapter` or `merged`, at a precision. Written `merged@bf16`."""

    kind: VariantKind
    precision: Precision = Precision.AUTO

    def __str__(self) -> str:
        return self.kind if self.precision is Precision.AUTO else f"{self.kind}@{self.precision}"


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


# --- plan -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a suite promises at one assumed flip rate."""

    flip_rate: Decimal
    detectable: float | None  # smallest true drop called FAIL with the policy's power; None when no drop is
    missed: float  # chance that a true drop of twice the margin is not called FAIL
    pass_chance: float  # of PASS when nothing was lost
    needed_n: int  # items for PASS with the policy's power when nothing was lost


@dataclass(frozen=True, slots=True, kw_only=True)
class SuitePlan:
    """What a suite of n items can and cannot tell under the policy; no outlooks where it has no margin to hold."""

    n: int
    outlooks: tuple[Outlook, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerPoint:
    """At a true drop (negative: a gain), the chances of PASS and of FAIL."""

    drop: float
    passes: float
    fails: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCurve:
    """What n items say, over true drops."""

    n: int
    margin: Decimal
    flip_rate: Decimal
    points: tuple[PowerPoint, ...]


# --- comparison -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCounts:
    """Paired outcomes of base and candidate over the union of their items. Rates are properties."""

    both_pass: int = 0
    lost: int = 0  # pass -> not pass
    gained: int = 0  # not pass -> pass
    both_fail: int = 0
    unpaired: int = 0  # on one side only: never part of n, never ignored

    @property
    def n(self) -> int:
        return self.both_pass + self.lost + self.gained + self.both_fail

    @property
    def base_pass(self) -> int:
        return self.both_pass + self.lost

    @property
    def candidate_pass(self) -> int:
        return self.both_pass + self.gained


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceCounts:
    """The counts of the items of one slice."""

    slice: str
    counts: PairCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCount:
    """How often a failure kind occurred in the base and in the candidate."""

    kind: str
    base: int
    candidate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """One item whose outcome changed between pass and not pass."""

    item: str
    prompt: str
    expected: str | None
    base_reply: str
    candidate_reply: str
    base_kind: str | None
    candidate_kind: str | None
    lost: bool
    slice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteComparison:
    """One suite, one candidate variant against its base: everything the gate and the reports need."""

    suite: str
    category: Category
    role: Role
    variant: str
    against: str  # the base variant it was paired with
    margin: Decimal | None
    min_gain: Decimal | None
    counts: PairCounts
    clusters: int | None  # how many, where items name clusters
    design_effect: float  # 1 for independent items
    no_answer: int  # of the candidate
    error: int  # on either side
    slices: tuple[SliceCounts, ...]
    kinds: tuple[KindCount, ...]
    flips: tuple[Flip, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFloor:
    """One suite asked twice of the same weights in other batches: what flips without any change."""

    suite: str
    counts: PairCounts
    upper: float  # 95 % limit of the share that flips
    p: float  # of no drift in one direction, two-sided, Holm-adjusted over the suites
    extra_items: int | None  # that the noise costs at 5 % flips; None without a margin


# --- decision ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the gate demands; locked."""

    alpha: Decimal = Decimal("0.05")
    power: Decimal = Decimal("0.8")
    zero_tolerance: tuple[str, ...] = ()  # suites whose every candidate failure counts
    require_training_record: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One preflight or evidence check."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteVerdict:
    """The gate's answer on one suite and variant, with the counts it rests on."""

    suite: str
    category: Category
    role: Role
    variant: str
    against: str
    verdict: Verdict
    counts: PairCounts
    delta: float | None  # candidate minus base, in rates; None when n = 0
    ci90: tuple[float, float] | None
    margin: Decimal | None
    min_gain: Decimal | None
    p_pass: float | None
    p_fail: float | None
    p_fail_holm: float | None
    p_gain: float | None  # role target only
    needed_n: int | None  # where UNDECIDED
    no_answer: int
    error: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Whose bytes were judged."""

    kind: str  # adapter
    digest: str
    path: str
    trained_under_lock: bool | None  # None: no training record


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Which candidate against the same questions this is, the first being 1, and the alpha that it may spend."""

    number: int
    alpha: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is decided for the candidate, and everything it rests on."""

    ruling: Ruling
    lock: str | None
    attempt: Attempt | None = None  # None where no ledger is kept: the whole alpha was spent
    candidate: Candidate | None
    suites: tuple[SuiteVerdict, ...]
    checks: tuple[Check, ...]
    reasons: tuple[str, ...]
