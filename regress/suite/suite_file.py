"""Reads `suites/NAME.yaml` and its items, and refuses whatever it does not understand."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StrictInt, StrictStr, model_validator

from regress.errors import SuiteError
from regress.schema import Ask, Category, Figure, GenerationSettings, PromptStyle, Role, ScorerSpec, Suite
from regress.suite import strict_yaml
from regress.suite.frozen import LmEvalSection, read_frozen
from regress.suite.items import read_items
from regress.suite.strict_yaml import Document
from regress.suite.validate import FileModel, Name, Number, validated

Share = Annotated[Number, Field(gt=0, lt=1)]


class GenerationFile(FileModel):
    """`generation` of a suite."""

    max_new_tokens: Annotated[StrictInt, Field(ge=1, le=65_536)] = 128  # where a reply is cut
    stop: tuple[Annotated[StrictStr, Field(min_length=1)], ...] = ()  # texts that end a reply
    temperature: Annotated[Number, Field(ge=0, le=5)] = Decimal(0)  # 0: greedy
    top_p: Share | Literal[1] = 1  # with a temperature
    seed: Annotated[StrictInt, Field(ge=0)] = 0  # with a temperature
    repeats: Annotated[StrictInt, Field(ge=1, le=256)] = 1  # replies an item, one mean score; with a temperature

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


class ServingFile(FileModel):
    """`serving`: how much worse each figure may get; 0.2 is a fifth of the base's, or 20 points of a share."""

    reply_tokens: Share | None = None  # mean length of replies
    first_token: Share | None = None  # mean time until it is there
    latency: Share | None = None  # mean time of a whole reply
    tokens_per_second: Share | None = None  # behind the first one
    acceptance: Share | None = None  # share of tokens that the draft model proposes

    def margins(self) -> dict[Figure, Decimal]:
        """By figure; fields are called as figures are."""
        return {Figure(name): margin for name, margin in self if margin is not None}


class SuiteFile(FileModel):
    """The keys of a suite file."""

    name: Name  # in reports and file names
    version: Annotated[StrictInt, Field(ge=1)]  # yours: raise it when the suite asks something else
    category: Category  # what it guards
    role: Role = Role.PROTECT  # protect: must not get worse; target: must get better; inform: reported only
    items: StrictStr = ""  # this, ask and scorer: needed unless an lm-eval task gives them
    lm_eval: LmEvalSection | None = None  # an lm-eval task in place of items
    ask: Ask = Ask.GENERATE  # choose: log-likelihood over choices
    prompt: PromptStyle = PromptStyle.CHAT  # chat: the model's own template
    generation: GenerationFile = GenerationFile()  # of ask generate
    scorer: StrictStr | dict[str, Any] = ""  # a name, or a mapping with `name` and its options
    margin: Share | None = None  # the largest acceptable drop, 0.01 is one point; role protect needs it
    min_gain: Share | None = None  # role target: the gain that must be shown
    serving: ServingFile | None = None  # category serving: margins of figures

    @model_validator(mode="after")
    def _fits_together(self) -> SuiteFile:
        if self.role is Role.PROTECT and self.margin is None:
            raise ValueError("role protect needs a margin: the largest drop that is acceptable (0.01 = one point).")
        if self.min_gain is not None and self.role is not Role.TARGET:
            raise ValueError(f"min_gain belongs to role target, and the role is {self.role}.")
        if self.ask is Ask.CHOOSE and "generation" in self.model_fields_set:
            raise ValueError("generation belongs to ask generate; ask choose reads log-likelihoods and writes nothing.")
        return self

    @model_validator(mode="after")
    def _serves(self) -> SuiteFile:
        if self.serving is None:
            return self
        if self.category is not Category.SERVING or self.role is not Role.PROTECT or self.ask is not Ask.GENERATE:
            raise ValueError("serving holds margins of a suite of category serving, role protect, that asks generate.")
        if not self.serving.margins():
            raise ValueError("serving is empty. Leave the key out, or name a figure and its margin.")
        return self

    @model_validator(mode="after")
    def _has_items(self) -> SuiteFile:
        given = self.model_fields_set
        if self.lm_eval is None:
            for key in ("items", "ask", "scorer"):
                if key not in given:
                    raise ValueError(f"the key {key!r} is missing{' (or lm_eval)' if key == 'items' else ''}.")
        elif theirs := [key for key in ("items", "ask", "scorer", "generation") if key in given]:
            raise ValueError(f"{theirs[0]} stands beside lm_eval, and comes from the task there. Leave it out.")
        return self

    @property
    def serving_margins(self) -> dict[Figure, Decimal]:
        """Margins of serving figures, where there are any."""
        return {} if self.serving is None else self.serving.margins()

    @property
    def prompt_style(self) -> PromptStyle:
        """Raw for an lm-eval task that says nothing else, as lm-eval does."""
        return PromptStyle.RAW if self.lm_eval and "prompt" not in self.model_fields_set else self.prompt


def read_suite_file(path: Path) -> tuple[SuiteFile, Document]:
    """The settings alone, without the items; raises SuiteError with file, line, key and choices."""
    document = strict_yaml.read(path, SuiteError)
    return validated(SuiteFile, document.value, path=path, line_of=document.line_of, error=SuiteError), document


def read_suite(path: Path) -> Suite:
    """One suite with all its items; raises SuiteError with file, line, key and choices."""
    file, document = read_suite_file(path)
    if file.lm_eval is not None:
        return _frozen_suite(file, path, document.line_of(("lm_eval",)))
    items_path = _items_path(file.items, path, document.line_of(("items",)))
    return Suite(
        name=file.name,
        version=file.version,
        category=file.category,
        role=file.role,
        ask=file.ask,
        prompt=file.prompt,
        generation=file.generation.settings(),
        scorer=_scorer_spec(file.scorer, path, document.line_of(("scorer",))),
        margin=file.margin,
        min_gain=file.min_gain,
        serving=file.serving_margins,
        items=read_items(items_path),
        path=str(path),
        items_path=str(items_path),
    )


def _frozen_suite(file: SuiteFile, path: Path, line: int) -> Suite:
    """A suite whose items an lm-eval task gave."""
    assert file.lm_eval is not None
    frozen = read_frozen(path, file.name, file.lm_eval, file.prompt_style, line)
    return Suite(
        name=file.name,
        version=file.version,
        category=file.category,
        role=file.role,
        ask=frozen.file.ask,
        prompt=file.prompt_style,
        generation=frozen.generation,
        scorer=frozen.scorer,
        margin=file.margin,
        min_gain=file.min_gain,
        serving=file.serving_margins,
        truncate=True,
        items=frozen.items,
        path=str(path),
        items_path=str(frozen.items_path),
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
