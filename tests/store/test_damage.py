"""Every truncation and random byte flips: refused, or the torn last line of an unsealed run; never silent."""

import random
import shutil
from pathlib import Path

import pytest
from store_samples import a_manifest, an_outcome, store

from regress.errors import StoreError
from regress.schema import Outcome
from regress.store.runs import LOG, MANIFEST, SEAL, RunWriter, load_run, read_partial

OUTCOMES = [an_outcome(0, Outcome.ERROR), *(an_outcome(number) for number in range(6))]


def refused(folder: Path) -> bool:
    try:
        load_run(folder)
    except StoreError:
        return True
    return False


@pytest.mark.parametrize("name", [MANIFEST, LOG, SEAL])
def test_every_truncation_of_a_sealed_run_is_refused(tmp_path: Path, name: str) -> None:
    file = store(tmp_path / "run", OUTCOMES, seal=True) / name
    data = file.read_bytes()
    for size in range(len(data)):
        file.write_bytes(data[:size])
        assert refused(tmp_path / "run"), size
    file.write_bytes(data)
    assert not refused(tmp_path / "run")


def test_every_truncation_of_an_unsealed_log_is_cut_to_whole_outcomes(tmp_path: Path) -> None:
    folder = store(tmp_path / "run", OUTCOMES[:3], seal=False)
    data = (folder / LOG).read_bytes()
    for size in range(len(data) + 1):
        (folder / LOG).write_bytes(data[:size])
        lines = data[:size].count(b"\n")
        with RunWriter.open(folder, a_manifest()) as writer:
            found = [*writer.errors.values(), *writer.done.values()]
        assert found == ([*OUTCOMES[1:lines]] if lines > 1 else OUTCOMES[:lines])
        assert (folder / LOG).read_bytes() == b"".join(data.splitlines(keepends=True)[:lines])


def flips_in_a_sealed_run(folder: Path, rounds: int, rng: random.Random) -> int:
    """Random one-byte changes anywhere in the three files; returns how many were read without a word."""
    store(folder, OUTCOMES, seal=True)
    silent = 0
    for _ in range(rounds):
        file = folder / rng.choice([MANIFEST, LOG, LOG, SEAL])
        data = file.read_bytes()
        at = rng.randrange(len(data))
        file.write_bytes(data[:at] + bytes([data[at] ^ rng.randrange(1, 256)]) + data[at + 1 :])
        silent += not refused(folder)
        file.write_bytes(data)
    assert not refused(folder)
    return silent


def flips_in_an_unsealed_run(folder: Path, rounds: int, rng: random.Random) -> int:
    """The same, where only the last line's end may be lost without a word: it then counts as torn."""
    store(folder, OUTCOMES, seal=False)
    before = read_partial(folder)
    silent = 0
    for _ in range(rounds):
        file = folder / rng.choice([MANIFEST, LOG, LOG])
        data = file.read_bytes()
        at = rng.randrange(len(data))
        file.write_bytes(data[:at] + bytes([data[at] ^ rng.randrange(1, 256)]) + data[at + 1 :])
        try:
            found = read_partial(folder)
            torn = file.name == LOG and at == len(data) - 1
            silent += not (torn and list(found.outcomes.items()) == list(before.outcomes.items())[:-1])
        except StoreError:
            pass
        file.write_bytes(data)
    return silent


def test_no_byte_flip_is_silent(tmp_path: Path) -> None:
    rng = random.Random(20)
    assert flips_in_a_sealed_run(tmp_path / "sealed", 2000, rng) == 0
    assert flips_in_an_unsealed_run(tmp_path / "unsealed", 2000, rng) == 0


@pytest.mark.slow
def test_no_byte_flip_of_100_000_is_silent(tmp_path: Path) -> None:
    rng = random.Random(21)
    assert flips_in_a_sealed_run(tmp_path / "sealed", 70_000, rng) == 0
    assert flips_in_an_unsealed_run(tmp_path / "unsealed", 30_000, rng) == 0


def test_lines_may_not_be_reordered_repeated_or_removed(tmp_path: Path) -> None:
    folder = store(tmp_path / "run", OUTCOMES, seal=True)
    unsealed = store(tmp_path / "unsealed", OUTCOMES, seal=False)
    lines = (folder / LOG).read_bytes().splitlines(keepends=True)
    last = len(lines) - 1
    for at in range(len(lines)):
        for changed in (
            [*lines[:at], *lines[at + 1 :]],
            [*lines[: at + 1], *lines[at:]],
            [*lines[:at], *reversed(lines[at : at + 2]), *lines[at + 2 :]],
        ):
            if changed == lines:
                continue
            (folder / LOG).write_bytes(b"".join(changed))
            assert refused(folder)
            shutil.copy(folder / LOG, unsealed / LOG)
            if changed == lines[:last]:
                assert len(read_partial(unsealed).outcomes) == 5  # a whole line less is an earlier state: asked again
                continue
            with pytest.raises(StoreError):
                read_partial(unsealed)
