"""What is labelled in a game, with its answers, for strategies that look at both."""

from collections.abc import Sequence

import numpy as np

from querist.core.capabilities import KnowsTruth
from querist.core.featuriser import labelled_units
from querist.core.step import Game
from querist.errors import QueristError


def labelled_answers(game: Game) -> tuple[np.ndarray, Sequence[np.ndarray]]:
    """The m labelled units, as :func:`~querist.core.featuriser.labelled_units` orders them, and their answers.

    Raises:
        QueristError: a starting set was given, and the task cannot show its labels.
    """
    units, labels = labelled_units(game), game.view.labels()
    given = units[len(labels.units) :]
    if not len(given):
        return units, labels.answers
    if not isinstance(game.task, KnowsTruth):
        raise QueristError(
            f"{type(game.task).__name__} cannot show the labels of its starting set",
            "give it truth(units), or begin without a starting set",
        )
    return units, [*labels.answers, *game.task.truth(given)]
