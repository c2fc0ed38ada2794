"""Before a deployment: are these the bytes that somebody we trust promoted, and may they still be used?

Offline; reads the adapter once. Whoever loads the adapter afterwards loads what lies there then, which need not be what
was read: so `copy_to` makes a private copy while it is hashed, and that copy is what should be deployed.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from regress.errors import PromotionError
from regress.hashing.files import FileSet, digest_files, private_copy, verify_copy
from regress.promote.envelope import open_envelope
from regress.promote.record import PromotionRecord, read_payload
from regress.promote.registry import RECORD, Registry, read_record
from regress.promote.trust import TrustRoot, read_trust

DAY = timedelta(days=1)
CLOCK_SKEW = timedelta(minutes=10)
"""How far in the future a record may be dated: two machines' clocks differ."""


def verify_adapter(
    folder: Path,
    *,
    trust: Path,
    record: Path | None = None,
    max_age: timedelta | None = None,
    now: datetime,
    copy_to: Path | None = None,
) -> PromotionRecord:
    """What was promised of exactly these files; raises PromotionError with the one reason where nothing was.

    Args:
        folder: the adapter; nothing but the promoted files may lie in it.
        trust: the trust root, pinned by whoever deploys.
        record: the signed record; without it `promotion.json` beside the folder, as a registry keeps it.
        max_age: how old the promotion may be.
        now: with its time zone; decides about age, expired keys and expired waivers.
        copy_to: a new folder for a private copy, which is what is verified and what should be deployed.
    """
    where = record or folder.resolve().parent / RECORD
    found = verify_record(read_record(where), read_trust(trust), now=now, max_age=max_age)
    verify_files(found, folder, copy_to=copy_to)
    return found


def verify_record(data: bytes, trust: TrustRoot, *, now: datetime, max_age: timedelta | None = None) -> PromotionRecord:
    """The record in an envelope: signed by a trusted key, not revoked, not too old, no waiver expired."""
    envelope = open_envelope(data)
    trust.verify(envelope, now)
    found = _read(data)
    trust.refuse_revoked(found.digest)
    age = now - found.made
    if age < -CLOCK_SKEW:
        raise PromotionError(f"the promotion is dated {found.facts.made}, which is still to come; set the clocks.")
    if max_age is not None and age > max_age:
        raise PromotionError(
            f"the promotion is {age / DAY:.1f} days old ({found.facts.made}), and {max_age / DAY:g} are allowed. Check "
            "and promote the adapter again."
        )
    for waiver in found.facts.waivers:
        if waiver.has_expired(now):
            raise PromotionError(
                f"the waiver for {waiver.suite} by {waiver.by} expired after {waiver.expires}. Promote an adapter that "
                "passes, or waive it anew."
            )
    return found


def stated(data: bytes) -> PromotionRecord:
    """What an envelope says, whoever signed it, if anybody: to show, never to rely on."""
    return _read(data)


def _read(data: bytes) -> PromotionRecord:
    envelope = open_envelope(data)
    return read_payload(envelope.payload, digest=f"sha256:{sha256(data).hexdigest()}", key=envelope.key)


def verify_files(record: PromotionRecord, folder: Path, *, copy_to: Path | None = None) -> None:
    """Raise PromotionError unless the folder holds exactly the record's files, byte for byte; see `verify_adapter`."""
    _refuse_other_names(record, _names(folder), folder)
    if copy_to is None:
        _refuse_other_bytes(record, digest_files(folder, record.files.files, refuse=PromotionError), folder)
        _refuse_other_names(record, _names(folder), folder)  # nothing was put beside them meanwhile
        return
    names = record.files.files
    copied = private_copy(
        folder, copy_to, allowed=names.__contains__, max_bytes=record.files.size + 1, refuse=PromotionError
    )
    try:
        _refuse_other_names(record, copied.files, folder)
        _refuse_other_bytes(record, copied, folder)
        verify_copy(record.files, copy_to, refuse=PromotionError)
    except PromotionError:
        for name in copied.files:
            (copy_to / name).unlink(missing_ok=True)
        copy_to.rmdir()
        raise


def find_record(folder: Path, registry: Registry) -> bytes:
    """The record in a registry's history that names exactly the folder's files; production's first, then the newest.

    Raises PromotionError where there is none, saying what differs from production.
    """
    line = registry.line()
    if line.production is None:
        raise PromotionError(f"nothing is in production in {registry.where}, so there is nothing to verify against.")
    names = _names(folder)
    found = digest_files(folder, names, refuse=PromotionError)
    standing = reversed(line.standing)
    others = reversed([event.record for event in line.events if event.record not in line.standing])
    for digest in dict.fromkeys([*standing, *others]):
        data = registry.record(digest)
        if stated(data).files.digest == found.digest:
            return data
    current = stated(registry.record(line.production))
    _refuse_other_names(current, names, folder)
    _refuse_other_bytes(current, found, folder)
    raise PromotionError(f"{folder} holds the files in production, but no record of them can be read.")


def refuse_unless_production(record: PromotionRecord, registry: Registry) -> None:
    """Raise PromotionError where something else is in production now."""
    current = registry.line().production
    if current != record.digest:
        shown = "nothing" if current is None else f"{current[:19]}…"
        raise PromotionError(
            f"this was promoted ({record.digest[:19]}…), but in production in {registry.where} is {shown} now."
        )


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError as reason:
        raise PromotionError(f"cannot open the folder {folder}: {reason.strerror}.") from reason


def _refuse_other_names(record: PromotionRecord, names: Iterable[str], folder: Path) -> None:
    present = set(names)
    for name in sorted(present ^ set(record.files.files)):
        state = "lies in it, but was not promoted" if name in present else "was promoted, but is missing"
        raise PromotionError(f"{folder} is not what was promoted: {name!r} {state}.")


def _refuse_other_bytes(record: PromotionRecord, found: FileSet, folder: Path) -> None:
    for name, entry in record.files.files.items():
        if found.files[name] != entry:
            raise PromotionError(
                f"{folder} is not what was promoted: {name!r} is {found.files[name].digest[:19]}… "
                f"({found.files[name].size:,} bytes), promoted was {entry.digest[:19]}… ({entry.size:,} bytes)."
            )
