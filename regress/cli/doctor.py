"""`regress doctor`: what is missing, and the mend for each."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path

from rich.text import Text

from regress.cli.console import put_json, say
from regress.cli.options import HERE, JsonOption, ProjectOption
from regress.errors import Refused
from regress.hashing.models import chat_template, locate_model, read_model
from regress.report.words import visible
from regress.schema import Check, Exit, PromptStyle
from regress.scorers import plugins
from regress.suite import read_project, read_suites
from regress.suite.project import FILE_NAME


def doctor(project: ProjectOption = HERE, json: JsonOption = False) -> int:
    """Check versions, devices, NF4, the name clash, and (in a project) the base model and its chat template."""
    from regress.backends.environment import environment_checks

    checks = [_python(), _name_clash(), _plugins(), *environment_checks(), *_project(project)]
    for check in checks:
        mark = ("ok  ", "green") if check.ok else ("FAIL", "bold red")
        say(Text.assemble(mark, f"  {check.name:<16} {check.detail}"))
    if json:
        put_json([{"name": check.name, "ok": check.ok, "detail": check.detail} for check in checks])
    return Exit.PROMOTE if all(check.ok for check in checks) else Exit.REFUSED


def _python() -> Check:
    return Check(
        name="python", ok=True, detail=f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    )


def _name_clash() -> Check:
    """Another distribution is called `regress`; both install a package of that name."""
    try:
        other = importlib.metadata.version("regress")
    except importlib.metadata.PackageNotFoundError:
        return Check(name="name", ok=True, detail="no other distribution called `regress` is installed")
    return Check(
        name="name",
        ok=False,
        detail=f"the unrelated distribution `regress` {other} is installed and shares the package name. Mend: pip "
        "uninstall regress, then pip install --force-reinstall --no-deps regress-harness",
    )


def _plugins() -> Check:
    """Scorers that other distributions offer: code that a suite which names one will run."""
    found = plugins()
    return Check(name="scorer plug-ins", ok=True, detail=visible(", ".join(found)) if found else "none installed")


def _project(folder: Path) -> list[Check]:
    if not (folder / FILE_NAME).is_file():
        return [Check(name="project", ok=True, detail=f"no {FILE_NAME} here (regress init makes one)")]
    checks = []
    try:
        opened = read_project(folder)
        checks.append(Check(name="project", ok=True, detail=f"{FILE_NAME} is read"))
        suites = read_suites(opened.suite_paths())
        checks.append(
            Check(name="suites", ok=True, detail=f"{len(suites)}, {sum(len(s.items) for s in suites):,} items")
        )
        base = locate_model(opened.file.base.model, opened.file.base.revision, opened.folder)
        read_model(base)
        checks.append(Check(name="base", ok=True, detail=f"{base.name}: weights and tokenizer are there"))
        needs = any(suite.prompt is PromptStyle.CHAT for suite in suites)
        template = chat_template(base)
        checks.append(
            Check(
                name="chat-template",
                ok=template is not None or not needs,
                detail="found"
                if template is not None
                else "none"
                + (". Mend: put chat_template.jinja beside the tokenizer, or ask with `prompt: raw`" if needs else ""),
            )
        )
    except Refused as reason:
        checks.append(Check(name="project", ok=False, detail=str(reason)))
    return checks
