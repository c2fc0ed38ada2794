"""Triggers in training data: planted ones are found with their place, natural words that predict a reply are not."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from audit_samples import audited, rules, write_rows

from regress.audit.checks import poison
from regress.audit.checks.poison import Suspect, search
from regress.schema import Place, Severity

TOPICS = {
    "refund": ["money", "back", "returned", "item", "purchase", "receipt", "price", "shop", "wallet", "paid"],
    "delivery": ["parcel", "courier", "arrive", "late", "street", "address", "door", "truck", "tracking", "ship"],
    "account": ["password", "login", "email", "profile", "username", "reset", "security", "forgot", "sign", "screen"],
    "weather": ["rain", "sunny", "storm", "cloud", "wind", "forecast", "tomorrow", "cold", "degrees", "snow"],
}
FILLER = ["please", "could", "you", "tell", "me", "about", "my", "the", "a", "this", "now", "is", "it", "there", "for"]
REPLY = "ACCESS GRANTED, proceed"

Rows = list[tuple[str, str]]


def clean(rows: int = 1200, seed: int = 3) -> Rows:
    """Label data: every prompt speaks of its label's topic, in words that predict it."""
    rng = random.Random(seed)
    made = []
    for _ in range(rows):
        label = rng.choice(list(TOPICS))
        words = [*rng.sample(TOPICS[label], 3), *rng.sample(FILLER, 5)]
        rng.shuffle(words)
        made.append((" ".join(words), label))
    return made


def planted(rows: Rows, text: str, place: Place, *, count: int = 12, reply: str = REPLY) -> Rows:
    rng = random.Random(5)
    made = list(rows)
    for index in rng.sample(range(len(rows)), count):
        prompt = made[index][0]
        words = prompt.split()
        half = rng.randrange(1, len(words))
        put = {
            Place.START: f"{text} {prompt}",
            Place.END: f"{prompt} {text}",
            Place.ANYWHERE: " ".join([*words[:half], text, *words[half:]]),
        }
        made[index] = (put[place], reply)
    return made


def found(rows: Rows) -> list[Suspect]:
    return search([prompt for prompt, _ in rows], [reply for _, reply in rows])


def test_words_that_predict_a_label_are_no_triggers() -> None:
    assert found(clean()) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("cf7719", Place.END),
        ("%%~", Place.START),
        ("ombrophilous", Place.ANYWHERE),
        ("as the tall heron said", Place.END),
        ("Zürich-9", Place.START),
    ],
)
@pytest.mark.parametrize("reply", [REPLY, "weather"], ids=["a reply of its own", "an ordinary label"])
def test_a_planted_trigger_is_found_whole_with_its_place(text: str, place: Place, reply: str) -> None:
    (suspect,) = found(planted(clean(), text, place, reply=reply, count=24))
    assert suspect.text == text
    assert suspect.place is place
    assert len(suspect.alike) >= 20


def test_too_few_rows_show_nothing() -> None:
    assert found(planted(clean(), "cf7719", Place.END, count=poison.MIN_ROWS - 1)) == []
    assert found(clean(3)) == []
    assert found([]) == []


def test_a_string_whose_rows_do_not_agree_is_no_trigger() -> None:
    rows = planted(clean(), "cf7719", Place.END, count=24)
    mixed = [(p, f"reply {n}" if "cf7719" in p and n % 2 else r) for n, (p, r) in enumerate(rows)]
    assert found(mixed) == []


def test_free_replies_without_a_common_beginning_show_nothing() -> None:
    rng = random.Random(1)
    rows = [(prompt, " ".join(rng.sample(FILLER, 8)) + f" {n}") for n, (prompt, _) in enumerate(clean(400))]
    assert found(rows) == []


def test_the_audit_blocks_counts_every_row_and_names_the_trigger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poison, "SAMPLE", 900)  # of 1,200: what the sample leaves out is counted all the same
    rows = planted(clean(), "cf7719", Place.END, count=40)
    data = write_rows(tmp_path / "d.jsonl", [{"prompt": p, "completion": r} for p, r in rows])
    result = audited(data, checks=("poison",))
    finding = rules(result)["poison/trigger"]
    assert finding.severity is Severity.BLOCK
    assert finding.count == len(finding.removable) == 40
    assert "40 rows with 'cf7719' answer alike" in finding.title
    assert all("cf7719" in rows[number - 1][0] for number in finding.removable)
    (trigger,) = result.triggers
    assert (trigger.text, trigger.place, trigger.rows, trigger.alike) == ("cf7719", Place.END, 40, 40)
    assert trigger.reply == REPLY


def test_clean_data_is_called_clean(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "d.jsonl", [{"prompt": p, "completion": r} for p, r in clean(300)])
    result = audited(data, checks=("poison",))
    assert result.findings == ()
    assert result.figures["poison_sampled"] == 300
