"""Runs: written once, resumed without loss, sealed only when complete, and read back exactly."""

import gc
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_samples import Expected, a_manifest, an_outcome, expected_of, store

from regress.errors import Refused, StoreError
from regress.hashing.canonical import canonical_json
from regress.schema import Finish, Outcome, Reply
from regress.store.chain import ChainWriter
from regress.store.codec import decode_manifest, decode_outcomes, manifest_digest, to_json
from regress.store.runs import LOG, MANIFEST, SEAL, RunWriter, is_sealed, load_run, read_partial, run_name

OUTCOMES = [an_outcome(number) for number in range(10)]


def test_a_sealed_run_comes_back_as_it_was_written(tmp_path: Path) -> None:
    run = load_run(store(tmp_path / "run", OUTCOMES, seal=True))
    assert run.manifest == a_manifest()
    assert {o.item: o for items in run.outcomes.values() for o in items.values()} == {o.item: o for o in OUTCOMES}
    assert {suite: set(items) for suite, items in run.outcomes.items()} == {
        suite: {item for item, _ in items} for suite, items in expected_of(OUTCOMES).items()
    }
    assert (run.seal.items, run.seal.lines, run.seal.manifest) == (10, 10, manifest_digest(a_manifest()))
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == [MANIFEST, LOG, SEAL]
    assert gc.isenabled()


def test_the_name_says_variant_and_identity() -> None:
    name = run_name(a_manifest())
    assert name == f"adapter@bf16-{manifest_digest(a_manifest())[7:19]}"
    assert run_name(a_manifest(device="cuda:H100")) != name


def test_done_holds_only_what_is_durable(tmp_path: Path) -> None:
    with RunWriter.open(tmp_path / "new" / "run", a_manifest()) as writer:
        writer.append(OUTCOMES[0])
        assert dict(writer.done) == {}
        writer.commit()
        assert list(writer.done.values()) == OUTCOMES[:1]
        for number in range(1, 34):
            writer.append(an_outcome(number))
        assert len(writer.done) == 33
    with RunWriter.open(tmp_path / "new" / "run", a_manifest()) as writer:
        assert len(writer.done) == 34
        assert writer.done["suite0", "q0"] == OUTCOMES[0]


def test_an_unsealed_run_is_no_evidence_and_says_how_to_go_on(tmp_path: Path) -> None:
    folder = store(tmp_path / "run", OUTCOMES[:3], seal=False)
    assert not is_sealed(folder)
    with pytest.raises(StoreError, match=r"not complete.*`regress run adapter@bf16` resumes it"):
        load_run(folder)
    assert len(read_partial(folder).outcomes) == 3
    store(folder, OUTCOMES[3:], seal=False)
    with RunWriter.open(folder, a_manifest()) as writer:
        writer.seal(expected_of(OUTCOMES))
    assert len(read_partial(folder).outcomes) == load_run(folder).seal.items == 10


def test_a_sealed_run_takes_nothing_more(tmp_path: Path) -> None:
    with RunWriter.open(tmp_path / "run", a_manifest()) as writer:
        writer.append(OUTCOMES[0])
        writer.seal(expected_of(OUTCOMES[:1]))
        with pytest.raises(StoreError, match="closed"):
            writer.append(OUTCOMES[1])
    with pytest.raises(StoreError, match="is sealed and takes no more"):
        RunWriter.open(tmp_path / "run", a_manifest())


def test_another_manifest_is_refused_with_what_differs(tmp_path: Path) -> None:
    folder = store(tmp_path / "run", OUTCOMES[:1], seal=False)
    with pytest.raises(StoreError, match=r"another run \(device: 'cpu' stored, 'cuda:H100' now\)"):
        RunWriter.open(folder, a_manifest(device="cuda:H100"))
    (folder / MANIFEST).unlink()
    with pytest.raises(StoreError, match=":1: the line is not what was written"):
        RunWriter.open(folder, a_manifest(device="cuda:H100"))
    with pytest.raises(StoreError, match=r"manifest\.json is missing although outcomes are stored"):
        RunWriter.open(folder, a_manifest())
    assert not (folder / f"{LOG}.lock").exists()


