"""The problem that a recipe names: images of bodies or hands, whose joints are bought for a pose network."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import nn

from querist.core import rng
from querist.core.plugin import construct
from querist.core.problem import Problem, Progress, Setup
from querist.core.split import Role, Split
from querist.errors import QueristError
from querist.nn.runtime import seeded
from querist.tasks.pose.data import PoseData
from querist.tasks.pose.layouts import read
from querist.tasks.pose.load import load
from querist.tasks.pose.measures import Measure, Metric
from querist.tasks.pose.metric import HEAD_FACTOR
from querist.tasks.pose.objectives import Objective
from querist.tasks.pose.process_task import PoseProcessTask
from querist.tasks.pose.task import PoseTask
from querist.tasks.pose.training import Schedule


@dataclass(frozen=True)
class ModelSpec:
    """A model by its class path, so that any ``nn.Module`` will do.

    Args:
        path: a class whose first argument is the number of joints; for what ``forward`` maps see
            :class:`~querist.tasks.pose.task.PoseTask`.
        arguments: its other arguments.
    """

    path: str = "querist.tasks.pose.heat_map_network.HeatMapNetwork"
    arguments: dict[str, Any] = field(default_factory=dict)

    def build(self, joints: int, seed: int) -> nn.Module:
        """The model, its random weights drawn from the seed."""
        with seeded(int(rng.generator(seed, "weights").integers(2**62))):
            return construct(self.path, self.arguments, joints, expected=nn.Module)


@dataclass(frozen=True)
class PoseProblem(Problem):
    """Joints of bodies or hands, image by image.

    The starting set and the pool are the data's split ``train``. There is no reward set: the games of MATAL divide the
    starting set (ALGORITHMS 2.1), which is counted.

    Args:
        size: rows and columns of the square that the model sees.
        layout: a name of :data:`~querist.tasks.pose.layouts.READERS`, or ``auto``.
        test: the split of the final numbers (``val`` or ``test``); or so many images that are held out of ``train``,
            the same for all seeds, and a few more where they belong to the same people.
        start: images that are labelled from the start, whoever is on them.
        split_seed: draws the starting set; None: the run's own seed does. Policies that are trained on the starting set
            and deployed on several seeds need one split for all of them.
        measure: ``pck-torso``, ``pckh`` or ``mm``; see :class:`~querist.tasks.pose.measures.Metric`.
        threshold: share of torso or head; None: 0.2 and 0.5.
        head_factor: the head's length in diagonals of its box, for ``pckh``; 0.6 is official, public code of active
            learning for poses has 1.0.
        objective: what the model learns; see :func:`~querist.tasks.pose.objectives.pose_losses`.
        sigma: width of a joint's bell, in cells of a heat map.
        model: see :class:`ModelSpec`.
        schedule: the training of each phase.
        inference_batch: images per forward pass.
        passes: Monte-Carlo passes, for strategies that want them.
        learner: what learns the labels that are bought: the ``network``; or a ``process`` on its features, in which
            strategies are compared in minutes (:mod:`querist.tasks.pose.process_task`).
    """

    default_learned = "matal/sound"
    default_strategy = "strengthened_random"
    asks_on_page = False

    size: int
    layout: str = "auto"
    test: int | str = "test"
    start: int = 100
    split_seed: int | None = None
    measure: Measure = "pck-torso"
    threshold: float | None = None
    head_factor: float = HEAD_FACTOR
    objective: Objective = "cross_entropy"
    sigma: float = 1.0
    model: ModelSpec = field(default_factory=ModelSpec)
    schedule: Schedule = field(default_factory=Schedule)
    inference_batch: int = 32
    passes: int = 20
    learner: Literal["network", "process"] = "network"

    def __post_init__(self) -> None:
        if self.size < 32:
            raise QueristError(f"images of {self.size} x {self.size}", "give 32 pixels or more each way")
        if self.start < 0 or self.test in ("train", 0) or (isinstance(self.test, int) and self.test < 0):
            raise QueristError(
                f"start is {self.start} and test {self.test!r}",
                "start counts images; test is a split other than train, or how many images are held out of it",
            )
        object.__setattr__(self, "metric", self._metric.name)  # what tables say follows from the fields
        object.__setattr__(self, "unit", self._metric.unit)

    @property
    def _metric(self) -> Metric:
        return Metric(self.measure, self.threshold, self.head_factor)

    def build(
        self, data: Path, seed: int, device: str, labelled: bool = True, progress: Progress | None = None
    ) -> Setup:
        """See :meth:`Problem.build`. Without labels only ``train`` is read, and all of it is the pool.

        Raises:
            QueristError: data or model do not fit; or the measure cannot be taken of the test set, which is found here
                and not after the first training.
        """
        found = read(data, self.layout)
        tested = [self.test] if labelled and isinstance(self.test, str) else []
        poses = load(found, self.size, ["train", *tested], progress=progress)
        learner = PoseTask if self.learner == "network" else PoseProcessTask
        model = self.model.build(len(poses.skeleton), seed)
        with seeded(int(rng.generator(seed, "lazy weights").integers(2**62))):  # the task looks through it once
            task = learner(
                poses,
                model,
                self._metric,
                self.objective,
                self.sigma,
                self.schedule,
                device,
                self.inference_batch,
                self.passes,
            )
        drawn_by = seed if self.split_seed is None else self.split_seed
        split = self._split(poses, data, drawn_by) if labelled else Split(np.full(len(poses), Role.POOL, np.int8))
        if labelled:
            self._metric.check(poses, split.sources(Role.TEST))
        return Setup(task.pool, task, split, poses.digest, files=poses.files)

    def _split(self, poses: PoseData, data: Path, seed: int) -> Split:
        roles = np.full(len(poses), Role.TEST, dtype=np.int8)
        train = poses.sources("train")
        roles[train] = Role.POOL
        roles[train[~poses.known[train].any(axis=1)]] = Role.UNUSED  # there is nothing to reveal
        if isinstance(self.test, int):
            self._hold_out(poses, roles, rng.generator(0, "held out"), data)
        pool = np.flatnonzero(roles == Role.POOL)
        if self.start >= len(pool):
            raise self._nothing_left(data, len(pool), "start", self.start)
        roles[rng.generator(seed, "split").permutation(pool)[: self.start]] = Role.START
        return Split(roles)

    def _hold_out(self, poses: PoseData, roles: np.ndarray, stream: np.random.Generator, data: Path) -> None:
        """Give images of the pool to the test set, subject by subject, until there are enough of them or just more."""
        assert isinstance(self.test, int)
        pool = np.flatnonzero(roles == Role.POOL)
        subjects, which = np.unique(poses.source_subjects[pool], return_inverse=True)
        order = stream.permutation(len(subjects))
        sizes = np.cumsum(np.bincount(which, minlength=len(subjects))[order])
        wanted = order[: int(np.searchsorted(sizes, self.test)) + 1]
        if self.test >= len(pool) or len(wanted) >= len(subjects):
            raise self._nothing_left(data, len(pool), "test", self.test)
        roles[pool[np.isin(which, wanted)]] = Role.TEST

    @staticmethod
    def _nothing_left(data: Path, images: int, role: str, count: int) -> QueristError:
        return QueristError(
            f"{data}: {images} images, of which {count} shall be the {role} set",
            "lower problem.start or problem.test: something must be left to ask about",
        )
