"""The answer page as a web application: a page, four calls and pictures, in front of a desk."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from querist.annotate.desk import (
    AlreadyAnsweredError,
    Asked,
    Desk,
    DeskError,
    UnknownQuestionError,
    UnreadyError,
    check_name,
)
from querist.annotate.gate import Gate
from querist.annotate.shield import Shield

_STATIC = Path(__file__).parent / "static"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_STATUS = {
    UnknownQuestionError: (404, "unknown"),
    AlreadyAnsweredError: (409, "conflict"),
    UnreadyError: (503, "unready"),
}
_DAYS = 30 * 24 * 3600
_BODY_SECONDS = 10.0

Endpoint = Callable[[Request], Awaitable[Response]]


def application(
    desk: Desk,
    token: str,
    allowed_hosts: Collection[str],
    *,
    secret: bytes | None = None,
    title: str = "querist",
    invite: Callable[[str], None] | None = None,
) -> ASGIApp:
    """The page and its interface, for any ASGI server.

    Args:
        desk: has the questions.
        token: lets one browser in: the page is opened as ``/#token``.
        allowed_hosts: the names by which the server may be called, with the port: ``127.0.0.1:8765``; or, where a
            proxy speaks TLS, as ``https://labels.example``.
        secret: signs the cookies; with the same secret a page stays signed in over a restart. None: a new one.
        title: of the page, such as the recipe's name.
        invite: told the next token once one was used, so that another browser can come in; None: only one can.

    Raises:
        ValueError: a token or secret that can be guessed.
    """
    gate = Gate(token, secret or secrets.token_bytes(32), invite)
    interface = _Interface(desk, gate, title)
    routes = [
        Route("/api/enter", interface.enter, methods=["POST"]),
        Route("/api/state", interface.inside(interface.state), methods=["GET"]),
        Route("/api/answer", interface.inside(interface.answer), methods=["POST"]),
        Route("/api/undo", interface.inside(interface.undo), methods=["POST"]),
        Route("/picture/{question}/{which}", interface.inside(interface.picture), methods=["GET"]),
        *(Route("/" if file.name == "index.html" else f"/{file.name}", _static(file)) for file in _files()),
    ]
    # No Starlette object: its outermost layer would answer what failed before the shield could.
    router = Router(routes, redirect_slashes=False)
    return Shield(ExceptionMiddleware(router, handlers={HTTPException: _refused}), allowed_hosts)


class _Interface:
    """The calls. A reply always holds the whole state, so that the page never has to guess it."""

    def __init__(self, desk: Desk, gate: Gate, title: str) -> None:
        self._desk, self._gate, self._title = desk, gate, title

    def inside(self, call: Callable[[Request, str], Awaitable[Response]]) -> Endpoint:
        """A call for those who signed in: told the browser's name, and with the desk's refusals put into words."""

        async def endpoint(request: Request) -> Response:
            browser = self._browser(request)
            if browser is None:
                return _error(401, "signed-out", "This page is not signed in.", "open the newest link that was printed")
            try:
                return await call(request, browser)
            except DeskError as refused:
                status, kind = next((s for c, s in _STATUS.items() if isinstance(refused, c)), (400, "refused"))
                return _error(status, kind, refused.what, refused.fix)

        return endpoint

    async def enter(self, request: Request) -> Response:
        """Exchange the token for a cookie; who has one already keeps it, and the token stays good for another."""
        body = await _body(request, {"token": str})
        if self._browser(request) is not None:
            return Response(status_code=204)
        cookie = self._gate.enter(body["token"])
        if cookie is None:
            words = "This link was used before, or is not of this run."
            return _error(401, "signed-out", words, "open the newest link that was printed")
        response = Response(status_code=204)
        secure = request.headers["origin"].startswith("https:")  # TLS ends before us; the shield asks for an Origin
        response.set_cookie(
            self._gate.cookie, cookie, max_age=_DAYS, path="/", secure=secure, httponly=True, samesite="strict"
        )
        return response

    async def state(self, request: Request, browser: str) -> Response:
        return await self._state(browser)

    async def answer(self, request: Request, browser: str) -> Response:
        body = await _body(request, {"question": int, "revision": int, "choice": str})
        receipt = await run_in_threadpool(
            self._desk.answer, browser, body["question"], body["revision"], body["choice"]
        )
        return await self._state(browser, receipt=asdict(receipt))

    async def undo(self, request: Request, browser: str) -> Response:
        body = await _body(request, {"question": int, "revision": int})
        asked = await run_in_threadpool(self._desk.undo, browser, body["question"], body["revision"])
        return await self._state(browser, undone=asked is not None)

    async def picture(self, request: Request, browser: str) -> Response:
        question, which = request.path_params["question"], request.path_params["which"]
        try:
            number = _number(question)
            check_name(which)
        except ValueError:
            raise HTTPException(404) from None
        image = await run_in_threadpool(self._desk.picture, number, which)
        return Response(image.data, media_type=image.media_type)

    def _browser(self, request: Request) -> str | None:
        return self._gate.browser(request.cookies.get(self._gate.cookie))

    async def _state(self, browser: str, **more: Any) -> Response:
        return await run_in_threadpool(self._found, browser, more)

    def _found(self, browser: str, more: dict[str, Any]) -> Response:
        found = self._desk.next(browser)
        undo = self._desk.undoable(browser)
        state = {
            "run": self._gate.run,
            "title": self._title,
            "asked": asdict(found) if isinstance(found, Asked) else None,
            "nothing": None if isinstance(found, Asked) else asdict(found),
            "undo": None if undo is None else asdict(undo),
            "conflicts": [asdict(conflict) for conflict in self._desk.conflicts()],
            "progress": asdict(self._desk.progress()),
        }
        return _json(200, state | more)


async def _body(request: Request, fields: dict[str, type]) -> dict[str, Any]:
    """The JSON object of a request, if it has exactly these fields; 400 or 415 otherwise."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415)
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            found = json.loads(await request.body())
    except (ValueError, RecursionError, TimeoutError):
        raise HTTPException(400) from None
    if not isinstance(found, dict) or found.keys() != fields.keys():
        raise HTTPException(400)
    for name, kind in fields.items():
        if type(found[name]) is not kind or (kind is int and not 0 <= found[name] < 2**63):
            raise HTTPException(400)
    return found


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError(text)
    return int(text)


async def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    kind = "unknown" if status == 404 else "malformed"
    return _error(status, kind, "The server does not understand this request.", "reload the page")


def _error(status: int, kind: str, what: str, fix: str) -> Response:
    return _json(status, {"error": {"kind": kind, "what": what, "fix": fix}})


def _json(status: int, content: Any) -> Response:
    # As ASCII: half a surrogate pair, sent as a choice and told back, cannot be encoded.
    return Response(json.dumps(content), status, media_type="application/json")


def _files() -> list[Path]:
    return sorted(path for path in _STATIC.iterdir() if path.suffix in _TYPES)


def _static(file: Path) -> Endpoint:
    """A file of the page, read once; there is no path from a request to the disk."""
    content, media_type = file.read_bytes(), _TYPES[file.suffix]

    async def endpoint(request: Request) -> Response:
        return Response(content, media_type=media_type)

    return endpoint
