"""Updates of the model between questions: what one learns from, when it takes effect, and where it is worked out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from querist.core.answers import Labels
from querist.core.finals import FinalTraining, Measured
from querist.core.task import Task

if TYPE_CHECKING:  # a game holds its Updates
    from querist.core.questions import Question
    from querist.core.step import Game


@dataclass(frozen=True, eq=False)
class Update:
    """Everything that an update learns from: with the model it begins from, its result is settled.

    Args:
        labels: all that count; ``new`` those of its own window.
        unlabelled: sources that may be used without labels.
        steps: optimiser steps.
        stream: its randomness; an update is fitted once.
    """

    labels: Labels
    new: Labels
    unlabelled: np.ndarray | None
    steps: int
    stream: np.random.Generator

    def fit(self, task: Task) -> dict[str, float]:
        """Let a task learn; what it logs."""
        return task.fit(
            self.labels,
            new=self.new,
            unlabelled=self.unlabelled,
            steps=self.steps,
            phase="step",
            rng=self.stream,
        )


def due(game: "Game", turn: int) -> Update | None:
    """The update that takes effect once a step is answered.

    Steps count in the order in which they are answered: each is a turn. The turns between two updates are a *window*.
    With an ``update_lag`` of 1 the update at the end of a window learns from the answers as they stood at its
    beginning, by the model that asked since: nothing of it depends on the window, so it can be worked out meanwhile.

    Args:
        game: where; all turns up to the one before the window are over.
        turn: which; with a lag it may still lie ahead.

    Returns:
        None within windows, and with a lag at the end of the first one.
    """
    every, lag = game.update_every, game.update_lag
    last = turn - lag * every  # the last turn whose answers count
    if (turn + 1) % every or last < 0:
        return None
    known = game.view.spent_after(game.view.step_of(last)) if lag else None
    window = _questions(game, [game.view.step_of(t) for t in range(last + 1 - every, last + 1)])
    return Update(
        game.view.labels(known),
        game.view.bought((q.id for q in window), known),
        game.view.unlabelled(known),
        game.update,
        game.stream("fit", last),
    )


def _questions(game: "Game", steps: list[int]) -> "list[Question]":
    return [question for step in steps for question in game.ledger.questions(game.id, game.pool, step)]


class Updates:
    """Where the model learns: here, in the thread that asks, when the time has come.

    People are not kept waiting like this: :class:`querist.annotate.background.Background` does the same meanwhile.
    """

    def begin(self, game: "Game", turn: int) -> None:
        """Told which turn comes next when a game is taken up and after each window: the next update may begin."""
        return

    def finish(self, game: "Game", turn: int, meanwhile: Callable[[], None] = lambda: None) -> dict[str, float]:
        """After a step was answered: from now on the game's task is the updated one, if one is due; what to log.

        Args:
            game: where; ``turn`` the step's.
            meanwhile: called now and then if there is waiting.
        """
        update = due(game, turn)
        return {} if update is None else update.fit(game.task)

    def measure(
        self, game: "Game", mark: int, final: Callable[[], FinalTraining], wait: bool = False
    ) -> Measured | None:
        """A budget's final training; the game's task is afterwards as it was.

        Args:
            game: where.
            mark: the budget; its training is asked for again until it is there.
            final: makes the training.
            wait: nothing else is left to do.

        Returns:
            What it found; None if it is not done yet.
        """
        trajectory = game.task.snapshot()
        found = final().run(game.task)
        game.task.restore(trajectory)
        return found

    def close(self) -> None:
        """Nothing will be asked for any more."""
        return
