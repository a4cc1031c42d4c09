"""What each browser answered last, so that it can go back, one answer after another."""

from collections import deque
from collections.abc import Sequence

_BACK = 20  # answers that a browser may go back
Said = tuple[int, int]
"""A question and the revision of the answer."""


class Recent:
    """The last answers of each browser. After a restart it knows none."""

    def __init__(self) -> None:
        self._told: dict[str, deque[Said]] = {}

    def note(self, browser: str, question: int, revision: int) -> None:
        """An answer of a browser; the newest is the first that it may take back, also if it replaces an older one."""
        told = self._told.setdefault(browser, deque(maxlen=_BACK))
        if (question, revision - 1) in told:
            told.remove((question, revision - 1))
        told.append((question, revision))

    def of(self, browser: str, before: Said | None = None) -> Sequence[Said]:
        """A browser's answers, the newest first; only those ``before`` one of them, none if it is not among them."""
        told = list(self._told.get(browser, ()))
        if before is not None:
            told = told[: told.index(before)] if before in told else []
        return told[::-1]

    def knows(self, question: int) -> bool:
        """Whether it is among the last answers of anybody."""
        return any(question == other for told in self._told.values() for other, _ in told)
