"""The marks of a run: what was spent when a network is trained from the beginning and measured."""

from collections.abc import Iterator
from pathlib import Path

from querist.core.closings import Closings
from querist.core.finals import FinalTraining, Measured
from querist.core.ledger import Ledger
from querist.core.plan import Parts, Plan
from querist.core.snapshots import Later, part_of
from querist.core.step import Game
from querist.core.update import Updates


class Marks:
    """A final training from the weights before the first question at every budget that is due.

    Where a game ends before a budget, because nothing is left to ask, that budget gets no number: what was spent gets
    one, as what it is.

    Args:
        ledger: keeps the numbers; ``game`` the game's number there.
        parts: what is played with.
        plan: the budgets.
        closings: know the initial weights.
        updates: where the model learns.
        models: the folder that the networks are written to.
    """

    def __init__(
        self, ledger: Ledger, game: int, parts: Parts, plan: Plan, closings: Closings, updates: Updates, models: Path
    ) -> None:
        self._ledger, self._game, self._parts, self._plan = ledger, game, parts, plan
        self._closings, self._updates, self._models = closings, updates, models

    def measured(self) -> set[int]:
        """What had been spent where there is a number."""
        return {row["labels"] for row in self._ledger.evaluations(self._game)}

    def measure(self, game: Game, ended: bool = False) -> Iterator[tuple[int, Measured]]:
        """What was spent and what was found, for all that are due; one that is not ready yet comes another time.

        Args:
            game: how far it is.
            ended: nothing will be asked any more: all that is due is waited for.
        """
        done, spent = self.measured(), game.view.spent
        marks = [mark for mark in self._plan.marks if mark <= spent]
        if ended and spent not in marks:
            marks.append(spent)
        for mark in marks:
            if mark in done:
                continue
            # The last one learns from all answers as they stand in the end, one on the way from those of its time.
            known = None if ended and mark == spent else mark
            found = self._updates.measure(game, mark, lambda m=mark, k=known: self._final(game, m, k), ended)
            if found is not None:
                self._ledger.evaluate(self._game, mark, found)
                yield mark, found

    def end(self, spent: int) -> None:
        """Note, once, that a run is over although its last budget was not reached."""
        ends = ("account", "end")
        noted = any((row["part"], row["model"]) == ends for row in self._ledger.evaluations(self._game))
        if spent < self._plan.marks[-1] and not noted:
            self._ledger.evaluate(self._game, spent, {ends: (0.0, {"ended": True})})

    def _final(self, game: Game, mark: int, known: int | None) -> FinalTraining:
        read, plan, split = self._closings.first(), self._plan, self._parts.split
        weights = Later(lambda: part_of(read(), "task"))
        return FinalTraining(mark, game.view.labels(known), weights, plan.seed, plan.final, split, self._models)
