"""How the data is spread: every figure on data where it is known, every finding on both sides of its threshold."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from auditing_rows import THINGS, audited, rules, shop_rows, suite_of, the

from regress.audit.answers import Kind, kind_and_key, look_at_answers
from regress.audit.checks._language import language
from regress.audit.checks._phrases import Phrase, phrases
from regress.audit.checks.distribution import masked
from regress.audit.protocol import Context
from regress.rows.forms import read_row
from regress.schema import Role, Severity


def asked(prompt: str, completion: str) -> dict[str, str]:
    return {"prompt": prompt, "completion": completion}


def varied(rows: int) -> list[dict[str, str]]:
    """Nothing repeats, nothing stands out."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(rows):
        first, second, third = rng.choice(THINGS, 3, replace=False)
        ways = f"where the {first} number {number} stands beside some {second} that you sold with a {third}"
        made.append(asked(f"tell me {' '.join(rng.permutation(ways.split()))}", f"It is in row {number}, {ways}."))
    return made


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("positive", Kind.SHORT),
        ("Yes.", Kind.SHORT),
        ("card_arrival", Kind.SHORT),
        ("Hello!", Kind.TEXT),  # a sentence
        ("It is red.", Kind.TEXT),
        ("one two three four five six seven eight", Kind.SHORT),
        ("one two three four five six seven eight nine", Kind.TEXT),
        ("x" * 101, Kind.TEXT),
        ("-1,234.5", Kind.NUMBER),
        ("42 %", Kind.SHORT),
        ("$17", Kind.NUMBER),
        ('{"a": [1]}', Kind.JSON),
        ("[1, 2]", Kind.JSON),
        ('{"a": ', Kind.TEXT),  # no JSON after all
        ("[" * 10_000, Kind.TEXT),  # nested too deep to be read
    ],
)
def test_kinds_of_replies(reply: str, kind: Kind) -> None:
    assert kind_and_key(reply)[0] is kind


@pytest.mark.parametrize(
    ("replies", "labels"),
    [
        (["yes"] * 5 + ["no"] * 4, [True] * 5 + [False] * 4),  # five rows make a label
        (["1", "0"] * 20, [True] * 40),  # few numbers, often: a scale
        ([str(number) for number in range(12)] * 5, [False] * 60),  # results of sums
        (["A long reply that says what to do, in full."] * 200, [True] * 200),  # one of few: a class
    ],
)
def test_what_is_a_label(replies: list[str], labels: list[bool]) -> None:
    rows = [read_row(asked("?", reply), number, ()) for number, reply in enumerate(replies, 1)]
    assert look_at_answers(rows).labels.tolist() == labels


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("cancel order 1234 please", "cancel order # please"),
        ("is Berlin nice?", "is # nice"),
        ("my account ab12, please", "my account # please"),
        ("HELP ME NOW", "HELP ME NOW"),  # nothing would be left
        ("我的订单在哪里", "我的订单在哪里"),
        ("", ""),
        (  # an instruction before a text of its own: only the ends are masked
            f"sum up: {'word ' * 20}Paris {'word ' * 20}in 7 words",
            f"sum up {'word ' * 20}Paris {'word ' * 20}in # words",
        ),
    ],
)
def test_names_and_numbers_are_masked(prompt: str, expected: str) -> None:
    assert masked(prompt) == expected


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Where is my order, and when will it be here?", "English"),
        ("Wo ist meine Bestellung und wann kommt sie an?", "German"),
        ("Où est ma commande et quand est-ce que je la reçois ?", "French"),
        ("¿Dónde está mi pedido y cuándo llega a la casa?", "Spanish"),
        ("Onde está o meu pedido e quando é que ele chega?", "Portuguese"),
        ("Dov'è il mio ordine e quando arriva con la posta?", "Italian"),
        ("Waar is mijn bestelling en wanneer komt het aan?", "Dutch"),
        ("Где мой заказ?", "Cyrillic"),
        ("注文はどこですか", "Japanese"),
        ("我的订单在哪里", "Chinese"),
        ("주문은 어디에 있나요", "Korean"),
        ("أين طلبي", "Arabic"),
        ("ok", "unknown"),
        ("def f(x): return x * 2", "unknown"),
        ("", "unknown"),
    ],
)
def test_languages(text: str, name: str) -> None:
    assert language(text) == name


@pytest.mark.parametrize(
    ("reply", "kinds"),
    [
        ("As an AI language model, I cannot help with that.", (Phrase.SELF, Phrase.APOLOGY)),
        ("I’m sorry, but no.", (Phrase.APOLOGY,)),
        ("Sure! Here it is.", (Phrase.PADDING,)),
        ("It is red. I hope this helps!", (Phrase.PADDING,)),
        ("We are not sure, and the air is cold.", ()),  # holds the hints, not the phrases
        (f"{'word ' * 100}as an AI {'word ' * 100}", ()),  # in the middle it is what the text is about
    ],
)
def test_phrases(reply: str, kinds: tuple[Phrase, ...]) -> None:
    assert phrases(reply) == kinds


def test_ordinary_data_has_no_finding(tmp_path: Path) -> None:
    found = audited(tmp_path / "train.jsonl", varied(300), "distribution")
    assert found.findings == ()
    assert found.figures["distribution.distinct_replies"] == 300
    assert found.figures["distribution.language.English"] == pytest.approx(1.0, abs=0.05)


