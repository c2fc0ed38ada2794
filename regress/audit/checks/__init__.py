"""The checks, one file each, in the order in which people read about them."""

from __future__ import annotations

from collections.abc import Callable

from regress.audit.checks.distribution import Distribution
from regress.audit.checks.duplicates import Duplicates
from regress.audit.checks.format import Format
from regress.audit.checks.labels import Labels
from regress.audit.checks.leakage import Leakage
from regress.audit.checks.personal_data import PersonalData
from regress.audit.checks.poison import Poison
from regress.audit.checks.safety import Safety
from regress.audit.checks.shift import Shift
from regress.audit.checks.task_boundary import TaskBoundary
from regress.audit.protocol import Check, Context

CHECKS: dict[str, Callable[[Context], Check]] = {
    Leakage.name: Leakage,
    Duplicates.name: Duplicates,
    Labels.name: Labels,
    Format.name: Format,
    Distribution.name: Distribution,
    Shift.name: Shift,
    Safety.name: Safety,
    PersonalData.name: PersonalData,
    Poison.name: Poison,
    TaskBoundary.name: TaskBoundary,
}