def test_a_second_outcome_is_refused_unless_the_first_was_an_error(tmp_path: Path) -> None:
    error = an_outcome(0, Outcome.ERROR)
    with RunWriter.open(tmp_path / "run", a_manifest()) as writer:
        writer.append(error)
        writer.append(error)
        writer.append(OUTCOMES[1])
        with pytest.raises(StoreError, match="'q1' of suite 'suite0' has an outcome"):
            writer.append(OUTCOMES[1])
        writer.commit()
        with pytest.raises(StoreError, match="'q1' of suite 'suite0' has an outcome"):
            writer.append(OUTCOMES[1])
    with RunWriter.open(tmp_path / "run", a_manifest()) as writer:
        assert list(writer.done) == [("suite0", "q1")]
        assert dict(writer.errors) == {("suite0", "q0"): error}
        with pytest.raises(StoreError, match=r"1 with an error of the harness \(first: suite0 / q0\)"):
            writer.seal(expected_of(OUTCOMES[:2]))
        writer.append(OUTCOMES[0])
        seal = writer.seal(expected_of(OUTCOMES[:2]))
    assert (seal.items, seal.lines) == (2, 4)
    assert load_run(tmp_path / "run").outcomes["suite0"]["q0"] == OUTCOMES[0]


def test_a_duplicate_written_behind_our_back_is_fatal(tmp_path: Path) -> None:
    folder = store(tmp_path / "run", OUTCOMES[:1], seal=False)
    label = f"regress run log of {manifest_digest(a_manifest())}"
    with ChainWriter.open(folder / LOG, label) as log:
        log.append(to_json(OUTCOMES[0]))
    for read in (read_partial, lambda folder: RunWriter.open(folder, a_manifest())):
        with pytest.raises(StoreError, match=r"jsonl:2: a second outcome of item 'q0'"):
            read(folder)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda e: e["suite0"].append(("new", "sha256:0")), r"1 without an outcome \(first: suite0 / new\)"),
        (lambda e: e["suite0"].remove(e["suite0"][0]), r"1 that nobody expects \(first: suite0 / q0\)"),
        (lambda e: e.pop("suite1"), "3 that nobody expects"),
        (lambda e: e["suite0"].append(e["suite0"][0]), r"1 expected twice \(first: suite0 / q0\)"),
        (lambda e: e["suite0"].__setitem__(0, ("q0", "sha256:other")), "1 asked in another version"),
        (lambda e: e.clear(), "no item is expected at all"),
    ],
)
def test_what_keeps_a_run_from_being_sealed(tmp_path: Path, change: Callable[[Expected], None], match: str) -> None:
    expected = expected_of(OUTCOMES)
    change(expected)
    with RunWriter.open(tmp_path / "run", a_manifest()) as writer:
        for outcome in OUTCOMES:
            writer.append(outcome)
        with pytest.raises(StoreError, match=match):
            writer.seal(expected)
        assert not is_sealed(tmp_path / "run")
        writer.seal(expected_of(OUTCOMES))


def test_an_empty_run_is_never_sealed(tmp_path: Path) -> None:
    with RunWriter.open(tmp_path / "run", a_manifest()) as writer, pytest.raises(StoreError, match="no item"):
        writer.seal({})


@pytest.mark.parametrize("missing", [MANIFEST, LOG])
def test_a_run_without_one_of_its_files_is_refused(tmp_path: Path, missing: str) -> None:
    folder = store(tmp_path / "run", OUTCOMES, seal=True)
    (folder / missing).unlink()
    with pytest.raises(StoreError, match=f"{missing} is missing"):
        load_run(folder)


def test_a_whole_log_of_another_run_is_refused(tmp_path: Path) -> None:
    one = store(tmp_path / "one", OUTCOMES, seal=True)
    two = store(tmp_path / "two", OUTCOMES, manifest=a_manifest(device="other"), seal=True)
    (one / LOG).write_bytes((two / LOG).read_bytes())
    with pytest.raises(StoreError, match=":1: "):
        load_run(one)
    (one / SEAL).write_bytes((two / SEAL).read_bytes())
    with pytest.raises(StoreError):
        load_run(one)


def test_a_shorter_log_under_the_same_manifest_is_refused(tmp_path: Path) -> None:
    one = store(tmp_path / "one", OUTCOMES, seal=True)
    two = store(tmp_path / "two", OUTCOMES[:9], seal=True)
    (one / LOG).write_bytes((two / LOG).read_bytes())
    with pytest.raises(StoreError, match="number of lines 10 in the seal, 9 now"):
        load_run(one)


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("manifest", "manifest digest"),
        ("lines", "number of lines"),
        ("items", "number of items"),
        ("head", "head of the chain"),
        ("item_set", "digest of the item set"),
    ],
)
def test_every_field_of_the_seal_is_recomputed(tmp_path: Path, key: str, what: str) -> None:
    folder = store(tmp_path / "run", OUTCOMES, seal=True)
    seal = json.loads((folder / SEAL).read_bytes())
    altered = seal[key] + 1 if isinstance(seal[key], int) else seal[key][:-1] + "?"
    (folder / SEAL).write_bytes(canonical_json(seal | {key: altered}) + b"\n")
    with pytest.raises(StoreError, match=f"not the run that was sealed: {what} .* in the seal"):
        load_run(folder)


