"""Items: one a line, strictly, each with the digest of everything in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from suite_samples import SUITE, write_suite, yaml_text

from regress.errors import SuiteError
from regress.schema import Item, Message
from regress.scorers import bind
from regress.suite import read_suite
from regress.suite.items import MAX_LINE_BYTES, read_items


def read(folder: Path, items: str | bytes) -> tuple[Item, ...]:
    path = folder / "items.jsonl"
    path.write_bytes(items if isinstance(items, bytes) else items.encode())
    return read_items(path)


def line(**changes: Any) -> str:
    fields = {"id": "q1", "prompt": "2 + 2 =", "target": "4"} | changes
    return json.dumps({key: value for key, value in fields.items() if value is not None}, ensure_ascii=False)


def test_an_item_is_what_its_line_says(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "null"}}}
    first, second, third = read(
        tmp_path,
        "\n".join(
            [
                line(cluster="passage-4", slice="en", schema=schema),
                "",
                line(id="q2", target=["4", "four"], choices=["3", "4"], answer=1),
                line(
                    id="q3",
                    prompt=None,
                    target=None,
                    messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}],
                )
                + "\r",
            ]
        ),
    )
    assert (first.messages, first.targets) == ((Message(role="user", content="2 + 2 ="),), ("4",))
    assert (first.cluster, first.slice, first.schema, first.line) == ("passage-4", "en", schema, 1)
    assert (second.targets, second.choices, second.answer, second.line) == (("4", "four"), ("3", "4"), 1, 3)
    assert third.messages == (Message(role="system", content="Be brief."), Message(role="user", content="2 + 2?"))
    assert (third.prompt, third.targets) == ("2 + 2?", ())


@pytest.mark.parametrize(
    ("items", "number", "message"),
    [
        # the file
        ("", None, "holds no item"),
        ("\n  \n\r\n", None, "holds no item"),
        (f"{line()}\n\n{line()}", 3, "the id 'q1' stands on line 1 too"),
        # the line
        (f"{line()}\nnot json", 2, "is not JSON"),
        (line()[:-1], 1, "is not JSON: ends before the document does"),
        ('{"id": "q1", "prompt": "a", "prompt": "b"}', 1, "gives the key '/prompt' twice"),
        ('{"id": "q1", "prompt": "a", "schema": {"a": 1, "a": 2}}', 1, "gives the key '/schema/a' twice"),
        ('{"id": "q1", "prompt": "a", "schema": {"maximum": NaN}}', 1, "NaN is not JSON"),
        ('{"id": "q1", "prompt": "a", "schema": {"maximum": 1e400}}', 1, "1e400 is beyond binary64"),
        ('{"id": "q1", "prompt": "a", "schema": {"maximum": 9007199254740993}}', 1, "is beyond 2**53 - 1"),
        ('{"id": "q1", "prompt": "\\ud800"}', 1, "half of a surrogate pair"),
        (b'{"id": "q1", "prompt": "\xed\xa0\x80"}', 1, "not UTF-8"),
        (b'{"id": "q1", "prompt": "\xff"}', 1, "not UTF-8"),
        (b"\xef\xbb\xbf" + line().encode(), 1, "byte order mark"),
        (line(schema="X").replace('"X"', "[" * 100_000), 1, "nested deeper than"),
        (line(prompt="x" * MAX_LINE_BYTES), 1, "the line is longer than 4,194,304 bytes"),
        ("[]", 1, "must hold a mapping with the keys id, prompt, messages, target"),
        ('"q1"', 1, "must hold a mapping"),
        # its keys
        ('{"id": "q1", "promt": "a"}', 1, "unknown key 'promt'. Did you mean 'prompt'? Known keys: id, prompt"),
        (line(schema_={}), 1, "unknown key 'schema_'. Did you mean 'schema'?"),
        ('{"prompt": "a"}', 1, "the key 'id' is missing"),
        ('{"id": "q1"}', 1, "an item has either 'prompt' or 'messages'"),
        (line(messages=[{"role": "user", "content": "a"}]), 1, "an item has either 'prompt' or 'messages'"),
        # ids and labels
        (line(id=5), 1, "id is 5: input should be a valid string"),
        (line(id=""), 1, "id is ''"),
        (line(id="x" * 201), 1, "string should have at most 200 characters"),
        (line(id="a\x1b[31m"), 1, "id is 'a\\x1b[31m'"),
        (line(id="a\nb"), 1, "id is 'a\\nb'"),
        (line(id="a\x85b"), 1, "id is 'a\\x85b'"),
        (line(slice="a\x00"), 1, "slice is 'a\\x00'"),
        (line(cluster=3), 1, "cluster is 3"),
        # questions
        (line(prompt=""), 1, "prompt is ''"),
        (line(prompt=None, messages=[]), 1, "messages is []"),
        (line(prompt=None, messages=[{"role": "tool", "content": "a"}]), 1, "messages.0.role is 'tool'; choices: 'sys"),
        (line(prompt=None, messages=[{"role": "user", "content": 1}]), 1, "messages.0.content is 1"),
        (line(prompt=None, messages=[{"role": "user", "text": "a"}]), 1, "unknown key 'messages.0.text'"),
        (line(prompt=None, messages=[{"role": "assistant", "content": "a"}]), 1, "nothing is left to ask"),
        # answers
        (line(target=5), 1, "target is 5"),
        (line(target=[]), 1, "target is []"),
        (line(target=["a", None]), 1, "target is ['a', None]"),
        (line(choices=["a", "b"]), 1, "'choices' and 'answer' belong together"),
        (line(answer=0), 1, "'choices' and 'answer' belong together"),
        (line(choices=["a", "b"], answer=2), 1, "answer 2 names none of 2 choices (the first is 0)"),
        (line(choices=["a", "b"], answer=-1), 1, "answer is -1"),
        (line(choices=["a", "b"], answer=True), 1, "answer is True"),
        (line(choices=["a", "b"], answer=1.0), 1, "answer is 1.0"),
        (line(choices=["a", "b"], answer="1"), 1, "answer is '1'"),
        (line(choices=["a"], answer=0), 1, "choices is ['a']"),
        (line(choices=["a", ""], answer=0), 1, "choices.1 is ''"),
        (line(choices=["a", "a"], answer=0), 1, "two of 'choices' are the same"),
        (line(schema=[]), 1, "schema is []"),
        (line(schema=True), 1, "schema is True"),
    ],
)
def test_an_items_file_is_refused(tmp_path: Path, items: str | bytes, number: int | None, message: str) -> None:
    with pytest.raises(SuiteError) as caught:
        read(tmp_path, items)
    where = f"{tmp_path / 'items.jsonl'}:" + ("" if number is None else f"{number}:")
    assert str(caught.value).startswith(where + " ")
    assert message in str(caught.value)


def test_a_missing_target_is_found_when_the_scorer_is_bound(tmp_path: Path) -> None:
    path = write_suite(tmp_path, yaml_text(SUITE), line() + "\n" + line(id="q2", target=None) + "\n")
    suite = read_suite(path)
    with pytest.raises(SuiteError) as caught:
        bind(suite)
    assert str(caught.value) == f"{tmp_path / 'sums.jsonl'}:2: item q2 has no target (needed by scorer exact_match)"


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="cannot be read: No such file"):
        read_items(tmp_path / "none.jsonl")


BASE = line(target=["4", "four"], cluster="c", slice="s")


@pytest.mark.parametrize(
    ("other", "same", "why"),
    [
        (line(slice="s", cluster="c", target=["4", "four"]), True, "the order of keys says nothing"),
        (BASE.replace(": ", ":   "), True, "nor does white space"),
        (BASE.replace("four", "\\u0066our"), True, "nor how a character is written"),
        (line(target=["four", "4"], cluster="c", slice="s"), False, "the order of targets may"),
        (line(target=["4", "four"], cluster="c", slice="t"), False, "a slice is part of the figures"),
        (line(target=["4", "four"], cluster="d", slice="s"), False, "and so is a cluster"),
        (line(target=["4", "four"], cluster="c", slice="s", prompt="2 + 2 = "), False, "one space is another question"),
        (line(target=["4", "four"], cluster="c", slice="s", id="q2"), False, "the id is part of it"),
    ],
)
def test_the_digest_is_of_the_content(tmp_path: Path, other: str, same: bool, why: str) -> None:
    (one,), (two,) = read(tmp_path, BASE), read(tmp_path, other)
    assert (one.digest == two.digest) is same, why


def test_where_an_item_stands_is_not_part_of_its_digest(tmp_path: Path) -> None:
    (first,) = read(tmp_path, BASE)
    (_, later) = read(tmp_path, line(id="q0") + "\n\n" + BASE)
    assert (later.digest, later.line) == (first.digest, 3)
