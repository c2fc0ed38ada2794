"""`regress verify [ADAPTER]`: may this adapter be deployed?"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regress.cli.console import put_json, say
from regress.cli.grouped import grouped
from regress.cli.options import JsonOption
from regress.cli.registries import Place

if TYPE_CHECKING:
    from regress.promote.registry import Registry


@grouped
def verify(
    place: Place,
    adapter: Annotated[
        Path | None,
        typer.Argument(help="Adapter folder.", metavar="[ADAPTER]", show_default="what is in production"),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(help="The signed record.", show_default="promotion.json beside the folder, else the registry's"),
    ] = None,
    max_age: Annotated[
        int | None, typer.Option(min=0, metavar="DAYS", help="Refuse a promotion that is older.", show_default=False)
    ] = None,
    production: Annotated[
        bool, typer.Option("--production", help="Refuse what was promoted once but is not in production now.")
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Verify a private copy in this new folder: deploy from there."),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Check, offline, that an adapter is exactly what was promoted: signature, files, age, revocation, waivers.

    Exit code 0, or 5 with the one reason.
    """
    from regress.cli.promotion_tables import as_object, summary
    from regress.promote.verifying import refuse_unless_production, verify_files, verify_record

    root = place.believed()
    limit = None if max_age is None else timedelta(days=max_age)
    with tempfile.TemporaryDirectory(prefix="regress-verify-") as scratch:
        if adapter is None:
            folder, data = _production(place.open(), Path(scratch))
        else:
            folder, data = adapter.resolve(), _record_of(adapter.resolve(), record, place)
        found = verify_record(data, root, now=datetime.now(UTC), max_age=limit)
        verify_files(found, folder, copy_to=to)
        if production:
            refuse_unless_production(found, place.open())
    name = next(key.name for key in root.keys if key.id == found.key)
    say(f"VERIFIED  {to or adapter or 'production'} is what was promoted on {found.facts.made}, signed by {name!r}.")
    say(summary(found))
    if json:
        put_json(as_object(found))
    return 0


def _record_of(folder: Path, named: Path | None, place: Place) -> bytes:
    """The record that was named, or that lies beside the folder, or that the registry's history has of its files."""
    from regress.promote.registry import RECORD, read_record
    from regress.promote.verifying import find_record

    beside = folder.parent / RECORD
    if named is None and place.registry is None and beside.is_file():
        named = beside
    return find_record(folder, place.open()) if named is None else read_record(named)


def _production(registry: Registry, scratch: Path) -> tuple[Path, bytes]:
    """The adapter in production and its record, fetched into `scratch` where the registry is elsewhere."""
    from regress.errors import PromotionError
    from regress.promote.registry import ADAPTER

    digest = registry.line().production
    if digest is None:
        raise PromotionError(f"nothing is in production in {registry.where}. Promote an adapter first.")
    return registry.version(digest, scratch).resolve() / ADAPTER, registry.record(digest)
