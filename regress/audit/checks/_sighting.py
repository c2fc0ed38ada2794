"""What a piece of personal data is reported as, and how it is shown without being told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Rule(StrEnum):
    """The rules of `personal-data`, in the order in which they hurt."""

    KEY = "key"
    CARD = "card"
    IBAN = "iban"
    SECRET = "secret"
    NATIONAL_ID = "national-id"
    MAIL = "mail"
    PHONE = "phone"
    ADDRESS = "address"
    RESERVED = "reserved"  # an example's, a company's or a doubtful one


@dataclass(frozen=True, slots=True)
class Sighting:
    """One piece found. `value` never leaves the process unmasked."""

    rule: Rule
    what: str  # for people: "AWS access key"
    value: str

    @property
    def masked(self) -> str:
        """Enough to find it again in the row, too little to use it."""
        name, at, host = self.value.rpartition("@")
        if at and self.what == "e-mail address":
            return f"{name[:1]}…@{host}"
        shown = 4 if len(self.value) >= 12 else 1
        last = min(shown, 2)
        return f"{self.value[:shown]}…{self.value[-last:]} ({len(self.value)} characters)"
