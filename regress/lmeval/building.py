"""Tasks as lm-eval's own objects: with their data when they are frozen, without it when replies are scored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from functools import lru_cache
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import datasets
from lm_eval.api.samplers import ContextSampler
from lm_eval.api.task import ConfigurableTask
from lm_eval.utils import env

from regress.errors import SuiteError
from regress.hashing.files import digest_file
from regress.lmeval.catalog import TaskSource
from regress.lmeval.configs import Code, code_in, from_json, place_of, with_code
from regress.suite.frozen import FrozenTask

env.from_string = lru_cache(maxsize=4096)(env.from_string)
"""lm-eval compiles a template anew for every document and example, which is nine tenths of building MMLU's prompts."""

SPLIT = "frozen"
ONLY_FOR_FREEZING = frozenset(
    {"custom_dataset", "dataset_path", "dataset_name", "dataset_kwargs", "training_split", "validation_split"}
    | {"test_split", "fewshot_split", "fewshot_config", "process_docs", "description", "num_fewshot", "gen_prefix"}
    | {"should_decontaminate", "doc_to_decontamination_query"}
)
"""Keys that say where documents come from and what stands before them: both are in the items by then."""


class Documents(list[dict[str, Any]]):
    """A split as lm-eval looks at one: documents in order, and the names of their fields."""

    def __init__(self, documents: Iterable[Mapping[str, Any]], features: Sequence[str]) -> None:
        super().__init__(dict(document) for document in documents)
        self.features = dict.fromkeys(features)


class FixedExamples(ContextSampler):  # type: ignore[misc]  # lm-eval is not typed for us
    """The same examples for every document, in one seeded order; a document is never its own example."""

    def __init__(self, pool: Iterable[Mapping[str, Any]], seed: int) -> None:
        super().__init__(list(pool), rnd=seed)
        self.asked: Mapping[str, Any] | None = None
        self._order = Random(seed).sample(self.df, len(self.df))

    def sample(self, n: int, *_args: Any, **_kwargs: Any) -> list[Any]:
        found = list(islice((example for example in self._order if example != self.asked), n))
        if len(found) < n:
            raise ValueError(f"{n} examples are wanted, and only {len(found)} others are there")
        return found


def with_data(source: TaskSource) -> Any:
    """The task with its data loaded. Runs whatever code the task names. Raises SuiteError where either fails."""
    datasets.disable_progress_bars()
    try:
        config = with_code(deepcopy(dict(source.config)))
        return _kind(config)(config=config)
    except SuiteError:
        raise
    except Exception as reason:
        raise SuiteError(_why(source, reason)) from reason


def without_data(name: str, frozen: FrozenTask, documents: Iterable[Mapping[str, Any]], beside: Path) -> Any:
    """The task again over its frozen documents, as far as scoring needs it; SuiteError where its code changed."""
    config = scoring_config(frozen, beside)
    for _, code in code_in(config):
        _check_unchanged(name, frozen, code, beside)
    split = Documents(documents, frozen.features)
    try:
        config = with_code(config)
        kind = type("Frozen", (_kind(config),), {"download": lambda self, *_a, **_k: _give(self, split)})
        return kind(config={**config, "test_split": SPLIT, "num_fewshot": 0})
    except Exception as reason:
        raise SuiteError(f"the lm-eval task {name!r} cannot be rebuilt for scoring: {_said(reason)}.") from reason


def scoring_config(frozen: FrozenTask, beside: Path) -> dict[str, Any]:
    """What is left of a task's configuration when replies are scored, code unloaded."""
    config: dict[str, Any] = from_json(frozen.config, beside)
    return {key: value for key, value in config.items() if key not in ONLY_FOR_FREEZING}


def _give(task: Any, split: Documents) -> None:
    task.dataset = {SPLIT: split}


def _kind(config: dict[str, Any]) -> type:
    """The class that the task names, or lm-eval's for YAML tasks."""
    named = config.pop("class", ConfigurableTask)
    if not (isinstance(named, type) and issubclass(named, ConfigurableTask)):
        raise SuiteError(f"the lm-eval task {config.get('task')!r} is a Python class that no YAML file configures.")
    return named


def _check_unchanged(name: str, frozen: FrozenTask, code: Code, beside: Path) -> None:
    if code.file is None:
        return
    place = place_of(code.file, beside)
    if frozen.sources.get(place) != digest_file(code.file, refuse=SuiteError).digest:
        raise SuiteError(
            f"{place}, which scores replies to {name!r}, is not the file that the task was frozen with. Restore it, or "
            "freeze the task and lock again."
        )


def _why(source: TaskSource, reason: Exception) -> str:
    """A sentence for what kept a task from being loaded: mostly its data are not on this machine."""
    config = source.config
    missing = (OSError, ConnectionError, datasets.exceptions.DatasetsError)
    if isinstance(reason, missing) or "offline" in str(reason).lower():
        parts = (config.get("dataset_path"), config.get("dataset_name"))
        named = "/".join(str(part) for part in parts if part)
        return (
            f"the data of the lm-eval task {source.name!r} cannot be loaded ({named}): {_said(reason)}. Freeze it once "
            "where there is a network (HF_HUB_OFFLINE unset) or the files lie; afterwards nobody needs them."
        )
    return f"lm-eval cannot build the task {source.name!r}: {_said(reason)}."


def _said(reason: Exception) -> str:
    text = " ".join(str(reason).split())
    return f"{type(reason).__name__}: {text[:300] or 'no reason given'}".rstrip(".")
