"""Serving the answer page on this machine."""

import secrets
import socket
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import uvicorn

from querist.annotate.application import application
from querist.annotate.desk import Desk
from querist.errors import QueristError

_LOOPBACK = {"127.0.0.1": ("127.0.0.1", "localhost"), "localhost": ("localhost", "127.0.0.1"), "::1": ("[::1]",)}
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - refused without names


class Address:
    """Where a page will be, taken at once: nobody waits for data only to hear that a port is taken.

    Args:
        host: the address to listen on. Loopback, unless people on other machines or phones shall answer: then give the
            address of this machine in their network. The connection is not encrypted, so only in a network you trust.
        port: 0 takes any that is free.
        names: by which else the server may be called in a browser; needed where ``host`` means every address. With
            ``https://`` before it, the name of a proxy that speaks TLS and asks here: browsers call that, without our
            port.

    Attributes:
        port: the one that was taken.
        hosts: by which a browser may call, as :class:`~querist.annotate.shield.Shield` takes them.
        link: what a browser is told to open.

    Raises:
        QueristError: the address is taken or not of this machine; or it means every address and there is no name.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, names: Sequence[str] = ()) -> None:
        proxies = [_proxy(name) for name in names if "://" in name]
        own = () if host in _EVERYWHERE else _LOOPBACK.get(host, (_bracketed(host),))
        called = [*own, *(name for name in names if "://" not in name)]
        if not called and not proxies:
            raise QueristError(
                f"{host or 'every address'} is no name that a browser could call",
                "give the address of this machine in your network, or name those it is called by",
            )
        self.socket = _listening(host, port)
        self.port = int(self.socket.getsockname()[1])
        self.hosts = [f"{name}:{self.port}" for name in called] + (called if self.port == 80 else []) + proxies
        self.link = f"{proxies[0]}/" if proxies else f"http://{self.hosts[0]}/"

    def close(self) -> None:
        """Give the address back; safe to call twice."""
        self.socket.close()


class Server:
    """The page behind an address; :meth:`run` answers on it.

    Args:
        desk: has the questions.
        address: where; closed when :meth:`run` ends.
        secret: see :func:`querist.annotate.application.application`.
        title: of the page.
        told: is given a link for the next browser, now and each time one was used. A link works once.
    """

    def __init__(
        self,
        desk: Desk,
        address: Address,
        *,
        secret: bytes | None = None,
        title: str = "querist",
        told: Callable[[str], None] = print,
    ) -> None:
        self._address = address

        def link(token: str) -> None:
            told(f"{address.link}#{token}")

        token = secrets.token_urlsafe(24)
        app = application(desk, token, address.hosts, secret=secret, title=title, invite=link)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                http="h11",
                ws="none",
                lifespan="off",
                server_header=False,
                proxy_headers=False,
                limit_concurrency=256,  # a page needs two or three
                timeout_keep_alive=30,
                timeout_graceful_shutdown=5,
                h11_max_incomplete_event_size=16_384,
            )
        )
        link(token)

    def run(self) -> None:
        """Answer until :meth:`stop` or, in the main thread, an interruption (which is raised again afterwards)."""
        try:
            self._server.run(sockets=[self._address.socket])
        finally:
            self._address.close()

    def stop(self) -> None:
        """Let :meth:`run` return once the requests under way are answered; from any thread."""
        self._server.should_exit = True


def _proxy(name: str) -> str:
    """``https://NAME`` or ``https://NAME:PORT``."""
    found = urlsplit(name)
    if found.scheme != "https" or not found.hostname or found.path.strip("/") or found.query or found.fragment:
        raise QueristError(
            f"--names {name}: not the address of a proxy",
            "write https://NAME or https://NAME:PORT for a proxy, and plain names without //",
        )
    return f"https://{found.netloc}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    fix = "choose another --port of 'querist label' (0: any that is free), or --host"
    if not 0 <= port < 2**16:
        raise QueristError(f"cannot listen on port {port} of {host}: ports end at {2**16 - 1}", fix)
    try:
        return socket.create_server((host, port), family=family, backlog=64)
    except OSError as error:
        raise QueristError(f"cannot listen on port {port} of {host}: {error}", fix) from error
