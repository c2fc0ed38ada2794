"""`regress view`: stored runs, decisions and promotions in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from regress.cli.console import say
from regress.cli.grouped import grouped
from regress.cli.registries import Place
from regress.errors import UsageError
from regress.suite import read_project

if TYPE_CHECKING:
    from regress.promote.reviewing import Review

PORT = 8321


@grouped
def view(
    place: Place,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0: any free port.")] = PORT,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = False,
) -> int:
    """Show candidates, trends, promotions and running checks in a browser, and compare any two runs.

    Reads only, and answers this machine only (127.0.0.1). Stop it with Ctrl-C.
    """
    import socket
    import webbrowser

    import uvicorn

    from regress.view.app import build_app

    read_project(place.project)  # a folder without a project is refused here, not on every page
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()  # before the address is said: whoever reads it may ask at once
    except OSError as reason:
        listener.close()
        raise UsageError(
            f"port {port} is taken ({reason.strerror}): name another with --port, or 0 for any."
        ) from reason
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    say(f"{url}  (Ctrl-C stops it)")
    if browser:
        webbrowser.open(url)
    config = uvicorn.Config(build_app(place.project, lambda: _review(place)), log_level="warning", server_header=False)
    uvicorn.Server(config).run(sockets=[listener])
    return 0


def _review(place: Place) -> Review:
    """The promotions, verified today; where there is none yet, nobody has to be believed."""
    from datetime import UTC, datetime

    from regress.promote.reviewing import Review, review

    registry = place.open()
    line = registry.line()
    return review(registry, place.believed(), now=datetime.now(UTC)) if line.events else Review(line=line, entries=())
