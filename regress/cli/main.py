"""`main() -> int`: every command's exit code, and the one place where refusals become sentences."""

from __future__ import annotations

import errno
import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any, cast

import typer

from regress import __version__
from regress.backends.quiet import quiet_libraries
from regress.cli import (
    audit,
    bisect,
    check,
    demo,
    diff,
    doctor,
    explain,
    export,
    gate,
    history,
    init,
    keys,
    label,
    lock,
    plan,
    promote,
    report,
    rescue,
    rollback,
    run,
    suites,
    train,
    verify,
    view,
)
from regress.cli.console import say
from regress.cli.interrupts import remembered
from regress.errors import Notice, Refused, UsageError
from regress.schema import Exit

INTERRUPTED = 128 + signal.SIGINT

NOT_OURS = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EROFS,
        errno.EACCES,
        errno.EPERM,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ENAMETOOLONG,
    }
)
"""A full disk, rights, names: said in a sentence. Any other system error is a bug, or a reader that went away."""

COMPLAINT: type[Exception] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""What a wrong command line raises: of the click that typer was built on, or, in newer versions, of its own copy."""

app = typer.Typer(
    name="regress",
    help="May this fine-tuned adapter replace what is in production? Suites are locked before training; base, adapter "
    "and merged model answer them; a paired diff and a gate with controlled error rates decide.",
    epilog="Exit codes: 0 PROMOTE or done · 2 usage · 3 REJECT · 4 INCONCLUSIVE · 5 REFUSED (evidence broken) · 1 bug.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS: dict[str, Callable[..., int]] = {
    "init": init.init,
    "plan": plan.plan,
    "lock": lock.lock,
    "audit": audit.audit,
    "train": train.train,
    "check": check.check,
    "run": run.run,
    "rescue": rescue.rescue,
    "bisect": bisect.bisect,
    "diff": diff.diff,
    "gate": gate.gate,
    "report": report.report,
    "explain": explain.explain,
    "export": export.export,
    "promote": promote.promote,
    "verify": verify.verify,
    "rollback": rollback.rollback,
    "history": history.history,
    "view": view.view,
    "label": label.label,
    "demo": demo.demo,
    "doctor": doctor.doctor,
}
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)
app.add_typer(suites.app, name="suites")
app.add_typer(keys.app, name="keys")


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"regress-harness {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    pass


def quiet() -> None:
    """Keep model libraries from talking over us: their hints are not about the user's work."""
    quiet_libraries()
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # one for each small file


def _shown(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: str | None = None,
) -> None:
    """Our own warnings are lines for people; anybody else's keep their usual form."""
    if issubclass(category, Notice):
        say(f"· {message}")
    else:
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno))


def main(arguments: list[str] | None = None) -> int:
    """Carry out one command. Only PROMOTE and finished commands return 0; an uncaught exception ends in Python's 1."""
    quiet()
    warnings.showwarning = _shown
    try:
        with remembered():
            result = app(args=arguments, standalone_mode=False)
    except COMPLAINT as complaint:
        cast("Any", complaint).show()
        return Exit.USAGE
    except UsageError as complaint:
        say(f"usage: {complaint}")
        return Exit.USAGE
    except Refused as refusal:
        say(f"REFUSED  {refusal}")
        return Exit.REFUSED
    except OSError as reason:
        if reason.errno not in NOT_OURS:
            raise
        where = f" ({reason.filename})" if reason.filename else ""
        say(f"REFUSED  the system does not let us: {reason.strerror}{where}. What was stored before is kept.")
        return Exit.REFUSED
    except (KeyboardInterrupt, typer.Abort):
        result = INTERRUPTED  # newer versions of typer return it themselves
    if result == INTERRUPTED:
        say("interrupted; what is stored is kept, and the same command goes on from there.")
    if not isinstance(result, int):  # 0 means PROMOTE: a command that forgot its exit code must not end in it
        raise TypeError(f"the command returned {result!r} in place of an exit code")
    return int(result)
