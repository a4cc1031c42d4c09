"""Expected influence: the label that, as the model sees it, would lower the loss on the reward set the most."""

import numpy as np

from querist.core.capabilities import EstimatesInfluence
from querist.core.featuriser import sources_of
from querist.core.observation import Field, Groups, Observation, Schema
from querist.core.policy import Acquisition
from querist.core.split import Role
from querist.core.step import Featuriser, Game
from querist.core.task import Task
from querist.errors import QueristError

_FIELD = Field("expected_influence", (), -np.inf, np.inf)


class InfluenceFeaturiser(Featuriser):
    """One number for each candidate: :meth:`EstimatesInfluence.influence` without answers, on the reward set."""

    schema = Schema((_FIELD,))

    def observe(self, game: Game, groups: Groups, step: int) -> Observation:
        reward = game.split.sources(Role.REWARD)
        if not len(reward):
            raise QueristError(
                "the split has no reward set to measure influence on", "give some sources the role reward"
            )
        task = game.task
        assert isinstance(task, EstimatesInfluence), "Policy.needs is checked before"
        G, N = groups.units.shape
        candidates = np.zeros((G, N, 1), dtype=np.float32)
        candidates[groups.mask, 0] = task.influence(groups.flat, None, reward)
        sources = sources_of(game, groups)
        return Observation(groups, candidates, self.schema, sources)


class ExpectedInfluence(Acquisition):
    """Takes the candidates whose label is expected to lower the loss on the reward set the most, to first order.

    The expectation is over the model's own belief about the label, so that what remains of it is where a label of the
    believed class would correct errors on classes that the metric cares for. Where RALIS learns from influence this is
    its strongest single feature, used by itself: what a policy must beat to have learned anything beyond it.

    It reads the labels of the reward set, which is counted for every strategy.
    """

    needs = (EstimatesInfluence,)

    def own_featuriser(self, task: Task) -> Featuriser:
        return InfluenceFeaturiser()

    def score(self, observation: Observation, rng: np.random.Generator) -> np.ndarray:
        return observation.field("expected_influence")
