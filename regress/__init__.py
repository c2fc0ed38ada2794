"""regress: may this fine-tuned adapter replace what is in production?

From Python: `check`, `judge`, `compare` and `load_run`; see `regress.api`. Their modules are imported when one of them
is first asked for, so that `import regress` costs nothing. Their types stand in `__init__.pyi`, beside this file.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "check": "regress.api.checking",
    "compare": "regress.api.stored",
    "judge": "regress.api.stored",
    "load_run": "regress.api.stored",
    "Diff": "regress.api.results",
    "Judged": "regress.api.results",
    "Run": "regress.api.results",
}
__all__ = ["Diff", "Judged", "Run", "__version__", "check", "compare", "judge", "load_run"]


def __getattr__(name: str) -> Any:
    if (home := _HOMES.get(name)) is None:
        raise AttributeError(f"module 'regress' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
