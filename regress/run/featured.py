"""Features of texts by the base, as an audit wants them: numbers, and nothing of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float64]


class BaseFeatures(Protocol):
    """What the base makes of texts."""

    def features(self, texts: Sequence[str]) -> Features:
        """(texts, width), all finite. Raises Refused where the base cannot be used."""


class NoFeatures:
    """In a worker process nobody is asked."""

    def features(self, texts: Sequence[str]) -> Features:
        raise RuntimeError("features are asked for in the main process only")
