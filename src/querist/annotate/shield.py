"""What stands before every request: names and origins, size, headers, and no word about what went wrong inside."""

import json
import logging
from collections.abc import Collection

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

HEADERS = {
    # Scripts, styles and pictures of our own and nothing else; pictures also from memory. Trusted types forbid to make
    # HTML of text.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        "trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
LARGEST = 4096
"""Bytes of a request's body; an answer has about a hundred."""


class Shield:
    """Wraps the application.

    Args:
        app: what is protected.
        hosts: the names by which the server may be called, as in a Host header: ``127.0.0.1:8765``; with a scheme, as
            in ``https://labels.example``, pages of that scheme alone are ours. A page of another name that was pointed
            to this address (DNS rebinding) has another Host; a page of another origin that posts here (cross-site
            request forgery) has another Origin.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        ours = [host.casefold().rpartition("://") for host in hosts]
        self._hosts = frozenset(host for _, _, host in ours)
        # TLS may end before us, so both schemes are ours where none is said.
        self._origins = frozenset(
            f"{scheme}://{host}" for said, _, host in ours for scheme in ([said] if said else ["http", "https"])
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        began = False

        async def guarded(message: Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start":
                began = True
                ours = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", ()), *ours]}
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await _reply(guarded, *refusal)
            return
        try:
            await self._app(scope, _limited(receive), guarded)
        except ClientDisconnect:
            return
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            if began:
                raise
            await _reply(guarded, 500, "defect", "Something went wrong in the server; its log says what.")

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        """(status, kind, words) for a request that goes no further."""
        hosts = _header(scope, b"host")
        if len(hosts) != 1 or hosts[0].casefold() not in self._hosts:
            return 421, "host", "This server is not called by that name; open the link that it printed."
        # A proxy may have put our own name into Host; what a browser says of the page that asks, it has left alone.
        origins = _header(scope, b"origin")
        reads = scope["method"] in ("GET", "HEAD")
        if any(origin.casefold() not in self._origins for origin in origins) or (len(origins) != 1 and not reads):
            return 403, "origin", "Another site may not ask for this."
        sites = _header(scope, b"sec-fetch-site")
        if scope["path"].startswith(("/api", "/picture")) and any(s not in ("same-origin", "none") for s in sites):
            return 403, "origin", "Another site may not ask for this."
        lengths = _header(scope, b"content-length")
        if any(not n.isascii() or not n.isdigit() or len(n) > 9 or int(n) > LARGEST for n in lengths):
            return 413, "large", "The request is too large."
        return None


def _limited(receive: Receive) -> Receive:
    """Counts what comes, because a length that is announced can be wrong or missing."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > LARGEST:
            raise HTTPException(413)
        return message

    return counted


def _header(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


async def _reply(send: Send, status: int, kind: str, what: str) -> None:
    body = json.dumps({"error": {"kind": kind, "what": what, "fix": ""}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
