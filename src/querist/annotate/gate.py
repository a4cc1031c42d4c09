"""Who may come in: a token that works once becomes a cookie that only this run believes."""

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from pathlib import Path

_SHORTEST = 16


class Gate:
    """Lets browsers in. Nothing is kept of them: a cookie is a browser's name and a signature of it.

    So a page that is open stays signed in when the server is started again with the same secret.

    Args:
        token: comes in a link's fragment and works once; at least 16 characters.
        secret: signs the cookies; at least 16 bytes, see :func:`kept_secret`.
        invite: told the next token once one was used, for another browser; None: there is none.

    Raises:
        ValueError: the token or the secret is too short.
    """

    def __init__(self, token: str, secret: bytes, invite: Callable[[str], None] | None = None) -> None:
        if len(token) < _SHORTEST or len(secret) < _SHORTEST:
            raise ValueError(f"a token and a secret must be at least {_SHORTEST} long, or they can be guessed")
        self._token: str | None = token
        self._secret, self._invite = secret, invite
        # Cookies are shared by all ports of a host: each run has its own.
        self.run = hashlib.sha256(b"run" + secret).hexdigest()[:12]
        self.cookie = f"querist-{self.run}"

    def enter(self, token: str) -> str | None:
        """Exchange a token for the value of a cookie; None if it is wrong or was used."""
        if self._token is None or not _same(token, self._token):
            return None
        self._token = None
        browser = secrets.token_hex(8)
        if self._invite is not None:
            self._token = secrets.token_urlsafe(24)
            self._invite(self._token)
        return f"{browser}.{self._sign(browser)}"

    def browser(self, cookie: str | None) -> str | None:
        """The name of the browser that a cookie was given to; None if it was not given by this run."""
        name, dot, signature = (cookie or "").partition(".")
        return name if dot and _same(signature, self._sign(name)) else None

    def _sign(self, browser: str) -> str:
        return hmac.new(self._secret, b"browser" + browser.encode(errors="replace"), hashlib.sha256).hexdigest()


def kept_secret(path: Path) -> bytes:
    """The secret in a file that only its owner can read, made if it is not there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        found = path.read_bytes()
        if len(found) >= _SHORTEST:
            return found
        path.unlink()  # the process that made it was killed before it wrote
        return kept_secret(path)
    made = secrets.token_bytes(32)
    with os.fdopen(descriptor, "wb") as file:
        file.write(made)
    return made


def _same(one: str, other: str) -> bool:
    """Whether two texts are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode(errors="replace"), other.encode(errors="replace"))
