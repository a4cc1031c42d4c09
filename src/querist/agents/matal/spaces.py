"""The feature spaces in which MATAL compares images, and the numbers about them that are frozen before it learns.

Space 0 is the appearance, then come the topology of all bones (P_0) and of each part (P_1, ...); ALGORITHMS 2.2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from querist.agents.matal.config import Matal
from querist.core import rng
from querist.core.capabilities import HasSkeleton
from querist.core.task import Task
from querist.errors import QueristError
from querist.kernels.cosines import fixed_edges, quantile_edges
from querist.kernels.kinematic_chain import chain_features, space_columns
from querist.kernels.mmd import median_bandwidth

POSE, APPEARANCE = "pose", "appearance"
FIELDS = (POSE, APPEARANCE)
_LOOKED_AT = 500  # images; their 124,750 pairs give medians and tenths to well below a hundredth


@dataclass(frozen=True, eq=False)
class Calibration:
    """What is fixed once for a policy, so that its inputs mean the same in every step.

    Args:
        bandwidths: (P + 2,) float64, σ² of the kernel in each space.
        edges: (P + 1, bins - 1) float32, inner edges of the histograms of cosines in each topology space.
    """

    bandwidths: np.ndarray
    edges: np.ndarray

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """As a card keeps it."""
        return {f"{prefix}/bandwidths": self.bandwidths, f"{prefix}/edges": self.edges}

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray], prefix: str) -> "Calibration":
        """What :meth:`arrays` gave; KeyError if it is not there."""
        return cls(np.asarray(arrays[f"{prefix}/bandwidths"]), np.asarray(arrays[f"{prefix}/edges"]))


class Seen(NamedTuple):
    """What the present model makes of n images.

    Args:
        poses: (n, J, D) float32, estimated.
        looks: (n, d) float32, appearance.
        topology: (n, F) float32, see :meth:`Spaces.topology`.
    """

    poses: np.ndarray
    looks: Tensor
    topology: Tensor


class Spaces:
    """Appearance and topology of the images of one task.

    Args:
        task: offers :data:`FIELDS` and has a skeleton.

    Raises:
        QueristError: it does not, or its poses and its skeleton do not fit together.
    """

    def __init__(self, task: Task) -> None:
        kind = type(task).__name__
        for name in FIELDS:
            if name not in task.fields:
                raise QueristError(
                    f"matal needs the field {name!r}; {kind} offers {', '.join(task.fields) or 'none'}",
                    "use it with a pose task, whose model estimates joints and gives a feature vector",
                )
        if not isinstance(task, HasSkeleton):
            raise QueristError(
                f"matal needs to know which joints hang together, and {kind} has no skeleton",
                "give the task bones, part_bones and joints (querist.core.capabilities.HasSkeleton)",
            )
        self._bones = torch.from_numpy(np.asarray(task.bones, dtype=np.int64))
        self._parts = [list(part) for part in task.part_bones]
        single = [number for number, part in enumerate(self._parts) if len(part) == 1]
        if single:
            raise QueristError(
                f"part {single[0]} of the skeleton of {kind} has one bone: without an angle all poses look alike in it",
                "give each part two bones or more",
            )
        try:
            self.columns = space_columns(len(self._bones), self._parts)
        except ValueError as error:
            raise QueristError(f"the skeleton of {kind}: {error}", "correct bones and parts") from error
        self._joints, size = int(self._bones.max()) + 1, task.fields[POSE].size
        if size % self._joints:
            raise QueristError(
                f"{kind} estimates {size} coordinates, but its bones join {self._joints} joints",
                "use the skeleton that the model was made for",
            )
        self.appearance_width = task.fields[APPEARANCE].size

    def __len__(self) -> int:
        """P + 2: appearance, all bones, and each part."""
        return len(self.columns) + 1

    def described(self, task: Task, units: np.ndarray, stream: np.random.Generator) -> tuple[np.ndarray, Tensor]:
        """Estimated poses (n, J, D) and appearances (n, d), float32, of images from the present model.

        Raises:
            QueristError: the model estimates coordinates or features that are not finite; names the first image.
        """
        found = task.describe(units, FIELDS, stream)
        poses = found[POSE].reshape(len(units), self._joints, -1).astype(np.float32)
        looks = found[APPEARANCE].reshape(len(units), -1).astype(np.float32)
        for name, table in ((POSE, poses), (APPEARANCE, looks)):
            wrong = np.flatnonzero(~np.isfinite(table.reshape(len(units), -1)).all(axis=1))
            if len(wrong):
                raise QueristError(
                    f"the model's {name} of {task.pool.name(int(units[wrong[0]]))} and of {len(wrong) - 1} more images "
                    "is not finite",
                    "lower the learning rate of the task",
                )
        return poses, torch.from_numpy(looks)

    def seen(self, task: Task, lists: Sequence[np.ndarray], stream: np.random.Generator) -> list[Seen]:
        """Several lists of images, each in its order; whoever stands in them twice is described once.

        Raises:
            QueristError: see :meth:`described`.
        """
        distinct, inverse = np.unique(np.concatenate(lists), return_inverse=True)
        poses, looks = self.described(task, distinct, stream)
        topology = self.topology(poses)
        parts = np.split(inverse, np.cumsum([len(units) for units in lists])[:-1])
        return [Seen(poses[rows], looks[torch.from_numpy(rows)], topology[torch.from_numpy(rows)]) for rows in parts]

    def topology(self, poses: np.ndarray) -> Tensor:
        """(n, J, D) -> (n, F) float32; 275 numbers for a hand of 21 joints, 150 for a body of 16."""
        return chain_features(torch.from_numpy(np.ascontiguousarray(poses)), self._bones, self._parts)

    def known(self, truth: np.ndarray, estimated: np.ndarray) -> np.ndarray:
        """Labelled poses; a joint that the labeller could not place stands where the model thinks it is.

        Args:
            truth: (n, J, D), NaN where unknown; ``estimated`` (n, J, D).

        Raises:
            QueristError: the shapes differ.
        """
        if truth.shape != estimated.shape:
            raise QueristError(
                f"labels are poses {truth.shape[1:]} of joints and coordinates, estimates {estimated.shape[1:]}",
                "let the task's joints() give labels in the frame of its field 'pose'",
            )
        return np.where(np.isfinite(truth), truth, estimated).astype(np.float32)


def calibrate(spaces: Spaces, task: Task, units: np.ndarray, settings: Matal, seed: int) -> Calibration:
    """Bandwidths and edges from what a model makes of some images; no label is needed.

    Args:
        spaces: of the task.
        task: with the model that the games begin with.
        units: of the starting set, two at least; some hundreds of them are looked at.
        settings: ``bins`` and ``edges``.
        seed: draws which.
    """
    order = np.argsort(rng.keys(units, seed, "calibrate"), kind="stable")
    some = np.sort(units[order[:_LOOKED_AT]])
    _, looks, topology = spaces.seen(task, [some], rng.generator(seed, "calibrate"))[0]
    bandwidths = [median_bandwidth(looks), *(median_bandwidth(topology[:, where]) for where in spaces.columns)]
    if settings.edges == "fixed":
        edges = fixed_edges(len(spaces.columns), settings.bins)
    else:
        edges = quantile_edges(topology, spaces.columns, settings.bins)
    return Calibration(np.array(bandwidths), edges.numpy())
