"""Keys, tokens and passwords, by the forms that their issuers gave them so that they can be found."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections import Counter

from regress.audit.checks._sighting import Rule, Sighting
from regress.audit.scanning import Place

KEYS: dict[str, str] = {
    "private key": r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----",
    "AWS access key": r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b",
    "GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{36}|\bgithub_pat_[A-Za-z0-9_]{50,}",
    "GitLab token": r"\bglpat-[\w-]{20,}",
    "Slack token": r"\bxox[abeoprs]-[\w-]{10,}|\bhooks\.slack\.com/services/T\w+/B\w+/\w{16,}",
    "Stripe key": r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}",
    "Google API key": r"\bAIza[\w-]{35}",
    "OpenAI or Anthropic key": r"\bsk-(?:proj-|svcacct-|ant-)?[\w-]{20,}",
    "Hugging Face token": r"\bhf_[A-Za-z0-9]{34}\b",
    "npm token": r"\bnpm_[A-Za-z0-9]{36}\b",
    "PyPI token": r"\bpypi-AgE[\w-]{50,}",
    "SendGrid key": r"\bSG\.[\w-]{22}\.[\w-]{43}",
    "Telegram token": r"\b\d{8,10}:AA[\w-]{33}",
    "JSON web token": r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}",
    "password in a URL": r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@\"'<>]+:[^\s/@\"'<>]{3,}@[A-Za-z0-9.-]+",
}
"""What it is: a pattern for bytes (RE2)."""

ASSIGNED = (
    r"(?i:api[_-]?key|secret[_-]?key|access[_-]?key|client[_-]?secret|secret|access[_-]?token|auth[_-]?token|token"
    r"|password|passwd|pwd)[\"']?[ \t]*(?::=|=>|=|:)[ \t]*[\"']?[A-Za-z0-9+/=_.!#$%^&*~@-]{12,}"
)
"""Anything that is called a secret and looks drawn by lot."""

MIN_ENTROPY = 3.2  # bits a character: of 16 drawn letters and digits one in 10,000 has less
_VALUE = re.compile(r"""(?::=|=>|=|:)[ \t]*["']?([^"'\s]+)$""")
_PLACEHOLDER = re.compile(
    r"example|your|placeholder|change.?me|dummy|sample|redacted|x{4,}|\*{3,}|\.{3,}|1234567|abcdef|test|fake|0{8,}",
    re.I,
)


def see_key(place: Place) -> list[Sighting]:
    """A key by its form; one that says it is an example, or repeats itself, is reserved."""
    text = place.text
    if place.name == "JSON web token" and not _is_web_token(text):
        return []
    if place.name == "OpenAI or Anthropic key" and not any(character.isdigit() for character in text[3:]):
        return []  # words with hyphens: sk-learn-like-names
    secret = text
    if place.name == "password in a URL":
        secret = text.rpartition("@")[0].rpartition(":")[2]
    reserved = place.name != "private key" and (_PLACEHOLDER.search(secret) or len(set(secret)) < 4)
    return [Sighting(Rule.RESERVED if reserved else Rule.KEY, place.name, text)]


def see_assigned(place: Place) -> list[Sighting]:
    """What stands behind `password =`, where it has letters and digits and no pattern."""
    match = _VALUE.search(place.text)
    value = match.group(1).rstrip(".,;") if match else ""
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    if not mixed or len(value) < 12 or entropy(value) < MIN_ENTROPY or _PLACEHOLDER.search(value):
        return []
    return [Sighting(Rule.SECRET, "assigned secret", value)]


def entropy(text: str) -> float:
    """Shannon's, of the text's own characters, in bits a character."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)


def _is_web_token(text: str) -> bool:
    """Whether the first part is a JOSE header (RFC 7515)."""
    head = text.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return False
    return isinstance(header, dict) and "alg" in header
