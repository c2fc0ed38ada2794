"""A candidate with weights of its own: the base is asked first and let go, and then the candidate is loaded."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from regress.backends.protocol import Engine
from regress.errors import BackendError
from regress.hashing.models import TEMPLATE_FILE, ModelFiles
from regress.run.preflight import Prints, canaries, preflight_model
from regress.run.session import Questions
from regress.schema import Check, Suite
from regress.schema.serving import TIMED

GENERATION = "generation_config.json"

ONE_AND_THE_SAME = Check(
    name="answers-as-merged",
    ok=True,
    detail="a model of its own: nothing is attached and merging changes nothing, so adapter and merged are one variant "
    "and asked once, as merged",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseSeen:
    """What is remembered of the base after its weights are gone."""

    prints: Prints
    questions: Questions
    identity: tuple[str, ...]

    @classmethod
    def of(cls, engine: Engine, questions: Questions) -> BaseSeen:
        """`engine` acts as the base."""
        return cls(prints=engine.fingerprint(canaries(questions)), questions=questions, identity=_identity(engine))


def _identity(engine: Engine) -> tuple[str, ...]:
    return (engine.name, engine.device, str(engine.precision), engine.batch_policy)


def own_checks(base: ModelFiles, copy: Path, served: Path) -> list[Check]:
    """What files tell of a model's private copy; it can be loaded from `served` afterwards. Raises AdapterError."""
    from regress.backends.own_weights import compare_models  # noqa: PLC0415  seconds, which few commands need

    checks = compare_models(base.folder, copy)
    _served_folder(base, copy, served)
    return [ONE_AND_THE_SAME, *checks]


def _served_folder(base: ModelFiles, copy: Path, served: Path) -> None:
    """A folder to load from: the copy's weights and configurations with the base's own tokenizer and template.

    They were found to be equal in what is compared; a request is worth something only if it is the base's, bit for bit.
    """
    served.mkdir()
    for path in copy.iterdir():
        if path.suffix == ".safetensors" or path.name in ("config.json", "model.safetensors.index.json", GENERATION):
            (served / path.name).symlink_to(path)
    for name in (*base.tokenizer.files, TEMPLATE_FILE):
        if (base.folder / name).is_file() and not (served / name).exists():
            shutil.copyfile(base.folder / name, served / name)


def refuse_timing(suites: Sequence[Suite]) -> None:
    """Raises BackendError where a margin rests on times: base and candidate are timed in turn, on the same weights."""
    timed = [suite.name for suite in suites if TIMED & set(suite.serving)]
    if timed:
        raise BackendError(
            f"{', '.join(timed)} puts a margin on times, which are taken of base and candidate in turn, and a model of "
            "its own never lies in memory beside the base. Judge it under a lock without that margin."
        )


def preflight_beside(engine: Engine, questions: Questions, seen: BaseSeen) -> list[Check]:
    """The checks on a candidate that stands by itself; raises BackendError where it is answered in another way."""
    if _identity(engine) != seen.identity:
        raise BackendError(
            f"the candidate is not answered as the base was: {_identity(engine)} against {seen.identity}. Set "
            "engine.batch_tokens in regress.yaml, so that batches do not follow from the memory that is free."
        )
    return [_same_questions(questions, seen.questions), *preflight_model(engine, questions, seen.prints)]


def _same_questions(own: Questions, locked: Questions) -> Check:
    """Every item as the same tokens, with the same end tokens: config.json and generation_config.json have a say."""
    others = [
        f"{name}/{one.item}"
        for name, requests in locked.requests.items()
        for one, other in zip(requests, own.requests[name], strict=True)
        if one.digest != other.digest
    ]
    return Check(
        name="same-questions",
        ok=not others,
        detail=f"{len(others)} items reach the model as other tokens or with other end tokens than the base's (first: "
        f"{others[0]}): compare generation_config.json and config.json with the base's"
        if others
        else f"{locked.total:,} items reach it as the base's tokens",
    )