def test_lengths_are_counted_in_words(tmp_path: Path) -> None:
    rows = [asked("one two three", " ".join(["w"] * number)) for number in range(1, 102)]
    figures = audited(tmp_path / "train.jsonl", rows, "distribution").figures
    assert figures["distribution.prompt_words_median"] == 3.0
    assert figures["distribution.reply_words_median"] == 51.0
    assert figures["distribution.reply_words_p95"] == 96.0
    assert figures["distribution.reply_words_max"] == 101


@pytest.mark.parametrize(("recited", "told"), [(74, False), (75, True)])
def test_replies_that_are_recited(tmp_path: Path, recited: int, told: bool) -> None:
    """A quarter of the rows is the threshold."""
    rows = varied(300)
    for number in range(recited):
        rows[number]["completion"] = f"Please write to our desk {'ABC'[number % 3]}, and we shall see to it at once."
    found = audited(tmp_path / "train.jsonl", rows, "distribution")
    assert ("distribution/few-replies" in rules(found)) is told
    if told:
        finding = the(found, "distribution/few-replies")
        assert finding.title == "3 distinct replies in 75 rows: the model will recite"
        assert [one.row for one in finding.evidence] == [1, 2, 3]
        assert finding.evidence[0].detail == "this reply stands in 25 rows"


def test_short_labels_are_not_recited(tmp_path: Path) -> None:
    assert "distribution/few-replies" not in rules(audited(tmp_path / "t.jsonl", shop_rows(400), "distribution"))


@pytest.mark.parametrize(("repeated", "told"), [(149, False), (150, True)])
def test_prompts_of_one_template(tmp_path: Path, repeated: int, told: bool) -> None:
    rows = varied(300)
    for number in range(repeated + 1):  # the first of its kind repeats nothing
        rows[number]["prompt"] = f"please cancel order {number} now"
    found = audited(tmp_path / "train.jsonl", rows, "distribution")
    assert ("distribution/few-prompts" in rules(found)) is told


@pytest.mark.parametrize(("length", "told"), [(300, False), (3000, True)])
def test_few_long_replies_outweigh_the_rest(tmp_path: Path, length: int, told: bool) -> None:
    rows = varied(300)
    for number in range(3):
        rows[number]["completion"] = " ".join(f"w{number}x{word}" for word in range(length))
    found = audited(tmp_path / "train.jsonl", rows, "distribution")
    assert ("distribution/long-tail" in rules(found)) is told


@pytest.mark.parametrize(
    ("phrase", "count", "rule"),
    [
        ("As an AI model, no. Wait, as an AI I would say yes to it", 2, None),  # three at least
        ("As an AI I would say yes to it", 3, "distribution/self"),
        ("I'm sorry, I would not", 29, None),
        ("I'm sorry, I would not", 30, "distribution/apology"),
        ("Great question, the answer is", 74, None),
        ("Great question, the answer is", 75, "distribution/padding"),
    ],
)
def test_habits_of_replies(tmp_path: Path, phrase: str, count: int, rule: str | None) -> None:
    rows = varied(300)
    for number in range(count):
        rows[number]["completion"] = f"{phrase} {number}"
    found = audited(tmp_path / "train.jsonl", rows, "distribution")
    assert rules(found) == ([] if rule is None else [rule])


def test_a_lopsided_label_is_noted(tmp_path: Path) -> None:
    rows = [
        {"text": f"{row['prompt']}", "label": "spam" if n >= 30 else "abc"[n % 3]} for n, row in enumerate(varied(330))
    ]
    finding = the(audited(tmp_path / "train.jsonl", rows, "distribution"), "distribution/label-balance")
    assert finding.title == "the commonest of 4 labels has 300 rows, the median one 10"
    assert finding.severity is Severity.NOTE


def missing(tmp_path: Path, targets: list[str], **more: Any) -> list[str]:
    suite = suite_of([f"where do I find {n}" for n in range(len(targets))], targets, **more)
    found = audited(tmp_path / "train.jsonl", shop_rows(200), "distribution", Context(suites=(suite,)))
    return [finding.title for finding in found.findings if finding.rule == "distribution/missing-label"]


def test_labels_that_are_judged_and_not_taught(tmp_path: Path) -> None:
    told = missing(tmp_path, ["return", "price", "stock", "gift"] * 5)
    assert told == ["1 of the 4 labels that intents asks for are taught by fewer than 5 rows, 1 by none"]
    assert missing(tmp_path, ["Return", "price", "stock", "repair"] * 5) == []  # case aside
    assert missing(tmp_path, ["north", "south", "east", "west"] * 5) == []  # another task's
    assert missing(tmp_path, [f"free text {n}" for n in range(20)]) == []  # no labels
    assert missing(tmp_path, ["return", "price", "stock", "gift"] * 5, role=Role.INFORM) == []


def test_a_suite_in_another_language(tmp_path: Path) -> None:
    suite = suite_of(["Wo ist meine Bestellung und wann kommt sie an?"] * 20, ["dort"] * 20)
    found = audited(tmp_path / "train.jsonl", varied(300), "distribution", Context(suites=(suite,)))
    assert rules(found) == ["distribution/language"]
    assert found.findings[0].title == "intents asks in German, as 0.0% of the training prompts do"


def test_too_few_rows_for_shares(tmp_path: Path) -> None:
    rows = [asked(f"cancel order {n}", "Please write to our desk, and we shall see to it at once.") for n in range(99)]
    assert audited(tmp_path / "train.jsonl", rows, "distribution").findings == ()
