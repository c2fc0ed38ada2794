"""The command line: arguments in, exit code out. Nothing below it prints, exits or reads the environment."""

import gc

gc.disable()  # imports leave no cycles worth a search of everything imported so far: a fifth of their time
from regress.cli.main import main  # noqa: E402

gc.enable()

__all__ = ["main"]
