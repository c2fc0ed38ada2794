"""The command line: arguments in, exit code out. Nothing below it prints, exits or reads the environment."""

from regress.cli.main import main

__all__ = ["main"]
