"""lm-eval tasks as suites: what the suite file asks for, and the frozen files that stand for the task from then on.

`regress lock` writes a task's documents, prompts and answers beside the suite file as NAME.jsonl, in our item format,
and says in NAME.frozen.json what they were made from. Everything that comes later reads these two files: neither
lm-eval nor the task's data is needed to verify a lock, to compare runs or to decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StrictInt, StrictStr

from regress.errors import SuiteError
from regress.hashing.canonical import digest_json
from regress.hashing.files import digest_file
from regress.schema import Ask, GenerationSettings, Item, PromptStyle, ScorerSpec
from regress.strict_json import JsonFault, parse
from regress.suite.items import read_items
from regress.suite.strict_yaml import KeyPath
from regress.suite.validate import FileModel, Number, validated

FORMAT = 1
SCORER = "lm_eval"
MAX_SIDECAR_BYTES = 64 * 2**20
EACH_ITS_OWN = "each task's own"

Name = Annotated[StrictStr, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]


class LmEvalSection(FileModel):
    """`lm_eval` of a suite file: which task, and how it is asked."""

    task: Name  # a task's or a group's name
    num_fewshot: Annotated[StrictInt, Field(ge=0, le=1000)] | None = None  # without it: as the task says
    limit: Annotated[StrictInt, Field(ge=1)] | None = None  # the first so many documents of each task
    include_path: Annotated[StrictStr, Field(min_length=1)] | None = None  # a folder of tasks, from the suite file
    fewshot: Literal["fixed", "per_document"] = "fixed"  # the same examples for all, or drawn anew as lm-eval does
    seed: Annotated[StrictInt, Field(ge=0)] = 1234  # lm-eval's own
    metric: Name | None = None  # one of the task's own
    filter: Name | None = None  # likewise
    threshold: Annotated[Number, Field(gt=0, lt=1)] = Decimal("0.5")  # from which value on a graded reply passes
    max_new_tokens: Annotated[StrictInt, Field(ge=1, le=65_536)] | None = None
    cluster: Name | None = None  # a field of the documents, `task`, or `none`


class FrozenGeneration(FileModel):
    """GenerationSettings as they are kept."""

    max_new_tokens: StrictInt
    stop: tuple[StrictStr, ...]
    temperature: StrictStr = "0"
    top_p: StrictStr = "1"
    seed: StrictInt = 0
    repeats: StrictInt = 1


class FrozenTask(FileModel):
    """One task: its configuration, with code named by file, and the digests of the files that it came from."""

    version: StrictStr
    num_fewshot: StrictInt
    features: tuple[StrictStr, ...]
    config: dict[str, Any]
    sources: dict[StrictStr, StrictStr]


class FrozenFile(FileModel):
    """NAME.frozen.json."""

    format: Literal[1]
    lm_eval: StrictStr  # the version that it was frozen with
    settings: dict[str, Any]  # the suite file's section, and its prompt style
    ask: Ask
    generation: FrozenGeneration | None
    metric: StrictStr
    filter: StrictStr
    measure: Literal["right", "share", "byte_probability"]  # what the metric's figure of one document is
    code: tuple[StrictStr, ...]  # that ran, or runs when replies are scored; for people
    tasks: dict[StrictStr, FrozenTask]
    items: StrictStr  # digest of NAME.jsonl


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """A frozen task as it stands on disk, held against the suite file and its own digests."""

    file: FrozenFile
    items: tuple[Item, ...]
    items_path: Path

    @property
    def generation(self) -> GenerationSettings:
        given = self.file.generation
        if given is None:
            return GenerationSettings()
        return GenerationSettings(
            max_new_tokens=given.max_new_tokens,
            stop=given.stop,
            temperature=Decimal(given.temperature),
            top_p=Decimal(given.top_p),
            seed=given.seed,
            repeats=given.repeats,
        )

    @property
    def scorer(self) -> ScorerSpec:
        """The scorer with everything that a lock has to hold of the task."""
        file, tasks = self.file, self.file.tasks.values()
        shots = {task.num_fewshot for task in tasks}
        return ScorerSpec(
            name=SCORER,
            options={
                "task": file.settings["task"],
                "lm_eval": file.lm_eval,
                "version": ", ".join(sorted({task.version for task in tasks})),
                "config": digest_json({name: task.model_dump(mode="json") for name, task in file.tasks.items()}),
                "num_fewshot": str(shots.pop()) if len(shots) == 1 else EACH_ITS_OWN,
                "fewshot": file.settings["fewshot"],
                "metric": file.metric,
                "filter": file.filter,
                "measure": file.measure,
                "threshold": file.settings["threshold"],
                "code": file.code,
            },
        )


def frozen_paths(suite_path: Path, name: str) -> tuple[Path, Path]:
    """(items file, what they were made from) of the suite `name`."""
    return suite_path.parent / f"{name}.jsonl", suite_path.parent / f"{name}.frozen.json"


def settings_of(section: LmEvalSection, prompt: PromptStyle) -> dict[str, Any]:
    """What the suite file asks for, as it is kept and compared."""
    return {**section.model_dump(mode="json"), "prompt": prompt.value}


def read_frozen(suite_path: Path, name: str, section: LmEvalSection, prompt: PromptStyle, line: int) -> Frozen:
    """The frozen task beside the suite file; raises SuiteError with the mend where it is missing or another one."""
    items_path, sidecar = frozen_paths(suite_path, name)
    mend = f"Run `regress suites freeze {name}`, then lock again"
    if not sidecar.is_file() or not items_path.is_file():
        raise SuiteError(
            f"the lm-eval task {section.task!r} is not frozen yet: {sidecar.name} and {items_path.name} belong beside "
            "this file. Run `regress lock`.",
            path=suite_path,
            line=line,
        )
    file = read_sidecar(sidecar)
    wanted = settings_of(section, prompt)
    if changed := sorted(k for k in wanted.keys() | file.settings.keys() if wanted.get(k) != file.settings.get(k)):
        key = changed[0]
        raise SuiteError(
            f"{key} is {_shown(wanted.get(key))}, and {sidecar.name} was frozen with {_shown(file.settings.get(key))}. "
            f"Restore it, or: {mend[0].lower()}{mend[1:]}.",
            path=suite_path,
            line=line,
        )
    if digest_file(items_path, refuse=SuiteError).digest != file.items:
        raise SuiteError(f"is not what {sidecar.name} was written for. Restore both. {mend}.", path=items_path)
    items = read_items(items_path)
    for item in items:
        if item.source is None or item.source.get("task") not in file.tasks:
            raise SuiteError(f"item {item.id!r} belongs to no task of {sidecar.name}. {mend}.", path=items_path)
    return Frozen(file=file, items=items, items_path=items_path)


def read_sidecar(path: Path) -> FrozenFile:
    """NAME.frozen.json alone; raises SuiteError."""
    try:
        with path.open("rb") as opened:
            raw = opened.read(MAX_SIDECAR_BYTES + 1)
        parsed = parse(raw)
    except (JsonFault, OSError) as reason:
        raise SuiteError(f"cannot be read: {reason}. Restore it, or freeze the task again.", path=path) from reason
    if parsed.duplicate_keys:
        raise SuiteError(f"gives the key {parsed.duplicate_keys[0]!r} twice. Restore it.", path=path)

    def line_of(_: KeyPath) -> int:
        return 1

    return validated(FrozenFile, parsed.value, path=path, line_of=line_of, error=SuiteError)


def _shown(value: object) -> str:
    return "unset" if value is None else str(value)
