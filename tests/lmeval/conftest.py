"""lm-eval's tasks over a few made-up documents; skipped where lm-eval, an extra, is not installed."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "backends"))  # the tiny models made there
os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp(prefix="regress-datasets-")
os.environ["HF_DATASETS_OFFLINE"] = os.environ["HF_HUB_OFFLINE"] = "1"

pytest.importorskip("lm_eval")
