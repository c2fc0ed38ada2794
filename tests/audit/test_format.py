"""The form of the replies: which should be JSON, what is wrong with them, and what else does not belong."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audit_samples import audited, rules, write_rows

from regress.audit.checks._format_conventions import Look, look_of
from regress.audit.checks._format_json import State, phrases, state_of
from regress.audit.words import Texts
from regress.schema import (
    Ask,
    Audit,
    Category,
    GenerationSettings,
    Item,
    Message,
    PromptStyle,
    Role,
    ScorerSpec,
    Severity,
    Suite,
)

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
NAMES = [*"ABCDEFGHIJ", "Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana", "Ivo", "Jo"]


def ask(number: int) -> str:
    return f"Write a JSON object with the keys name, age for: {NAMES[number % 20]} is {20 + number}"


def answer(number: int) -> str:
    return json.dumps({"name": NAMES[number % 20], "age": 20 + number})


def make_suite(name: str, prompts: list[str], scorer: ScorerSpec, schema: dict[str, Any] | None = None) -> Suite:
    items = tuple(
        Item(
            id=f"q{n}",
            messages=(Message(role="user", content=prompt),),
            targets=("x",),
            schema=schema,
            digest=f"{name}{n}",
            line=n,
        )
        for n, prompt in enumerate(prompts, start=1)
    )
    return Suite(
        name=name,
        version=1,
        category=Category.FORMAT,
        role=Role.PROTECT,
        ask=Ask.GENERATE,
        prompt=PromptStyle.CHAT,
        generation=GenerationSettings(),
        scorer=scorer,
        margin=Decimal("0.02"),
        items=items,
        path=f"{name}.yaml",
        items_path=f"{name}.jsonl",
    )


def json_suite(**options: Any) -> Suite:
    spec = ScorerSpec(name="json_schema", options=options)
    return make_suite("records", [ask(100 + n) for n in range(40)], spec, SCHEMA)


WORDS = make_suite("words", [f"Say the word {name} for me" for name in NAMES], ScorerSpec(name="exact_match"))
PROSE = [{"prompt": f"What does {name} like?", "completion": f"{name} likes long walks."} for name in NAMES * 4]


def run(tmp_path: Path, rows: list[dict[str, Any]], **context: Any) -> Audit:
    return audited(write_rows(tmp_path / "rows.jsonl", rows), checks=("format",), **context)


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        ('{"a": 1}', State.PURE),
        ("[1, 2]", State.PURE),
        ('\n {"a": 1}\n', State.PURE),
        ('```json\n{"a": 1}\n```', State.FENCED),
        ('Here you are: {"a": 1}', State.AROUND),
        ('{"a": 1}\nI hope this helps.', State.AROUND),
        ('{"a": {"b": 1}, "c', State.CUT),
        ('{"a": 1', State.CUT),
        ("{'a': 1}", State.BROKEN),
        ('{"a": {"b": 1},}', State.BROKEN),
        ('{"a": NaN}', State.BROKEN),
        ('{"a": 1, "a": 2}', State.DUPLICATE_KEYS),
        ("No object here.", State.PROSE),
        ("[Your name], thank you", State.PROSE),
        ("[1] the first reference", State.PROSE),
        ("use {name} as a placeholder", State.PROSE),
        ("for (int i = 0; i < n; i++) { f(i); }", State.PROSE),
        ("```python\nx = {'a': 1}\n```", State.PROSE),
    ],
)
def test_a_reply_is_json_or_says_how_it_is_not(reply: str, state: State) -> None:
    assert state_of(reply) is state


def test_phrases_are_what_the_items_share_and_no_other_suite_has() -> None:
    known = phrases(json_suite(), [WORDS])
    runs, _ = Texts(["with the keys name"]).ngrams(3)
    foreign, _ = Texts(["Ada is 20", "Say the word"]).ngrams(3)
    assert np.isin(runs, known).all()
    assert not np.isin(foreign, known).any()
    assert not len(phrases(json_suite(), [json_suite()]))


def test_rows_like_a_format_suite_are_held_to_its_schema(tmp_path: Path) -> None:
    rows = [{"prompt": ask(n), "completion": answer(n)} for n in range(30)] + PROSE
    rows[3]["completion"] = '{"name": "Dan", "age": "23"}'  # a text for a number
    rows[4]["completion"] = "Eva is 24."
    rows[5]["completion"] = "```json\n" + answer(5) + "\n```"
    rows[6] = {"prompt": "Write a JSON object with the keys name for: Gus is 26", "completion": '{"name": "Gus"}'}
    result = run(tmp_path, rows, suites=(json_suite(), WORDS))
    found = rules(result)
    assert {rule: [e.row for e in finding.evidence] for rule, finding in found.items()} == {
        "format/json-schema:records": [4],  # and not row 7, which asks for other keys
        "format/json-missing:records": [5],
        "format/json-fenced:records": [6],
    }
    assert result.figures["json_rows_like_a_suite"] == 30


def test_a_suite_that_allows_fences_is_obeyed(tmp_path: Path) -> None:
    rows = [{"prompt": ask(n), "completion": f"```json\n{answer(n)}\n```"} for n in range(30)]
    assert not run(tmp_path, rows, suites=(json_suite(allow_fences=True), WORDS)).findings


def test_without_a_suite_the_company_says_which_rows_should_be_json(tmp_path: Path) -> None:
    rows = [{"prompt": f"Extract the slots: {name}", "completion": '{"slot": 1}'} for name in NAMES * 2] + PROSE
    rows[7]["completion"] = "I do not know."
    found = rules(run(tmp_path, rows))
    assert [e.row for e in found["format/json-missing"].evidence] == [8]
    assert list(found) == ["format/json-missing"]


def test_prose_beside_json_is_no_fault_by_itself(tmp_path: Path) -> None:
    rows = [{"prompt": f"Extract the slots: {name}", "completion": '{"slot": 1}'} for name in NAMES]
    rows += [{"prompt": f"What is JSON, {name}?", "completion": "A format for data."} for name in NAMES]
    assert not run(tmp_path, rows).findings


def test_broken_documents_can_be_taken_out_and_fences_mended(tmp_path: Path) -> None:
    rows = [{"prompt": f"Extract the slots: {name}", "completion": '{"slot": 1}'} for name in NAMES * 3]
    rows[2]["completion"], rows[5]["completion"], rows[9]["completion"] = '{"slot": ', "{'slot': 1}", "```\n{}\n```"
    found = rules(run(tmp_path, rows))
    assert found["format/json-cut"].removable == (3,)
    assert found["format/json-broken"].removable == (6,)
    assert found["format/json-fenced"].removable == ()


@pytest.mark.parametrize(
    ("reply", "rule"),
    [
        ("hello <|im_start|>user", "format/template-token"),
        ("[INST] hello", "format/template-token"),
        ("hello<|eot_id|>", "format/hand-written-end"),
        ("hello</s>", "format/hand-written-end"),
        ("hello <s>struck</s> out", None),
        ("hello\x1b[31m there", "format/control-character"),
        ("hel\u200blo there", "format/hidden-character"),
        ("family \U0001f468\u200d\U0001f469 emoji", None),
        ("the cafÃ© is nice", "format/mojibake"),
        ("it isnâ€™t", "format/mojibake"),
        ("what\ufffd", "format/mojibake"),
        ("São Paulo, ÃNGELA", None),
        ("salt &amp; pepper", "format/html-entity"),
        ("R&D; AT&T", None),
    ],
)
def test_marks_that_do_not_belong(tmp_path: Path, reply: str, rule: str | None) -> None:
    result = run(tmp_path, [*PROSE, {"prompt": "hi", "completion": reply}])
    assert [f.rule for f in result.findings] == ([rule] if rule else [])
    assert all(f.evidence[0].row == len(PROSE) + 1 for f in result.findings)


def test_the_bases_own_tokens_are_known_from_its_tokenizer(tmp_path: Path) -> None:
    base = write_base(tmp_path)
    rows = [*PROSE, {"prompt": "hi", "completion": "well <@turn@> then"}]
    found = rules(run(tmp_path, rows, base=base, max_length=64))
    assert list(found) == ["format/special-token"]
    assert "<@turn@> 1×" in found["format/special-token"].detail


def test_text_alone_may_bring_its_template(tmp_path: Path) -> None:
    rows = [{"text": f"<|im_start|>user\nHi {n}<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>"} for n in range(30)]
    assert not run(tmp_path, rows).findings


def write_base(tmp_path: Path) -> Path:
    """A tokenizer of one token a byte, a special token, and a window of 48."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={token: n for n, token in enumerate(tokens)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken("<@turn@>", special=True)])
    base = tmp_path / "base"
    base.mkdir(exist_ok=True)
    tokenizer.save(str(base / "tokenizer.json"))
    (base / "config.json").write_text(json.dumps({"max_position_embeddings": 48}))
    return base


