"""DRAL as a policy: the network of a card chooses whom to ask about, and goes on learning (ALGORITHMS 5.4)."""

from collections.abc import Mapping

import numpy as np
from torch import nn

from querist.agents.dral.config import Dral
from querist.agents.dral.learner import Learner
from querist.agents.dral.network import MatrixQ, NodeQ
from querist.core.candidates import Candidates
from querist.core.capabilities import EmbedsSources
from querist.core.card import PolicyCard, fitting
from querist.core.observation import Observation, Schema
from querist.core.policy import Policy, Selection, schema_mismatch
from querist.core.step import Game, Outcome
from querist.core.task import Task
from querist.nn.runtime import arrays_to_state, seeded
from querist.pairs.anchors import AnchorNeighbours
from querist.pairs.featuriser import PairGraph
from querist.pairs.space import PairSpace

WEIGHTS = "network"
"""Prefix of a card's tensors."""


def network(schema: Schema, settings: Dral) -> nn.Module:
    """The value network of some settings, with fresh weights from torch's generator."""
    if settings.network == "matrix":
        return MatrixQ(settings.neighbours)
    return NodeQ(sum(f.size for f in schema.state), schema.width, settings.width)


def featuriser(settings: Dral) -> PairGraph:
    """The featuriser of some settings."""
    return PairGraph(settings.network, settings.neighbours)


class DralPolicy(Policy):
    """Plays a card (Liu et al. 2019), and learns from every answer unless the card is of the untrained control.

    One deployment, one instance: its weights change.

    Args:
        card: of the agent ``dral``.
    """

    needs = (EmbedsSources,)
    forms = ()  # its candidates are its own

    def __init__(self, card: PolicyCard) -> None:
        self.card = card
        self.schema = card.schema
        with fitting(card):
            self.settings = Dral(**card.settings)
            self._eyes = featuriser(self.settings)
            if self._eyes.schema.hash() != card.schema.hash():  # a matrix of another number of neighbours
                raise schema_mismatch(card.strategy, card.schema, self._eyes.schema)
            with seeded(0):  # fresh weights are drawn before the card's replace them
                net = network(card.schema, self.settings)
            net.load_state_dict(arrays_to_state(card.tensors, WEIGHTS))
        self.keep_given = self.settings.keep_given
        self._candidates = AnchorNeighbours(PairSpace(self.settings.pairs))
        trained = self.settings.episodes > 0 or self.settings.online == "off"
        self.learner = Learner(net, self.settings, self._eyes, trained)

    def own_candidates(self, form: str, count: int) -> Candidates:
        return self._candidates

    def own_featuriser(self, task: Task) -> PairGraph:
        return self._eyes

    def _select(self, observation: Observation, k: int, rng: np.random.Generator) -> Selection:
        return self.learner.choose(observation, k, rng)

    def learn(self, game: Game, outcome: Outcome, rng: np.random.Generator) -> dict[str, float]:
        return self.learner.learn(game, outcome, rng)

    def snapshot(self) -> dict[str, np.ndarray]:
        return self.learner.snapshot()

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        self.learner.restore(snapshot)
