"""Signing keys and the trust root as files: never overwritten, never open to others, never half understood."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from promote_samples import NOW, a_key, a_root, a_trust_file

from regress.cli import main
from regress.errors import PromotionError
from regress.promote.keys import load_key, make_key, public_half, read_public, signature_holds
from regress.promote.trust import TrustRoot, read_trust


def test_a_key_is_its_owners_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "key.pem"
    key = make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert load_key(path).id == key.id
    assert read_public(public_half(path)) == key.public
    before = path.read_bytes()
    with pytest.raises(PromotionError, match="never overwritten"):
        make_key(path)
    public_half(path).unlink()
    with pytest.raises(PromotionError, match="never overwritten"):
        make_key(path)
    assert path.read_bytes() == before
    assert before.decode() not in repr(key)


def test_the_signature_is_over_every_byte(tmp_path: Path) -> None:
    key, other = a_key(tmp_path), a_key(tmp_path, "other.pem")
    signature = key.sign(b"text")
    assert signature_holds(key.public, signature, b"text")
    assert not signature_holds(key.public, signature, b"texts")
    assert not signature_holds(other.public, signature, b"text")
    assert not signature_holds(key.public, b"", b"text")


@pytest.mark.parametrize("what", ["missing", "open to others", "a link", "text", "encrypted", "another kind", "public"])
def test_a_file_that_is_no_private_key_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "k.pem"
    other = generate_private_key(SECP256R1())
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    match what:
        case "open to others":
            make_key(path)
            path.chmod(0o640)
        case "a link":
            make_key(tmp_path / "there.pem")
            path.symlink_to(tmp_path / "there.pem")
        case "text":
            path.write_text("key")
        case "public":
            make_key(tmp_path / "there.pem")
            path.write_bytes(public_half(tmp_path / "there.pem").read_bytes())
        case "encrypted" | "another kind":
            if what == "encrypted":
                encryption = serialization.BestAvailableEncryption(b"secret")
            form = serialization.PrivateFormat.PKCS8
            path.write_bytes(other.private_bytes(serialization.Encoding.PEM, form, encryption))
    if path.exists() and what != "open to others" and what != "a link":
        path.chmod(0o600)
    with pytest.raises(PromotionError, match=r"k\.pem"):
        load_key(path)


def test_a_private_key_is_never_taken_for_a_public_one(tmp_path: Path) -> None:
    a_key(tmp_path)
    with pytest.raises(PromotionError, match="no PEM public key"):
        read_public(tmp_path / "key.pem")


CHANGES: dict[str, tuple[Any, str]] = {
    "an unknown key": (lambda root: root | {"surprise": 1}, "does not know"),
    "an unknown key of a key": (lambda root: root | {"keys": [root["keys"][0] | {"x": 1}]}, "does not know"),
    "a missing key": (lambda root: {"format": 1, "keys": []}, "does not know"),
    "another format": (lambda root: root | {"format": 2}, "does not know"),
    "another public key": (lambda root: root | {"keys": [root["keys"][0] | {"public": "A" * 43 + "="}]}, "not the one"),
    "no base64": (lambda root: root | {"keys": [root["keys"][0] | {"public": "?"}]}, "no base64"),
    "a key twice": (lambda root: root | {"keys": root["keys"] * 2}, "a key twice"),
    "no day": (lambda root: root | {"keys": [root["keys"][0] | {"expires": "soon"}]}, "no day"),
    "no list": (lambda root: root | {"keys": {}}, "cannot be read"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_trust_root_that_is_not_understood_is_refused(tmp_path: Path, case: str) -> None:
    change, reason = CHANGES[case]
    path = a_trust_file(tmp_path, a_root(a_key(tmp_path)))
    assert read_trust(path) == a_root(a_key(tmp_path))
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(PromotionError, match=reason):
        read_trust(path)


def test_revoking_needs_one_key_and_only_once() -> None:
    root = TrustRoot().with_key(b"1" * 32, name="one", expires=None, now=NOW)
    root = root.with_key(b"2" * 32, name="two", expires=None, now=NOW)
    with pytest.raises(PromotionError, match="names 0 keys"):
        root.without_key("three", reason="x", now=NOW)
    with pytest.raises(PromotionError, match="names 0 keys"):  # too short to name one
        root.without_key(root.keys[0].id[7:14], reason="x", now=NOW)
    gone = root.without_key(root.keys[0].id[7:15], reason="x", now=NOW)
    assert [key.revoked is None for key in gone.keys] == [False, True]
    with pytest.raises(PromotionError, match="already"):
        gone.without_key("one", reason="x", now=NOW)
    with pytest.raises(PromotionError, match="already"):
        gone.with_key(b"1" * 32, name="back again", expires=None, now=NOW)


def test_the_commands_make_add_show_and_revoke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    here = ["-C", str(project)]
    assert main(["keys", "show", *here]) == 5
    assert main(["keys", "init", "--out", str(project / "key.pem"), *here]) == 2
    assert main(["keys", "init", "--expires", "2020-01-01", *here]) == 2
    assert not (tmp_path / "config").exists()
    assert main(["keys", "init", "--name", "me", *here]) == 0
    key = tmp_path / "config" / "regress" / "signing-key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    secret = key.read_bytes()
    assert main(["keys", "init", *here]) == 5
    assert key.read_bytes() == secret
    make_key(tmp_path / "theirs.pem")
    assert main(["keys", "add", str(tmp_path / "theirs.pem"), *here]) == 5
    assert (
        main(["keys", "add", str(tmp_path / "theirs.pem.pub"), "--name", "them", "--expires", "2099-12-31", *here]) == 0
    )
    assert main(["keys", "revoke", "me", *here]) == 2
    assert main(["keys", "revoke", "me", "--reason", "lost", *here]) == 0
    capsys.readouterr()
    assert main(["keys", "show", "--json", *here]) == 0
    keys = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)["keys"]}
    assert keys["me"]["revoked"]["reason"] == "lost"
    assert (keys["them"]["expires"], keys["them"]["revoked"]) == ("2099-12-31", None)
    assert read_trust(project / "trust.json").keys[0].id == load_key(key).id
