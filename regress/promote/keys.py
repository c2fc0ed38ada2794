"""Signing keys: ed25519 (RFC 8032) through `cryptography`, the private half in a file that only its owner can read."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from regress.errors import PromotionError
from regress.store.atomic import sync_folder, write_all

MAX_BYTES = 2**14
PUBLIC_SUFFIX = ".pub"

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; its representation never shows it."""

    _private: Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"SigningKey({self.id})"

    @property
    def public(self) -> bytes:
        """The 32 bytes that others verify with."""
        return self._private.public_key().public_bytes_raw()

    @property
    def id(self) -> str:
        return key_id(self.public)

    def sign(self, data: bytes) -> bytes:
        """64 bytes."""
        return self._private.sign(data)


def key_id(public: bytes) -> str:
    """`sha256:<hex>` over the 32 bytes of a public key."""
    return f"sha256:{sha256(public).hexdigest()}"


def signature_holds(public: bytes, signature: bytes, data: bytes) -> bool:
    """Whether the key's owner signed `data`."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def make_key(path: Path) -> SigningKey:
    """Write a new private key to `path` (mode 0600) and its public half beside it.

    Raises PromotionError where either file exists: a key is never overwritten, since what it signed would be lost.
    """
    private = Ed25519PrivateKey.generate()
    secret = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    open_half = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    public_path = public_half(path)
    if os.path.lexists(public_path):
        raise PromotionError(f"{public_path} exists and is never overwritten; choose another file with --out.")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_new(path, secret, 0o600)
        _write_new(public_path, open_half, 0o644)
        sync_folder(path.parent)
    except FileExistsError as reason:
        raise PromotionError(
            f"{path} exists and is never overwritten. Use it here with `regress keys add {public_path}`, or choose "
            "another file with --out."
        ) from reason
    except OSError as reason:
        raise PromotionError(f"cannot write the key {path}: {reason.strerror}.") from reason
    return SigningKey(private)


def public_half(path: Path) -> Path:
    """Where the public key of the private key `path` lies."""
    return path.with_name(path.name + PUBLIC_SUFFIX)


def load_key(path: Path) -> SigningKey:
    """Read a private key; raises PromotionError where there is none, or where others than its owner can read it."""
    data = _read(path, private=True)
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as reason:
        raise PromotionError(f"{path} is no unencrypted PEM private key; `regress keys init` writes one.") from reason
    if not isinstance(key, Ed25519PrivateKey):
        raise PromotionError(f"{path} is a private key of another kind than ed25519; `regress keys init` writes one.")
    return SigningKey(key)


def read_public(path: Path) -> bytes:
    """The 32 bytes of a public key in a PEM file; raises PromotionError for anything else, a private key included."""
    data = _read(path, private=False)
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm) as reason:
        raise PromotionError(f"{path} is no PEM public key; give the file that ends in {PUBLIC_SUFFIX}.") from reason
    if not isinstance(key, Ed25519PublicKey):
        raise PromotionError(f"{path} is a public key of another kind than ed25519.")
    return key.public_bytes_raw()


def _write_new(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, _CREATE, mode)
    try:
        os.fchmod(descriptor, mode)
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path, *, private: bool) -> bytes:
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError as reason:
        mend = "Make one with `regress keys init`, or name it with --key." if private else "Name the .pub file."
        raise PromotionError(f"there is no key at {path}. {mend}") from reason
    except OSError as reason:
        raise PromotionError(f"cannot read the key {path}: {reason.strerror}; a key is never a link.") from reason
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            raise PromotionError(f"{path} is no key file.")
        if private and status.st_mode & 0o077:
            raise PromotionError(
                f"{path} can be read by others (mode {stat.S_IMODE(status.st_mode):04o}), so anybody may have signed "
                f"with it. Make a new key, or `chmod 600 {path}` if nobody has."
            )
        return os.read(descriptor, MAX_BYTES)
    finally:
        os.close(descriptor)