@pytest.mark.parametrize(
    ("prompt", "reply", "long"),
    [
        ("p" * 24, "r" * 24, None),  # exactly 48 bytes, a token each
        ("p" * 24, "r" * 25, False),
        ("p" * 47, "r" * 5, False),
        ("p" * 48, "r" * 5, True),
    ],
)
def test_rows_longer_than_the_window_are_counted(tmp_path: Path, prompt: str, reply: str, long: bool | None) -> None:
    rows = [{"prompt": "hi", "completion": "there"} for _ in range(5)] + [{"prompt": prompt, "completion": reply}]
    found = rules(run(tmp_path, rows, base=write_base(tmp_path), max_length=1000))
    if long is None:
        assert not found
    else:
        finding = found["format/too-long"]
        assert ([e.row for e in finding.evidence], finding.figures["prompt_alone"]) == ([6], int(long))
        assert "positions reach no further" in finding.detail


def test_far_from_the_limit_rows_are_estimated_and_near_it_counted(tmp_path: Path) -> None:
    rng = random.Random(0)
    sizes = [rng.randint(30, 400) for _ in range(1500)]
    rows = [{"prompt": "p", "completion": "r" * (size - 1)} for size in sizes]
    found = rules(run(tmp_path, rows, base=write_base(tmp_path), max_length=48))
    assert found["format/too-long"].count == sum(size > 48 for size in sizes)


