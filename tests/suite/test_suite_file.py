"""Suites are read strictly: what is not understood is refused with file, line, key and the choices."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path

import pytest
from suite_samples import ITEM, SUITE, write_suite, yaml_text

from regress.errors import SuiteError
from regress.schema import Ask, Category, GenerationSettings, PromptStyle, Role, ScorerSpec
from regress.suite import read_suite, read_suites
from regress.suite.strict_yaml import MAX_BYTES, scalar


def test_a_suite_is_what_its_file_says(tmp_path: Path) -> None:
    text = """\
# sums, written out
name: sums
version: 3
category: domain
role: protect
items: sums.jsonl
ask: generate
prompt: raw
generation: {max_new_tokens: 16, stop: ["\\n", "###"]}
scorer: {name: exact_match, ignore_case: true}
margin: 2e-2
"""
    suite = read_suite(write_suite(tmp_path, text))
    assert (suite.name, suite.version, suite.category, suite.role) == ("sums", 3, Category.DOMAIN, Role.PROTECT)
    assert (suite.ask, suite.prompt) == (Ask.GENERATE, PromptStyle.RAW)
    assert suite.generation == GenerationSettings(max_new_tokens=16, stop=("\n", "###"))
    assert suite.scorer == ScorerSpec(name="exact_match", options={"ignore_case": True})
    assert (suite.margin, type(suite.margin)) == (Decimal("0.02"), Decimal)
    assert [item.id for item in suite.items] == ["q1"]
    assert suite.path == str(tmp_path / "sums.yaml")
    assert suite.items_path == str(tmp_path / "sums.jsonl")


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    suite = read_suite(write_suite(tmp_path, yaml_text(SUITE, role=None)))
    assert (suite.role, suite.prompt, suite.generation) == (Role.PROTECT, PromptStyle.CHAT, GenerationSettings())
    assert suite.min_gain is None


KEYS = (
    "Known keys: name, version, category, role, items, lm_eval, ask, prompt, generation, scorer, margin, min_gain, "
    "serving."
)


@pytest.mark.parametrize(
    ("changes", "line", "message"),
    [
        # keys
        ({"margn": "0.02"}, 9, f"unknown key 'margn'. Did you mean 'margin'? {KEYS}"),
        ({"zzz": "1"}, 9, f"unknown key 'zzz'. {KEYS}"),
        ({"generation": "{max_tokens: 3}"}, 9, "unknown key 'generation.max_tokens'. Did you mean 'max_new_tokens'?"),
        ({"name": None}, 1, "the key 'name' is missing"),
        ({"name": None, "margn": "1"}, 8, "unknown key 'margn'"),  # the likelier cause is told first
        ({"category": None}, 1, "the key 'category' is missing"),
        ({"ask": None}, 1, "the key 'ask' is missing"),
        ({"scorer": None}, 1, "the key 'scorer' is missing"),
        # choices
        (
            {"category": "fromat"},
            3,
            "category is 'fromat'; choices: 'capability', 'domain', 'format', 'safety' or 'serving'.",
        ),
        ({"role": "guard"}, 4, "role is 'guard'; choices: 'protect', 'target' or 'inform'."),
        ({"ask": "rank"}, 6, "ask is 'rank'; choices: 'generate', 'choose' or 'perplexity'."),
        ({"prompt": "jinja"}, 9, "prompt is 'jinja'; choices: 'chat' or 'raw'."),
        # types
        ({"version": "1.0"}, 2, "version is 1.0: input should be a valid integer"),
        ({"version": "true"}, 2, "version is True"),
        ({"version": "0"}, 2, "version is 0: input should be greater than or equal to 1"),
        ({"version": "'1'"}, 2, "version is '1': input should be a valid integer"),
        ({"name": "5"}, 1, "name is 5: input should be a valid string"),
        ({"name": "no"}, None, ""),  # YAML 1.2: two letters, not False
        ({"name": "a b"}, 1, "name is 'a b': string should match"),
        ({"name": "../up"}, 1, "name is '../up'"),
        ({"name": '"a\\n"'}, 1, "name is 'a\\n'"),
        ({"name": '"\\e[31m"'}, 1, "name is '\\x1b[31m'"),
        ({"name": "x" * 65}, 1, "name is 'xxx"),
        ({"items": "[a, b]"}, 5, "items is ['a', 'b']: input should be a valid string"),
        ({"items": ""}, 5, "items is None"),
        ({"scorer": "5"}, 7, "scorer is 5: "),
        ({"scorer": "{ignore_case: true}"}, 7, "scorer is a name, or a mapping with the key 'name'"),
        ({"scorer": "{name: [a]}"}, 7, "scorer is a name, or a mapping with the key 'name'"),
        ({"generation": "[]"}, 9, "generation is []: "),
        ({"generation": "{max_new_tokens: 0}"}, 9, "generation.max_new_tokens is 0"),
        ({"generation": "{max_new_tokens: 1e9}"}, 9, "generation.max_new_tokens is 1E+9"),
        ({"generation": "{stop: x}"}, 9, "generation.stop is 'x'"),
        ({"generation": "{stop: ['']}"}, 9, "generation.stop.0 is ''"),
        ({"generation": '{stop: ["\\ud800"]}'}, 9, "generation.stop.0 is '\\ud800'"),
        # margins
        ({"margin": "0"}, 8, "margin is 0: input should be greater than 0"),
        ({"margin": "1"}, 8, "margin is 1: input should be less than 1"),
        ({"margin": "-0.02"}, 8, "margin is -0.02: input should be greater than 0"),
        ({"margin": "2"}, 8, "margin is 2: input should be less than 1"),  # points, where a share is meant
        ({"margin": "NaN"}, 8, "margin: 'NaN' is text; write a number without quotes"),
        ({"margin": ".nan"}, 8, "margin: '.nan' is text"),
        ({"margin": "inf"}, 8, "margin: 'inf' is text"),
        ({"margin": "two points"}, 8, "margin: 'two points' is text"),
        ({"margin": "'0.02'"}, 8, "margin: '0.02' is text"),
        ({"margin": "0.0_2"}, 8, "margin: '0.0_2' is text"),  # Decimal would read it as 0.02
        ({"margin": "٠.٠١"}, 8, "is text"),  # and this one as 0.01
        ({"margin": "true"}, 8, "margin is True"),
        ({"margin": "1e-400"}, 8, "margin: 1E-400 has more than 15 decimals"),  # 0, as a double
        ({"margin": "0.9999999999999999999"}, 8, "has more than 15 decimals"),  # and this is 1
        ({"margin": "[0.02]"}, 8, "margin is ["),
        # what does not fit together
        ({"margin": None}, 1, "role protect needs a margin: the largest drop that is acceptable"),
        ({"min_gain": "0.05"}, 1, "min_gain belongs to role target, and the role is protect."),
        ({"role": "inform", "min_gain": "0.05"}, 1, "min_gain belongs to role target, and the role is inform."),
        ({"role": "target", "min_gain": "0"}, 9, "min_gain is 0"),
        ({"ask": "choose", "generation": "{}"}, 1, "generation belongs to ask generate"),
        ({"serving": "{latency: 0.1}"}, 1, "serving holds margins of a suite of category serving, role protect"),
        (
            {"category": "serving", "serving": "{latenzy: 0.1}"},
            9,
            "unknown key 'serving.latenzy'. Did you mean",
        ),
        ({"category": "serving", "serving": "{latency: 2}"}, 9, "serving.latency is 2: input should be less than 1"),
        ({"category": "serving", "serving": "{peak_memory: 0.1}"}, 9, "unknown key 'serving.peak_memory'"),
        ({"category": "serving", "serving": "{}"}, 1, "serving is empty"),
    ],
)
def test_a_suite_file_is_refused(
    tmp_path: Path, changes: dict[str, str | None], line: int | None, message: str
) -> None:
    path = write_suite(tmp_path, yaml_text(SUITE, **changes))
    if line is None:
        assert read_suite(path).name == changes["name"]
        return
    with pytest.raises(SuiteError) as caught:
        read_suite(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert message in str(caught.value)
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("role", "changes"),
    [
        ("target", {"margin": None}),
        ("target", {"margin": None, "min_gain": "0.05"}),
        ("inform", {"margin": None}),
        ("inform", {}),
    ],
)
def test_only_a_protected_suite_needs_a_margin(tmp_path: Path, role: str, changes: dict[str, str | None]) -> None:
    suite = read_suite(write_suite(tmp_path, yaml_text(SUITE, role=role, **changes)))
    assert suite.role == role


# --- YAML that could surprise -----------------------------------------------------------------------------------------

WHOLE = yaml_text(SUITE)


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        (WHOLE + "margin: 0.5\n", ":9: ", "gives the key 'margin' twice"),
        (WHOLE + "scorer: {name: a, name: b}\n", ":9: ", "gives the key 'scorer' twice"),
        (yaml_text(SUITE, scorer="{name: a, name: b}"), ":7: ", "gives the key 'name' twice"),
        (yaml_text(SUITE, margin="&m 0.02"), ":8: ", "uses an anchor or alias"),
        (yaml_text(SUITE, name="&n sums", scorer="*n"), ":1: ", "uses an anchor or alias"),
        (yaml_text(SUITE, scorer="*n"), ":7: ", "uses an anchor or alias"),
        (WHOLE + "<<: {margin: 0.5}\n", ":9: ", "unknown key '<<'"),
        (WHOLE + "<<: *other\n", ":9: ", "uses an anchor or alias"),
        (yaml_text(SUITE, margin="!!float 0.02"), ":8: ", "uses the tag tag:yaml.org,2002:float"),
        (yaml_text(SUITE, name="!!python/object/apply:os.system [id]"), ":1: ", "uses the tag"),
        (yaml_text(SUITE, generation="! {stop: []}"), ":9: ", "uses the tag !"),
        ("!!map\n" + WHOLE, ":1: ", "uses the tag"),
        (WHOLE + "? [a]\n: 1\n", ":9: ", "something other than plain text as a key"),
        (WHOLE + "!!str x: 1\n", ":9: ", "something other than plain text as a key"),
        (WHOLE + "---\n" + WHOLE, ":9: ", "holds a second YAML document"),
        (WHOLE + "...\n---\nx: 1\n", ":10: ", "holds a second YAML document"),
        ("", ":1: ", "must hold a mapping with the keys name, version"),
        ("- name: sums\n", ":1: ", "must hold a mapping"),
        ("just text\n", ":1: ", "must hold a mapping"),
        ("name: [1, 2\n", ":2: ", "is not YAML"),
        ("name: sums\n\tversion: 1\n", ":2: ", "is not YAML: found character '\\t'"),
        ("name: 'sums\n", ":2: ", "is not YAML"),
        ('name: "\\UFFFFFFFF"\n', ": ", "is not YAML"),  # PyYAML: OverflowError
        ('name: "\\U00110000"\n', ": ", "is not YAML"),  # PyYAML: ValueError
        (f"%YAML 1.{'9' * 5000}\n---\n{WHOLE}", ": ", "is not YAML"),  # int() of 5,000 digits: ValueError
        ("name: a\x07b\n", ": ", "a character that YAML does not allow"),
        ("name: \x00\n", ": ", "a character that YAML does not allow"),
        (b"name: \xff\n", ": ", "is not UTF-8 (byte 6)"),
        (b"\xff\xfen\x00a\x00", ": ", "is not UTF-8 (byte 0)"),
        (WHOLE + "#" * MAX_BYTES, ": ", f"is larger than {MAX_BYTES:,} bytes; items belong in a .jsonl file"),
        (yaml_text(SUITE, scorer="[" * 25 + "]" * 25), ":7: ", "is nested deeper than 24 levels"),
    ],
)
def test_surprising_yaml_is_refused(tmp_path: Path, text: str | bytes, where: str, message: str) -> None:
    path = write_suite(tmp_path, text)
    with pytest.raises(SuiteError) as caught:
        read_suite(path)
    assert str(caught.value).startswith(f"{path}{where}")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "{a: " * 25_000, "- " * 50_000, "? " * 50_000, "name: [" + "a," * 49_000, "- [\n" * 25_000],
    ids=["flow lists", "flow maps", "block lists", "complex keys", "a long list", "mixed"],
)
def test_no_yaml_takes_long(tmp_path: Path, text: str) -> None:
    """The C loader dies of the first, and an unbounded Python one takes minutes."""
    path = write_suite(tmp_path, text)
    started = time.process_time()
    with pytest.raises(SuiteError):
        read_suite(path)
    assert time.process_time() - started < 5.0  # about one second on the slowest machine we know


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("no", "no"),  # Norway
        ("on", "on"),
        ("Yes", "Yes"),
        ("7", 7),
        ("-7", -7),
        ("010", 10),  # not octal
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),  # not 750 minutes
        ("2026-01-02", "2026-01-02"),  # not a date
        ("1e-2", Decimal("0.01")),
        ("2e-4", Decimal("0.0002")),
        (".5", Decimal("0.5")),
        ("1.", Decimal("1")),
        ("-0.10", Decimal("-0.1")),
        (".inf", ".inf"),
        ("NaN", "NaN"),
        ("1" * 31, "1" * 31),  # no giant integers
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    assert (scalar(text, plain=True), type(scalar(text, plain=True))) == (value, type(value))
    assert scalar(text, plain=False) == text


# --- where items may lie ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ("../outside.jsonl", "items '../outside.jsonl' lies outside the suite's own folder"),
        ("sub/../../outside.jsonl", "lies outside"),
        ("/etc/passwd", "items '/etc/passwd' lies outside"),
        ("link.jsonl", "items 'link.jsonl' lies outside"),  # a link to a file outside
        ("folder/outside.jsonl", "lies outside"),  # through a linked folder
        ("loop.jsonl", "items 'loop.jsonl'"),
        ("none.jsonl", "items 'none.jsonl': there is no such file beside the suite"),
        ("'.'", "items '.': there is no such file"),
        ("''", "items '': there is no such file"),
        ('"a\\0b"', "cannot be looked up: embedded null byte"),
        ("x" * 300, "cannot be looked up: [Errno 36]"),
    ],
)
def test_items_lie_beside_their_suite(tmp_path: Path, items: str, message: str) -> None:
    folder = tmp_path / "suites"
    path = write_suite(folder, yaml_text(SUITE, items=items))
    (tmp_path / "outside.jsonl").write_text(ITEM)
    (folder / "link.jsonl").symlink_to(tmp_path / "outside.jsonl")
    (folder / "folder").symlink_to(tmp_path)
    (folder / "loop.jsonl").symlink_to(folder / "loop.jsonl")
    with pytest.raises(SuiteError) as caught:
        read_suite(path)
    assert str(caught.value).startswith(f"{path}:5: ")
    assert message in str(caught.value)


def test_items_may_lie_below_and_be_linked_within(tmp_path: Path) -> None:
    write_suite(tmp_path / "data", WHOLE)
    path = write_suite(tmp_path, yaml_text(SUITE, items="data/sums.jsonl"))
    assert len(read_suite(path).items) == 1
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "data" / "sums.jsonl")
    assert len(read_suite(write_suite(tmp_path, yaml_text(SUITE, items="link.jsonl"))).items) == 1


def test_two_suites_of_one_name_are_refused(tmp_path: Path) -> None:
    one, two = write_suite(tmp_path / "a", WHOLE), write_suite(tmp_path / "b", WHOLE)
    with pytest.raises(SuiteError) as caught:
        read_suites([one, two])
    assert str(caught.value) == f"{two}: the name 'sums' is also that of {one}."


def test_suites_come_sorted_by_name(tmp_path: Path) -> None:
    paths = [write_suite(tmp_path / name, yaml_text(SUITE, name=name)) for name in ("c", "a", "b")]
    assert [suite.name for suite in read_suites(paths)] == ["a", "b", "c"]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"none.yaml: cannot be read: No such file"):
        read_suite(tmp_path / "none.yaml")
