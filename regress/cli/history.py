"""`regress history`: what was in production, when, and by whose word."""

from __future__ import annotations

from datetime import UTC, datetime

from regress.cli.console import put_json, say
from regress.cli.grouped import grouped
from regress.cli.options import JsonOption
from regress.cli.registries import Place


@grouped
def history(place: Place, json: JsonOption = False) -> int:
    """Show every promotion and rollback in order, each record verified again today.

    Exit code 5 when the history was edited, or production was moved by other means.
    """
    from regress.cli.promotion_tables import history_objects, history_table
    from regress.promote.reviewing import review

    registry = place.open()
    reviewed = review(registry, place.believed(), now=datetime.now(UTC))
    if json:
        put_json(history_objects(reviewed))
    elif reviewed.entries:
        say(history_table(reviewed))
    else:
        say(f"nothing was promoted to {registry.where} yet.")
    return 0
