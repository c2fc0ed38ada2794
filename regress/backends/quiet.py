"""Keep model libraries from talking over us, in this process and in those of a pool: their hints are not about us."""

from __future__ import annotations

import logging
import warnings


def quiet_libraries() -> None:
    """To be called before they are imported; nothing is imported here."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    warnings.filterwarnings("ignore", category=UserWarning, module="peft")
