"""The desk of a run that is played: shows what its thread put up, and brings it the answers."""

import dataclasses
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from querist.annotate.desk import (
    AlreadyAnsweredError,
    Asked,
    Conflict,
    Image,
    Nothing,
    Progress,
    Receipt,
    Undo,
    UnknownQuestionError,
)
from querist.annotate.leases import Leases
from querist.annotate.oracle import PeopleOracle, digest
from querist.annotate.pace import Pace
from querist.annotate.recent import Recent, Said

_REMEMBERED = 32  # questions of each person whose pictures may still be asked for, and whose answers be taken back
_LOOKS = 1.5  # seconds after which a browser looks no more that shows no question: the page asks more often
_LEARNING = "The model is learning from the answers. The next question appears by itself."
_TAKEN = "Others are answering all questions that are open. One appears here once somebody has stopped for a minute."
_CORRECTING = "You are correcting an answer. It was “{}”."


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
        cards: the open questions, as they were asked.
        past: answered questions that may be shown again: those behind ``conflicts``, and the last one.
        last: the question answered last, and the lease of the one that goes on from it; after a restart, whoever
            holds that may take the answer back. None: nothing goes on from it any more, and anybody may.
        conflicts: answers that contradict each other.
        nothing: why there is no open question.
        lingers: there will be no more, but answers can still be taken back.
    """

    answered: int
    budget: int
    cards: Sequence[Card] = ()
    past: Sequence[Card] = ()
    last: tuple[int, str | None] | None = None
    conflicts: Sequence[Conflict] = ()
    nothing: Nothing = dataclasses.field(default_factory=lambda: Nothing("waiting"))
    lingers: bool = False

    @property
    def corrigible(self) -> bool:
        """Whether answers can be taken back."""
        return bool(self.cards) or self.lingers


class RunDesk:
    """A :class:`~querist.annotate.desk.Desk`. Each browser has an open question of its own, with a lease on its anchor.

    Args:
        oracle: takes the answers to the thread of the run.
        values: what each choice means to the task; None: cannot tell.
        draw: the picture of a source, a JPEG file.
        unit: what is counted, in the plural.
        lease: seconds without a sign of life after which somebody else may answer.
        patience: seconds that a call waits for a question that is about to come.
        clock: seconds that never go back.
        people: how many may answer at once.
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
        people: int = 1,
    ) -> None:
        self._oracle, self._values, self._draw, self._unit, self._patience = oracle, values, draw, unit, patience
        self._people, self._choices = people, {digest(answer): choice for choice, answer in values.items()}
        self._leases: Leases[str] = Leases(lease, clock)
        self._pace = Pace(clock=clock)
        self._changed = threading.Condition()
        self._lease, self._clock = lease, clock
        self._seen: dict[str, float] = {}  # when each browser was heard of
        self._stirred = clock()  # when somebody last answered, took something back, or could do so no more but that
        self._board = Board(0, 0, nothing=Nothing("waiting", "The run is being prepared."))
        self._shown_at = 0  # how many answers the board knows
        self._posted: dict[str, int] = {}  # by browser, how many it must know before that browser looks again
        self._wanting: set[str] = set()  # browsers for which there is no question
        self._recent = Recent()
        self._again: dict[str, tuple[int, int]] = {}  # and the one that it took back: question and next revision
        self._cards: OrderedDict[int, Card] = OrderedDict()

    # The thread of the run ----------------------------------------------------------------------------------------

    def show(self, board: Board) -> None:
        """Put something up; whoever waits for it goes on."""
        with self._changed:
            if board.lingers and not self._board.lingers:
                self._stirred = self._clock()
            self._board, self._shown_at = board, self._oracle.commits
            for card in (*board.past, *board.cards):
                known = self._cards.pop(card.asked.id, card)
                self._cards[card.asked.id] = known if card in board.past else card  # as it was shown
            while len(self._cards) > _REMEMBERED * max(8, self._people):
                self._cards.popitem(last=False)
            self._changed.notify_all()

    def wanted(self) -> int:
        """For how many browsers there is no open question, up to the number of people that may answer at once."""
        with self._changed:
            held = [self._leases.holder(card.lease) for card in self._board.cards]
            return min(len(self._wanting) - held.count(None), self._people - len(held))

    def lingers(self) -> bool:
        """Whether somebody may yet take an answer back: looks at the page, and did something less than a lease ago.

        Whoever looks asks again and again what there is. Somebody may just be coming back after a restart.
        """
        with self._changed:
            now = self._clock()
            late = [now - at < (self._lease if who in self._again else _LOOKS) for who, at in self._seen.items()]
            idle = now - self._stirred
            return idle < self._lease and (any(late) or idle < _LOOKS)

    # Any thread: questions ----------------------------------------------------------------------------------------

    def next(self, browser: str) -> Asked | Nothing:
        found: list[Asked | Nothing] = []

        def look() -> bool:
            one = self._find(browser)
            if one is not None:
                found.append(one)
                return True
            if not self._known(browser):
                return False
            if not self._full() and browser not in self._wanting:
                self._wanting.add(browser)
                self._oracle.nudge()
            return self._full()

        with self._changed:
            self._seen[browser] = self._clock()
            self._changed.wait_for(look, self._patience)
            self._wanting.discard(browser)
            full = self._known(browser) and self._full()
            return found[-1] if found else Nothing("waiting", _TAKEN if full else _LEARNING)

    def _known(self, browser: str) -> bool:
        """Whether the board is as it is after the answers of a browser."""
        own = self._leases.held(browser)
        answered = any(card.lease == own and not self._open(card) for card in self._board.cards)
        return not answered and self._posted.get(browser, 0) <= self._shown_at

    def _full(self) -> bool:
        """Whether no further question can be opened."""
        board = self._board
        most = min(self._people, board.budget - board.answered)
        return len(board.cards) >= most and all(self._open(card) for card in board.cards)

    def _open(self, card: Card) -> bool:
        return self._oracle.revisions(card.asked.id) == 0

    def _find(self, browser: str) -> Asked | Nothing | None:
        """What a browser shall see; None: a question that is still to come."""
        if not self._known(browser):
            return None
        board = self._board
        if not board.corrigible:
            return board.nothing
        own = self._leases.take(browser, [card.lease for card in board.cards if self._open(card)])
        question, revision = self._again.get(browser, (0, 0))
        if question in self._cards and self._oracle.revisions(question) == revision:
            return self._asked_again(question, revision)
        self._again.pop(browser, None)  # somebody else corrected it
        if not board.cards:
            return board.nothing
        return next((card.asked for card in board.cards if card.lease == own), None)

    def _asked_again(self, question: int, revision: int) -> Asked:
        asked = self._cards[question].asked
        label = self._label(question, revision - 1)
        return replace(asked, revision=revision, note=_CORRECTING.format(label) if label else "")

    # Any thread: answers ------------------------------------------------------------------------------------------

    def answer(self, browser: str, question: int, revision: int, choice: str) -> Receipt:
        if choice not in self._values:
            raise UnknownQuestionError(f"question {question} has no such choice", "choose one of its buttons")
        if revision and revision >= self._oracle.revisions(question):
            with self._changed:
                if not self._board.corrigible:
                    raise AlreadyAnsweredError("It is too late to change that answer.", "everything is answered")
        new = self._oracle.answer(question, self._values[choice], revision)
        if new:
            with self._changed:
                self._posted[browser] = self._oracle.commits
                self._again.pop(browser, None)
                self._recent.note(browser, question, revision)
                self._stirred = self._clock()
            self._pace.note()
        return Receipt(question, revision, choice, new)

    def undo(self, browser: str, question: int, revision: int) -> Asked | None:
        with self._changed:
            if self._again.get(browser) != (question, revision + 1):
                told = [(said.question, said.revision) for c in self._board.conflicts for said in c.answers]
                if (question, revision) not in [*told, self._may_undo(browser)] or not self._board.corrigible:
                    return None
            if not self._in_force(question, revision):
                return None
            self._again[browser] = (question, revision + 1)
            self._stirred = self._clock()
            return self._asked_again(question, revision + 1)

    def undoable(self, browser: str) -> Undo | None:
        with self._changed:
            found = self._may_undo(browser)
            if found is None or not self._known(browser) or not self._board.corrigible:
                return None
            return Undo(*found, f"Undo “{self._label(*found)}”")

    def _may_undo(self, browser: str) -> Said | None:
        """Its last answer, or the one before that which it took back; None: there is none."""
        again = self._again.get(browser)
        told = self._recent.of(browser, before=again and (again[0], again[1] - 1))
        if again is None and not told:
            told = self._taken_over(browser)
        return next((said for said in told if self._in_force(*said)), None)

    def _taken_over(self, browser: str) -> Sequence[Said]:
        """After a restart nobody knows whose the last answer of all was: it is that of whoever goes on from it."""
        last = self._board.last
        if last is None or self._recent.knows(last[0]):
            return []
        question, lease = last
        goes_on = lease is None or self._leases.holder(lease) == browser
        return [(question, self._oracle.revisions(question) - 1)] if goes_on else []

    def _in_force(self, question: int, revision: int) -> bool:
        """Whether this is the newest answer to a question that can still be shown."""
        return question in self._cards and self._oracle.revisions(question) == revision + 1

    def _label(self, question: int, revision: int) -> str:
        """The words of the button that was pressed."""
        choices = self._cards[question].asked.choices
        value = self._choices.get(self._oracle.said(question, revision))
        return next((choice.label for choice in choices if choice.value == value), "")

    # Any thread: the rest -----------------------------------------------------------------------------------------

    def conflicts(self) -> Sequence[Conflict]:
        with self._changed:
            return self._board.conflicts if self._board.corrigible else ()

    def progress(self) -> Progress:
        with self._changed:
            board = self._board
            finished = not board.cards and board.nothing.reason == "done"
        rest = 0 if finished else board.budget - board.answered
        return Progress(board.answered, board.budget, rest, self._pace.per_minute(), finished, self._unit)

    def picture(self, question: int, which: str) -> Image:
        with self._changed:
            card = self._cards.get(question)
        if card is None or which not in card.pictures:
            raise UnknownQuestionError("there is no such picture", "reload the page")
        return Image(self._draw(card.pictures[which]), "image/jpeg")
