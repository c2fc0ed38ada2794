"""Shapes of rows: recognised by their keys, mapped by the user, or refused with the reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from regress.rows.forms import read_row
from regress.rows.row import Form, RowFault


def said(row: Any, *mapped: tuple[str, str]) -> tuple[Form, list[tuple[str, str]]]:
    read = read_row(row, 1, mapped)
    return read.form, [(turn.role, turn.content) for turn in read.turns]


ASKED = [("user", "Name a lamp."), ("assistant", "Lumo")]


@pytest.mark.parametrize(
    ("row", "form"),
    [
        ({"prompt": "Name a lamp.", "completion": "Lumo"}, Form.PROMPT),
        ({"question": "Name a lamp.", "answer": "Lumo"}, Form.PROMPT),
        ({"instruction": "Name a lamp.", "input": "", "output": "Lumo"}, Form.INSTRUCTION),
        ({"instruction": "Name a lamp.", "response": "Lumo", "category": "x"}, Form.INSTRUCTION),
        ({"text": "Name a lamp.", "label": "Lumo"}, Form.LABEL),
        ({"text": "Name a lamp.", "category": "Lumo"}, Form.LABEL),
        (["Name a lamp.", "Lumo"], Form.LABEL),
        (
            {"messages": [{"role": "user", "content": "Name a lamp."}, {"role": "assistant", "content": "Lumo"}]},
            Form.MESSAGES,
        ),
        (
            {"conversations": [{"from": "human", "value": "Name a lamp."}, {"from": "gpt", "value": "Lumo"}]},
            Form.MESSAGES,
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "Name a lamp."}]},
                    {"role": "assistant", "content": "Lumo"},
                    {"role": "user", "content": "thanks"},
                ]
            },
            Form.MESSAGES,
        ),
        ({"prompt": "Name a lamp.", "chosen": "Lumo", "rejected": "no"}, Form.PAIR),
        (
            {
                "chosen": [{"role": "user", "content": "Name a lamp."}, {"role": "assistant", "content": "Lumo"}],
                "rejected": [{"role": "user", "content": "Name a lamp."}, {"role": "assistant", "content": "no"}],
            },
            Form.PAIR,
        ),
    ],
)
def test_every_shape_says_the_same(row: Any, form: Form) -> None:
    assert said(row) == (form, ASKED)


def test_the_users_mapping_comes_before_what_is_recognised() -> None:
    row = {"prompt": "not this", "q": "Name a lamp.", "best": "Lumo", "completion": "nor this"}
    assert said(row, ("prompt", "q"), ("completion", "best")) == (Form.PROMPT, ASKED)
    assert said({"text": "a", "intent": "b", "label": "Lumo"}, ("text", "text"), ("label", "intent"))[1][1][1] == "b"


def test_what_tools_say_is_kept_apart() -> None:
    row = {
        "messages": [
            {"role": "user", "content": "Which lamps?"},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
            {"role": "tool", "content": "Lumo"},
            {"role": "assistant", "content": "Lumo."},
        ]
    }
    assert [role for role, _ in said(row)[1]] == ["user", "tool", "tool", "assistant"]
    read = read_row(row, 1, ())
    assert (read.asked, read.replies) == (("Which lamps?",), ("Lumo.",))


def test_an_input_follows_its_instruction_and_numbers_are_labels() -> None:
    assert said({"instruction": "Translate.", "input": "lamp", "output": "Lampe"})[1][0][1] == "Translate.\n\nlamp"
    assert said({"text": "a", "label": 3})[1][1][1] == "3"
    assert said({"text": "only this"}) == (Form.TEXT, [("assistant", "only this")])


@pytest.mark.parametrize(
    ("row", "mapped", "message"),
    [
        (7, (), "is not a JSON object"),
        ({}, (), "has no column at all"),
        ({"a": "b"}, (), "has a, which is none of the known shapes"),
        ({"prompt": "a", "completion": None}, (), "completion is null"),
        ({"prompt": "", "completion": "a"}, (), "prompt is empty"),
        ({"prompt": "a", "completion": " "}, (), "completion is empty"),
        ({"prompt": "a", "completion": 7}, (), "completion is a number, not a text"),
        ({"prompt": "a"}, (("completion", "best"),), "has no column for --map completion=best"),
        ({"messages": []}, (), "messages is an empty list"),
        ({"messages": [{"role": "user", "content": "a"}]}, (), "no message is the assistant's"),
        ({"messages": [{"role": "judge", "content": "a"}]}, (), "messages[0] is said by 'judge'"),
        ({"messages": [{"role": "assistant", "content": ""}]}, (), "a message of the assistant is empty"),
        ({"prompt": "a", "chosen": "b", "rejected": "b"}, (), "chosen and rejected are the same"),
        ({"chosen": "b", "rejected": "c"}, (), "a pair without a prompt needs whole conversations"),
        ({"text": "a", "label": True}, (), "label is true or false"),
        ({"text": "a", "label": b"b"}, (), "label is of the type bytes"),
        ({"text": "a", "label": datetime(2026, 1, 2, tzinfo=UTC)}, (), "label is of the type datetime"),
        ({"instruction": "a", "input": 3, "output": "b"}, (), "input is a number"),
    ],
)
def test_what_cannot_be_learned_from_says_why(row: Any, mapped: tuple[tuple[str, str], ...], message: str) -> None:
    with pytest.raises(RowFault, match=message.replace("[", r"\[").replace("(", r"\(")):
        read_row(row, 1, mapped)
