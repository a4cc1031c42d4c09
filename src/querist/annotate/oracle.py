"""People as the oracle: questions wait for browsers, answers wait for the thread that owns the ledger."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from querist.annotate.desk import AlreadyAnsweredError, UnknownQuestionError, UnreadyError
from querist.core import answers as codec
from querist.core.ledger import Question
from querist.core.oracle import Oracle


class PeopleOracle(Oracle):
    """Stands between the threads of a web server and the one thread that plays the deployment and writes the ledger.

    The deployment's thread calls :meth:`submit`, :meth:`collect`, :meth:`corrections` and :meth:`wait`; any thread
    calls :meth:`answer`, which returns only after the other thread has committed. What it takes as the commit is that
    the loop over :meth:`collect` came back for the next answer: the ledger's ``answer`` stands in its body, and an
    answer whose body failed is handed out again.

    Args:
        patience: seconds that :meth:`answer` waits for the commit.
    """

    def __init__(self, patience: float = 30.0) -> None:
        self._patience = patience
        self._changed = threading.Condition()
        self._open: dict[int, Question] = {}
        self._said: dict[int, list[str | None]] = {}  # digests, by revision, whether they are kept yet or not
        self._kept: dict[int, int] = {}  # how many revisions of a question are committed
        self._came: deque[tuple[int, int, np.ndarray | None]] = deque()
        self._closed, self._nudged = False, False
        self._commits = 0

    # The deployment's thread --------------------------------------------------------------------------------------

    def submit(self, questions: Sequence[Question]) -> None:
        with self._changed:
            self._open.update({q.id: q for q in questions if q.id not in self._said})
            self._changed.notify_all()

    def collect(self) -> Iterator[tuple[int, np.ndarray | None]]:
        for question, _, answer in self._take(first=True):
            yield question, answer

    def corrections(self) -> Iterator[tuple[int, np.ndarray | None, int]]:
        for question, revision, answer in self._take(first=False):
            yield question, answer, revision

    def wait(self, seconds: float | None = None) -> bool:
        """Sleep until there is something to do: to collect, :meth:`nudge`, :meth:`close`; False if nothing came."""
        with self._changed:
            came = self._changed.wait_for(lambda: bool(self._came) or self._closed or self._nudged, seconds)
            self._nudged = False
            return came

    def remember(self, answers: Iterable[tuple[int, np.ndarray | None]]) -> None:
        """Answers of an earlier process, all revisions in order: who sends one again learns that it is kept."""
        with self._changed:
            for question, answer in answers:
                said = self._said.setdefault(question, [])
                said.append(digest(answer))
                self._kept[question] = len(said)
                self._open.pop(question, None)

    def close(self) -> None:
        """Nothing will be collected any more: who waits is told to try again later."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _take(self, first: bool) -> Iterator[tuple[int, int, np.ndarray | None]]:
        while (came := self._pop(first)) is not None:
            kept = False
            try:
                yield came
                kept = True
            finally:
                question, revision, _ = came
                with self._changed:
                    if kept:
                        self._kept[question] = revision + 1
                        self._commits += 1
                    else:
                        self._came.appendleft(came)
                    self._changed.notify_all()

    def _pop(self, first: bool) -> tuple[int, int, np.ndarray | None] | None:
        with self._changed:
            for place, (question, revision, answer) in enumerate(self._came):
                if (revision == 0) == first and self._kept.get(question, 0) == revision:
                    del self._came[place]
                    return question, revision, answer
        return None

    # Any thread ---------------------------------------------------------------------------------------------------

    @property
    def open(self) -> list[Question]:
        """The questions that nobody answered, in the order in which they were asked."""
        with self._changed:
            return list(self._open.values())

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    @property
    def commits(self) -> int:
        """How many answers were kept, corrections among them."""
        return self._commits

    def nudge(self) -> None:
        """Wake whoever waits for answers: there is something else to do."""
        with self._changed:
            self._nudged = True
            self._changed.notify_all()

    def revisions(self, question: int) -> int:
        """How many answers a question got, kept or not yet."""
        with self._changed:
            return len(self._said.get(question, []))

    def said(self, question: int, revision: int) -> str | None:
        """The :func:`digest` of an answer that was given; IndexError or KeyError if none was."""
        with self._changed:
            return self._said[question][revision]

    def answer(self, question: int, answer: np.ndarray | None, revision: int = 0) -> bool:
        """Give an answer; committed when this returns.

        Args:
            question: its id.
            answer: as the task understands it; None: cannot tell.
            revision: 0 is the first answer, a correction has the next number.

        Returns:
            True; False if this very answer had been given before.

        Raises:
            UnknownQuestionError: nobody asked this, or a revision is left out.
            AlreadyAnsweredError: this revision was answered differently.
            UnreadyError: it was not committed in time. It may be yet: send the same again.
        """
        told = digest(answer)
        with self._changed:
            said = self._said.get(question, [])
            new = revision >= len(said)
            if new:
                if revision > len(said) or (revision == 0 and question not in self._open):
                    raise UnknownQuestionError(f"question {question} was not asked", "answer the one that is asked now")
                if self._closed:
                    raise UnreadyError("the run is being closed", "send the answer again once it goes on")
                self._said.setdefault(question, []).append(told)
                self._open.pop(question, None)
                self._came.append((question, revision, answer))
                self._changed.notify_all()
            elif said[revision] != told:
                raise AlreadyAnsweredError(f"question {question} was answered differently", "take that back first")
            self._changed.wait_for(lambda: self._closed or self._kept.get(question, 0) > revision, self._patience)
            if self._kept.get(question, 0) <= revision:
                raise UnreadyError(f"the answer to question {question} could not be kept yet", "send the same again")
        return new


def digest(answer: np.ndarray | None) -> str | None:
    """What tells answers apart; None: cannot tell."""
    return None if answer is None else codec.encode(answer)[0]
