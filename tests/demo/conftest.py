from __future__ import annotations

from typing import Any

import pytest
from transformers import AutoTokenizer

from regress.demo.project import MODEL


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(str(MODEL), local_files_only=True)
