"""Strengthened random for poses: random, but balanced over subjects and over kinds of estimated poses."""

import numpy as np
import torch

from querist.acquisition.strengthened_random import StrengthenedRandom
from querist.core.candidates import Candidates, GlobalPool
from querist.core.capabilities import HasSkeleton
from querist.core.featuriser import by_subject
from querist.core.observation import Field, Groups, Observation, Schema
from querist.core.step import Featuriser, Game
from querist.core.task import Task
from querist.errors import QueristError
from querist.kernels.k_means import k_means
from querist.kernels.pose_shapes import pose_shapes


class PoseKinds(Featuriser):
    """In place of classes: to which of a few clusters of the step's estimated poses a candidate belongs, 0 or 1.

    Poses are compared by shape alone: their middle is taken away, and they are brought to one size. In place of images
    stand their subjects, so that it is these whose questions are counted, together with their images in the starting
    set: the team of MATAL sees as much.

    Args:
        kinds: clusters, found anew in each step by k-means.
    """

    def __init__(self, kinds: int) -> None:
        self.schema = Schema((Field("classes", (kinds,), 0.0, 1.0),))
        self._kinds = kinds

    def observe(self, game: Game, groups: Groups, step: int) -> Observation:
        candidates = np.zeros((*groups.units.shape, self._kinds), dtype=np.float32)
        if groups.mask.any():
            candidates[groups.mask, self._clusters(game, groups.flat, step)] = 1.0
        subjects, known = by_subject(game, groups)
        return Observation(groups, candidates, self.schema, subjects, asked=known)

    def _clusters(self, game: Game, offered: np.ndarray, step: int) -> np.ndarray:
        """(n,) which cluster."""
        task = game.task
        assert isinstance(task, HasSkeleton), "Policy.needs is checked before"
        units, inverse = np.unique(offered, return_inverse=True)
        poses = task.describe(units, ("pose",), game.stream("describe", step))["pose"]
        joints = int(np.max(task.bones)) + 1
        shapes = pose_shapes(torch.from_numpy(poses.reshape(len(units), joints, -1)))
        generator = torch.Generator().manual_seed(int(game.stream("pose kinds", step).integers(2**62)))
        clusters, _ = k_means(shapes, min(self._kinds, len(units)), generator)
        return clusters.numpy()[inverse]


class StrengthenedRandomPoses(StrengthenedRandom):
    """:class:`StrengthenedRandom` with kinds of poses as its classes, and subjects as its images.

    A pool of poses has no classes, but it has what they stand for: most people stand, and few crawl or do a handstand.
    In each batch the kinds that the model sees take turns, and a turn draws any image of its kind, of those whose
    subjects have the fewest labels. A policy that learns merely to spread its questions over poses must beat this one.

    Args:
        kinds: of poses that are told apart.
        limit: at most so many candidates are looked at in the global form, a uniform subset; None: all.

    Raises:
        QueristError: a number out of range.
    """

    fields = ("pose",)
    needs = (HasSkeleton,)

    def __init__(self, kinds: int = 10, limit: int | None = 10_000) -> None:
        if kinds < 1 or (limit is not None and limit < 1):
            raise QueristError(f"{kinds} kinds of poses of {limit} candidates", "give at least one of each")
        self._kinds, self._limit = kinds, limit

    def own_candidates(self, form: str, count: int) -> Candidates | None:
        return GlobalPool(self._limit) if form == "global" else None

    def own_featuriser(self, task: Task) -> Featuriser:
        return PoseKinds(self._kinds)
