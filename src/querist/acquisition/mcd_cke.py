"""MCD-CKE: core-set selection among estimated poses that doubt has drawn towards zero.

Caramalau et al. 2021 (Active learning for Bayesian 3D hand pose estimation); the rule that their public code follows,
as in ALGORITHMS 2.6.
"""

import numpy as np
import torch

from querist.acquisition.core_set import farthest
from querist.core.featuriser import labelled_units, sources_of
from querist.core.observation import Groups, Observation, Schema
from querist.core.policy import Policy, Selection
from querist.core.step import Featuriser, Game
from querist.core.task import Task
from querist.errors import QueristError

MEAN, SPREAD = "pose_mean", "pose_spread"
"""Fields of a task whose model predicts at random, such as a Bayesian DeepPrior: mean and standard deviation of every
coordinate over the passes."""


class ShrunkenPoses(Featuriser):
    """Mean poses, each coordinate drawn towards zero by a share of its deviation; the state holds the labelled ones.

    Args:
        task: offers :data:`MEAN` and :data:`SPREAD`.
        share: of the deviation.
    """

    def __init__(self, task: Task, share: float) -> None:
        field = task.fields[MEAN]
        self.schema = Schema((field,), (field,))
        self._share = share

    def observe(self, game: Game, groups: Groups, step: int) -> Observation:
        candidates = np.zeros((*groups.units.shape, self.schema.width), dtype=np.float32)
        state = np.zeros((0, self.schema.width), dtype=np.float32)
        if groups.mask.any():
            offered = groups.flat
            units, inverse = np.unique(np.concatenate([offered, labelled_units(game)]), return_inverse=True)
            seen = game.task.describe(units, (MEAN, SPREAD), game.stream("describe", step))
            mean, spread = (seen[name].reshape(len(units), -1) for name in (MEAN, SPREAD))
            rows = (mean - np.sign(mean) * self._share * spread).astype(np.float32)[inverse]
            candidates[groups.mask], state = rows[: len(offered)], rows[len(offered) :]
        sources = sources_of(game, groups)
        return Observation(groups, candidates, self.schema, sources, state)


class McdCke(Policy):
    """Farthest-first traversal of the shrunken poses, from those of all that is labelled. Scores are the distances.

    Args:
        share: of the deviation by which a coordinate is drawn towards zero, 0.3 in the authors' code.

    Raises:
        QueristError: it is negative.
    """

    fields = (MEAN, SPREAD)
    forms = ("global",)

    def __init__(self, share: float = 0.3) -> None:
        if not share >= 0:
            raise QueristError(f"mcd_cke with a share of {share}", "0 is plain core-set; 0.3 is the authors' choice")
        self._share = share

    def own_featuriser(self, task: Task) -> Featuriser:
        return ShrunkenPoses(task, self._share)

    def _select(self, observation: Observation, k: int, rng: np.random.Generator) -> Selection:
        places = np.flatnonzero(observation.groups.mask[0])
        rows = torch.from_numpy(observation.candidates[0, places])
        picks, radii = farthest(rows, min(k, len(places)), torch.from_numpy(observation.state))
        indices, scores = np.full((1, k), -1, dtype=np.int64), np.zeros((1, k))
        indices[0, : len(picks)], scores[0, : len(picks)] = places[picks], radii
        return Selection(indices, scores)
