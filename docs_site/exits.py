"""Exit codes as a page: the enum, with the comment behind each."""

from __future__ import annotations

import inspect
import re

from docs_site.tables import cell, table
from regress.schema import Exit


def page() -> str:
    """`reference/exit-codes.md`."""
    says = dict(re.findall(r"^    ([A-Z]+) = \d+  # (.+)$", inspect.getsource(Exit), re.MULTILINE))
    rows = [(f"{code.value}", code.name, cell(says[code.name])) for code in sorted(Exit)]
    return "\n\n".join(
        [
            "# Exit codes",
            "The same for every command. Only 0 lets a pipeline go on, and nothing that is broken ends in 0.",
            table(("code", "", "means"), rows),
            "Of several adapters in one `regress check` the worst code counts: " + _order() + ". An interrupted "
            "command exits with 130; what it stored is kept, and the same command goes on from there.",
            "`regress diff` decides nothing: 0, or with `--fail-on-loss` 3 where a suite lost more than its margin for "
            "certain, and 4 where that is open. `regress audit` exits with 3 where a finding blocks, else with 0.",
        ]
    )


def _order() -> str:
    left = set(Exit)
    order = []
    while left:
        worst = Exit.worst(left)
        order.append(worst.name)
        left.remove(worst)
    return " before ".join(order)
