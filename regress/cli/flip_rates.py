"""`--flip-rate` on the command line, and the plans of a project's suites that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from regress.errors import UsageError
from regress.plan import is_planned, plan_suites
from regress.schema import Policy, Suite, SuitePlan

if TYPE_CHECKING:
    from regress.hashing.models import ModelFiles
    from regress.lock.promise import Loaded


def planned(
    loaded: Loaded, policy: Policy, flip_rate: Sequence[str] | None, base: Callable[[], ModelFiles]
) -> dict[str, SuitePlan]:
    """Every suite's plan: at its given flip rate, else at the assumed ones with the noise that was measured."""
    from regress.run.pilot import measured_noise

    given = given_rates(flip_rate or (), loaded.suites)
    return plan_suites(loaded.suites, policy, given=given, noise=measured_noise(loaded, base))


def given_rates(texts: Sequence[str], suites: Sequence[Suite]) -> dict[str, Decimal]:
    """`0.04` for every suite with a margin, `json_orders=0.02` for one of them, which goes before."""
    names = [suite.name for suite in suites if is_planned(suite)]
    everywhere: Decimal | None = None
    single: dict[str, Decimal] = {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        rate = share(value, "flip-rate")
        if not equals:
            if everywhere is not None:
                raise UsageError("--flip-rate is given twice for all suites; write SUITE=RATE for one of them.")
            everywhere = rate
        elif name not in names:
            raise UsageError(f"--flip-rate names {name!r}, which is no suite with a margin: {', '.join(names)}.")
        elif name in single:
            raise UsageError(f"--flip-rate is given twice for {name}.")
        else:
            single[name] = rate
    rest: Mapping[str, Decimal] = {} if everywhere is None else dict.fromkeys(names, everywhere)
    return {**rest, **single}


def share(text: str, name: str) -> Decimal:
    """The value of an option that is a number between 0 and 1; raises UsageError."""
    try:
        value = Decimal(text)
    except InvalidOperation as reason:
        raise UsageError(f"--{name} is {text!r}; write a number between 0 and 1, such as 0.05.") from reason
    if not value.is_finite() or not 0 < value < 1:
        raise UsageError(f"--{name} is {text}; it must lie between 0 and 1 (0.03 is three points).")
    return value
