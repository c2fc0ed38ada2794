"""The server: GET only, loopback only, a strict policy on every answer; pages are made from what is on disk now."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import PackageLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from regress.errors import Refused
from regress.lock.lockfile import Lock
from regress.lock.promise import Loaded
from regress.promote.reviewing import Review
from regress.report.html.page import render
from regress.report.html.texts import seen
from regress.report.words import amount, headline, interval, points, spread
from regress.run.stored import opened
from regress.schema import Decision
from regress.view import comparing, shelf, trend
from regress.view.live import Live, live_runs

HOSTS = ("127.0.0.1", "localhost", "[::1]", "::1")
"""Names that a page of this server may be asked by: a page of another site that resolves to us is answered 400."""

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
REPORT_POLICY = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"  # beside the stricter one in the page
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
STATIC = {"page.css": "text/css", "view.css": "text/css", "live.js": "text/javascript"}

Promotions = Callable[[], Review]
"""Reads the registry; raises Refused where there is none or it does not verify."""


class Harden:
    """Refuses every method but GET and HEAD, and puts the headers on every answer, errors included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Content-Security-Policy", POLICY)
            await send(message)

        if scope["method"] not in ("GET", "HEAD"):
            await Response("read-only", 405, {"Allow": "GET, HEAD"})(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)


def build_app(project: Path, promotions: Promotions) -> Starlette:
    """The application for one project folder."""
    pages = Pages(project, promotions)
    return Starlette(
        routes=[
            Route("/", pages.home),
            Route("/candidate/{short}", pages.candidate),
            Route("/compare", pages.compare),
            Route("/item", pages.item),
            Route("/live.json", pages.live),
            Route("/static/{name}", pages.static),
        ],
        middleware=[Middleware(Harden), Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS))],
        exception_handlers={404: pages.not_found},
    )


class Pages:
    """One method a page. Files are read in a thread, so that a long page does not hold up the others."""

    def __init__(self, project: Path, promotions: Promotions) -> None:
        self._project = project
        self._promotions = promotions
        self._templates = SandboxedEnvironment(
            loader=PackageLoader("regress.view"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._templates.filters |= {"seen": seen, "points": points, "interval": interval}
        self._templates.globals |= {"amount": amount, "spread": spread}

    async def home(self, request: Request) -> Response:
        return await run_in_threadpool(self._home)

    def _home(self) -> Response:
        stored = shelf.read_shelf(self._project)
        now = _opened(stored)
        decided: dict[str, tuple[str, Decision]] = {}
        rows = []
        for standing in stored.candidates:
            decision, complaint = None, None
            try:
                decision = shelf.decide_again(stored, standing, now()).judgement.decision
                decided[standing.short] = (standing.name, decision)
            except Refused as refusal:
                complaint = str(refusal)
            said = None if decision is None else headline(decision)
            rows.append({"standing": standing, "decision": decision, "complaint": complaint, "said": said})
        review, unread = None, None
        try:
            review = self._promotions()
        except Refused as refusal:
            unread = str(refusal)
        return self._page(
            "home.html",
            project=stored.project,
            rows=rows[::-1],
            trends=trend.trends(decided),
            review=review,
            unread=unread,
            problems=stored.problems,
            live=_live(now, stored),
            runs=comparing.newest(stored),
        )

    async def candidate(self, request: Request) -> Response:
        return await run_in_threadpool(self._candidate, request.path_params["short"])

    def _candidate(self, short: str) -> Response:
        stored = shelf.read_shelf(self._project)
        standing = stored.candidate(short)
        if standing is None:
            return self._problem("There is no such candidate in the ledger.", 404)
        try:
            shown = shelf.decide_again(stored, standing, opened(stored.project))
        except Refused as refusal:
            return self._problem(str(refusal), 409)
        page = render(shown.judgement.decision, shown.judgement.comparisons, shown.exhibits)
        return HTMLResponse(page, headers={"Content-Security-Policy": REPORT_POLICY})

    async def compare(self, request: Request) -> Response:
        return await run_in_threadpool(self._compare, dict(request.query_params))

    def _compare(self, asked: dict[str, str]) -> Response:
        stored = shelf.read_shelf(self._project)
        before, after = stored.run(asked.get("a", "")), stored.run(asked.get("b", ""))
        if before is None or after is None:
            return self._page("compare.html", runs=comparing.newest(stored), pair=None, limit=0)
        try:
            loaded, _ = opened(stored.project)
            pair = comparing.compare_runs(loaded, before, after)
        except Refused as refusal:
            return self._problem(str(refusal), 409)
        return self._page("compare.html", runs=comparing.newest(stored), pair=pair, limit=comparing.SHOWN_FLIPS)

    async def item(self, request: Request) -> Response:
        return await run_in_threadpool(self._item, dict(request.query_params))

    def _item(self, asked: dict[str, str]) -> Response:
        stored = shelf.read_shelf(self._project)
        try:
            loaded, _ = opened(stored.project)
        except Refused as refusal:
            return self._problem(str(refusal), 409)
        found = comparing.find_item(loaded, asked.get("suite", ""), asked.get("id", ""))
        if found is None:
            return self._problem("There is no such item in the suites.", 404)
        names = {one.short: one.name for one in stored.candidates}
        page = comparing.item_page(*found, comparing.newest(stored)[::-1])
        return self._page("item.html", page=page, names=names)

    async def live(self, request: Request) -> Response:
        return await run_in_threadpool(self._live_json)

    def _live_json(self) -> Response:
        stored = shelf.read_shelf(self._project)
        return JSONResponse([_as_object(one) for one in _live(_opened(stored), stored)])

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in STATIC:
            return self._problem("There is no such file.", 404)
        package = "regress.report.html" if name == "page.css" else "regress.view"
        return Response(files(package).joinpath("static", name).read_bytes(), media_type=STATIC[name])

    async def not_found(self, request: Request, reason: Exception) -> Response:
        return self._problem("There is no such page.", 404)

    def _problem(self, what: str, status: int) -> Response:
        return self._page("problem.html", status=status, what=what)

    def _page(self, name: str, status: int = 200, **values: Any) -> Response:
        return HTMLResponse(self._templates.get_template(name).render(values), status)


def _opened(stored: shelf.Shelf) -> Callable[[], tuple[Loaded, Lock]]:
    """Suites and lock as they are for this one page: read when first asked for; raises Refused each time."""
    return cache(partial(opened, stored.project))


def _live(now: Callable[[], tuple[Loaded, Lock]], stored: shelf.Shelf) -> list[Live]:
    with suppress(Refused):
        loaded, _ = now()
        return live_runs(stored, shelf.planned_items(loaded), time.time())
    return []


def _as_object(one: Live) -> dict[str, Any]:
    suites = [
        {"suite": s.suite, "right": s.right, "asked": s.asked, "planned": s.planned, "ci90": [s.low, s.high]}
        for s in one.suites
    ]
    counts = {"done": one.done, "planned": one.planned, "seconds": round(one.seconds, 1)}
    return {"run": one.run, "variant": one.variant, "writing": one.writing, **counts, "suites": suites}