def test_a_torn_line_after_the_seal_is_refused(tmp_path: Path) -> None:
    folder = store(tmp_path / "run", OUTCOMES, seal=True)
    with (folder / LOG).open("ab") as log:
        log.write(b"more")
    with pytest.raises(StoreError, match="number of torn bytes 0 in the seal, 4 now"):
        load_run(folder)


@pytest.mark.parametrize("name", [MANIFEST, LOG, SEAL])
def test_a_symlinked_file_is_refused(tmp_path: Path, name: str) -> None:
    folder = store(tmp_path / "run", OUTCOMES, seal=True)
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(StoreError, match="never links"):
        load_run(folder)


def test_a_newer_format_is_named(tmp_path: Path) -> None:
    folder = store(tmp_path / "run", OUTCOMES[:1], seal=False)
    value = json.loads((folder / MANIFEST).read_bytes())
    (folder / MANIFEST).write_bytes(canonical_json(value | {"format": 3, "more": 1}) + b"\n")
    with pytest.raises(StoreError, match="run format 3, not 2"):
        read_partial(folder)


FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(FLOATS | st.integers(-(2**60), 2**60).map(float), max_size=4), st.text(st.characters(codec="utf-8")))
@settings(max_examples=400, deadline=None)
def test_replies_come_back_bit_for_bit(logprobs: list[float], text: str) -> None:
    reply = Reply(text=text, logprobs=tuple(logprobs), finish=Finish.LENGTH)
    outcome = replace(OUTCOMES[0], item=text, reply=reply)
    (found,) = decode_outcomes([canonical_json(to_json(outcome))], "log")
    assert found == outcome
    assert [repr(value) for value in found.reply.logprobs] == [repr(value + 0.0) for value in logprobs]  # -0.0 is 0.0
    assert all(type(value) is float for value in found.reply.logprobs)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_never_stored(tmp_path: Path, value: float) -> None:
    with RunWriter.open(tmp_path / "run", a_manifest()) as writer:
        with pytest.raises(Refused, match="no JSON form"):
            writer.append(replace(OUTCOMES[0], reply=Reply(logprobs=(0.0, value))))
        writer.append(OUTCOMES[0])
        writer.seal(expected_of(OUTCOMES[:1]))
    assert load_run(tmp_path / "run").outcomes["suite0"]["q0"] == OUTCOMES[0]


def body_of(**changes: object) -> bytes:
    return canonical_json(to_json(OUTCOMES[0]) | changes)


GOOD = body_of()
WITHOUT_KIND = {key: value for key, value in to_json(OUTCOMES[0]).items() if key != "kind"}


@pytest.mark.parametrize(
    ("body", "match"),
    [
        (body_of(extra=1), "unknown key 'extra'"),
        (body_of(reply={"text": "x"}), "missing key 'reply.finish'"),
        (
            canonical_json(WITHOUT_KIND),
            "missing required field `kind`",
        ),
        (body_of(outcome="passed"), "Invalid enum value 'passed'"),
        (body_of(outcome=None), "outcome"),
        (body_of(item=1), "Expected `str`, got `int`"),
        (GOOD.replace(b'"prompt_tokens":5', b'"prompt_tokens":5.0'), "Expected `int`"),
        (GOOD.replace(b'"logprobs":[]', b'"logprobs":[1e999]'), "out of range"),
        (GOOD.replace(b'"logprobs":[]', b'"logprobs":[NaN]'), "malformed"),
        (GOOD.replace(b'"logprobs":[]', b'"logprobs":[1.50]'), "not canonical"),
        (GOOD.replace(b'"logprobs":[]', b'"logprobs":[true]'), "Expected `float`"),
        (GOOD.replace(b'"kind":null', b'"kind":"x","kind":null'), "not canonical JSON .a repeated key"),
        (GOOD.replace(b":", b": ", 1), "not canonical"),
        (b" " + GOOD, "not canonical"),
        (GOOD + GOOD, "trailing characters"),
        (b"[]", "Expected `object`"),
        (b"", "truncated"),
        (b"\xff", "malformed"),
        (b'{"suite":' + b"[" * 100_000, "log:1"),
    ],
)
def test_a_line_in_any_other_form_is_refused(body: bytes, match: str) -> None:
    with pytest.raises(StoreError, match=match):
        decode_outcomes([body], "log")


@pytest.mark.parametrize(
    ("data", "match"), [(b"", "end of the file"), (b"{}\n", "missing required field"), (b"{\n", "truncated")]
)
def test_a_broken_manifest_is_refused(data: bytes, match: str) -> None:
    with pytest.raises(StoreError, match=match):
        decode_manifest(data, "manifest.json")
