"""Scorers of other distributions: found by entry point, loaded only where a suite names one that is not ours.

A distribution offers one as `[project.entry-points."regress.scorers"]`, `NAME = "package.module:SCORER"`. Loading it
runs code of that distribution with all rights of this process, as importing anything does. The lock holds its name and
version.
"""

from __future__ import annotations

import importlib.metadata
import math
import re
from collections.abc import Collection
from dataclasses import replace
from importlib.metadata import EntryPoint
from typing import Any

from regress.schema import Outcome, Score
from regress.scorers._scorer import Options, Scorer, shorten

GROUP = "regress.scorers"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,39}")


class PluginFault(Exception):
    """Why a plug-in cannot be used, as a clause that a SuiteError completes."""


def find_plugin(name: str) -> Scorer[Any] | None:
    """The scorer that an installed distribution offers under this name, loaded; None where there is none.

    Raises PluginFault where two offer it, where loading fails, and where what is loaded is no scorer of that name.
    """
    offers = _offers(name)
    if not offers:
        return None
    if len(offers) > 1:
        raise PluginFault(
            f"scorer {name!r} is offered by {' and by '.join(map(origin, offers))}, and only one can be meant. "
            "Uninstall the others"
        )
    return _loaded(offers[0])


def refuse_clash(name: str) -> None:
    """Raise PluginFault where a distribution offers a scorer under the name of one of ours, which it can never be."""
    if offers := _offers(name):
        raise PluginFault(
            f"scorer {name!r} is one of regress's own, and {origin(offers[0])} offers another under that name. "
            f"Uninstall it, or have it renamed"
        )


def offered(ours: Collection[str]) -> list[str]:
    """`rouge (acme-scorers==1.2)` for each scorer that is offered and not loaded yet; a name of ours is marked."""
    entries = sorted(importlib.metadata.entry_points(group=GROUP), key=lambda e: (e.name, origin(e)))
    return [f"{e.name} ({origin(e)}{', a name of regress: refused' if e.name in ours else ''})" for e in entries]


def origin(entry: EntryPoint) -> str:
    """`acme-scorers==1.2`: what is installed, as pip takes it."""
    found = entry.dist
    return "an unknown distribution" if found is None else f"{found.name}=={found.version}"


def checked(score: object) -> Score:
    """What a plug-in returned, if it is a score; raises TypeError or ValueError for anything else.

    Counts, reports and tests rest on it: a NaN, a value of 100 or a kind of a thousand characters must not get there.
    """
    if not isinstance(score, Score) or not isinstance(score.outcome, Outcome):
        raise TypeError(f"returned {shorten(repr(score), 80)}, which is no Score")
    if score.value is not None and not (
        isinstance(score.value, int | float) and math.isfinite(score.value) and 0 <= score.value <= 1
    ):
        raise ValueError(f"returned the value {score.value!r}, which is not between 0 and 1")
    if score.kind is not None and not (isinstance(score.kind, str) and _KIND.fullmatch(score.kind)):
        raise ValueError(f"returned the kind {shorten(repr(score.kind), 80)}, which is no word of a-z, 0-9 and _")
    if score.detail is not None and not isinstance(score.detail, str):
        raise TypeError("returned a detail that is no text")
    return replace(score, detail=shorten(score.detail))


def _loaded(entry: EntryPoint) -> Scorer[Any]:
    where = f"scorer {entry.name!r} of {origin(entry)}"
    if entry.dist is None:
        raise PluginFault(f"{where} has no metadata that names it, so no lock could. Install it with pip")
    try:
        found = entry.load()
    except (Exception, SystemExit) as error:
        raise PluginFault(f"{where} cannot be loaded ({type(error).__name__}: {error}). Install it again") from error
    fault = _fault(found, entry.name)
    if fault is not None:
        raise PluginFault(f"{where} {fault}. Its author has to mend it")
    scorer: Scorer[Any] = found
    return replace(scorer, origin=origin(entry))


def _fault(found: object, name: str) -> str | None:
    if not isinstance(found, Scorer):
        return f"is a {type(found).__name__} and no regress.scorers.Scorer"
    if found.name != name or not _NAME.fullmatch(name):
        return f"calls itself {found.name!r}; name and entry point must be one word of a-z, 0-9 and _"
    if isinstance(found.version, bool) or not isinstance(found.version, int) or found.version < 1:
        return f"has the version {found.version!r}, which is no whole number from 1"
    if not (isinstance(found.options, type) and issubclass(found.options, Options)):
        return "has options that are no subclass of regress.scorers.Options"
    return None


def _offers(name: str) -> list[EntryPoint]:
    return list(importlib.metadata.entry_points(group=GROUP, name=name))
