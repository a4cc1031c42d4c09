"""Who holds what: no two browsers are asked the same, and what a closed browser held goes to another."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Key = TypeVar("Key")


class Leases(Generic[Key]):
    """At most one lease for each browser, and one browser for each key (a question, or an anchor with all of its own).

    A lease lasts while its browser keeps asking. One that ran out is taken away only when somebody wants it: a browser
    that comes back first has it still. Safe to use from several threads.

    Args:
        seconds: how long a lease lasts after the browser was last heard of.
        clock: seconds that never go back.
    """

    def __init__(self, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        if not seconds > 0:
            raise ValueError(f"a lease must last some seconds, not {seconds}")
        self._seconds, self._clock = seconds, clock
        self._held: dict[Key, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def take(self, browser: str, wanted: Iterable[Key]) -> Key | None:
        """The key a browser holds, if it is among those wanted; else the first of them that is free, held from now.

        Args:
            browser: who asks.
            wanted: what there is to hold, best first.

        Returns:
            The key; None if others hold them all. A lease on a key that is not wanted is given up.
        """
        with self._lock:
            wanted, now = list(wanted), self._clock()
            mine = self._mine(browser)
            if mine is not None and mine not in wanted:
                del self._held[mine]
                mine = None
            if mine is None:
                mine = next((key for key in wanted if self._free(key, now)), None)
            if mine is not None:
                self._held[mine] = (browser, now + self._seconds)
            return mine

    def held(self, browser: str) -> Key | None:
        """What a browser was given last, if nobody has taken it away."""
        with self._lock:
            return self._mine(browser)

    def holder(self, key: Key) -> str | None:
        """The browser whose lease on a key has not run out."""
        with self._lock:
            return None if self._free(key, self._clock()) else self._held[key][0]

    def release(self, browser: str) -> None:
        """Give up what a browser holds."""
        with self._lock:
            mine = self._mine(browser)
            if mine is not None:
                del self._held[mine]

    def _mine(self, browser: str) -> Key | None:
        return next((key for key, (holder, _) in self._held.items() if holder == browser), None)

    def _free(self, key: Key, now: float) -> bool:
        return key not in self._held or self._held[key][1] <= now
