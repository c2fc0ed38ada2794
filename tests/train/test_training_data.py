"""Training rows: four shapes, one meaning, and a line number for everything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from train_projects import write_rows

from regress.errors import TrainingError
from regress.hashing.files import digest_file
from regress.schema import Message
from regress.train.data import Example, read_data

ASKED = (Message(role="user", content="Name a lamp."),)
PAIR = {"prompt": "p", "chosen": "good", "rejected": "bad"}


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Name a lamp.", "completion": "Lumo"},
        {"instruction": "Name a lamp.", "output": "Lumo"},
        {"instruction": "Name a lamp.", "input": "", "output": "Lumo", "id": 7},
        {"messages": [{"role": "user", "content": "Name a lamp."}, {"role": "assistant", "content": "Lumo"}]},
        {
            "prompt": [{"role": "user", "content": "Name a lamp."}],
            "completion": [{"role": "assistant", "content": "Lumo"}],
        },
    ],
)
def test_every_shape_says_the_same(tmp_path: Path, row: dict[str, Any]) -> None:
    path = write_rows(tmp_path / "d.jsonl", [row])
    data = read_data(path, "sft")
    assert data.examples == (Example(line=1, prompt=ASKED, completion="Lumo"),)
    assert data.digest == digest_file(path).digest
    assert dict(data.unused) == ({"id": 1} if "id" in row else {})


def test_every_turn_of_the_assistant_is_learned_behind_what_came_before(tmp_path: Path) -> None:
    said = [
        ("system", "Be brief."),
        ("user", "a"),
        ("assistant", "b"),
        ("user", "c"),
        ("assistant", "d"),
        ("user", "e"),
    ]
    row = {"messages": [{"role": role, "content": text} for role, text in said]}
    data = read_data(write_rows(tmp_path / "d.jsonl", [row]), "sft")
    messages = [Message(role=role, content=text) for role, text in said]
    assert [(e.prompt, e.completion) for e in data.examples] == [
        (tuple(messages[:2]), "b"),
        (tuple(messages[:4]), "d"),
    ]
    assert data.rows == 1


def test_a_pair_and_its_input(tmp_path: Path) -> None:
    assert read_data(write_rows(tmp_path / "p.jsonl", [PAIR]), "dpo").examples[0].rejected == "bad"
    row = {"instruction": "Translate.", "input": "lamp", "output": "Lampe"}
    (example,) = read_data(write_rows(tmp_path / "i.jsonl", [row]), "sft").examples
    assert example.prompt[0].content == "Translate.\n\nlamp"


@pytest.mark.parametrize(
    ("line", "objective", "message"),
    [
        ("[1]", "sft", "is not a JSON object"),
        ('{"prompt": "a", "prompt": "b", "completion": "c"}', "sft", "gives the key '/prompt' twice"),
        ('{"prompt": "a", "completion": "c"', "sft", "is not JSON"),
        ('{"prompt": "a", "completion": NaN}', "sft", "is not JSON"),
        ('{"text": "a"}', "sft", "holds a text without a prompt"),
        ('{"colour": "a"}', "sft", "has colour, which is none of the known shapes"),
        ("{}", "sft", "has no column at all"),
        ('{"prompt": "a", "completion": ""}', "sft", "completion is empty"),
        ('{"prompt": "  ", "completion": "a"}', "sft", "prompt is empty"),
        ('{"prompt": 7, "completion": "a"}', "sft", "prompt is a number, not a text"),
        ('{"prompt": "a", "completion": null}', "sft", "completion is null, not a text"),
        ('{"instruction": "a", "input": 3, "output": "b"}', "sft", "input is a number"),
        ('{"messages": []}', "sft", "messages is an empty list"),
        ('{"messages": [{"role": "user", "content": "a"}]}', "sft", "no message is the assistant's"),
        ('{"messages": [{"role": "assistant", "content": "a"}]}', "sft", "speaks before any user does"),
        ('{"messages": [{"role": "tool", "content": "a"}]}', "sft", "no message is the assistant's"),
        (
            '{"messages": [{"role": "user", "content": "a"}, {"role": "tool", "content": "b"}, '
            '{"role": "assistant", "content": "c"}]}',
            "sft",
            "calls a tool",
        ),
        ('{"messages": [{"role": "judge", "content": "a"}]}', "sft", "messages[0] is said by 'judge'"),
        ('{"messages": [{"role": "user", "content": null}]}', "sft", "messages[0].content is null"),
        (
            '{"prompt": [{"role": "assistant", "content": "a"}], "completion": "b"}',
            "sft",
            "belongs into the completion",
        ),
        ('{"prompt": "p", "chosen": "a", "rejected": "b"}', "sft", "train.objective is sft"),
        ('{"prompt": "p", "completion": "a"}', "dpo", "learns from pairs"),
        ('{"prompt": "p", "chosen": "a", "rejected": "a"}', "dpo", "prefers nothing"),
        ('{"prompt": "p", "chosen": "a", "rejected": ""}', "dpo", "rejected is empty"),
    ],
)
def test_a_broken_row_is_refused_by_its_line(tmp_path: Path, line: str, objective: str, message: str) -> None:
    good = {"sft": '{"prompt": "a", "completion": "b"}', "dpo": '{"prompt": "p", "chosen": "a", "rejected": "b"}'}
    path = tmp_path / "d.jsonl"
    path.write_text(f"{good[objective]}\n\n{line}\n")
    with pytest.raises(TrainingError) as caught:
        read_data(path, objective)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert message in str(caught.value)


def test_no_file_no_row_and_no_link(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="there is no such file"):
        read_data(tmp_path / "absent.jsonl", "sft")
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(TrainingError, match="holds no row"):
        read_data(tmp_path / "empty.jsonl", "sft")
