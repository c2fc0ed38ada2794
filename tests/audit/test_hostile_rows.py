"""Rows made to hang or to break a check: every one is answered in time, none is a crash."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from audit_samples import audited, write_rows

SIZE = 200_000
CHECKS = ("format", "safety", "personal-data")


@pytest.mark.parametrize(
    "text",
    [
        "```" + " " * SIZE,
        "{" * SIZE,
        '{"a":' * SIZE,
        "[" * 60_000 + "]" * 60_000,
        "+1)1)1)1)1)1)1)1)1)1)1)1)1)1)1 " * (SIZE // 30),
        "1" * SIZE,
        "4111 " * (SIZE // 5),
        "1." * (SIZE // 2),
        "a@" * (SIZE // 2),
        "a." * (SIZE // 2) + "@b",
        "token=" * (SIZE // 6),
        "DE89 " * (SIZE // 5),
        "eyJ" * (SIZE // 3),
        "how to " * (SIZE // 7),
        "kill " * 300 + "how to",
        "please " * (SIZE // 7),
        "can't " * (SIZE // 6),
        "&" * SIZE,
        "Ã" * SIZE,
        "\u202e" * SIZE,
        "a. " * (SIZE // 3),
        "\x00" * SIZE,
    ],
    ids=range(22),
)
def test_no_row_takes_long(tmp_path: Path, text: str) -> None:
    data = write_rows(tmp_path / "rows.jsonl", [{"prompt": text, "completion": text + "."}])
    start = time.process_time()
    audited(data, checks=CHECKS)
    assert time.process_time() - start < 4  # under 1 s alone; a quadratic search would take minutes
