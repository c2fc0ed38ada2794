"""Small projects and decisions that are made for other parts' tests."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "lock"), str(TESTS / "report")]
