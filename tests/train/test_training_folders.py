"""What an earlier start left, and what the next one may do with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from regress.errors import TrainingError
from regress.train import folders
from regress.train.folders import Place

PROMISED: dict[str, Any] = {"lock": "sha256:l", "base": "sha256:b", "data": "sha256:d", "recipe": {"r": 16, "seed": 0}}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place(output=tmp_path / "runs" / "train")
    found.work.mkdir(parents=True)
    return found


def checkpoint(place: Place, step: int, *, marked: bool = True) -> Path:
    folder = place.work / f"checkpoint-{step}"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"weights %d" % step)
    (folder / "trainer_state.json").write_text("{}")
    if marked:
        folders.mark_complete(folder)
    return folder


def finish(place: Place, **record: Any) -> None:
    place.adapter.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (place.adapter / name).write_text("{}")
    folders.deliver(place, {**PROMISED, **record})


def test_nothing_there_is_a_fresh_start(place: Place) -> None:
    assert folders.find(place, PROMISED) == folders.Found()


def test_the_newest_whole_checkpoint_is_gone_on_with(place: Place) -> None:
    folders.write_started(place, PROMISED)
    assert folders.find(place, PROMISED).checkpoint is None
    for step in (5, 10, 15, 20):
        checkpoint(place, step, marked=step != 20)
    (place.work / "checkpoint-15" / "adapter_model.safetensors").write_bytes(b"weights 1S")  # one byte, same length
    found = folders.find(place, PROMISED)
    assert found.checkpoint == place.work / "checkpoint-10"
    assert sorted(path.name for path in place.work.glob("checkpoint-*")) == ["checkpoint-10", "checkpoint-5"]


@pytest.mark.parametrize("damage", ["missing", "added", "torn"])
def test_a_checkpoint_that_is_not_what_was_written_is_none(place: Place, damage: str) -> None:
    folder = checkpoint(place, 5)
    assert folders.is_complete(folder)
    if damage == "missing":
        (folder / "trainer_state.json").unlink()
    elif damage == "added":
        (folder / "optimizer.pt").write_bytes(b"pickle")
    else:
        (folder / folders.COMPLETE).write_text("{")
    assert not folders.is_complete(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lock": "sha256:other"}, "the lock is another (sha256:other…, then sha256:l…)"),
        ({"data": "sha256:other"}, "the training data differ"),
        ({"base": "sha256:other"}, "the base has other weights"),
        ({"recipe": {"r": 8, "seed": 0}}, "r is 8, was 16"),
    ],
)
def test_another_training_is_neither_gone_on_with_nor_written_over(
    place: Place, change: dict[str, Any], said: str
) -> None:
    folders.write_started(place, PROMISED)
    with pytest.raises(TrainingError, match="was interrupted, and it cannot go on") as interrupted:
        folders.find(place, {**PROMISED, **change})
    finish(place)
    with pytest.raises(TrainingError, match="was trained otherwise") as finished:
        folders.find(place, {**PROMISED, **change})
    assert said in str(interrupted.value) and said in str(finished.value)
    assert folders.find(place, PROMISED).finished is not None


def test_an_edited_start_is_refused(place: Place) -> None:
    folders.write_started(place, PROMISED)
    path = place.work / folders.STARTED
    path.write_text(path.read_text().replace('"r": 16', '"r": 8'))
    with pytest.raises(TrainingError, match="was edited"):
        folders.find(place, {**PROMISED, "recipe": {"r": 8, "seed": 0}})


def test_the_record_comes_with_the_adapter_and_nothing_is_left(place: Place) -> None:
    folders.write_started(place, PROMISED)
    checkpoint(place, 5)
    (place.work / "runs").mkdir()  # a tracker's logs
    finish(place, steps=5)
    assert sorted(path.name for path in place.output.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "regress_training.json",
    ]
    assert [path.name for path in place.work.iterdir()] == ["runs"]


def test_only_our_own_is_taken_away(place: Place) -> None:
    finish(place)
    (place.output / "notes.txt").write_text("mine")
    with pytest.raises(TrainingError, match=r"not written over: .*notes.txt does not belong"):
        folders.clear(place)
    (place.output / "notes.txt").unlink()
    (place.work / "mine.txt").write_text("mine")
    checkpoint(place, 5)
    folders.clear(place)
    assert not place.output.exists()
    assert [path.name for path in place.work.iterdir()] == ["mine.txt"]
    place.output.mkdir()
    for call in (lambda: folders.clear(place), lambda: folders.find(place, PROMISED)):
        with pytest.raises(TrainingError, match="not ours to write over"):
            call()


def test_two_do_not_train_into_one_folder(place: Place) -> None:
    with folders.held(place), pytest.raises(TrainingError, match="another process trains"), folders.held(place):
        pass
    with folders.held(place):
        pass
