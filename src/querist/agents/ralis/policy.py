"""RALIS as a policy: the network of a card chooses the best candidate of each pool."""

import numpy as np
from torch import nn

from querist.agents.ralis.class_free import ClassFree
from querist.agents.ralis.config import Ralis
from querist.agents.ralis.features import ClassAware, RalisFeaturiser, state_row_count
from querist.agents.ralis.network import ClassAwareQ, ClassFreeQ
from querist.core.candidates import Candidates, ClusterPools
from querist.core.card import PolicyCard, fitting
from querist.core.observation import Observation, Schema
from querist.core.policy import Policy, Selection, schema_mismatch, top_k
from querist.core.pool import ColumnarPool
from querist.core.split import Split
from querist.core.task import Task
from querist.errors import QueristError
from querist.nn.halved import from_tensors
from querist.nn.runtime import seeded
from querist.rl.double_dqn import action_values
from querist.rl.replay import Moment

NETWORK = "network"
"""Where a card keeps its weights."""
_SCALE = 0.1  # small, but no constant: an untrained network shall have a preference, as its control


def featuriser(task: Task, settings: Ralis, state_rows: int | None) -> RalisFeaturiser:
    """The featuriser of some settings; ``state_rows`` is needed by the class-aware one alone."""
    if settings.features == "class_free":
        return ClassFree(task, settings)
    if not state_rows:
        raise QueristError("the class-aware ralis needs a state set", "give problem.state images, or use class_free")
    return ClassAware(task, settings, state_rows)


def network(schema: Schema, settings: Ralis) -> nn.Module:
    """The value network of a schema, with fresh weights from torch's generator."""
    if settings.features == "class_free":
        return ClassFreeQ(sum(f.size for f in schema.state), schema.width, initial_scale=_SCALE)
    rows, width = schema.state[0].shape
    return ClassAwareQ(width, schema.width, rows, standardise=settings.standardise)


class RalisPolicy(Policy):
    """Plays a card (Casanova et al. 2020; ALGORITHMS 1.3).

    Args:
        card: of the agent ``ralis``.
    """

    forms = ()  # its candidates are its own

    def __init__(self, card: PolicyCard) -> None:
        self.card = card
        self.schema = card.schema
        with fitting(card):
            self.settings = Ralis(**card.settings)
            with seeded(0):  # fresh weights are drawn before the card's replace them
                self.network = network(card.schema, self.settings)
            self.network.load_state_dict(from_tensors(card.tensors, NETWORK))
        self.keep_given = self.settings.keep_given
        self.network.eval()

    def check(self, task: Task, split: Split | None = None) -> None:
        super().check(task, split)
        eyes = self._featuriser(task)
        if split is not None and self.settings.features == "class_aware" and isinstance(task.pool, ColumnarPool):
            eyes = featuriser(task, self.settings, state_row_count(split, task.pool))
        schema = eyes.schema
        if schema.hash() != self.card.schema.hash():
            raise schema_mismatch(self.card.strategy, self.card.schema, schema)

    def _featuriser(self, task: Task) -> RalisFeaturiser:
        rows = None if self.settings.features == "class_free" else self.card.schema.state[0].shape[0]
        return featuriser(task, self.settings, rows)

    def own_featuriser(self, task: Task) -> RalisFeaturiser:
        return self._featuriser(task)

    def own_candidates(self, form: str, count: int) -> Candidates:
        return ClusterPools(count, self.settings.pool_deploy)

    def _select(self, observation: Observation, k: int, rng: np.random.Generator) -> Selection:
        values = action_values(self.network, moment(observation))
        return top_k(values.astype(np.float64), observation.groups.mask, k)


def moment(observation: Observation) -> Moment:
    """What the network sees of an observation."""
    return Moment(observation.state, observation.candidates, observation.groups.mask)
