"""A run that people answer, in the thread that owns it: puts up the questions, takes the answers, learns."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from querist.annotate.desk import Conflict, Nothing
from querist.annotate.oracle import PeopleOracle
from querist.annotate.run_desk import Board, Card, RunDesk
from querist.core.loop import Deployment, Event
from querist.core.questions import Question
from querist.core.step import Game

_LOOKING = "The model looks at all pictures first. The first question appears by itself."
_LINGERING = Nothing("done", "Should an answer be wrong, take it back now; otherwise this page can be closed.")
_LINGER = 0.25  # seconds after which a run that is over looks whether anybody still does
_TEND = 5.0  # seconds after which a run that hears nothing looks whether a final training is done


class Conflicts(Protocol):
    """Watches answers for contradictions; see :class:`querist.annotate.conflicts.PairConflicts`."""

    def note(self, unit: int, question: int, answer: np.ndarray | None) -> None:
        """An answer, or a correction of one."""
        ...

    def find(self) -> tuple[Sequence[Conflict], Sequence[int]]:
        """What contradicts what, and the questions behind it."""
        ...


class Sitting:
    """Plays a deployment with people until its budget is spent or the oracle is closed.

    Everything here happens in the thread that calls :meth:`play`, which must be the one that made the deployment.

    Args:
        run: made for people, with ``oracle`` as its oracle.
        desk: where the questions are put up.
        card: makes a question's card.
        conflicts: watches the answers; None: nobody does.
    """

    def __init__(
        self,
        run: Deployment,
        oracle: PeopleOracle,
        desk: RunDesk,
        card: Callable[[Game, Question], Card],
        conflicts: Conflicts | None = None,
    ) -> None:
        self._run, self._oracle, self._desk, self._card, self._conflicts = run, oracle, desk, card, conflicts
        self._budget = run.plan.marks[-1]
        game = run.ledger.game()
        assert game is not None, "a deployment begins one"
        self._game = int(game["id"])
        self._read = 0  # the newest answer that was looked at for contradictions
        self._up: tuple[set[int], int, int] = set(), -1, -1  # what is on the board: open questions, answer, turns
        self._open: dict[int, Card] = {}
        self._behind: dict[int, Card] = {}  # the questions that ever were part of a contradiction
        self._torn: tuple[Sequence[Conflict], Sequence[Card]] = (), ()

    def play(self) -> Iterator[Event]:
        """The events of the deployment; ``waiting`` only when another question is put up.

        Raises:
            QueristError: what the deployment raises, and what went wrong where the model learns.
        """
        self._oracle.remember(self._kept())
        answers = self._run.ledger.counts(self._game)["answers"]
        self._desk.show(Board(answers, self._budget, nothing=Nothing("waiting", _LOOKING)))
        for event in self._run.play():
            if event.kind == "over":
                self._linger(event.spent)
                continue
            if event.kind == "done":
                self._rest(event.spent)
            if event.kind != "waiting":
                yield event
                continue
            if self._put_up():
                yield event
            if not self._wait():
                self._run.settle()
                return

    def _kept(self) -> Iterator[tuple[int, np.ndarray | None]]:
        """The answers of earlier processes."""
        ledger = self._run.ledger
        for _, question, _, blob in ledger.answers(self._game):
            yield question, None if blob is None else ledger.decode(blob)

    def _put_up(self, over: bool = False) -> bool:
        """Show the open questions, unless they are shown; whether there is one that was not.

        Args:
            over: there are none, nor will there be, but answers can be taken back.
        """
        run, game, lines = self._run, self._run.game, self._run.lines
        assert game is not None
        assert lines is not None
        questions = lines.questions
        before, up = self._up, ({q.id for q in questions}, game.view.heard, game.view.turns)
        if up == before:
            return False
        self._up = up
        if up[1] != before[1]:
            self._look(game)
        if up[1] != before[1] and up[2] == before[2]:
            self._open = {}  # an answer was corrected, and what was said of neighbours with it
        self._open = {q.id: self._open.get(q.id) or self._card(game, q) for q in questions}
        conflicts, past = self._torn
        last = None
        for answered in run.last.questions or self._newest(game):
            on = lines.after(answered)
            past = [*past, self._card(game, answered)]
            last = (answered.id, None) if over else None if on is None else (answered.id, self._open[on.id].lease)
        cards, nothing = list(self._open.values()), _LINGERING if over else Nothing("waiting")
        self._desk.show(Board(game.view.spent, self._budget, cards, past, last, conflicts, nothing, over))
        return not up[0] <= before[0]

    def _newest(self, game: Game) -> Sequence[Question]:
        """Those of the step that was answered last, where it is closed: taken back, it is a correction."""
        turns = game.view.turns
        return game.ledger.questions(game.id, game.pool, game.view.step_of(turns - 1)) if turns else ()

    def _look(self, game: Game) -> None:
        """Look for contradictions among the answers."""
        if self._conflicts is None:
            return
        ledger, pool = self._run.ledger, self._run.parts.pool
        for number, question, unit, blob in ledger.answers(self._game, self._read):
            self._conflicts.note(pool.unit(unit), question, None if blob is None else ledger.decode(blob))
            self._read = number
        conflicts, behind = self._conflicts.find()
        if not set(behind) <= self._behind.keys():
            assert self._run.lines is not None
            asked = self._run.lines.question
            self._behind |= {q: self._card(game, asked(q)) for q in behind if q not in self._behind}
        self._torn = conflicts, [self._behind[question] for question in behind]

    def _wait(self) -> bool:
        """Sleep until something comes, and ask on as many lines as there are people; False if the run is closing."""
        run, oracle = self._run, self._oracle
        assert run.lines is not None
        run.last.hold()  # while people think
        oracle.wait(_TEND)
        for _ in range(self._desk.wanted()):
            if not run.lines.begin():
                break
        return not oracle.closed

    def _linger(self, spent: int) -> None:
        """All questions have their answers; people who look may take some back before the last network is trained."""
        assert self._run.lines is not None
        self._put_up(over=True)
        while self._desk.lingers() and not self._oracle.closed:
            self._oracle.wait(_LINGER)
            self._run.lines.correct()
            self._put_up(over=True)
        self._rest(spent)

    def _rest(self, spent: int) -> None:
        """Nothing is left to ask."""
        self._desk.show(Board(spent, self._budget, nothing=Nothing("done")))
