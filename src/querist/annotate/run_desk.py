"""The desk of a run that is played: shows what its thread put up, and brings it the answers."""

import dataclasses
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from querist.annotate.desk import (
    AlreadyAnsweredError,
    Asked,
    Image,
    Nothing,
    Progress,
    Receipt,
    Undo,
    UnknownQuestionError,
)
from querist.annotate.leases import Leases
from querist.annotate.oracle import PeopleOracle
from querist.annotate.pace import Pace

_REMEMBERED = 256  # questions whose pictures may still be asked for
_LEARNING = "The model is learning from the answers. The next question appears by itself."
_TAKEN = "Somebody else is answering. A question appears here once they have stopped for a minute."


@dataclass(frozen=True)
class Card:
    """A question, ready to be shown.

    Args:
        asked: what the page needs.
        lease: what a browser holds while it answers, such as the anchor.
        pictures: the source behind each name of a picture.
    """

    asked: Asked
    lease: str
    pictures: Mapping[str, int]


@dataclass(frozen=True)
class Board:
    """What the run's thread puts up.

    Args:
        answered: questions, of ``budget``.
        card: the open question; None: there is none.
        last: the question before it, if its answer may be taken back: as it is asked then, in its next revision.
        choice: what had been answered to it, in the words of its button.
        nothing: why there is no open question.
    """

    answered: int
    budget: int
    card: Card | None = None
    last: Card | None = None
    choice: str = ""
    nothing: Nothing = dataclasses.field(default_factory=lambda: Nothing("waiting"))


class RunDesk:
    """A :class:`~querist.annotate.desk.Desk`. One question is open at a time, so one browser answers at a time.

    Args:
        oracle: takes the answers to the thread of the run.
        values: what each choice means to the task; None: cannot tell.
        draw: the picture of a source, a JPEG file.
        unit: what is counted, in the plural.
        lease: seconds without a sign of life after which somebody else may answer.
        patience: seconds that a call waits for a question that is about to come.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        oracle: PeopleOracle,
        values: Mapping[str, np.ndarray | None],
        draw: Callable[[int], bytes],
        unit: str = "questions",
        lease: float = 60.0,
        patience: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._oracle, self._values, self._draw, self._unit, self._patience = oracle, values, draw, unit, patience
        self._leases: Leases[str] = Leases(lease, clock)
        self._pace = Pace(clock=clock)
        self._posting = threading.Lock()  # one answer at a time: whether an undo still holds must not change meanwhile
        self._changed = threading.Condition()
        self._board = Board(0, 0, nothing=Nothing("waiting", "The run is being prepared."))
        self._stale = False  # the open question was answered, and the next is not there yet
        self._undone = ""  # the browser that took the last answer back and has not given another
        self._by = ("", -1)  # who answered the last question
        self._pictures: OrderedDict[int, Mapping[str, int]] = OrderedDict()

    # The thread of the run ----------------------------------------------------------------------------------------

    def show(self, board: Board) -> None:
        """Put something up; whoever waits for it goes on."""
        with self._changed:
            self._board, self._stale = board, False
            for card in (board.last, board.card):
                if card is not None:
                    self._pictures[card.asked.id] = card.pictures
                    self._pictures.move_to_end(card.asked.id)
            while len(self._pictures) > _REMEMBERED:
                self._pictures.popitem(last=False)
            self._changed.notify_all()

    # Any thread ---------------------------------------------------------------------------------------------------

    def next(self, browser: str) -> Asked | Nothing:
        with self._changed:
            self._changed.wait_for(lambda: not self._stale, self._patience)
            board = self._board
            if self._stale:
                return Nothing("waiting", _LEARNING)
            if board.card is None:
                return board.nothing
            if self._leases.take(browser, [board.card.lease]) is None:
                return Nothing("waiting", _TAKEN)
            if self._undone == browser and board.last is not None:
                return board.last.asked
            self._undone = ""  # who took it back is gone: the answer stands
            return board.card.asked

    def answer(self, browser: str, question: int, revision: int, choice: str) -> Receipt:
        if choice not in self._values:
            raise UnknownQuestionError(f"question {question} has no such choice", "choose one of its buttons")
        with self._posting:
            if revision and revision >= self._oracle.revisions(question):
                with self._changed:
                    last = self._board.last
                    open_again = not self._stale and last is not None and last.asked.id == question
                if not open_again:
                    raise AlreadyAnsweredError("It is too late to change that answer.", "go on with the next question")
            new = self._oracle.answer(question, self._values[choice], revision)
            if new:
                with self._changed:
                    self._stale = self._board.card is not None and self._awaited(question)
                    self._undone, self._by = "", (browser, question)
                self._pace.note()
        return Receipt(question, revision, choice, new)

    def _awaited(self, question: int) -> bool:
        """Whether the board still shows things as they were before an answer; the run's thread may have been faster."""
        card, last = self._board.card, self._board.last
        now = {} if card is None else {card.asked.id: card.asked.revision}
        now |= {} if last is None else {last.asked.id: last.asked.revision}
        return now.get(question, self._oracle.revisions(question)) < self._oracle.revisions(question)

    def undo(self, browser: str, question: int, revision: int) -> Asked | None:
        with self._posting, self._changed:
            last = self._board.last
            if last is None or not self._may_undo(browser) or (question, revision + 1) != _place(last):
                return None
            self._undone = browser
            return last.asked

    def undoable(self, browser: str) -> Undo | None:
        with self._changed:
            last = self._board.last
            if last is None or self._undone or not self._may_undo(browser):
                return None
            question, revision = _place(last)
            return Undo(question, revision - 1, f"Undo “{self._board.choice}”")

    def _may_undo(self, browser: str) -> bool:
        """Whoever gave the last answer; after a restart nobody knows, and it is whoever answers now."""
        board, (who, question) = self._board, self._by
        if self._stale or board.last is None or board.card is None:
            return False
        if question == board.last.asked.id:
            return who == browser
        return self._leases.holder(board.card.lease) == browser

    def progress(self) -> Progress:
        with self._changed:
            board = self._board
            answered = board.answered - bool(self._undone)
            finished = board.card is None and board.nothing.reason == "done"
        rest = 0 if finished else board.budget - answered
        return Progress(answered, board.budget, rest, self._pace.per_minute(), finished, self._unit)

    def picture(self, question: int, which: str) -> Image:
        with self._changed:
            source = self._pictures.get(question, {}).get(which)
        if source is None:
            raise UnknownQuestionError("there is no such picture", "reload the page")
        return Image(self._draw(source), "image/jpeg")


def _place(card: Card) -> tuple[int, int]:
    return card.asked.id, card.asked.revision
