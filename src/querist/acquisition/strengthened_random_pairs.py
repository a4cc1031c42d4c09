"""Strengthened random for pairs: random, but balanced over images and over predicted matches and strangers."""

import numpy as np

from querist.acquisition.strengthened_random import StrengthenedRandom
from querist.core.capabilities import EmbedsSources
from querist.core.observation import Field, Observation, Schema
from querist.core.policy import Selection
from querist.core.step import Featuriser
from querist.core.task import Task
from querist.pairs.featuriser import PairGraph
from querist.pairs.likeness import match_probability
from querist.pairs.strategy import graph_of

_CLASSES = Schema((Field("classes", (2,), 0.0, 1.0),))


class StrengthenedRandomPairs(StrengthenedRandom):
    """:class:`StrengthenedRandom` with two classes, "same" and "different", and the neighbours as its images.

    Each question draws one of the two classes evenly, then a neighbour in proportion to the predicted probability of
    that class, among those whose images were part of the fewest questions. Plain random asks mostly about strangers,
    because most neighbours are; a policy that merely finds enough matches for triplets, and spreads its questions,
    beats that and must beat this one.
    """

    fields = ()
    needs = (EmbedsSources,)

    def own_featuriser(self, task: Task) -> Featuriser:
        return PairGraph()

    def _select(self, observation: Observation, k: int, rng: np.random.Generator) -> Selection:
        graph = graph_of(observation, type(self).__name__)
        match = match_probability(graph.similarity)
        shares = np.zeros((*observation.groups.mask.shape, 2), dtype=np.float32)
        shares[0, : len(graph)] = np.stack([match, 1 - match], axis=1)
        seen = Observation(observation.groups, shares, _CLASSES, observation.sources, asked=observation.asked)
        return super()._select(seen, k, rng)