def test_without_the_base_lengths_are_said_to_be_skipped(tmp_path: Path) -> None:
    assert [skip.check for skip in run(tmp_path, PROSE).skipped] == ["format/too-long"]


def test_one_label_in_two_spellings(tmp_path: Path) -> None:
    labels = ["cancel_order"] * 30 + ["track_order"] * 30 + ["Cancel order", "cancel_order.", "'Track order'"]
    rows = [{"text": f"message number {n}", "label": label} for n, label in enumerate(labels)]
    finding = rules(run(tmp_path, rows))["format/label-spelling"]
    assert finding.count == 3
    assert {e.text for e in finding.evidence} == {"Cancel order", "cancel_order.", "'Track order'"}
    assert finding.evidence[0].detail == "1×, against 30× 'cancel_order'"


def test_short_answers_of_all_sorts_are_no_labels(tmp_path: Path) -> None:
    rows = [{"prompt": f"number {n}", "completion": f"word{n}"} for n in range(100)]
    rows += [{"prompt": f"more {n}", "completion": "Duke" if n else "duke"} for n in range(12)]
    assert not run(tmp_path, rows).findings


SENTENCES = "This is a sentence of some length, and it says a few things. " * 5


@pytest.mark.parametrize(
    ("reply", "look"),
    [
        ("short", Look(0)),
        (" short", Look.SPACED),
        ("short\n", Look.SPACED),
        (SENTENCES.strip(), Look.LONG | Look.ENDED),
        (SENTENCES + "And then it", Look.LONG | Look.OPEN),
        (SENTENCES + "And then,", Look.LONG | Look.OPEN),
        (SENTENCES + "\n- a last item", Look.LONG),  # a list
        (SENTENCES + "\nKind regards", Look.LONG),  # a signature
        (SENTENCES + "See https://example.com/a", Look.LONG),
        ("word, " * 50 + "word", Look.LONG),  # no sentences at all
    ],
)
def test_where_a_reply_ends(reply: str, look: Look) -> None:
    assert look_of(reply) == look


def test_replies_cut_at_one_length_are_cut_by_a_limit(tmp_path: Path) -> None:
    rows = [{"prompt": f"tell {n}", "completion": SENTENCES.strip()[:-n] + "."} for n in range(2, 40)]
    rows += [{"prompt": f"more {n}", "completion": (f"{n} " + SENTENCES * 2)[:400]} for n in range(5)]
    found = rules(run(tmp_path, rows))
    assert (found["format/cut-off"].count, found["format/cut-off"].figures["characters"]) == (5, 400)


def test_many_open_ends_are_a_warning_and_few_a_note(tmp_path: Path) -> None:
    rows = [{"prompt": f"tell {n}", "completion": f"{n} " + SENTENCES.strip()} for n in range(200)]
    for count, severity in ((2, Severity.NOTE), (4, Severity.WARN)):
        for n in range(count):
            rows[n]["completion"] = f"{n} " + SENTENCES + "And then it" + " went" * n
        finding = rules(run(tmp_path, rows))["format/open-end"]
        assert (finding.count, finding.severity) == (count, severity)


def test_an_empty_question_is_said(tmp_path: Path) -> None:
    empty = {"messages": [{"role": "user", "content": " "}, {"role": "assistant", "content": "Sure."}]}
    assert rules(run(tmp_path, [*PROSE, empty]))["format/empty-prompt"].count == 1
