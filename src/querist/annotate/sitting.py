"""A run that people answer, in the thread that owns it: puts up the questions, takes the answers, learns."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from querist.annotate.desk import Nothing
from querist.annotate.oracle import PeopleOracle
from querist.annotate.run_desk import Board, Card, RunDesk
from querist.core.loop import Deployment, Event
from querist.core.questions import Question
from querist.core.step import Game, OpenStep

_LOOKING = "The model looks at all pictures first. The first question appears by itself."
_TEND = 5.0  # seconds after which a run that hears nothing looks whether a final training is done


class Sitting:
    """Plays a deployment with people until its budget is spent or the oracle is closed.

    Everything here happens in the thread that calls :meth:`play`, which must be the one that made the deployment.

    Args:
        run: made for people, with ``oracle`` as its oracle.
        desk: where the questions are put up.
        card: makes a question's card.
        label: the words of an answer's button.
    """

    def __init__(
        self,
        run: Deployment,
        oracle: PeopleOracle,
        desk: RunDesk,
        card: Callable[[Game, Question], Card],
        label: Callable[[np.ndarray | None], str],
    ) -> None:
        self._run, self._oracle, self._desk, self._card, self._label = run, oracle, desk, card, label
        self._budget = run.plan.marks[-1]
        game = run.ledger.game()
        assert game is not None, "a deployment begins one"
        self._game = int(game["id"])
        self._up: OpenStep | None = None  # whose card is on the board
        self._cards: dict[int, Card] = {}  # of the open question and the one before

    def play(self) -> Iterator[Event]:
        """The events of the deployment; ``waiting`` only when another question is put up.

        Raises:
            QueristError: what the deployment raises, and what went wrong where the model learns.
        """
        self._oracle.remember(self._kept())
        answers = self._run.ledger.counts(self._game)["answers"]
        self._desk.show(Board(answers, self._budget, nothing=Nothing("waiting", _LOOKING)))
        for event in self._run.play():
            if event.kind == "step" and event.spent >= self._budget:
                self._rest(event.spent)
            if event.kind == "done":
                self._rest(event.spent)
            if event.kind != "waiting":
                yield event
                continue
            if self._put_up():
                yield event
            if not self._wait():
                return

    def _kept(self) -> Iterator[tuple[int, np.ndarray | None]]:
        """The answers of earlier processes."""
        ledger = self._run.ledger
        for _, question, _, blob in ledger.answers(self._game):
            yield question, None if blob is None else ledger.decode(blob)

    def _put_up(self) -> bool:
        """Show the open question, unless it is shown; whether it is another one than before."""
        run, opened = self._run, self._run.opened
        assert run.game is not None
        assert opened is not None
        if opened is self._up:
            return False
        before = None if self._up is None else self._up.questions[0].id
        self._up, question = opened, opened.questions[0]
        board = Board(run.game.view.spent, self._budget, self._card(run.game, question))
        for past in run.last.questions:
            # As it was shown, or anew if an earlier process asked it.
            card = self._cards.get(past.id) or self._card(run.game, past)
            again = replace(card, asked=replace(card.asked, revision=self._oracle.revisions(past.id)))
            board = replace(board, last=again, choice=self._label(run.game.view.answer(past.id)))
        shown = {q: card for q, card in self._cards.items() if board.last and q == board.last.asked.id}
        self._cards = shown | ({question.id: board.card} if board.card else {})
        self._desk.show(board)
        return before != question.id

    def _wait(self) -> bool:
        """Sleep until something comes, and take corrections; False if the run is being closed."""
        run, oracle = self._run, self._oracle
        run.last.hold()  # while people think
        oracle.wait(_TEND)
        if oracle.closed:
            return False
        for question, answer, revision in oracle.corrections():
            if question in [q.id for q in run.last.questions]:
                run.correct(question, answer, revision)
            else:
                oracle.refuse(question, revision)
        return True

    def _rest(self, spent: int) -> None:
        """Nothing is left to ask."""
        self._desk.show(Board(spent, self._budget, nothing=Nothing("done")))
