"""An Axolotl plugin: lock, forgetting curves and the push veto in every training that Axolotl carries out.

    plugins: [regress_plugin.RegressPlugin]
    regress: {project: my-gate, every: 50}

Written against axolotl 0.19 (`axolotl.integrations.base.BasePlugin`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from axolotl.integrations.base import BasePlugin
from pydantic import BaseModel

from regress.train import RegressCallback


class RegressSettings(BaseModel):
    """What stands under `regress:` in Axolotl's YAML; see `RegressCallback`."""

    project: str = "."
    items: int = 64
    every: int | None = None  # None: at each of Axolotl's evaluations
    stop: bool = True
    keep_best: bool = False
    data: str | None = None


class RegressArgs(BaseModel):
    """The key that this plugin adds."""

    regress: RegressSettings = RegressSettings()


class RegressPlugin(BasePlugin):  # type: ignore[misc]  # axolotl has no types
    """Checks the lock before the model is loaded, and puts the callback on the trainer."""

    def get_input_args(self) -> str:
        return f"{__name__}.RegressArgs"

    def pre_model_load(self, cfg: Any) -> None:
        """Refuse before the weights are read; the callback says it again when training begins."""
        from regress.run.bench import open_bench  # noqa: PLC0415  nothing heavy where Axolotl only reads its settings
        from regress.suite import read_project  # noqa: PLC0415

        open_bench(read_project(Path(_settings(cfg).project)))

    def add_callbacks_post_trainer(self, cfg: Any, trainer: Any) -> list[RegressCallback]:
        given = _settings(cfg)
        callback = RegressCallback(
            given.project,
            items=given.items,
            every=given.every,
            stop=given.stop,
            keep_best=given.keep_best,
            data=given.data,
        )
        callback.report_through(trainer)
        return [callback]


def _settings(cfg: Any) -> RegressSettings:
    given = cfg.get("regress") or {}
    return given if isinstance(given, RegressSettings) else RegressSettings(**dict(given))
