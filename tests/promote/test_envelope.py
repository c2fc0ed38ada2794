"""The signed envelope: DSSE as others read it, and not one byte that may differ."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from promote_samples import NOW, WAIVER, a_key, a_root, an_adapter, envelope_for, some_figures

from regress.errors import PromotionError
from regress.hashing.files import digest_bytes
from regress.promote.envelope import open_envelope, sign
from regress.promote.verifying import stated, verify_record
from regress.schema import Verdict


def test_another_reader_of_dsse_and_in_toto_finds_everything(tmp_path: Path) -> None:
    """Written after the two specifications, with nothing of ours: what cosign or in-toto's own tools would do."""
    key = a_key(tmp_path)
    data = envelope_for(an_adapter(tmp_path / "a"), key)
    envelope = json.loads(data)
    assert set(envelope) == {"payload", "payloadType", "signatures"}
    body, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
    assert kind == b"application/vnd.in-toto+json"
    signed = b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(body)).encode(), body])
    Ed25519PublicKey.from_public_bytes(key.public).verify(base64.b64decode(envelope["signatures"][0]["sig"]), signed)
    statement = json.loads(body)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert {s["name"]: "sha256:" + s["digest"]["sha256"] for s in statement["subject"]} == {
        path.name: digest_bytes(path.read_bytes()) for path in (tmp_path / "a").iterdir()
    }
    assert statement["predicate"]["result"] == "PASSED"
    assert statement["predicate"]["passedTests"] == ["words (adapter)"]
    assert [entry["name"] for entry in statement["predicate"]["configuration"]] == ["base", "lock", "policy"]


def test_a_waived_suite_is_a_warning(tmp_path: Path) -> None:
    failed = some_figures(suite="json", verdict=Verdict.FAIL)
    adapter = an_adapter(tmp_path / "a")
    data = envelope_for(adapter, a_key(tmp_path), suites=(some_figures(), failed), waivers=(WAIVER,))
    predicate = json.loads(open_envelope(data).payload)["predicate"]
    assert (predicate["result"], predicate["warnedTests"]) == ("WARNED", ["json (adapter)"])
    assert stated(data).waived == ("json",)


def test_one_flipped_bit_in_any_byte_is_refused(tmp_path: Path) -> None:
    key = a_key(tmp_path)
    root, data = a_root(key), envelope_for(an_adapter(tmp_path / "a"), key)
    assert verify_record(data, root, now=NOW).key == key.id
    passed = []
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        try:
            verify_record(bytes(changed), root, now=NOW)
        except PromotionError:
            continue
        passed.append(place)
    assert len(data) > 1000
    assert passed == []


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    key = a_key(tmp_path)
    root, data = a_root(key), envelope_for(an_adapter(tmp_path / "a"), key)
    for end in range(len(data)):
        with pytest.raises(PromotionError):
            verify_record(data[:end], root, now=NOW)


def _signatures(data: bytes, change: str) -> bytes:
    envelope = json.loads(data)
    match change:
        case "none":
            envelope["signatures"] = []
        case "two":
            envelope["signatures"] *= 2
        case "empty":
            envelope["signatures"][0]["sig"] = ""
        case "key":
            envelope["surprise"] = 1
        case "type":
            envelope["payloadType"] = "text/plain"
        case "spaces":
            return json.dumps(envelope, indent=1).encode() + b"\n"
        case "a list":
            return b"[]\n"
        case "deep":
            return b"[" * 100_000
    return json.dumps(envelope, separators=(",", ":"), sort_keys=True).encode() + b"\n"


@pytest.mark.parametrize("change", ["none", "two", "empty", "key", "type", "spaces", "a list", "deep"])
def test_other_envelopes_are_refused_with_a_sentence(tmp_path: Path, change: str) -> None:
    key = a_key(tmp_path)
    data = envelope_for(an_adapter(tmp_path / "a"), key)
    assert _signatures(data, "") == data  # so that each case differs in what it is named after alone
    with pytest.raises(PromotionError, match=r"record"):
        verify_record(_signatures(data, change), a_root(key), now=NOW)


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b"null", b"[1]", b'{"predicate": {"regress": 1}, "subject": []}', b"\xff", b"[" * 100_000]
)
def test_a_payload_that_is_no_promotion_is_refused_though_well_signed(tmp_path: Path, payload: bytes) -> None:
    key = a_key(tmp_path)
    with pytest.raises(PromotionError, match="does not hold a promotion"):
        verify_record(sign(payload, key), a_root(key), now=NOW)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"decision":"PROMOTE"', b'"decision":"REJECT"'),
        (b'"format":1', b'"format":2'),
        (b'"judged":"PROMOTE"', b'"judged":"PROMOTE","more":1'),
        (b'"sizes":{"README.md":6', b'"sizes":{"README.md":7'),
        (b'"result":"PASSED"', b'"result":"FAILED"'),
        (b'"name":"lock"', b'"name":"lick"'),
        (b'"subject":[', b'"subject":[{"digest":{"sha256":"x"},"name":"a"},'),
    ],
)
def test_a_signed_contradiction_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    """Written by a key that we trust, yet not what this version writes: perhaps a newer one, perhaps a mistake."""
    key = a_key(tmp_path)
    body = open_envelope(envelope_for(an_adapter(tmp_path / "a"), key)).payload
    assert body.count(old) == 1
    with pytest.raises(PromotionError):
        verify_record(sign(body.replace(old, new), key), a_root(key), now=NOW)
