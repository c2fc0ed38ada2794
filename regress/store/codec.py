"""Records to JSON and back, in one place, strictly: what was read, written again, gives the same bytes.

That one comparison refuses unknown, missing and repeated keys, numbers in another form and stray white space. msgspec
decodes straight into the dataclasses, in a quarter of the time of the standard decoder plus construction.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from regress.errors import StoreError
from regress.hashing.canonical import canonical_json, digest_json
from regress.schema import RUN_FORMAT, SERVING_FORMAT, TRIGGERS_FORMAT, ItemOutcome, Manifest, Served, Tried

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFile:
    """manifest.json."""

    format: int = RUN_FORMAT
    manifest: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """seal.json: what a complete run consists of."""

    format: int = RUN_FORMAT
    manifest: str  # digest of the manifest
    lines: int  # of the log; more than `items` where a harness error was asked again
    items: int
    head: str  # hash of the log's last frame
    item_set: str  # digest over the sorted (suite, item, item digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingFile:
    """serving.json."""

    format: int = SERVING_FORMAT
    served: Served
    digest: str  # over `served`


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggersFile:
    """triggers.json."""

    format: int = TRIGGERS_FORMAT
    tried: Tried
    digest: str  # over `tried`


@dataclass(frozen=True, slots=True, kw_only=True)
class _Format:
    format: int


_FORMAT = msgspec.json.Decoder(_Format)
_OUTCOME = msgspec.json.Decoder(ItemOutcome)
_MANIFEST = msgspec.json.Decoder(ManifestFile)
_SEAL = msgspec.json.Decoder(Seal)
_SERVING = msgspec.json.Decoder(ServingFile)
_TRIGGERS = msgspec.json.Decoder(TriggersFile)
_ENCODER = msgspec.json.Encoder(order="sorted")


Record = ItemOutcome | Manifest | ManifestFile | Seal | Served | ServingFile | Tried | TriggersFile


def to_json(record: Record) -> dict[str, Any]:
    """The record as the JSON object that is stored: enums by value, tuples as lists, every key present."""
    value: dict[str, Any] = msgspec.to_builtins(record)
    return value


def manifest_digest(manifest: Manifest) -> str:
    """`sha256:<hex>` over the manifest: the identity of a run."""
    return digest_json(to_json(manifest))


def seal_digest(seal: Seal) -> str:
    """`sha256:<hex>` over the seal, and so over everything in the run."""
    return digest_json(to_json(seal))


def encode_file(record: ManifestFile | Seal | ServingFile | TriggersFile) -> bytes:
    """One line of canonical JSON."""
    return canonical_json(to_json(record)) + b"\n"


def decode_outcomes(bodies: Sequence[bytes], shown: str) -> list[ItemOutcome]:
    """The lines of the log `shown`; raises StoreError naming it and the line."""
    data = b"".join(body + b"\n" for body in bodies)
    try:
        outcomes = _OUTCOME.decode_lines(data)
        if _ENCODER.encode_lines(outcomes) == data:  # the common case, without a call for each line
            return outcomes
    except (ValueError, RecursionError):
        pass  # the line that it is about is found below
    return [_decode(_OUTCOME, body, f"{shown}:{number}") for number, body in enumerate(bodies, start=1)]


def decode_manifest(data: bytes, where: str) -> Manifest:
    """manifest.json; raises StoreError starting with `where`."""
    return _decode_file(_MANIFEST, data, where, RUN_FORMAT).manifest


def decode_seal(data: bytes, where: str) -> Seal:
    """seal.json; raises StoreError starting with `where`."""
    return _decode_file(_SEAL, data, where, RUN_FORMAT)


def encode_served(served: Served) -> bytes:
    """serving.json."""
    return encode_file(ServingFile(served=served, digest=digest_json(to_json(served))))


def decode_served(data: bytes, where: str) -> Served:
    """serving.json; raises StoreError starting with `where`."""
    file = _decode_file(_SERVING, data, where, SERVING_FORMAT)
    if file.digest != digest_json(to_json(file.served)):
        raise StoreError(f"{where} was edited. Measure again with `regress check --serving`.")
    return file.served


def encode_tried(tried: Tried) -> bytes:
    """triggers.json."""
    return encode_file(TriggersFile(tried=tried, digest=digest_json(to_json(tried))))


def decode_tried(data: bytes, where: str) -> Tried:
    """triggers.json; raises StoreError starting with `where`."""
    file = _decode_file(_TRIGGERS, data, where, TRIGGERS_FORMAT)
    if file.digest != digest_json(to_json(file.tried)):
        raise StoreError(f"{where} was edited. Delete it, and try the triggers again with `regress check`.")
    return file.tried


def _decode_file(decoder: msgspec.json.Decoder[T], data: bytes, where: str, wanted: int) -> T:
    if not data.endswith(b"\n"):
        raise StoreError(f"{where}: the end of the file is missing; restore it from a copy.")
    try:
        found = _FORMAT.decode(data).format  # first: another format has other keys
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{where}: {error}; restore the file from a copy.") from error
    if found != wanted:
        raise StoreError(f"{where}: run format {found}, not {wanted}; read it with the version that wrote it.")
    return _decode(decoder, data[:-1], where)


def _decode(decoder: msgspec.json.Decoder[T], body: bytes, where: str) -> T:
    try:
        record = decoder.decode(body)
    except (ValueError, RecursionError) as error:  # msgspec's errors and UnicodeDecodeError are ValueErrors
        raise StoreError(f"{where}: {error}; restore the file from a copy.") from error
    # The C encoder's bytes are canonical except for whole floats and large exponents, which take the slower comparison.
    if _ENCODER.encode(record) != body and canonical_json(msgspec.to_builtins(record)) != body:
        raise StoreError(f"{where}: {_difference(body, msgspec.to_builtins(record))}; restore the file from a copy.")
    return record


def _difference(body: bytes, understood: object) -> str:
    """What the strict comparison found: the keys that differ, if it is keys."""
    missing, unknown = _keys(understood), _keys(json.loads(body))
    missing, unknown = missing - unknown, unknown - missing
    named = [f"missing key {key!r}" for key in sorted(missing)] + [f"unknown key {key!r}" for key in sorted(unknown)]
    return ", ".join(named) or "not canonical JSON (a repeated key, white space or another form of a number)"


def _keys(value: object, prefix: str = "") -> set[str]:
    if not isinstance(value, dict):
        return set()
    return {prefix + key for key in value}.union(*(_keys(inner, f"{prefix}{key}.") for key, inner in value.items()))
