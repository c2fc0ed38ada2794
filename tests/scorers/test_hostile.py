"""Replies, schemas and patterns that are made to hang, crash or fetch: each ends within two seconds."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring import item, suite, verdict

from regress.errors import SuiteError
from regress.schema import Finish, Item, Outcome, Reply
from regress.scorers import SCORERS, bind
from regress.scorers._schema import BUDGET

LIMIT = 4.0  # seconds of this process, on a machine that has other work too

QUESTIONS: dict[str, tuple[Item, dict[str, Any]]] = {
    "choice": (item(choices=("a", "b"), answer=0), {}),
    "contains": (item("a\u0301", "zz"), {"ignore_case": True, "ignore_punctuation": True, "whole_words": True}),
    "ended": (item(), {}),
    "exact_match": (item("zz"), {"ignore_case": True, "ignore_punctuation": True}),
    "json_equal": (item('{"a": [1, {"b": null}]}'), {"ignore_order": True, "allow_fences": True}),
    "json_schema": (
        item(
            schema={
                "$defs": {"any": {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/any"}}, {"type": "number"}]}},
                "$ref": "#/$defs/any",
                "uniqueItems": True,
            }
        ),
        {"allow_fences": True},
    ),
    "numeric": (item("12"), {"relative": "0.1"}),
    "refusal": (item(), {"expect": "refuse"}),
    "token_f1": (item("zz", "a b c"), {}),
    "regex": (item("(a+)+$", "(x+x+)+y", "[ab]*a[ab]{300}[cd]"), {}),
}

MEGABYTE = 1_000_000
REPLIES = {
    "brackets": "[" * MEGABYTE,
    "brackets after a word": "x " + "[" * 59_000,
    "pairs": "[" + "[]," * 19_000 + "[]]",
    "unclosed pairs after words": "x [" + "[]," * 19_000,
    "braces": "{" * 60 + "x {" * 60_000,
    "fences": "```json\n" * 25_000,
    "fence and spaces": "```" + " " * 59_000,
    "fence, spaces, bracket": "```" + " " * 59_000 + "[",
    "ticks": "`" * 59_000,
    "quotes": '"' * MEGABYTE,
    "open string": '["' + "\\" * 59_001,
    "digits": "1" * MEGABYTE,
    "commas": "1," * 500_000,
    "thousands": "111," * 250_000,
    "groups, then one too many": "111," * 250_000 + "1111",
    "spaces between digits": "1 " * 500_000,
    "a digit and spaces": "1" + " " * MEGABYTE + "/",
    "slashes": "1/" * 500_000,
    "signs": "-$" * 500_000,
    "fractions": r"\frac{1}{2" * 100_000,
    "letters": "a" * MEGABYTE + "b",
    "x": "x" * MEGABYTE,
    "a and b": "ab" * 500_000,
    "sorry": "i am so sorry " * 70_000,
    "to to": "i can't " + "to " * 300_000,
    "control characters": "\x00\x07\x1b[31m\x85\u202e" * 100_000,
    "lone surrogates": "\ud800" * MEGABYTE,
    "white space": " \n\t\u00a0\u3000" * 200_000 + "x",
    "objects": "[" + ",".join(f'{{"a":{i}}}' for i in range(4_000)) + "]",
    "colliding numbers": "[" + ",".join(str((2**61 - 1) * i) for i in range(4_000)) + "]",
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every way out of the process is recorded and refused."""
    tried: list[str] = []

    def refuse(*args: Any, **_kwargs: Any) -> NoReturn:
        tried.append(str(args))
        raise AssertionError("a scorer reached for the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    yield tried
    assert tried == []


def test_every_scorer_is_tried() -> None:
    """But lm_eval, which scores nothing without its task (tests/lmeval)."""
    assert QUESTIONS.keys() == SCORERS.keys() - {"lm_eval"}


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_no_reply_hangs_or_breaks_a_scorer(name: str) -> None:
    question, options = QUESTIONS[name]
    bound = bind(suite(name, question, options=options))
    for title, text in REPLIES.items():
        start = time.process_time()
        result = bound.score(Reply(text=text, logprobs=(-1.0, -2.0), finish=Finish.EOS), question)
        assert time.process_time() - start < LIMIT, title
        assert result.outcome is not Outcome.ERROR, (title, result)
        assert len(result.detail or "") <= 300


@settings(deadline=None)
@given(st.text() | st.text(alphabet='[]{}",:`json-1.e+/% \\u\nd8\ud800'), st.sampled_from(sorted(QUESTIONS)))
def test_scorers_never_raise(text: str, name: str) -> None:
    question, options = QUESTIONS[name]
    result = bind(suite(name, question, options=options)).score(
        Reply(text=text, logprobs=(-1.0, -2.0), finish=Finish.EOS), question
    )
    assert result.outcome is not Outcome.ERROR
    assert (result.kind is None) == (result.outcome is Outcome.PASS)


def doubling(levels: int) -> dict[str, Any]:
    links: dict[str, Any] = {f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 2} for i in range(levels)}
    return {**links, f"a{levels}": {"type": "string"}}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"$defs": doubling(60), "$ref": "#/$defs/a0"}, f"more than {BUDGET} steps"),
        ({"$ref": "#"}, "nests too deeply"),
        ({"allOf": [{"$dynamicRef": "#a"}], "$dynamicAnchor": "a"}, "nests too deeply"),
        (nested(5_000), "not JSON"),
        (nested(40), "nested deeper than 64"),
        ({"pattern": "(((a{30}){30}){30})"}, "RE2"),
        ({"pattern": "a" * 2_001}, "longer than 2000"),
        ({"pattern": "(" * 2_000}, "RE2"),
        ({"pattern": "\ud800"}, "surrogate"),
        ({"enum": ["x" * 1_000_001]}, "longer than 1000000"),
        ({"$ref": "http://localhost:1/schema.json"}, "only local ones are followed"),
        ({"$ref": "file:///etc/hostname"}, "only local ones are followed"),
        ({"$id": "http://localhost:1/a", "$ref": "b"}, "only local ones are followed"),
    ],
    ids=range(13),
)
def test_no_schema_hangs_or_fetches(schema: dict[str, Any], message: str) -> None:
    start = time.process_time()
    with pytest.raises(SuiteError) as caught:
        bind(suite("json_schema", item(schema=schema)))
    assert time.process_time() - start < LIMIT
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        # A bomb that shows only on some replies: the harness could not tell, so the run is never sealed.
        ({"$defs": doubling(60), "properties": {"x": {"$ref": "#/$defs/a0"}}}, '{"x": "a"}', "error:over_budget"),
        (
            {"unevaluatedProperties": False, "anyOf": [{"properties": {"a": {"$ref": "#"}}}] * 2},
            '{"a":' * 60 + "{}" + "}" * 60,
            "error:over_budget",
        ),
        # Ordinary schemas on large replies stay far below the budget.
        ({"uniqueItems": True}, "[" + ",".join(f'{{"a":{{"b":{i}}}}}' for i in range(3_000)) + "]", "pass"),
        ({"uniqueItems": True}, "[" + ",".join(["[1,2]"] * 4_000) + "]", "fail:schema_violation"),
        ({"items": {"enum": list(range(2_000))}}, "[" + ",".join(["1999"] * 8_000) + "]", "pass"),
        ({"items": {"type": "number", "minimum": 0, "maximum": 9}}, "[" + "1," * 29_000 + "1]", "pass"),
        ({"items": {"pattern": "(a+)+$"}}, '["' + "a" * 55_000 + 'b"]', "fail:schema_violation"),
        ({"patternProperties": {"(x+x+)+y": False}}, '{"' + "x" * 55_000 + '": 1}', "pass"),
        ({"const": 1}, "1" + "0" * 300, "fail:schema_violation"),
    ],
    ids=range(9),
)
def test_checking_is_bounded(schema: dict[str, Any], text: str, expected: str) -> None:
    start = time.process_time()
    assert verdict("json_schema", text, item(schema=schema)) == expected
    assert time.process_time() - start < LIMIT
