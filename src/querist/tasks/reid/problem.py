"""The problem that a recipe names: pairs of images of people, asked about for an embedding network."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from querist.core import rng
from querist.core.plugin import construct
from querist.core.problem import Problem, Progress, Setup
from querist.core.split import Role, Split
from querist.errors import QueristError
from querist.nn.runtime import seeded
from querist.tasks.reid.data import ReidData, load
from querist.tasks.reid.layouts import read
from querist.tasks.reid.task import ReidTask
from querist.tasks.reid.training import Schedule


@dataclass(frozen=True)
class ModelSpec:
    """A model by its class path, so that any ``nn.Module`` will do.

    Args:
        path: a class whose ``forward`` maps (B, 3, H, W) to vectors (B, d).
        arguments: its arguments.
    """

    path: str = "querist.tasks.reid.network.EmbeddingNetwork"
    arguments: dict[str, Any] = field(default_factory=dict)

    def build(self, seed: int) -> nn.Module:
        """The model, its random weights drawn from the seed."""
        with seeded(int(rng.generator(seed, "weights").integers(2**62))):
            return construct(self.path, self.arguments, expected=nn.Module)


@dataclass(frozen=True)
class ReidProblem(Problem):
    """Same person or not, for person re-identification.

    Of the data's split ``train``, ``start`` people are the labelled source, of whom it is known who they are; the
    others are the pool. ``query`` and ``gallery`` give the final number. There is no reward set: what a question is
    worth, its answer tells (ALGORITHMS 5.3).

    Args:
        image: (height, width) that crops are resized to.
        layout: ``market``, ``cuhk03``, ``cuhk03-labeled``, ``csv``, ``folder`` or ``auto``.
        start: people of the labelled source; each of their images counts as one label.
        split_seed: draws the split; None: the run's own seed does. Policies that are trained on the labelled source and
            deployed on several seeds need one split for all of them.
        model: see :class:`ModelSpec`.
        schedule: the training of each phase.
        inference_batch: images per forward pass.
    """

    default_policy, default_learned = "dral", "dral/sound"
    default_strategy = "nearest_first"
    default_strategies = ("random", "strengthened_random", "nearest_first")

    image: tuple[int, int] = (256, 128)
    layout: str = "auto"
    start: int = 100
    split_seed: int | None = None
    model: ModelSpec = field(default_factory=ModelSpec)
    schedule: Schedule = field(default_factory=Schedule)
    inference_batch: int = 64

    metric = "mAP"
    unit = "%"

    def __post_init__(self) -> None:
        if self.start < 0:
            raise QueristError(f"start is {self.start}", "it counts people; 0 begins without a labelled source")
        if min(self.image) < 32:
            raise QueristError(f"images of {self.image[0]} x {self.image[1]}", "give 32 pixels or more each way")

    def build(
        self, data: Path, seed: int, device: str, labelled: bool = True, progress: Progress | None = None
    ) -> Setup:
        """See :meth:`Problem.build`. Without labels only ``train`` is read, and all of it is the pool."""
        found = read(data, self.layout)
        splits = ("train", "query", "gallery") if labelled else ("train",)
        crops = load(found, *self.image, splits=splits, progress=progress)
        task = ReidTask(
            crops, self.model.build(seed), schedule=self.schedule, device=device, inference_batch=self.inference_batch
        )
        drawn_by = seed if self.split_seed is None else self.split_seed
        split = self._split(crops, data, drawn_by) if labelled else Split(np.full(len(crops), Role.POOL, np.int8))
        return Setup(task.pool, task, split, crops.digest, files=crops.files)

    def _split(self, crops: ReidData, data: Path, seed: int) -> Split:
        roles = np.full(len(crops), Role.TEST, dtype=np.int8)
        train = crops.sources("train")
        people = np.unique(crops.persons[train])
        if self.start >= len(people):
            raise QueristError(
                f"{data}: {len(people)} people to learn from, and {self.start} of them shall be the labelled source",
                "lower problem.start: somebody must be left to ask about",
            )
        source = rng.generator(seed, "split").permutation(people)[: self.start]
        roles[train] = np.where(np.isin(crops.persons[train], source), Role.START, Role.POOL)
        return Split(roles)
