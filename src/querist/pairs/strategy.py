"""What strategies without learning share that ask about pairs: the candidates, the graph, and one hook."""

from abc import abstractmethod

import numpy as np

from querist.core.capabilities import EmbedsSources
from querist.core.observation import Observation
from querist.core.policy import Acquisition
from querist.core.step import Featuriser
from querist.core.task import Task
from querist.errors import QueristError
from querist.pairs.featuriser import GraphObservation, PairGraph
from querist.pairs.graph import LocalGraph


class PairAcquisition(Acquisition):
    """Scores the neighbours of the present anchor. Subclasses fill :meth:`score_neighbours`.

    Candidates are those of every strategy for pairs, :class:`~querist.pairs.anchors.AnchorNeighbours`.
    """

    needs = (EmbedsSources,)

    def own_featuriser(self, task: Task) -> Featuriser:
        return PairGraph()

    @abstractmethod
    def score_neighbours(self, graph: LocalGraph, rng: np.random.Generator) -> np.ndarray:
        """The hook: (n,) scores, larger is asked first, equal ones nearest first; asked ones do not matter."""

    def score(self, observation: Observation, rng: np.random.Generator) -> np.ndarray:
        graph = graph_of(observation, type(self).__name__)
        scores = np.zeros(observation.groups.mask.shape)
        scores[0, : len(graph)] = self.score_neighbours(graph, rng)
        return scores


def graph_of(observation: Observation, who: str) -> LocalGraph:
    """The graph behind an observation that offers somebody.

    Raises:
        QueristError: it was made by another featuriser.
    """
    if not isinstance(observation, GraphObservation) or observation.graph is None:
        raise QueristError(f"{who} needs the graph of an anchor", "let it bring its own featuriser")
    return observation.graph
