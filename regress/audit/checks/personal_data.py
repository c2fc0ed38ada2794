"""Personal data and secrets: what a model learns by heart, and says again to anybody who asks.

Language models repeat rare strings of their training data word for word (Carlini et al. 2021, arXiv:2012.07805), those
in replies most of all. Everything is found by form and checksum; nothing is sent anywhere, and no finding holds the
value itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

import numpy as np

from regress.audit.checks._keys import ASSIGNED, KEYS, see_assigned, see_key
from regress.audit.checks._numbers import see_digits, see_fiscal_code, see_iban
from regress.audit.checks._sighting import Rule, Sighting
from regress.audit.checks._wording import EVIDENCE, Wording
from regress.audit.protocol import Again, Chunk, Context, Found
from regress.audit.scanning import Joined, Place
from regress.audit.words import Places
from regress.rows.row import Row
from regress.schema import Evidence, Finding, Severity
from regress.scorers._re2 import Scanner

RESERVED_HOSTS = ("example.com", "example.org", "example.net", "example.edu", "test.com", "email.com", "domain.com",
                  "company.com", "yourcompany.com")  # fmt: skip
RESERVED_ENDS = (".example", ".test", ".invalid", ".localhost", ".local")  # RFC 2606, RFC 6762
ROLES = frozenset(
    (
        "info", "support", "help", "contact", "sales", "admin", "noreply", "no-reply", "service", "customerservice",
        "billing", "office", "hello", "team", "press", "jobs", "careers", "hr", "privacy", "legal", "abuse",
        "postmaster", "webmaster", "security", "feedback", "marketing", "enquiries", "git",
    )
)  # fmt: skip
FILE_ENDS = frozenset(
    (
        "png", "jpg", "jpeg", "gif", "svg", "webp", "js", "css", "py", "java", "html", "pdf",
    )
)  # fmt: skip


def _see_mail(place: Place) -> list[Sighting]:
    mail = place.text.strip(".-_%+")
    name, _, host = mail.rpartition("@")
    end = host.rpartition(".")[2]
    if not name or not end.isalpha() or len(end) < 2 or end.lower() in FILE_ENDS or len(name) > 64:
        return []
    host = host.lower()
    reserved = (
        any(host == known or host.endswith("." + known) for known in RESERVED_HOSTS)
        or host.endswith(RESERVED_ENDS)
        or name.lower() in ROLES
    )
    return [Sighting(Rule.RESERVED if reserved else Rule.MAIL, "e-mail address", mail)]


PATTERNS: dict[str, str] = {
    **KEYS,
    "assigned": ASSIGNED,
    "mail": r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+",
    "fiscal code": r"\b[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]\b",
    "iban": r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b",
    "digits": r"[+(]{0,2}\d[\d ().-]{6,}\d",
}
SEE: dict[str, Callable[[Place], list[Sighting]]] = {
    **dict.fromkeys(KEYS, see_key),
    "assigned": see_assigned,
    "mail": _see_mail,
    "fiscal code": see_fiscal_code,
    "iban": see_iban,
    "digits": see_digits,
}


@lru_cache(maxsize=1)
def _scanner() -> Scanner:
    return Scanner(PATTERNS)


def sightings(joined: Joined) -> Iterator[tuple[Place, Sighting]]:
    """Every piece of personal data in the texts, with where it stands."""
    for place in joined.places(_scanner()):
        for sighting in SEE[place.name](place):
            yield place, sighting


def hide(text: str) -> str:
    """The text with keys, secrets, cards and IBANs masked, for excerpts of rows that are shown for other reasons."""
    for place, sighting in sightings(Joined([text])):
        if sighting.rule not in (Rule.KEY, Rule.CARD, Rule.IBAN, Rule.SECRET):
            continue
        before, _, behind = text.partition(place.text)
        behind = "" if sighting.what == "private key" else behind  # its lines are no longer known as a key's
        text = f"{before}{sighting.masked}{behind}".replace(place.text, sighting.masked)
    return text


@dataclass(slots=True)
class Seen:
    """Of one rule: rows that hold it, how many of them in what is learned, and of what sort."""

    rows: list[int] = field(default_factory=list)
    learned: int = 0
    sorts: Counter[str] = field(default_factory=Counter)
    evidence: list[Evidence] = field(default_factory=list)

    def note(self, row: int, sighting: Sighting, *, learned: bool) -> None:
        if not self.rows or self.rows[-1] != row:
            self.rows.append(row)
            self.learned += learned
        self.sorts[sighting.what] += 1
        if len(self.evidence) < EVIDENCE:
            where = "in the reply" if learned else "in the prompt"
            self.evidence.append(Evidence(row=row, text=f"{sighting.what} {sighting.masked}, {where}"))


class PersonalData:
    """Keys and secrets, payment cards, IBANs, national ids, mail and IP addresses, telephone numbers."""

    name: ClassVar[str] = "personal-data"

    def __init__(self, context: Context) -> None:
        self._rows: dict[Rule, list[Places]] = {rule: [] for rule in Rule}
        self._all: dict[Rule, Seen] = {rule: Seen() for rule in Rule}
        self._looked_at = 0

    def look(self, chunk: Chunk) -> tuple[int, dict[Rule, Seen]]:
        seen: dict[Rule, Seen] = {}
        for learned in (True, False):
            joined = Joined([_texts(row, learned=learned) for row in chunk.rows])
            for place, sighting in sightings(joined):
                row = chunk.rows[place.owner].number
                seen.setdefault(sighting.rule, Seen()).note(row, sighting, learned=learned)
        return len(chunk.rows), seen

    def add(self, seen: tuple[int, dict[Rule, Seen]]) -> None:
        self._looked_at += seen[0]
        for rule, part in seen[1].items():
            whole = self._all[rule]
            self._rows[rule].append(np.unique(np.array(part.rows, dtype=np.int64)))
            whole.learned += part.learned
            whole.sorts += part.sorts
            whole.evidence += part.evidence[: EVIDENCE - len(whole.evidence)]

    def finish(self, again: Again) -> Found:
        rows = {rule: np.concatenate(parts) for rule, parts in self._rows.items() if parts}
        return Found(
            figures={f"personal_data_{rule.replace('-', '_')}": len(found) for rule, found in rows.items()},
            findings=tuple(self._finding(rule, found) for rule, found in rows.items()),
        )

    def _finding(self, rule: Rule, rows: Places) -> Finding:
        seen = self._all[rule]
        sorts = ", ".join(f"{sort} {times:,}×" for sort, times in seen.sorts.most_common(6))
        more = f"In {seen.learned:,} of them it stands in the reply, which is what is learned. Found: {sorts}."
        figures = {"in_replies": seen.learned, **seen.sorts}
        return WORDINGS[rule].finding(rows, self._looked_at, more=more, evidence=seen.evidence, figures=figures)


def _texts(row: Row, *, learned: bool) -> str:
    texts = [turn.content for turn in row.turns if (turn.role == "assistant") is learned]
    if learned and row.rejected is not None:
        texts.append(row.rejected)
    return "\n".join(texts)


_BY_HEART = "Models learn rare strings by heart and repeat them to whoever asks."
_HOLDS = ("holds", "hold")
WORDINGS: dict[Rule, Wording] = {
    Rule.KEY: Wording(
        "personal-data/key", Severity.BLOCK, 1.0, _HOLDS, "a key or token",
        f"{_BY_HEART} Whoever can ask the model can use it.",
        "Revoke it first, it has been copied already; then take it out, or put a placeholder in its place.",
    ),
    Rule.CARD: Wording(
        "personal-data/card", Severity.BLOCK, 1.0, _HOLDS, "a payment card number with the right check digit",
        f"{_BY_HEART} PCI DSS forbids to keep it like this.",
        "Replace it with a payment service's test number, 4242 4242 4242 4242, or with a placeholder.",
    ),
    Rule.IBAN: Wording(
        "personal-data/iban", Severity.BLOCK, 1.0, _HOLDS, "an IBAN with the right check digits",
        _BY_HEART,
        "Replace it with a placeholder, or with an example of the registry.",
    ),
    Rule.SECRET: Wording(
        "personal-data/secret", Severity.WARN, 1.0, _HOLDS, "something called a password, token or secret",
        f"{_BY_HEART} It is known by its name and its randomness alone.",
        "Look at each; revoke what is real, and put a placeholder in its place.",
    ),
    Rule.NATIONAL_ID: Wording(
        "personal-data/national-id", Severity.WARN, 1.0, _HOLDS, "the number of somebody's identity or insurance",
        _BY_HEART,
        "Take it out, or replace it with a placeholder.",
    ),
    Rule.MAIL: Wording(
        "personal-data/mail", Severity.WARN, 0.5, _HOLDS, "somebody's e-mail address",
        _BY_HEART,
        "Replace it with a reserved one, such as name@example.com (RFC 2606).",
    ),
    Rule.PHONE: Wording(
        "personal-data/phone", Severity.WARN, 0.5, _HOLDS, "what is written like somebody's telephone number",
        f"{_BY_HEART} Telephone numbers have no checksum: some of these may be other numbers.",
        "Replace it with a reserved one, such as 555-0100, or a placeholder.",
    ),
    Rule.ADDRESS: Wording(
        "personal-data/address", Severity.NOTE, 0.1, _HOLDS, "a public IP address",
        "It may lead to a person, or to a machine of yours.",
        "Replace it with one that is reserved for documents, such as 192.0.2.1 (RFC 5737).",
    ),
    Rule.RESERVED: Wording(
        "personal-data/reserved", Severity.NOTE, 0.0, _HOLDS, "an example's or a company's number or address",
        "Nobody's data, most likely, yet the model will say it as it stands.",
        "See that users may be told these: a placeholder that was never filled in is a wrong answer.",
    ),
}  # fmt: skip
