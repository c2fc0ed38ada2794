"""The trust root: `trust.json`, the public keys whose promotions a project believes, and what it no longer believes.

It is committed with the project and reviewed like code; whoever deploys pins a copy. So it needs no signature of its
own: who could change it could as well add a key. A revoked or expired key vouches for nothing any more, whenever it
signed: a thief can date a record back, and nobody else saw the date.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import msgspec

from regress.errors import PromotionError, StoreError
from regress.promote.envelope import Envelope
from regress.promote.keys import key_id, signature_holds
from regress.promote.times import end_of, stamp
from regress.store.atomic import make_folder, read_regular, write_atomic
from regress.strict_json import JsonFault, parse

TRUST_FILE = "trust.json"
TRUST_FORMAT = 1
MAX_BYTES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """When it was revoked, and why."""

    at: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKey:
    """One public key; `expires` is the last day on which it is believed."""

    id: str
    name: str
    public: str  # base64 of the 32 bytes
    added: str
    expires: str | None = None
    revoked: Revocation | None = None

    def complaint(self, now: datetime) -> str | None:
        """Why its signature shows nothing, if so."""
        if self.revoked is not None:
            return f"was revoked on {self.revoked.at[:10]}: {self.revoked.reason}"
        if self.expires is not None and now >= end_of(self.expires):
            return f"expired after {self.expires}"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedRecord:
    """A promotion that must not be deployed any more, whoever signed it."""

    record: str
    at: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRoot:
    """Keys in the order in which they were added, and revoked records."""

    format: int = TRUST_FORMAT
    keys: tuple[TrustedKey, ...] = ()
    revoked_records: tuple[RevokedRecord, ...] = ()

    def verify(self, envelope: Envelope, now: datetime) -> TrustedKey:
        """The key that signed; raises PromotionError where it is not trusted, or never signed this."""
        key = self.trusted(envelope.key, now)
        if not signature_holds(base64.b64decode(key.public), envelope.signature, envelope.signed):
            raise PromotionError(f"the record's signature is not that of the key {_named(key)}; it was changed.")
        return key

    def trusted(self, id_: str, now: datetime) -> TrustedKey:
        """The key of that id; raises PromotionError where it is unknown, expired or revoked."""
        for key in self.keys:
            if key.id == id_:
                if (complaint := key.complaint(now)) is not None:
                    raise PromotionError(f"the key {_named(key)} {complaint}. Promote again with a key that is valid.")
                return key
        raise PromotionError(
            f"the key {str(id_)[:19]!r}… is not in the trust root, which knows {len(self.keys)}. Add it with `regress "
            "keys add`, if you trust whoever holds it."
        )

    def refuse_revoked(self, record: str) -> None:
        """Raise PromotionError where this record was revoked."""
        for revoked in self.revoked_records:
            if revoked.record == record:
                raise PromotionError(f"this promotion was revoked on {revoked.at[:10]}: {revoked.reason}.")

    def with_key(self, public: bytes, *, name: str, expires: str | None, now: datetime) -> TrustRoot:
        """With one key more; raises PromotionError where it stands there already."""
        if expires is not None and now >= end_of(expires):
            raise PromotionError(f"{expires} is over already; a key that expires then would be trusted by nobody.")
        if any(key.id == key_id(public) for key in self.keys):
            raise PromotionError("this key is in the trust root already.")
        text = base64.b64encode(public).decode("ascii")
        key = TrustedKey(id=key_id(public), name=name, public=text, added=stamp(now), expires=expires)
        return replace(self, keys=(*self.keys, key))

    def without_key(self, beginning: str, *, reason: str, now: datetime) -> TrustRoot:
        """With the one key whose id or name is given revoked; an id may be cut short."""
        found = [key for key in self.keys if beginning in (key.id, key.name) or _begins(key.id, beginning)]
        if len(found) != 1:
            known = ", ".join(_named(key) for key in self.keys) or "none"
            raise PromotionError(f"{beginning!r} names {len(found)} keys, not one. Trusted: {known}.")
        if found[0].revoked is not None:
            raise PromotionError(f"the key {_named(found[0])} was revoked on {found[0].revoked.at[:10]} already.")
        gone = replace(found[0], revoked=Revocation(at=stamp(now), reason=reason))
        return replace(self, keys=tuple(gone if key.id == gone.id else key for key in self.keys))

    def without_record(self, record: str, *, reason: str, now: datetime) -> TrustRoot:
        """With one promotion revoked."""
        if any(revoked.record == record for revoked in self.revoked_records):
            raise PromotionError("this promotion was revoked already.")
        entry = RevokedRecord(record=record, at=stamp(now), reason=reason)
        return replace(self, revoked_records=(*self.revoked_records, entry))


def read_trust(path: Path) -> TrustRoot:
    """The trust root; raises PromotionError where there is none, or where it holds anything unknown."""
    try:
        parsed = parse(read_regular(path, MAX_BYTES))
        root = msgspec.convert(parsed.value, TrustRoot)
    except FileNotFoundError as reason:
        raise PromotionError(f"there is no trust root at {path}. `regress keys init` begins one.") from reason
    except (StoreError, JsonFault, msgspec.ValidationError) as reason:
        raise PromotionError(f"{path} cannot be read: {reason}. Restore it from version control.") from reason
    if parsed.duplicate_keys or asdict(root) != _plain(parsed.value) or root.format != TRUST_FORMAT:
        raise PromotionError(f"{path} holds keys that this version does not know, or one twice. Restore it.")
    for key in root.keys:
        _check(key, path)
    if len({key.id for key in root.keys}) != len(root.keys):
        raise PromotionError(f"{path} holds a key twice. Restore it from version control.")
    return root


def write_trust(path: Path, root: TrustRoot) -> None:
    """Replace the file, all or nothing."""
    make_folder(path.parent)
    text = json.dumps(asdict(root), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(path, text.encode("utf-8") + b"\n")


def _check(key: TrustedKey, path: Path) -> None:
    try:
        public = base64.b64decode(key.public, validate=True)
    except ValueError as reason:
        raise PromotionError(f"{path}: the key {key.name!r} is no base64. Restore it.") from reason
    if len(public) != 32 or key_id(public) != key.id:
        raise PromotionError(f"{path}: the key {key.name!r} is not the one that its id says. Restore it.")
    if key.expires is not None:
        end_of(key.expires)


def _plain(value: object) -> object:
    """Lists as tuples, as `asdict` gives them back."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return tuple(map(_plain, value)) if isinstance(value, list) else value


def _begins(id_: str, beginning: str) -> bool:
    digits = beginning.removeprefix("sha256:")
    return len(digits) >= 8 and id_.removeprefix("sha256:").startswith(digits)


def _named(key: TrustedKey) -> str:
    return f"{key.name!r} ({key.id[:19]}…)"
