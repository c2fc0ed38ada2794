"""lm-eval's tasks over a few made-up documents; skipped where lm-eval, an extra, is not installed."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "backends"))  # the tiny models made there
os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp(prefix="regress-datasets-")
os.environ["HF_DATASETS_OFFLINE"] = os.environ["HF_HUB_OFFLINE"] = "1"

if importlib.util.find_spec("lm_eval") is None:
    collect_ignore_glob = ["test_*.py"]
