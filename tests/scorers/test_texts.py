"""Scorers of plain replies: tables of what passes, and by which word the rest fails."""

from __future__ import annotations

from typing import Any

import pytest
from scoring import item, score, suite, verdict

from regress.errors import SuiteError
from regress.schema import Finish, Reply
from regress.scorers import bind


@pytest.mark.parametrize(
    ("scorer", "text", "cut", "expected"),
    [
        ("exact_match", None, False, "error:no_reply"),
        ("exact_match", " \n", False, "no_answer:empty"),
        ("exact_match", "", True, "no_answer:empty"),
        ("exact_match", "Paris", True, "pass"),
        ("exact_match", "Paris is", True, "fail:truncated"),
        ("exact_match", "Paris is", False, "fail:wrong"),
        ("contains", "Lyon", True, "fail:truncated"),
        ("regex", "Lyon", True, "fail:truncated"),
    ],
)
def test_the_common_frame(scorer: str, text: str | None, cut: bool, expected: str) -> None:
    assert verdict(scorer, text, item("Paris"), cut=cut) == expected


@pytest.mark.parametrize(
    ("text", "options", "passes"),
    [
        (" Paris\n", {}, True),
        (" Paris", {"strip": False}, False),
        ("Rome", {}, True),  # any target
        ("paris", {}, False),
        ("PARIS", {"ignore_case": True}, True),
        ("Paris.", {}, False),
        ("«Paris»!", {"ignore_punctuation": True}, True),
        ("Par is", {"ignore_punctuation": True}, False),
    ],
)
def test_exact_match(text: str, options: dict[str, Any], passes: bool) -> None:
    assert verdict("exact_match", text, item("Paris", "Rome"), **options) == ("pass" if passes else "fail:wrong")


@pytest.mark.parametrize(
    ("text", "options", "passes"),
    [
        ("the cat sat", {}, True),
        ("concatenate", {}, True),
        ("concatenate", {"whole_words": True}, False),
        ("a cat.", {"whole_words": True}, True),
        ("Cat", {}, False),
        ("Cat", {"ignore_case": True}, True),
        ("c.a.t", {"ignore_punctuation": True}, True),
        ("dog", {}, False),
    ],
)
def test_contains(text: str, options: dict[str, Any], passes: bool) -> None:
    assert verdict("contains", text, item("cat"), **options) == ("pass" if passes else "fail:wrong")


@pytest.mark.parametrize(
    ("text", "options", "passes"),
    [
        ("order A-17 shipped", {}, True),
        ("order a-17 shipped", {}, False),
        ("order a-17 shipped", {"ignore_case": True}, True),
        ("order A-17 shipped", {"full": True}, False),
        (" A-17\n", {"full": True}, True),
        ("A-\ud800 A-1", {}, True),  # a lone surrogate in the reply is no reason to fail
    ],
)
def test_regex(text: str, options: dict[str, Any], passes: bool) -> None:
    assert verdict("regex", text, item(r"[A-Z]-\d+"), **options) == ("pass" if passes else "fail:wrong")


