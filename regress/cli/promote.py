"""`regress promote ADAPTER`: from a PROMOTE decision to production."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from regress.cli.console import put_json, say
from regress.cli.gate import collector_paused
from regress.cli.grouped import grouped
from regress.cli.options import AdapterArgument, JsonOption
from regress.cli.registries import KeyOption, Place, default_key
from regress.errors import UsageError
from regress.suite import read_project

if TYPE_CHECKING:
    from regress.promote.record import Waiver


@dataclass(frozen=True, kw_only=True)
class Waiving:
    """Suites that need not pass, and whose word that is."""

    waive: Annotated[
        list[str] | None,
        typer.Option("--waive", metavar="SUITE", help="Promote although this suite did not pass. May be repeated."),
    ] = None
    reason: Annotated[str, typer.Option(help="Why it may be waived.", show_default=False)] = ""
    expires: Annotated[
        str, typer.Option(metavar="DATE", help="The waiver's last day: 2026-12-31.", show_default=False)
    ] = ""
    by: Annotated[str, typer.Option(metavar="NAME", help="Who waives it.", show_default=False)] = ""

    def waivers(self) -> tuple[Waiver, ...]:
        """One for each suite; raises UsageError where something is missing."""
        if not self.waive:
            if self.reason or self.expires or self.by:
                raise UsageError("--reason, --expires and --by belong to --waive SUITE.")
            return ()
        if not (self.reason and self.expires and self.by):
            raise UsageError("--waive needs --reason TEXT, --expires DATE and --by NAME.")
        from regress.promote.record import Waiver
        from regress.promote.times import day

        day(self.expires)
        return tuple(Waiver(suite=suite, reason=self.reason, by=self.by, expires=self.expires) for suite in self.waive)


@grouped
def promote(
    adapter: AdapterArgument,
    waiving: Waiving,
    place: Place,
    allow_unrecorded_training: Annotated[
        bool,
        typer.Option("--allow-unrecorded-training", help="Promote an adapter of which nobody knows under what lock."),
    ] = False,
    key: KeyOption = None,
    json: JsonOption = False,
) -> int:
    """Put an adapter into production: judge it again from stored runs, sign the record, copy it, move the alias.

    Only after a PROMOTE decision on these very bytes under this very lock. Waivers stand in the record, in the history
    and in what `verify` prints; after their last day `verify` refuses the adapter. Exit code 5 when anything speaks
    against it: production then stays what it was.
    """
    now = datetime.now(UTC)
    with collector_paused():
        opened = read_project(place.project)
        from regress.cli.promotion_tables import as_object, short, summary
        from regress.promote.keys import load_key
        from regress.promote.promoting import Wish
        from regress.promote.promoting import promote as carry_out

        wish = Wish(waivers=waiving.waivers(), unrecorded_training=allow_unrecorded_training)
        signing, trust, registry = load_key(key or default_key()), place.believed(), place.open()
        record = carry_out(opened, adapter, registry, key=signing, trust=trust, wish=wish, now=now)
    say(f"promoted {adapter}: production in {registry.where} is {short(record.digest)} now.")
    say(summary(record))
    if json:
        put_json(as_object(record))
    return 0
