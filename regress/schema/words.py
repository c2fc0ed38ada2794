"""The closed vocabularies: every enum, exit codes included."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, StrEnum


class Exit(IntEnum):
    """Process exit codes. Python owns 1 and argument parsers own 2, so no verdict uses them."""

    PROMOTE = 0  # every protected suite is within its margin, in every variant, and every target gained; or: done
    BUG = 1  # an uncaught exception; nothing was concluded
    USAGE = 2  # the command line makes no sense
    REJECT = 3  # at least one protected suite lost more than its margin, for certain
    INCONCLUSIVE = 4  # neither is certain; the report says how many items would settle it
    REFUSED = 5  # lock, suite, run or adapter is broken or not comparable; nothing is concluded

    @staticmethod
    def worst(codes: Iterable[Exit]) -> Exit:
        """BUG before USAGE, REFUSED, REJECT, INCONCLUSIVE and PROMOTE; raises ValueError where there is none."""
        order = (Exit.BUG, Exit.USAGE, Exit.REFUSED, Exit.REJECT, Exit.INCONCLUSIVE, Exit.PROMOTE)
        return min(codes, key=order.index)


class Category(StrEnum):
    """What a suite guards."""

    CAPABILITY = "capability"
    DOMAIN = "domain"
    FORMAT = "format"
    SAFETY = "safety"
    SERVING = "serving"


class Figure(StrEnum):
    """What serving a model costs and yields; `schema.serving` says which of them can have a margin."""

    REPLY_TOKENS = "reply_tokens"  # mean
    END_OF_TEXT = "end_of_text"  # share of replies that the model ended by itself
    CUT = "cut"  # share of replies that max_new_tokens ended
    FIRST_TOKEN = "first_token"  # mean seconds until it is there
    LATENCY = "latency"  # mean seconds of a whole reply
    LATENCY_P50 = "latency_p50"
    LATENCY_P95 = "latency_p95"
    TOKENS_PER_SECOND = "tokens_per_second"  # behind the first one
    PEAK_MEMORY = "peak_memory"  # bytes
    ACCEPTANCE = "acceptance"  # share of the greedy tokens that the draft model proposes


class Role(StrEnum):
    """What the gate asks of a suite."""

    PROTECT = "protect"  # must not get worse by the margin
    TARGET = "target"  # must get better
    INFORM = "inform"  # reported, decides nothing


class Ask(StrEnum):
    """How a model is asked."""

    GENERATE = "generate"
    CHOOSE = "choose"
    PERPLEXITY = "perplexity"


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
    CLOSED = "closed"  # the JSON document was complete and the model went on: cut after its first further token


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
