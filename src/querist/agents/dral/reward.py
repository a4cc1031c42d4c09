"""The reward of DRAL: how hard the pair was to tell, known as soon as it is answered (ALGORITHMS 5.3)."""

import numpy as np

from querist.agents.dral.config import Dral
from querist.core.reward import Gain, Reward, Timing
from querist.core.step import Game, Outcome
from querist.kernels.hardness import hardness
from querist.pairs.featuriser import GraphObservation
from querist.pairs.graph import LocalGraph


class Hardness(Reward):
    """The printed reward, on the scale and with the stand-in for missing negatives that the settings name.

    Args:
        settings: ``margin``, ``scale`` and ``no_negative``.
    """

    timing = Timing.AT_ONCE

    def __init__(self, settings: Dral) -> None:
        self._settings = settings

    def begin(self, game: Game) -> None:
        return

    def measure(self, game: Game, outcome: Outcome) -> Gain:
        """Of a step's question, with the distances under which it was asked; 0 where nobody could tell."""
        observation, answers = outcome.observation, outcome.answers
        assert isinstance(observation, GraphObservation), "DRAL brings its own featuriser"
        if not answers or answers[0] is None or observation.graph is None:
            return Gain(0.0)
        return Gain(self.of(observation.graph, int(outcome.selection.indices[0, 0]), bool(answers[0])))

    def of(self, graph: LocalGraph, place: int, same: bool) -> float:
        """Of an answer about a neighbour of a graph in which it was not asked about yet; not negative."""
        unit = graph.typical if self._settings.scale == "pool" else graph.distances.max(initial=0.0) or 1.0
        to_all = graph.distances[place + 1]
        negatives = to_all[graph.negatives]
        if not len(negatives):
            negatives = np.array([self._stand_in(graph, place)])
        return hardness(to_all[graph.positives] / unit, negatives / unit, same, self._settings.margin)

    def _stand_in(self, graph: LocalGraph, place: int) -> float:
        if self._settings.no_negative == "stranger":
            return float(graph.stranger[place])
        return float(graph.distances[place + 1, 1:].sum()) / max(1, len(graph) - 1)
