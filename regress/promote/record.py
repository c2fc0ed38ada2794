"""A promotion record and its one form on paper: an in-toto Statement v1 with the test-result predicate v0.1.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md, spec/predicates/test-result.md. The statement
names every file of the adapter as a subject; what it was judged by stands under `configuration`; our own numbers stand
under the extension field `regress`. It holds integers and decimal strings only (canonical JSON, RFC 8785).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

import regress
from regress.errors import PromotionError, Refused
from regress.hashing.canonical import digest_json, promise_json
from regress.hashing.files import FileEntry, FileSet, digest_file
from regress.promote.times import end_of, moment
from regress.schema import Category, Role, Ruling, Verdict

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"
RECORD_FORMAT = 1
MAX_BYTES = 16 * 2**20

_SHA256 = "sha256:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One suite in one variant as it was judged; rates, p-values and margins as decimal strings."""

    suite: str
    category: Category
    role: Role
    variant: str
    against: str
    verdict: Verdict
    n: int
    base_pass: int
    candidate_pass: int
    lost: int
    gained: int
    delta: str | None
    ci90: tuple[str, str] | None
    margin: str | None
    min_gain: str | None
    p_pass: str | None
    p_fail_holm: str | None
    p_gain: str | None
    measured: tuple[str, str] | None = None  # base's and candidate's, of a serving figure; its counts say nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """Somebody's word that a suite need not pass for this promotion; `expires` is the last day on which it holds."""

    suite: str
    reason: str
    by: str
    expires: str

    def has_expired(self, now: datetime) -> bool:
        return now >= end_of(self.expires)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the predicate says beyond in-toto's own fields."""

    format: int = RECORD_FORMAT
    decision: Ruling  # with the waivers
    judged: Ruling  # without them
    made: str
    previous: str | None  # the record that was in production then
    adapter: str  # digest over the file set
    sizes: Mapping[str, int]  # bytes by file
    trained_under_lock: bool
    attempt: int | None
    alpha: str | None  # what this attempt could spend
    checks: tuple[str, ...]  # that held
    suites: tuple[Figures, ...]
    waivers: tuple[Waiver, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionRecord:
    """What a signed record states. `digest` is of the envelope's bytes, `key` the id of the key that signed it."""

    digest: str
    key: str
    files: FileSet
    configuration: Mapping[str, str]  # lock, policy, base, tokenizer, template, tool and seals, by name
    facts: Facts

    @property
    def made(self) -> datetime:
        return moment(self.facts.made)

    @property
    def lock(self) -> str:
        return self.configuration["lock"]

    @property
    def waived(self) -> tuple[str, ...]:
        """The waived suites."""
        return tuple(waiver.suite for waiver in self.facts.waivers)


def payload(files: FileSet, configuration: Mapping[str, str], facts: Facts) -> bytes:
    """The statement's canonical bytes, which are what is signed.

    What did not pass and yet was promoted over, waived or only reported, is a warning in in-toto's words.
    """
    names = {f"{figures.suite} ({figures.variant})": figures.verdict for figures in facts.suites}
    return promise_json(
        {
            "_type": STATEMENT,
            "subject": [
                {"name": name, "digest": {"sha256": entry.digest.removeprefix(_SHA256)}}
                for name, entry in files.files.items()
            ],
            "predicateType": PREDICATE,
            "predicate": {
                "result": "WARNED" if facts.waivers else "PASSED",
                "configuration": [
                    {"name": name, "digest": {"sha256": digest.removeprefix(_SHA256)}}
                    for name, digest in configuration.items()
                ],
                "passedTests": [name for name, verdict in names.items() if verdict is Verdict.PASS],
                "warnedTests": [name for name, verdict in names.items() if verdict is not Verdict.PASS],
                "failedTests": [],
                "regress": msgspec.to_builtins(facts),
            },
        }
    )


def read_payload(data: bytes, *, digest: str, key: str) -> PromotionRecord:
    """The record that a verified payload states; raises PromotionError unless it is exactly what `payload` writes."""
    try:
        statement = msgspec.json.decode(data)
        predicate = statement["predicate"]
        facts = msgspec.convert(predicate["regress"], Facts)
        digests = {subject["name"]: _digest(subject) for subject in statement["subject"]}
        entries = {name: FileEntry(digest=digests[name], size=facts.sizes[name]) for name in sorted(digests)}
        configuration = {entry["name"]: _digest(entry) for entry in predicate["configuration"]}
        record = PromotionRecord(
            digest=digest,
            key=key,
            files=FileSet(files=MappingProxyType(entries)),
            configuration=MappingProxyType(configuration),
            facts=facts,
        )
        understood = payload(record.files, configuration, facts) == data
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, Refused) as reason:
        raise PromotionError(f"the record does not hold a promotion of this version's form: {reason}.") from reason
    if not understood or facts.format != RECORD_FORMAT:
        raise PromotionError("the record holds something that this version does not write; read it with a newer one.")
    whole = facts.decision is Ruling.PROMOTE and "lock" in configuration and record.files.digest == facts.adapter
    if not whole or not entries or set(facts.sizes) != set(entries):
        raise PromotionError("the record contradicts itself, so it shows nothing; promote again.")
    return record


def _digest(descriptor: Mapping[str, Any]) -> str:
    text = descriptor["digest"]["sha256"]
    if not isinstance(text, str) or len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise ValueError(f"{text!r} is no SHA-256")
    return _SHA256 + text


def tool_digest() -> str:
    """`sha256:<hex>` over this package's own Python files: which code judged and signed."""
    package = Path(regress.__file__).parent
    sources = sorted(package.rglob("*.py"))
    return digest_json({path.relative_to(package).as_posix(): digest_file(path).digest for path in sources})
