"""The checks, one file each, in the order in which people read about them."""

from __future__ import annotations

from collections.abc import Callable

from regress.audit.checks.duplicates import Duplicates
from regress.audit.checks.leakage import Leakage
from regress.audit.protocol import Check, Context

CHECKS: dict[str, Callable[[Context], Check]] = {
    Leakage.name: Leakage,
    Duplicates.name: Duplicates,
}
