"""Personal data by form and checksum: what is found, what is only an example, and that no report tells it."""

from __future__ import annotations

from pathlib import Path

import pytest
from audit_samples import audited, rules, write_rows

from regress.audit.checks._keys import entropy
from regress.audit.checks._numbers import iban_is_right, luhn
from regress.audit.checks._sighting import Rule, Sighting
from regress.audit.checks.personal_data import hide, sightings
from regress.audit.scanning import Joined
from regress.schema import Severity
from regress.strict_json import parse

# In parts, so that nobody's scanner takes this file for a leak.
AWS = "AKIA" + "Q3EGZ7N2VKXO5RTB"
GITHUB = "ghp_" + "9dKq2Wm7Zx4Lr8Tn3Vb6Yc1Hs5Jf0Pg2Ua4e"
SLACK = "xoxb-" + "204857361947-q8Zt3LmR5vXw7NcP"
PRIVATE = "-----BEGIN RSA " + "PRIVATE KEY-----"
TOKEN = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiI3MzE5In0" + ".q8Zt3LmR5vXw7NcPk2"
CARD = "4929 1384 7720 5619"  # a made-up number with the right check digit
IBAN = "DE70 5001 0517 9482 7361 04"


def seen(text: str) -> list[tuple[Rule, str]]:
    return [(sighting.rule, sighting.what) for _, sighting in sightings(Joined([text]))]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (f"export AWS_KEY={AWS}", Rule.KEY),
        (f"use {GITHUB} to push", Rule.KEY),
        (f"hook: {SLACK}", Rule.KEY),
        (f"{PRIVATE}\nMIIEow", Rule.KEY),
        (f"Bearer {TOKEN}", Rule.KEY),
        ("postgres://admin:q8Zt3LmR5vXw@db.internal.io/main", Rule.KEY),
        ("my card is 4929138477205619, thanks", Rule.CARD),
        (f"or {CARD}", Rule.CARD),
        (f"to {IBAN} PLEASE", Rule.IBAN),
        ("3714 496353 98456", Rule.CARD),
        ("password: q8Zt3LmR5vXw7NcP", Rule.SECRET),
        ("CPF 529.982.247-25", Rule.NATIONAL_ID),
        ("my SSN is 512-48-7736", Rule.NATIONAL_ID),
        ("RSSMRA85T10A562S", Rule.NATIONAL_ID),
        ("write to jana.k@gmx.de", Rule.MAIL),
        ("call (312) 471-8206 today", Rule.PHONE),
        ("+49 176 4820 9317", Rule.PHONE),
        ("phone 0176 4820 9317", Rule.PHONE),
        ("from 93.184.215.14", Rule.ADDRESS),
    ],
)
def test_what_is_somebodys_is_found(text: str, rule: Rule) -> None:
    assert [found for found, _ in seen(text)] == [rule]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("4242 4242 4242 4242", "a payment service's test card"),
        ("AKIA" + "IOSFODNN7EXAMPLE", "AWS's own example"),
        ("GB82 WEST 1234 5698 7654 32", "the registry's example"),
        ("support@acme-shop.co", "a company's desk, nobody's own"),
        ("anna@example.com", "RFC 2606"),
        ("call 415-555-0137", "reserved for fiction"),
        ("call 1-800-471-8206", "toll free: a company"),
        ("123-456-7890", "counts up"),
        ("see 512-48-7736", "nothing says that it is a social security number"),
    ],
)
def test_examples_and_companies_are_only_noted(text: str, why: str) -> None:
    assert [rule for rule, _ in seen(text)] == [Rule.RESERVED], why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("4929138477205611", "wrong check digit"),
        ("9929138477205614", "no issuer begins with 9"),
        ("DE52 5001 0517 9482 7361 04", "wrong check digits"),
        ("DE70 5001 0517 9482 7361", "too short for Germany"),
        ("order 00004587345", "a number that nobody calls"),
        ("on 2024-11-27 at 12:30", "a date"),
        ("12500+21000-6300=27200", "a sum"),
        ("version 12.4.33.120", "a version"),
        ("8.8.8.8 or 2.10.3.1", "a name server's, and what looks like a version"),
        ("10.0.0.17 and 192.0.2.1 and 999.1.1.1", "private, reserved, impossible"),
        ("3f2504e04f8911d39a0c0305e82c3301", "hexadecimal"),
        ("password: ask the person who set it up", "words"),
        ("token = your_token_goes_here1", "a placeholder"),
        ("logo@2x.png", "a file"),
        ("the sk-learn-like-estimators-of-old", "words with hyphens"),
        ("000-12-3456 666-12-3456 912-12-3456", "never given out as social security numbers"),
        ("eyJub3QiOiJhIGp3dCJ9.eyJub3QiOiJhIGp3dCJ9.abcdefgh", "no JOSE header"),
    ],
)
def test_what_only_looks_alike_is_left_alone(text: str, why: str) -> None:
    assert seen(text) == [], why