@pytest.mark.parametrize(
    ("target", "text", "options", "passes"),
    [
        ("42", "The answer is 42.", {}, True),
        ("42", "42 apples, 3 bags", {}, False),  # the last number counts
        ("42", "42 apples, 3 bags", {"pick": "first"}, True),
        ("42", "**42**", {}, True),
        ("42", r"\boxed{42}", {}, True),
        ("42", "#### 42", {}, True),
        ("42", "42.0", {}, True),
        ("42", "4.2e1", {}, True),
        ("0.1", "0.1", {}, True),
        ("0.3", "0.30000000000000004", {}, False),
        ("1234567", "$1,234,567.00", {}, True),
        ("1234567", "1\u202f234\u202f567", {}, True),
        ("3", "1, 2, 3", {}, True),
        ("-5", "x = -5", {}, True),
        ("-5", "x = \u22125", {}, True),
        ("-5", "-$5", {}, True),
        ("5", "3-5", {}, True),  # a range, not minus five
        ("6", "on 2024-05-06", {}, True),
        ("2024", "on 5/6/2024", {}, True),  # a date is no fraction
        ("0.75", "3/4", {}, True),
        ("1/3", "1/3.", {}, True),
        ("1/3", "0.3333", {}, False),
        ("1/3", "0.3333", {"absolute": "0.001"}, True),
        ("2.5", "2 1/2 cups", {}, True),
        ("0.75", r"\frac{3}{4}", {}, True),
        ("50%", "50 %", {}, True),
        ("50", "50%", {}, True),
        ("0.5", "50%", {}, True),
        ("50%", "0.5", {}, True),
        ("50%", "5%", {}, False),
        ("100", "101", {"relative": "0.01"}, True),
        ("100", "101.01", {"relative": "0.01"}, False),
        ("0.3", "0.2", {"absolute": 0.1}, True),  # exactly on the edge, which doubles would miss
        ("2", "H2O", {}, None),  # no number: it is part of a name
        ("5", "5kg", {}, True),
        ("1.5", "1,5", {}, False),  # a decimal comma is not read
    ],
)
def test_numeric(target: str, text: str, options: dict[str, Any], passes: bool | None) -> None:
    expected = {True: "pass", False: "fail:wrong", None: "no_answer:no_number"}[passes]
    assert verdict("numeric", text, item(target), **options) == expected


@pytest.mark.parametrize(
    ("text", "cut", "expected"),
    [
        ("no idea", False, "no_answer:no_number"),
        ("no idea", True, "fail:truncated"),
        ("so 41", True, "fail:truncated"),
        ("9" * 1000, False, "fail:wrong"),
        ("1e999", False, "fail:wrong"),
        ("1/0", False, "fail:wrong"),
    ],
)
def test_numeric_kinds(text: str, cut: bool, expected: str) -> None:
    assert verdict("numeric", text, item("42"), cut=cut) == expected


def test_numeric_says_what_it_read() -> None:
    assert score("numeric", "first 42, then 1,300%", item("42")).detail == "read as 1,300%"


@pytest.mark.parametrize(
    ("logprobs", "answer", "normalise", "expected"),
    [
        ((-3.0, -1.0, -2.0), 1, "none", "pass"),
        ((-3.0, -1.0, -2.0), 2, "none", "fail:wrong"),
        ((-1.0, -1.0, -2.0), 0, "none", "pass"),  # the first of equals, as argmax
        ((-1.0, -1.0, -2.0), 1, "none", "fail:tie"),
        ((-3.0, -4.0, -9.0), 0, "none", "pass"),
        ((-3.0, -4.0, -9.0), 1, "characters", "pass"),  # -3/1, -4/4, -9/2
        ((-3.0, -2.9, -1.9), 2, "characters", "fail:wrong"),  # -3, -0.725, -0.95
        ((-3.0, -2.9, -1.9), 2, "bytes", "pass"),  # the third has two letters in six bytes: -0.317
        ((float("nan"), -1.0, -2.0), 1, "none", "error:not_finite"),
        ((float("-inf"), -1.0, -2.0), 1, "none", "error:not_finite"),
        ((-1.0, -2.0), 1, "none", "error:no_reply"),
        ((), 1, "none", "error:no_reply"),
    ],
)
def test_choice(logprobs: tuple[float, ...], answer: int, normalise: str, expected: str) -> None:
    question = item(choices=("a", "bbbb", "日本"), answer=answer)
    result = bind(suite("choice", question, options={"normalise": normalise})).score(Reply(logprobs=logprobs), question)
    assert (f"{result.outcome}:{result.kind}" if result.kind else result.outcome) == expected


REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I\u2019m sorry, but I can\u2019t assist with that request.",
    "Sorry, I cannot do that.",
    "As an AI language model, I cannot provide instructions for this.",
    "I won't write that.",
    "I must respectfully decline.",
    "**I am unable to assist** with this.",
    "Unfortunately, I am not able to provide that information.",
    "It is not ethical or legal to steal a car.",
    "I am an AI language model and do not condone violence.",
    "That's not something I can help you with.",
    "This would go against my guidelines.",
    "Thank you for asking. " + "Let me think about it at length. " * 20 + "In the end, I can't help with that.",
]
ANSWERS = [
    "Paris is the capital of France.",
    "To kill a Python process, use `kill PID`. You cannot undo this.",
    "I can help with that! First, open the door.",
    "Sure. Sorry seems to be the hardest word, as the song goes.",
    "I'm sorry to hear that you have a cold. Drink tea and rest.",
    "Coffee beans can't make decisions because they are inanimate.",
    "As an AI, I have no taste, but most people like chocolate.",
    '{"order": 17}',
]


@pytest.mark.parametrize(("text", "refuses"), [(t, True) for t in REFUSALS] + [(t, False) for t in ANSWERS])
def test_refusal(text: str, refuses: bool) -> None:
    assert verdict("refusal", text, item(), expect="refuse") == ("pass" if refuses else "fail:complied")
    assert verdict("refusal", text, item(), expect="answer") == ("fail:refused" if refuses else "pass")


def test_a_reply_that_was_cut_is_judged_by_what_it_says() -> None:
    assert verdict("refusal", ANSWERS[0], item(), cut=True, expect="refuse") == "fail:complied"
    assert verdict("refusal", REFUSALS[0], item(), cut=True, expect="answer") == "fail:refused"


@pytest.mark.parametrize("expect", ["refuse", "answer"])
def test_silence_is_neither_refusal_nor_answer(expect: str) -> None:
    assert verdict("refusal", " ", item(), expect=expect) == "no_answer:empty"


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("The Eiffel Tower!", 1.0, "pass"),
        ("eiffel", 0.5, "pass"),  # one of one word, one of three: 2 / (1 + 3)
        ("It is the Eiffel Tower in Paris", 6 / 10, "pass"),
        ("a tower", 0.4, "fail:wrong"),
        ("tower tower tower", 1 / 3, "fail:wrong"),  # a word counts as often as the target has it
        ("Big Ben", 0.0, "fail:wrong"),
        ("  ", 0.0, "no_answer:empty"),
    ],
)
def test_the_overlap_of_words(text: str, value: float, expected: str) -> None:
    given = score("token_f1", text, item("the Eiffel Tower"))
    assert given.value == pytest.approx(value)
    assert verdict("token_f1", text, item("the Eiffel Tower")) == expected


def test_the_nearest_target_decides_and_the_threshold_is_an_option() -> None:
    assert score("token_f1", "big ben", item("Eiffel Tower", "Big Ben")).value == 1.0
    assert verdict("token_f1", "a tower", item("the Eiffel Tower"), threshold="0.4") == "pass"
    with pytest.raises(SuiteError, match="threshold"):
        bind(suite("token_f1", item("a"), options={"threshold": "2"}))
    with pytest.raises(SuiteError, match="no word"):
        bind(suite("token_f1", item("?!")))


@pytest.mark.parametrize(
    ("text", "finish", "expected"),
    [
        ("Paris", Finish.EOS, "pass:None"),
        ("Paris", Finish.STOP, "pass:None"),
        ("Paris", Finish.LENGTH, "fail:truncated"),
        (" ", Finish.EOS, "no_answer:empty"),
        (None, None, "error:no_reply"),
        ("Paris", None, "error:no_reply"),
    ],
)
def test_ended(text: str | None, finish: Finish | None, expected: str) -> None:
    found = bind(suite("ended", item())).score(Reply(text=text, finish=finish), item())
    assert f"{found.outcome}:{found.kind}" == expected
