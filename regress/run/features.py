"""The base's features of texts, asked for once: stored under the digests of the base and of the texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from regress.backends.hidden import TOKENS, HiddenStates
from regress.errors import StoreError
from regress.hashing.canonical import digest_json
from regress.hashing.files import digest_bytes
from regress.hashing.models import ModelFiles, locate_model, read_model
from regress.run.featured import Features, NoFeatures
from regress.run.progress import Progress
from regress.run.prompted import base_variant
from regress.store.atomic import make_folder, read_regular, write_atomic
from regress.suite import Project, read_project

FOLDER = "features"  # under runs/
KIND = f"mean of the middle layer over at most {TOKENS} tokens"
MAX_BYTES = 2**30


@dataclass(slots=True)
class AskedFeatures:
    """What is stored, and for the rest the base itself, in memory for as long as it takes."""

    folder: Path  # of the project
    progress: Progress
    _base: ModelFiles | None = field(default=None, init=False)  # digested once

    def __reduce__(self) -> tuple[Callable[[], NoFeatures], tuple[Any, ...]]:
        return NoFeatures, ()

    def features(self, texts: Sequence[str]) -> Features:
        """Raises ModelError, BackendError and StoreError."""
        project = read_project(self.folder)
        if self._base is None:
            self._base = read_model(locate_model(project.file.base.model, project.file.base.revision, self.folder))
        variant = base_variant(project)
        key = digest_json(
            [
                KIND,
                self._base.digest,
                self._base.tokenizer_digest,
                variant.precision.value,
                project.file.engine.dtype.value,
                project.file.engine.device,
                [digest_bytes(text.encode("utf-8", "surrogatepass")) for text in texts],
            ]
        )
        path = project.runs / FOLDER / f"{key.removeprefix('sha256:')}.npy"
        if path.exists():
            return _read(path, len(texts))
        found = self._ask(project, self._base.folder, texts)
        make_folder(path.parent)
        buffer = BytesIO()
        np.save(buffer, found, allow_pickle=False)
        write_atomic(path, buffer.getvalue())
        return np.asarray(found, dtype=np.float64)

    def _ask(self, project: Project, base: Path, texts: Sequence[str]) -> Any:
        began = process_time()
        precision = base_variant(project).precision
        model = HiddenStates(base, precision, project.file.engine.device)
        self.progress.start("features of the base", len(texts), 0)
        found = model.features(texts, lambda count: self.progress.advance(count, "features"))
        self.progress.finish()
        self.progress.say(f"features of {len(texts):,} texts took {process_time() - began:.0f} s of processor time")
        return found


def _read(path: Path, rows: int) -> Features:
    try:
        found = np.load(BytesIO(read_regular(path, MAX_BYTES)), allow_pickle=False)
    except (ValueError, EOFError) as reason:
        raise StoreError(f"{path} holds no features that can be read. Delete it and audit again.") from reason
    if found.ndim != 2 or len(found) != rows or found.dtype != np.float32 or not np.isfinite(found).all():
        raise StoreError(f"{path} does not hold features of {rows} texts. Delete it and audit again.")
    features: Features = found.astype(np.float64)
    return features
