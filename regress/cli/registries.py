"""Which registry, trust root and signing key a command means."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regress.cli.options import HERE, ProjectOption
from regress.errors import UsageError
from regress.suite import Project, read_project
from regress.suite.project import FILE_NAME

if TYPE_CHECKING:
    from regress.promote.registry import Registry
    from regress.promote.trust import TrustRoot

TRUST_FILE = "trust.json"
KEY_FILE = "signing-key.pem"
WRITER_LOCK = "promotion.lock"


@dataclass(frozen=True, kw_only=True)
class Trusting:
    """Whose word counts."""

    trust: Annotated[
        Path | None,
        typer.Option(
            "--trust", help="Trust root: the keys that are believed.", show_default=f"the project's {TRUST_FILE}"
        ),
    ] = None
    project: ProjectOption = HERE

    @property
    def trust_file(self) -> Path:
        return self.trust or self.project / TRUST_FILE

    def believed(self) -> TrustRoot:
        """The trust root; raises PromotionError where it cannot be read."""
        from regress.promote.trust import read_trust

        return read_trust(self.trust_file)


@dataclass(frozen=True, kw_only=True)
class Place(Trusting):
    """Where promoted adapters are, and whose word counts there."""

    registry: Annotated[
        Path | None,
        typer.Option("--registry", help="A local registry's folder.", show_default="what regress.yaml names"),
    ] = None

    def open(self) -> Registry:
        """The registry; raises Refused where regress.yaml is refused or the registry's client is not installed."""
        if self.registry is not None:
            from regress.promote.local import LocalRegistry

            return LocalRegistry(self.registry)
        if not (self.project / FILE_NAME).is_file():
            raise UsageError(f"no {FILE_NAME} in {self.project}: name the registry with --registry, or --project DIR.")
        return _open(read_project(self.project))


def _open(project: Project) -> Registry:
    section = project.file.registry
    match section.kind:
        case "mlflow":
            from regress.promote.mlflow_registry import MlflowRegistry

            return MlflowRegistry(section.name or "", section.uri, project.runs / WRITER_LOCK)
        case "hub":
            from regress.promote.hub import HubRegistry

            return HubRegistry(section.name or "", project.runs / WRITER_LOCK)
        case _:
            from regress.promote.local import LocalRegistry

            return LocalRegistry(project.folder / section.path)


KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--key",
        help="Private key to sign with.",
        envvar="REGRESS_KEY",
        show_default=f"~/.config/regress/{KEY_FILE}",
    ),
]


def default_key() -> Path:
    """~/.config/regress/signing-key.pem, or where XDG_CONFIG_HOME says."""
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "regress" / KEY_FILE
