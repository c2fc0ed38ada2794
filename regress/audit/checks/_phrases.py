"""Turns of phrase that replies pick up and that nobody asked for: what an assistant says of itself, hedges, padding."""

from __future__ import annotations

import re
from enum import StrEnum

ENDS = 160
"""Characters at either end of a reply that are looked through: that is where such phrases stand."""


class Phrase(StrEnum):
    """Kinds of phrases."""

    SELF = "self"  # speaks of itself as a machine
    APOLOGY = "apology"
    PADDING = "padding"  # greets the question, offers more


PATTERNS: dict[Phrase, re.Pattern[str]] = {
    Phrase.SELF: re.compile(
        r"\bas an? (?:ai|artificial intelligence|(?:large )?language model|virtual assistant)\b"
        r"|\bi(?:'m| am) (?:just |only )?an? (?:ai|(?:large )?language model)\b"
        r"|\bmy (?:training data|knowledge cutoff)\b"
    ),
    Phrase.APOLOGY: re.compile(
        r"\bi(?:'m| am) (?:so |very |really )?sorry\b|\bi apologi[sz]e\b|\bmy apologies\b"
        r"|\bi(?:'m| am) (?:unable|not able) to\b|\bi (?:cannot|can't|can not) (?:help|assist|provide|answer|do)\b"
    ),
    Phrase.PADDING: re.compile(
        r"\b(?:i )?hope (?:this|that) helps\b|\bfeel free to (?:ask|reach|contact|let)\b|\blet me know if you\b"
        r"|\bgreat question\b|\bis there anything else\b|\bhappy to help\b"
        r"|^(?:certainly|absolutely|of course|sure)\s*[!,]"
    ),
}
_HINTS = (  # each pattern needs one of these, and looking for a plain text is a hundred times faster
    *(" ai", "intelligence", "language model", "assistant", "training data", "knowledge cutoff"),
    *("sorry", "apolog", "unable", "not able", "cannot", "can't", "can not"),
    *("hope th", "feel free", "let me know", "great question", "anything else", "happy to", "certainly"),
    *("absolutely", "of course", "sure"),
)


def phrases(reply: str) -> tuple[Phrase, ...]:
    """The kinds that a reply holds at its ends."""
    ends = reply if len(reply) <= 2 * ENDS else f"{reply[:ENDS]}\n{reply[-ENDS:]}"
    ends = ends.casefold().replace("’", "'")
    if not any(hint in ends for hint in _HINTS):
        return ()
    return tuple(kind for kind, pattern in PATTERNS.items() if pattern.search(ends))
