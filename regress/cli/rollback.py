"""`regress rollback`: production back to the promotion before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from regress.cli.console import put_json, say
from regress.cli.grouped import grouped
from regress.cli.options import JsonOption
from regress.cli.registries import Place


@grouped
def rollback(
    place: Place,
    to: Annotated[
        str | None,
        typer.Option(metavar="RECORD", help="The beginning of an earlier record.", show_default="the one before"),
    ] = None,
    why: Annotated[str, typer.Option("--why", help="The reason, for the history.", show_default=False)] = "",
    json: JsonOption = False,
) -> int:
    """Move production back to the promotion before it, which is verified first, and say what changes for users.

    Needs no key: only what was signed and promoted before can be gone back to. Exit code 5, with production where it
    was, when the earlier one does not verify today.
    """
    from regress.cli.promotion_tables import as_object, changes, short, summary
    from regress.promote.rolling_back import roll_back

    registry = place.open()
    done = roll_back(registry, place.believed(), now=datetime.now(UTC), to=to, why=why.strip())
    say(f"rolled back: production in {registry.where} is {short(done.after.digest)} now.")
    say(summary(done.after))
    say()
    say(changes(done.before, done.after))
    if json:
        put_json({"before": None if done.before is None else as_object(done.before), "after": as_object(done.after)})
    return 0
