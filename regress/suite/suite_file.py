"""Reads `suites/NAME.yaml` and its items, and refuses whatever it does not understand."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StrictInt, StrictStr, model_validator

from regress.errors import SuiteError
from regress.schema import Ask, Category, GenerationSettings, PromptStyle, Role, ScorerSpec, Suite
from regress.suite import strict_yaml
from regress.suite.items import read_items
from regress.suite.validate import FileModel, Name, Number, validated

Share = Annotated[Number, Field(gt=0, lt=1)]


class GenerationFile(FileModel):
    """`generation` of a suite."""

    max_new_tokens: Annotated[StrictInt, Field(ge=1, le=65_536)] = 128
    stop: tuple[Annotated[StrictStr, Field(min_length=1)], ...] = ()
    temperature: Annotated[Number, Field(ge=0, le=5)] = Decimal(0)
    top_p: Share | Literal[1] = 1
    seed: Annotated[StrictInt, Field(ge=0)] = 0
    repeats: Annotated[StrictInt, Field(ge=1, le=256)] = 1

    @model_validator(mode="after")
    def _sampling_fits(self) -> GenerationFile:
        if not self.temperature and self.model_fields_set & {"top_p", "seed", "repeats"}:
            raise ValueError("top_p, seed and repeats need a temperature above 0: greedy replies are all the same.")
        return self

    def settings(self) -> GenerationSettings:
        """What the engine is told."""
        return GenerationSettings(
            max_new_tokens=self.max_new_tokens,
            stop=self.stop,
            temperature=self.temperature,
            top_p=Decimal(self.top_p),
            seed=self.seed,
            repeats=self.repeats,
        )


class SuiteFile(FileModel):
    """The keys of a suite file (docs: README, "Write a suite")."""

    name: Name
    version: Annotated[StrictInt, Field(ge=1)]
    category: Category
    role: Role = Role.PROTECT
    items: StrictStr
    ask: Ask
    prompt: PromptStyle = PromptStyle.CHAT
    generation: GenerationFile = GenerationFile()
    scorer: StrictStr | dict[str, Any]
    margin: Share | None = None
    min_gain: Share | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> SuiteFile:
        if self.role is Role.PROTECT and self.margin is None:
            raise ValueError("role protect needs a margin: the largest drop that is acceptable (0.01 = one point).")
        if self.min_gain is not None and self.role is not Role.TARGET:
            raise ValueError(f"min_gain belongs to role target, and the role is {self.role}.")
        if self.ask is Ask.CHOOSE and "generation" in self.model_fields_set:
            raise ValueError("generation belongs to ask generate; ask choose reads log-likelihoods and writes nothing.")
        return self


def read_suite(path: Path) -> Suite:
    """One suite with all its items; raises SuiteError with file, line, key and choices."""
    document = strict_yaml.read(path, SuiteError)
    file = validated(SuiteFile, document.value, path=path, line_of=document.line_of, error=SuiteError)
    scorer = _scorer_spec(file.scorer, path, document.line_of(("scorer",)))
    items_path = _items_path(file.items, path, document.line_of(("items",)))
    items = read_items(items_path)
    return Suite(
        name=file.name,
        version=file.version,
        category=file.category,
        role=file.role,
        ask=file.ask,
        prompt=file.prompt,
        generation=file.generation.settings(),
        scorer=scorer,
        margin=file.margin,
        min_gain=file.min_gain,
        items=items,
        path=str(path),
        items_path=str(items_path),
    )


def read_suites(paths: list[Path]) -> tuple[Suite, ...]:
    """All suites, sorted by name; two suites of one name are refused."""
    suites: dict[str, Suite] = {}
    for path in paths:
        suite = read_suite(path)
        if suite.name in suites:
            raise SuiteError(f"the name {suite.name!r} is also that of {suites[suite.name].path}.", path=path)
        suites[suite.name] = suite
    return tuple(suites[name] for name in sorted(suites))


def _scorer_spec(scorer: str | dict[str, Any], path: Path, line: int) -> ScorerSpec:
    if isinstance(scorer, str):
        return ScorerSpec(name=scorer)
    options = dict(scorer)
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise SuiteError(
            "scorer is a name, or a mapping with the key 'name' and the scorer's options.", path=path, line=line
        )
    return ScorerSpec(name=name, options=options)


def _items_path(name: str, suite_path: Path, line: int) -> Path:
    """The items file, which must lie in the suite file's folder or below it: a suite may not read other files."""
    folder = suite_path.parent.resolve()
    try:
        target = (folder / name).resolve()
        found = target.is_file()
    except (OSError, ValueError, RuntimeError) as reason:  # too long, a NUL, a circle of links
        raise SuiteError(f"items {name!r} cannot be looked up: {reason}.", path=suite_path, line=line) from reason
    if not target.is_relative_to(folder):
        raise SuiteError(f"items {name!r} lies outside the suite's own folder.", path=suite_path, line=line)
    if not found:
        raise SuiteError(f"items {name!r}: there is no such file beside the suite.", path=suite_path, line=line)
    return suite_path.parent / name
