"""The checks, one file each, in the order in which people read about them."""

from __future__ import annotations

from collections.abc import Callable

from regress.audit.checks.duplicates import Duplicates
from regress.audit.checks.poison import Poison
from regress.audit.protocol import Check, Context

CHECKS: dict[str, Callable[[Context], Check]] = {
    Duplicates.name: Duplicates,
    Poison.name: Poison,
}
