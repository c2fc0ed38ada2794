"""The trainer stage: under a lock, through TRL and PEFT, and a callback for those who train by other means.

    from regress.train import RegressCallback

`stage` is what `regress train` does, in order; `data`, `recipe`, `overlap` and `folders` look at everything that can be
looked at before a model library is loaded; `models`, `examine` and `fit` train; `probes`, `forgetting` and `callback`
watch what is forgotten meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regress.train.callback import RegressCallback

__all__ = ["RegressCallback"]


def __getattr__(name: str) -> Any:
    """The callback, loaded when it is asked for: it needs transformers, and checks before training do not."""
    if name == "RegressCallback":
        from regress.train.callback import RegressCallback  # noqa: PLC0415  see above

        return RegressCallback
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
