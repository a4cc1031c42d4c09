"""How fast people answer, breaks left out."""

import threading
import time
from collections import deque
from collections.abc import Callable


class Pace:
    """Answers in a minute of work, over the latest answers. Safe to use from several threads.

    Args:
        latest: over how many answers.
        pause: seconds between two answers from which on it was a break and no work.
        clock: seconds that never go back.
    """

    enough = 4
    """How many gaps between answers it takes to name a number."""

    def __init__(self, latest: int = 60, pause: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._pause, self._clock = pause, clock
        self._gaps: deque[float] = deque(maxlen=latest)
        self._last: float | None = None
        self._lock = threading.Lock()

    def note(self) -> None:
        """An answer came."""
        with self._lock:
            now = self._clock()
            if self._last is not None and now - self._last < self._pause:
                self._gaps.append(now - self._last)
            self._last = now

    def per_minute(self) -> float | None:
        """Answers per minute; None while there are too few to tell."""
        with self._lock:
            worked = sum(self._gaps)
            return 60.0 * len(self._gaps) / worked if len(self._gaps) >= self.enough and worked > 0 else None
