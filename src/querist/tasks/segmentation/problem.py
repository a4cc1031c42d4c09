"""The problem that a recipe names: regions of images, bought for a segmentation model."""

import hashlib
from collections.abc import Iterable, Mapping
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
from querist.tasks.segmentation.arrays import SplitArrays, load_split
from querist.tasks.segmentation.data import Chain, SegmentationData
from querist.tasks.segmentation.grid import Grid
from querist.tasks.segmentation.layouts import read
from querist.tasks.segmentation.listing import Listing, require_masks
from querist.tasks.segmentation.masks_on_demand import masks_on_demand
from querist.tasks.segmentation.task import SegmentationTask
from querist.tasks.segmentation.training import Schedule


@dataclass(frozen=True)
class ModelSpec:
    """A model by its class path, so that any ``nn.Module`` will do.

    Args:
        path: a class whose first argument is the number of classes; ``forward`` maps (B, 3, H, W) to logits.
        arguments: its other arguments.
    """

    path: str = "querist.tasks.segmentation.fpn.FPN"
    arguments: dict[str, Any] = field(default_factory=dict)

    def build(self, classes: int, seed: int) -> nn.Module:
        """The model, its random weights drawn from the seed."""
        with seeded(int(rng.generator(seed, "weights").integers(2**62))):
            return construct(self.path, self.arguments, classes, expected=nn.Module)


@dataclass(frozen=True)
class RegionProblem(Problem):
    """Regions of images for semantic segmentation.

    Args:
        image: (height, width) that images are resized to.
        region: (height, width) of a region on them.
        layout: ``camvid``, ``cityscapes``, ``folder`` or ``auto``.
        pool: the data set's split that the pool, the starting set and the state set are drawn from.
        reward: the split that is the reward set; ``reward_images`` at most so many of it, drawn by the seed. If it is
            the pool's split, so many images are held out of the pool.
        test: the split of the final numbers.
        start: images of the pool's split that are labelled from the start.
        state: images that only describe the state, disjoint from the pool.
        split_seed: draws the split; None: the run's own seed does. Policies that are trained on the starting images and
            deployed on several seeds need one split for all of them, or they would have seen labels of the pool.
        model: see :class:`ModelSpec`.
        schedule: the training of each phase.
        inference_batch: images per forward pass.
    """

    default_policy, default_learned = "ralis", "ralis/sound"
    default_strategy = "entropy/global"
    asks_on_page = False
    default_strategies = ("random", "strengthened_random", "entropy/global", "margin/global")

    image: tuple[int, int]
    region: tuple[int, int]
    layout: str = "auto"
    pool: str = "train"
    reward: str = "val"
    test: str = "test"
    start: int = 100
    state: int = 10
    split_seed: int | None = None
    reward_images: int | None = None
    model: ModelSpec = field(default_factory=ModelSpec)
    schedule: Schedule = field(default_factory=Schedule)
    inference_batch: int = 8

    metric = "mIoU"
    unit = "%"

    def __post_init__(self) -> None:
        Grid.of(self.image, self.region)
        if min(self.start, self.state, self.reward_images or 0) < 0:
            raise QueristError(
                f"start {self.start}, state {self.state} and reward_images {self.reward_images} count images",
                "none of them is negative",
            )

    def build(
        self, data: Path, seed: int, device: str, labelled: bool = True, progress: Progress | None = None
    ) -> Setup:
        listing = read(data, self.layout)
        splits = self._load(listing, labelled, progress)
        names = [name for arrays in splits.values() for name in arrays.names]
        classes = splits[self.pool].classes
        masks = [arrays.masks for arrays in splits.values() if arrays.masks is not None]
        everything = SegmentationData(
            names,
            Chain([arrays.images for arrays in splits.values()]),
            Chain(masks) if labelled else masks_on_demand(listing.splits[self.pool], self.image, classes),
            classes.names,
            classes.void,
            classes.colours,
            [sample.image for name in splits for sample in listing.splits[name]],
        )
        model = self.model.build(len(classes.names), seed)
        task = SegmentationTask(
            everything, model, self.region, schedule=self.schedule, device=device, inference_batch=self.inference_batch
        )
        drawn_by = seed if self.split_seed is None else self.split_seed
        split = self._split({name: len(arrays.names) for name, arrays in splits.items()}, drawn_by, labelled)
        # What the masks' ids stand for is part of the data: another class map is another data set.
        files = {"the class map": classes.fingerprint()}
        files |= {name: content for arrays in splits.values() for name, content in arrays.files}
        digest = _join([*(arrays.digest for arrays in splits.values()), classes.fingerprint()])
        return Setup(task.pool, task, split, digest, len(task.grid), files)

    def _load(self, listing: Listing, labelled: bool, progress: Progress | None) -> Mapping[str, SplitArrays]:
        wanted = [self.pool, self.reward, self.test] if labelled else [self.pool]
        if self.test in wanted[:2] or (self.reward == self.pool and self.reward_images is None):
            raise QueristError(
                f"pool, reward and test are {', '.join(wanted)}: one split in two roles would leak",
                "name three different splits (problem.pool, problem.reward, problem.test); a reward set that is held "
                "out of the pool's split needs its size (problem.reward_images)",
            )
        wanted = list(dict.fromkeys(wanted))
        loaded: dict[str, SplitArrays] = {}
        for name in wanted:
            if name not in listing.splits:
                raise QueristError(
                    f"{listing.root}: the data have no split {name!r}, only {', '.join(listing.splits)}",
                    "name the splits in the recipe (problem.pool, problem.reward, problem.test)",
                )
            if labelled:
                require_masks(listing.splits[name])

            def told(done: int, of: int, name: str = name) -> None:
                if progress is not None:
                    progress(f"reading {name}", done, of)

            loaded[name] = load_split(listing, name, *self.image, None, labelled, told)
        return loaded

    def _split(self, sizes: Mapping[str, int], seed: int, labelled: bool) -> Split:
        roles = np.full(sum(sizes.values()), Role.POOL, dtype=np.int8)
        pool = sizes[self.pool]
        if not labelled:
            return Split(roles)
        held_out = (self.reward_images or 0) if self.reward == self.pool else 0
        taken = self.start + self.state + held_out
        if taken >= pool:
            raise QueristError(
                f"{self.start} starting, {self.state} state and {held_out} reward images leave nothing of {pool}",
                "lower problem.start, problem.state or problem.reward_images",
            )
        order = rng.generator(seed, "split").permutation(pool)
        roles[order[: self.start]] = Role.START
        roles[order[self.start : self.start + self.state]] = Role.STATE
        roles[order[self.start + self.state : taken]] = Role.REWARD
        if not held_out:
            reward = pool + rng.generator(seed, "reward").permutation(sizes[self.reward])
            roles[reward] = Role.UNUSED
            roles[reward[: self.reward_images]] = Role.REWARD
        roles[len(roles) - sizes[self.test] :] = Role.TEST
        return Split(roles)


def _join(digests: Iterable[str]) -> str:
    return hashlib.sha256("/".join(digests).encode()).hexdigest()[:16]
