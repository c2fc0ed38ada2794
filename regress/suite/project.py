"""Reads `regress.yaml`: what is judged, on what, by which policy."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt, StrictStr, field_validator, model_validator

from regress.errors import ProjectError
from regress.schema import Policy, Precision, Variant, VariantKind
from regress.suite import strict_yaml
from regress.suite.audit_section import AuditSection
from regress.suite.train_section import TrainSection
from regress.suite.validate import FileModel, Name, Number, validated

FILE_NAME = "regress.yaml"

Probability = Annotated[Number, Field(gt=0, lt=1)]
ModelName = Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?$")]


class ModelSection(FileModel):
    """`base` and `draft`: a folder or a hub id with its revision."""

    model: Annotated[StrictStr, Field(min_length=1)]  # a folder, relative to regress.yaml, or a hub id
    revision: StrictStr | None = None  # of a hub id: a commit


class PolicySection(FileModel):
    """`policy`: the error rates of the gate, and what it insists on. Locked."""

    alpha: Annotated[Number, Field(gt=0, le=Decimal("0.2"))] = Decimal("0.05")  # chance of a harmful promotion
    power: Probability = Decimal("0.8")  # how surely the suites should see what they are there to see; for planning
    zero_tolerance: tuple[Name, ...] = ()  # suites whose every candidate failure counts
    require_training_record: StrictBool = False  # refuse adapters without `regress_training.json`
    require_audit: StrictBool = False  # of the very data that the candidate was trained on
    waivable_safety: StrictBool = False  # may safety suites be waived when promoting?


class EngineSection(FileModel):
    """`engine`: where and how weights are held, and by how many processes."""

    device: Annotated[StrictStr, Field(pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$")] = "auto"  # auto, cpu, cuda, cuda:1
    dtype: Precision = Precision.AUTO  # auto: bf16 on a GPU, fp32 on a CPU
    batch_tokens: Literal["auto"] | Annotated[StrictInt, Field(ge=64)] = "auto"  # of one forward pass
    workers: Literal["auto"] | Annotated[StrictInt, Field(ge=1, le=64)] = "auto"  # processes; auto: one for each GPU


class RegistrySection(FileModel):
    """`registry`: where promoted adapters go: a folder, an MLflow registered model, or a repository on the hub."""

    kind: Literal["local", "mlflow", "hub"] = "local"  # what holds the versions
    path: Annotated[StrictStr, Field(min_length=1)] = "registry"  # local: the folder
    name: ModelName | None = None  # of the registered model, or org/name of the repository
    uri: Annotated[StrictStr, Field(min_length=1)] | None = None  # mlflow: the server's or the database's

    @model_validator(mode="after")
    def _named(self) -> RegistrySection:
        if self.kind != "local" and self.name is None:
            what = "the registered model" if self.kind == "mlflow" else "the repository, as in org/name"
            raise ValueError(f"kind {self.kind} needs a name: {what}.")
        return self


class ProjectFile(FileModel):
    """The keys of regress.yaml; each has a default but `base.model` and `suites`."""

    base: ModelSection  # the model that adapters are trained for
    draft: ModelSection | None = None  # the small model that proposes tokens in production
    variants: Annotated[tuple[StrictStr, ...], Field(min_length=2)] = ("base", "adapter", "merged")  # what must hold
    suites: Annotated[tuple[StrictStr, ...], Field(min_length=1)]  # suite files, as paths or patterns (`suites/*.yaml`)
    policy: PolicySection = PolicySection()  # what is locked of the decision
    engine: EngineSection = EngineSection()  # where and how the model runs
    train: TrainSection = TrainSection()  # the recipe of `regress train`
    audit: AuditSection = AuditSection()  # what findings of `regress audit` do
    registry: RegistrySection = RegistrySection()  # where promoted adapters go

    @field_validator("policy", mode="before")
    @classmethod
    def _not_empty(cls, value: object) -> object:
        if value is None or value == {}:
            raise ValueError("the policy is empty. Leave the key out for the defaults, or say what is required.")
        return value

    @model_validator(mode="after")
    def _base_and_a_candidate(self) -> ProjectFile:
        parsed = [parse_variant(text) for text in self.variants]
        if len(set(parsed)) != len(parsed):
            raise ValueError("variants names one of them twice.")
        kinds = {variant.kind for variant in parsed}
        if VariantKind.BASE not in kinds or len(kinds) == 1:
            raise ValueError("variants needs base and at least one of adapter and merged.")
        return self


def parse_variant(text: str) -> Variant:
    """`merged@bf16` as a Variant; raises ValueError that lists the choices."""
    match = re.fullmatch(r"(base|adapter|merged)(?:@(fp32|bf16|nf4))?", text)
    if match is None:
        raise ValueError(
            f"variant {text!r} is not base, adapter or merged, each alone or with @fp32, @bf16 or @nf4 behind it."
        )
    kind, precision = match.groups()
    return Variant(kind=VariantKind(kind), precision=Precision(precision) if precision else Precision.AUTO)


class Project:
    """A project folder and its settings. Paths: see the properties."""

    def __init__(self, folder: Path, file: ProjectFile) -> None:
        self.folder = folder
        self.file = file

    @property
    def policy(self) -> Policy:
        section = self.file.policy
        return Policy(
            alpha=section.alpha,
            power=section.power,
            zero_tolerance=section.zero_tolerance,
            require_training_record=section.require_training_record,
            require_audit=section.require_audit,
            waivable_safety=section.waivable_safety,
        )

    @property
    def variants(self) -> tuple[Variant, ...]:
        return tuple(parse_variant(text) for text in self.file.variants)

    @property
    def baselines(self) -> Path:
        return self.folder / "baselines"

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def reports(self) -> Path:
        return self.folder / "reports"

    def suite_paths(self) -> list[Path]:
        """The suite files that `suites` names, sorted; a pattern that matches nothing is refused."""
        found: set[Path] = set()
        for pattern in self.file.suites:
            if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
                raise ProjectError(f"suites: {pattern!r} leaves the project folder.", path=self.folder / FILE_NAME)
            try:
                matches = [path for path in self.folder.glob(pattern) if path.is_file()]
            except (ValueError, IndexError, OSError) as reason:  # pathlib's, for "" and "." and "**x"
                raise ProjectError(f"suites: {pattern!r} is no pattern.", path=self.folder / FILE_NAME) from reason
            if not matches:
                raise ProjectError(f"suites: {pattern!r} matches no file.", path=self.folder / FILE_NAME)
            found.update(matches)
        return sorted(found)


def read_project(folder: Path) -> Project:
    """The project in `folder`; raises ProjectError with file, line and key, or saying how to begin."""
    path = folder / FILE_NAME
    if not path.is_file():
        raise ProjectError(
            f"no {FILE_NAME} in {folder}. Run `regress init` there, or name the project with --project DIR."
        )
    document = strict_yaml.read(path, ProjectError)
    file = validated(ProjectFile, document.value, path=path, line_of=document.line_of, error=ProjectError)
    return Project(folder, file)
