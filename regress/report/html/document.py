"""A document of one file: templates filled with autoescape, one style, and a policy that lets nothing else apply."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import PackageLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from regress.report.html.texts import seen


def document(template: str, told: Mapping[str, Any], script: str = "") -> bytes:
    """The template filled, in UTF-8. `script` is the only one that may run; without it none may."""
    style = static("page.css")
    page = _templates().get_template(template)
    text = page.render(told, style=Markup(style), script=Markup(script), policy=_policy(style, script))
    return text.encode()


def _policy(style: str, script: str) -> str:
    """Nothing is loaded, only these two texts apply, and no script may turn a text into markup."""
    allowed = f"script-src {_hash(script)}" if script else "script-src 'none'"
    return "; ".join(
        (
            "default-src 'none'",
            allowed,
            f"style-src {_hash(style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def static(name: str) -> str:
    """A file of `static/`."""
    return (files("regress.report.html") / "static" / name).read_text(encoding="utf-8")


@cache
def _templates() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(
        loader=PackageLoader("regress.report.html", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters["short"] = lambda digest: str(digest).removeprefix("sha256:")[:12]
    return environment


def _shown(value: object) -> object:
    """Every text that a template puts out, with nothing invisible in it."""
    return seen(value) if isinstance(value, str) and not isinstance(value, Markup) else value
