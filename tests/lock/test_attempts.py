"""The ledger of candidates: who counts, what the next one may spend, and that nobody can be taken out."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from lock_samples import NOW, a_project, edit, locked, opened

from regress.errors import StoreError
from regress.lock.attempts import ATTEMPTS_FILE, record_attempt
from regress.lock.lockfile import Lock, amend
from regress.stats.multiple import spent_alpha


def tried(folder: Path, lock: Lock, *candidates: str) -> list[int]:
    return [record_attempt(folder / "baselines", lock, candidate, now=NOW).number for candidate in candidates]


def test_each_candidate_counts_once(tmp_path: Path) -> None:
    lock = locked(a_project(tmp_path))
    assert tried(tmp_path, lock, "a", "b", "a", "c", "b") == [1, 2, 1, 3, 2]
    assert len((tmp_path / "baselines" / ATTEMPTS_FILE).read_text().splitlines()) == 3


def test_alpha_is_spread_over_all_of_them(tmp_path: Path) -> None:
    lock = locked(a_project(tmp_path))
    first, second = (record_attempt(tmp_path / "baselines", lock, who, now=NOW).alpha for who in "ab")
    assert first == pytest.approx(6 * 0.05 / math.pi**2)
    assert second == pytest.approx(first / 4)
    assert sum(spent_alpha(0.05, t) for t in range(1, 100_000)) == pytest.approx(0.05, rel=1e-4)
    assert 1 - math.prod(1 - spent_alpha(0.05, t) for t in range(1, 11)) <= 0.047  # ten candidates at the margin


def test_an_amended_margin_forgets_nobody(tmp_path: Path) -> None:
    lock = locked(a_project(tmp_path))
    assert tried(tmp_path, lock, "a", "b") == [1, 2]
    edit(tmp_path / "suites" / "sums.yaml", "margin: 0.10", "margin: 0.20")
    later = amend(*opened(tmp_path), now=NOW, why="too strict")
    assert tried(tmp_path, later, "c", "a") == [3, 1]


def test_new_questions_begin_anew(tmp_path: Path) -> None:
    lock = locked(a_project(tmp_path))
    assert tried(tmp_path, lock, "a", "b") == [1, 2]
    items = tmp_path / "suites" / "sums.jsonl"
    items.write_text(items.read_text() + json.dumps({"id": "q9", "prompt": "9 + 9 =", "target": "18"}) + "\n")
    later = amend(*opened(tmp_path), now=NOW, why="more questions")
    assert tried(tmp_path, later, "c") == [1]


def test_a_target_suite_does_not_keep_the_count(tmp_path: Path) -> None:
    """What is protected is what luck can pass; a new target suite brings no new questions there."""
    lock = locked(a_project(tmp_path))
    assert tried(tmp_path, lock, "a") == [1]
    edit(tmp_path / "suites" / "queues.jsonl", "charged twice", "charged three times")
    assert tried(tmp_path, amend(*opened(tmp_path), now=NOW, why="wording"), "b") == [2]


def test_a_line_taken_out_is_seen(tmp_path: Path) -> None:
    lock = locked(a_project(tmp_path))
    tried(tmp_path, lock, "a", "b")
    path = tmp_path / "baselines" / ATTEMPTS_FILE
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(StoreError, match=r"attempts.jsonl:1"):
        tried(tmp_path, lock, "c")


@pytest.mark.parametrize(("alpha", "attempt"), [(0.05, 0), (0.0, 1), (1.0, 1), (-0.1, 1), (math.nan, 1)])
def test_what_cannot_be_spent(alpha: float, attempt: int) -> None:
    with pytest.raises(ValueError, match="attempt"):
        spent_alpha(alpha, attempt)