def test_checksums() -> None:
    """Vectors of the standards: ISO/IEC 7812 (a test card), ISO 13616 (the registry's examples)."""
    assert luhn("4242424242424242")
    assert not luhn("4242424242424241")
    assert iban_is_right("GB82WEST12345698765432")
    assert not iban_is_right("GB82WEST12345698765423")
    assert entropy("aaaa") == 0.0
    assert entropy("abcd") == 2.0


def test_a_secret_is_shown_as_its_ends_alone() -> None:
    assert Sighting(Rule.KEY, "AWS access key", AWS).masked == "AKIA…TB (20 characters)"
    assert Sighting(Rule.MAIL, "e-mail address", "jana.k@gmx.de").masked == "j…@gmx.de"
    assert Sighting(Rule.SECRET, "assigned secret", "short").masked == "s…t (5 characters)"
    text = hide(f"a {AWS} b {AWS} c jana.k@gmx.de and {PRIVATE}\nMIIEowIBAAKCAQEA")
    assert AWS not in text
    assert "MIIE" not in text
    assert "jana.k@gmx.de" in text  # an excerpt without any name says nothing


def test_the_audit_blocks_on_keys_and_never_repeats_them(tmp_path: Path) -> None:
    secrets = (AWS, GITHUB, "4929138477205619", "DE70500105179482736104")
    rows = [{"prompt": f"question {n}", "completion": f"answer {n}"} for n in range(30)]
    rows += [{"prompt": "same", "completion": f"take {secret} here"} for secret in secrets for _ in range(2)]
    rows.append({"prompt": f"I am jana.k@gmx.de, {AWS}", "completion": "hello"})
    result = audited(write_rows(tmp_path / "rows.jsonl", rows))
    found = rules(result)
    assert found["personal-data/key"].severity is Severity.BLOCK
    assert (found["personal-data/key"].count, found["personal-data/key"].figures["in_replies"]) == (5, 4)
    assert found["personal-data/card"].count == 2
    assert found["personal-data/mail"].severity is Severity.WARN
    assert "duplicates/exact" in found  # whose excerpts cite the same rows
    for secret in secrets:
        assert secret not in str(result)


def test_a_row_counts_once_however_often_it_says_it(tmp_path: Path) -> None:
    row = {"prompt": "mail jana.k@gmx.de", "completion": "jana.k@gmx.de, yes, jana.k@gmx.de"}
    finding = rules(audited(write_rows(tmp_path / "rows.jsonl", [row])))["personal-data/mail"]
    assert (finding.count, finding.of) == (1, 1)


def test_the_other_reply_of_a_pair_and_the_systems_words_are_read(tmp_path: Path) -> None:
    rows = [
        {"prompt": "hi", "chosen": "hello", "rejected": "jana.k@gmx.de"},
        {"messages": [{"role": "system", "content": "li@gmx.de"}, {"role": "user", "content": "hi"},
                      {"role": "assistant", "content": "hello"}]},
    ]  # fmt: skip
    assert rules(audited(write_rows(tmp_path / "rows.jsonl", rows)))["personal-data/mail"].count == 2


def test_naughty_strings_are_no_secrets() -> None:
    path = Path(__file__).parents[3] / "shared" / "data" / "naughty_strings" / "blns.json"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    texts = parse(path.read_bytes()).value
    found = [s for _, s in sightings(Joined(texts)) if s.rule in (Rule.KEY, Rule.CARD, Rule.IBAN, Rule.SECRET)]
    assert found == []
