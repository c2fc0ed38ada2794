"""`regress keys`: make a signing key, and say which keys a project believes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from regress.cli.console import put_json, say
from regress.cli.grouped import grouped
from regress.cli.options import JsonOption
from regress.cli.registries import Place, Trusting, default_key
from regress.errors import PromotionError, UsageError
from regress.report.words import visible

if TYPE_CHECKING:
    from regress.promote.trust import TrustRoot

app = typer.Typer(name="keys", help="Make a signing key, and say which keys a project believes.", no_args_is_help=True)

NameOption = Annotated[str, typer.Option("--name", help="What people call the key.", show_default="release")]
ExpiresOption = Annotated[
    str | None, typer.Option("--expires", metavar="DATE", help="The last day on which it is believed: 2027-12-31.")
]


@app.command("init")
@grouped
def init(
    place: Trusting,
    out: Annotated[
        Path | None, typer.Option(help="Where to write the private key.", show_default="~/.config/regress/")
    ] = None,
    name: NameOption = "release",
    expires: ExpiresOption = None,
) -> int:
    """Make an ed25519 key: the private half for you alone, the public half into the project's trust root.

    The private key is written with mode 0600, never overwritten, and never into the project.
    """
    from regress.promote.keys import make_key
    from regress.promote.trust import write_trust

    path, where = (out or default_key()).resolve(), place.trust_file
    if path.is_relative_to(place.project.resolve()):
        raise UsageError(f"{path} is inside the project, where it would be committed. Choose another --out.")
    root = _root(where)
    _refuse_bad(name, expires)
    key = make_key(path)
    write_trust(where, root.with_key(key.public, name=name, expires=expires, now=datetime.now(UTC)))
    say(f"private key  {path}: keep it to yourself, and keep a copy; {path}.pub is its public half.")
    say(f"trusted as   {name} ({key.id[:19]}…) in {where}: commit that file.")
    return 0


@app.command("add")
@grouped
def add(
    place: Trusting,
    public: Annotated[Path, typer.Argument(help="A public key: the file that ends in .pub.")],
    name: NameOption = "release",
    expires: ExpiresOption = None,
) -> int:
    """Believe one more key: a colleague's, a machine's, or the next one of yours."""
    from regress.promote.keys import key_id, read_public
    from regress.promote.trust import write_trust

    where = place.trust_file
    half = read_public(public)
    _refuse_bad(name, expires)
    write_trust(where, _root(where).with_key(half, name=name, expires=expires, now=datetime.now(UTC)))
    say(f"trusted as {name} ({key_id(half)[:19]}…) in {where}: commit that file.")
    return 0


@app.command("revoke")
@grouped
def revoke(
    place: Place,
    key: Annotated[str | None, typer.Argument(help="A key's name, or its id from the first 8 digits on.")] = None,
    record: Annotated[
        str | None, typer.Option("--record", metavar="RECORD", help="Revoke one promotion instead of a key.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why.", show_default=False)] = "",
) -> int:
    """Stop believing a key, whenever it signed, or one promotion."""
    from regress.promote.trust import write_trust

    if (key is None) == (record is None):
        raise UsageError("name a key, or one promotion with --record RECORD.")
    if not reason.strip():
        raise UsageError('a revocation needs its reason: --reason "...".')
    where, now = place.trust_file, datetime.now(UTC)
    root = place.believed()
    if key is not None:
        write_trust(where, root.without_key(key, reason=reason.strip(), now=now))
        say(f"revoked {key}: nothing that it signed verifies any more.")
    else:
        full = _promotion(record or "", place)
        write_trust(where, root.without_record(full, reason=reason.strip(), now=now))
        say(f"revoked the promotion {full.removeprefix('sha256:')[:12]}: it does not verify any more.")
    say(f"commit {where}, and give it to whoever deploys.")
    return 0


@app.command("show")
@grouped
def show(place: Trusting, json: JsonOption = False) -> int:
    """List the keys that are believed, those that no longer are, and revoked promotions."""
    root, now = place.believed(), datetime.now(UTC)
    table = Table(box=None, pad_edge=False)
    for title in ("key", "name", "added", "expires", "today"):
        table.add_column(title, overflow="fold")
    for key in root.keys:
        today = key.complaint(now) or "believed"
        table.add_row(key.id[7:23], visible(key.name), key.added[:10], key.expires or "never", visible(today))
    if json:
        from dataclasses import asdict

        put_json(asdict(root))
        return 0
    say(table)
    for revoked in root.revoked_records:
        say(f"promotion {revoked.record[7:19]} was revoked on {revoked.at[:10]}: {visible(revoked.reason)}")
    return 0


def _root(path: Path) -> TrustRoot:
    """The trust root, or an empty one where none was begun."""
    from regress.promote.trust import TrustRoot, read_trust

    return read_trust(path) if path.exists() or path.is_symlink() else TrustRoot()


def _refuse_bad(name: str, expires: str | None) -> None:
    """Before a key is made that nobody could use."""
    from regress.promote.times import day

    if not name.strip() or len(name) > 100 or visible(name) != name:
        raise UsageError("--name is a short line of text.")
    if expires is not None and day(expires) < datetime.now(UTC).date():
        raise UsageError(f"--expires {expires} is over already.")


def _promotion(beginning: str, place: Place) -> str:
    """The one promotion whose digest begins so: in full, or of the registry's history."""
    digits = beginning.removeprefix("sha256:")
    if len(digits) == 64:
        return f"sha256:{digits}"
    records = {event.record for event in place.open().line().events}
    found = [record for record in records if digits and record.removeprefix("sha256:").startswith(digits)]
    if len(found) != 1:
        raise PromotionError(f"{beginning!r} names {len(found)} promotions of the history, not one.")
    return found[0]
