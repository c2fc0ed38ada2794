"""DSSE: a payload, its type and one ed25519 signature in an envelope of canonical bytes.

https://github.com/secure-systems-lab/dsse, protocol.md and envelope.md. The signature covers the pre-authentication
encoding of type and payload. What it does not cover (spacing, the order of keys, other spellings of base64, a second
signature) is not allowed to vary, so one changed byte anywhere is refused.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from regress.errors import PromotionError, Refused
from regress.hashing.canonical import canonical_json
from regress.promote.keys import SigningKey
from regress.strict_json import JsonFault, parse

PAYLOAD_TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What an envelope holds; nothing is verified yet."""

    payload: bytes
    key: str  # the id of the key that is said to have signed
    signature: bytes

    @property
    def signed(self) -> bytes:
        """The bytes that the signature is over."""
        return _pre_authentication(self.payload)


def sign(payload: bytes, key: SigningKey) -> bytes:
    """The envelope's bytes."""
    return _written(payload, key.id, key.sign(_pre_authentication(payload)))


def open_envelope(data: bytes) -> Envelope:
    """Take an envelope apart; raises PromotionError unless its bytes are exactly those that `sign` writes."""
    try:
        value = parse(data).value
        payload = base64.b64decode(value["payload"], validate=True)
        (only,) = value["signatures"]
        found = Envelope(payload=payload, key=only["keyid"], signature=base64.b64decode(only["sig"], validate=True))
        canonical = _written(found.payload, found.key, found.signature) == data
    except (JsonFault, binascii.Error, ValueError, KeyError, TypeError, Refused) as reason:
        raise PromotionError(f"the record is damaged, no signed envelope can be read: {reason}.") from reason
    if not canonical:
        raise PromotionError("the record's bytes are not those of a signed envelope; somebody changed or rewrote it.")
    return found


def _pre_authentication(payload: bytes) -> bytes:
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode("ascii"), len(payload), payload)


def _written(payload: bytes, key: str, signature: bytes) -> bytes:
    return (
        canonical_json(
            {
                "payload": base64.b64encode(payload).decode("ascii"),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [{"keyid": key, "sig": base64.b64encode(signature).decode("ascii")}],
            }
        )
        + b"\n"
    )
