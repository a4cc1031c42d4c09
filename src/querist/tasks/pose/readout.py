"""A rehearsal of a pose task: its features frozen and kept, a linear read-out of them learns.

An episode in which a policy is trained needs an update and a measurement at every step. Here both are cheap: the
read-out is a ridge regression, solved exactly, of heat maps from the cells of feature maps, or of coordinates from a
feature vector, as the model gives the one or the other. There is no noise of batches, of augmentation or of unfinished
training in a gain, only what the labels are worth to a linear read-out, and the noise of the set it is measured on.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from querist.core.answers import Labels
from querist.core.evaluation import Evaluation
from querist.core.task import Phase, Task
from querist.kernels.ridge import masked_ridge
from querist.nn.weights import load_model, save_model
from querist.tasks.pose.batches import labelled_places
from querist.tasks.pose.description import APPEARANCE, POSE
from querist.tasks.pose.frame import in_frame, normalised
from querist.tasks.pose.heatmaps import gaussians, read_places
from querist.tasks.pose.process import Images, as_places, bandwidth_of, gains
from querist.tasks.pose.readout_features import KeptFeatures
from querist.tasks.pose.units import PoseUnits

if TYPE_CHECKING:
    from querist.tasks.pose.task import PoseTask

_SIGMA = 0.7
"""Width of a joint's bell in cells; a bell has the sum 1 over its map."""

_SHARPNESS = 300.0
"""From regressed heat maps to scores whose softmax around the highest cell gives the place."""


_RIDGE = {True: 0.3, False: 0.003}
"""Of heat maps from white cells, and of coordinates from vectors of about unit length."""


class PoseReadout(nn.Module):
    """A linear map from features to what is read off each cell.

    Args:
        width: of the features; ``outputs`` of each cell.
    """

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width, outputs), requires_grad=False)

    def forward(self, cells: Tensor) -> Tensor:
        """(..., width) -> (..., outputs)."""
        return cells @ self.weight


class PoseReadoutTask(PoseUnits, Task):
    """A pose task of which only a linear read-out of frozen features learns.

    Args:
        of: the task whose model, as it stands, gives the features. It is left alone.
        sources: the images that will be played with.
        ridge: the weight of the penalty, relative to one labelled cell; None: what does well with pose networks.

    Raises:
        QueristError: the model does not show what it sees before its head.
    """

    def __init__(self, of: "PoseTask", sources: np.ndarray, ridge: float | None = None) -> None:
        self.data, self.images, self.metric = of.data, of.images, of.metric
        self.pool, self.parts = of.pool, of.parts
        self.fields = {name: of.fields[name] for name in (POSE, APPEARANCE)}
        self._gives_maps = of.gives_maps
        sources = np.unique(sources)
        with torch.inference_mode():
            self._kept = KeptFeatures((seen for _, seen in of.looks(sources)), sources, self._gives_maps)
        self._ridge = _RIDGE[self._gives_maps] if ridge is None else ridge
        self._coordinates = int(self.data.joints.shape[2])
        each = 1 if self._gives_maps else self._coordinates
        width = int(self._kept.cells.shape[-1])
        self.model = PoseReadout(width, len(self.parts) * each)
        self._bandwidth = bandwidth_of(self._kept.appearance)
        self._learned = np.zeros(0, dtype=np.int64), np.zeros((0, len(self.parts), self._coordinates), np.float32)

    def fit(
        self,
        labels: Labels,
        *,
        new: Labels,
        unlabelled: np.ndarray | None = None,
        steps: int,
        phase: Phase,
        rng: np.random.Generator,
    ) -> dict[str, float]:
        """Solves the regression on all labels, whatever the number of steps, if there are any. Nothing is drawn."""
        sources, places = labelled_places(self.data, self.images, labels)
        if steps <= 0 or not len(sources):
            return {}
        with torch.inference_mode():
            cells = self._cells(sources)
            target, counts = self._targets(places)
            self.model.weight.copy_(masked_ridge(cells, target, counts, self._ridge))
            self._learned = np.asarray(sources), places
            error = (self.model(cells) - target).square().mean(dim=1)
        return {"loss": float(error[counts].mean()) if bool(counts.any()) else 0.0}

    def _cells(self, sources: np.ndarray) -> Tensor:
        """(n, cells, width)."""
        return self._kept.cells[self._kept.rows(sources)].flatten(1, 2)

    def _targets(self, places: np.ndarray) -> tuple[Tensor, Tensor]:
        """What each cell should give, (n, cells, outputs), and for which outputs this is known, (n, outputs) bool."""
        known = torch.from_numpy(places)
        counts = torch.isfinite(known).all(dim=2)
        if not self._gives_maps:
            every = counts[:, :, None].expand(-1, -1, self._coordinates)
            return known.nan_to_num(0.0).flatten(1)[:, None, :], every.flatten(1)
        counts = counts & (known.abs() <= 1).all(dim=2)
        bells = gaussians(known, (self._kept.side, self._kept.side), _SIGMA).flatten(2)
        return (bells / bells.sum(dim=2, keepdim=True).clamp_min(1e-6)).transpose(1, 2), counts

    def _places(self, sources: np.ndarray) -> np.ndarray:
        """(n, J, D) on -1..1 as the read-out sees them."""
        shape = (len(sources), len(self.parts), self._coordinates)
        if not len(sources):
            return np.zeros(shape, dtype=np.float32)
        with torch.inference_mode():
            found = self.model(self._cells(sources))
            if self._gives_maps:
                maps = found.transpose(1, 2).unflatten(2, (self._kept.side, self._kept.side))
                found = read_places(_SHARPNESS * maps, "peak_mean")
            return found.reshape(shape).numpy()

    def predict(self, sources: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All sources in one batch, and their joints (n, J, D) float32 in the frame of ``data``."""
        yield sources, in_frame(self.data, self._places(sources))

    def describe(self, units: np.ndarray, fields: Sequence[str], rng: np.random.Generator) -> dict[str, np.ndarray]:
        sources = self.images.sources(units)[:, 0]
        found = {}
        if POSE in fields:
            found[POSE] = self._places(sources).reshape(len(units), self.fields[POSE].size)
        if APPEARANCE in fields:
            found[APPEARANCE] = self._kept.appearance[self._kept.rows(sources)].numpy()
        return {name: found[name] for name in fields}

    def evaluate(self, sources: np.ndarray) -> Evaluation:
        sources = np.asarray(sources)
        return self.metric(self.data, sources, in_frame(self.data, self._places(sources)))

    def influence(self, units: np.ndarray, answers: Sequence[np.ndarray] | None, sources: np.ndarray) -> np.ndarray:
        """See :class:`~querist.core.capabilities.EstimatesInfluence`: exact, to a process (:func:`gains`).

        Without answers nothing is expected of any image: what a process believes is its own mean, from which it would
        learn nothing.
        """
        if answers is None:
            return np.zeros(len(units), dtype=np.float32)
        sources = np.asarray(sources)
        asked = self._labelled(self.images.sources(units)[:, 0], self.joints(units, answers))
        measured = self._labelled(sources, normalised(self.data, self.data.joints[sources]))
        with torch.inference_mode():
            return gains(self._labelled(*self._learned), asked, measured, self._bandwidth).numpy()

    def _labelled(self, sources: np.ndarray, places: np.ndarray) -> Images:
        return Images(self._kept.appearance[self._kept.rows(sources)], as_places(places))

    def snapshot(self) -> dict[str, np.ndarray]:
        sources, places = self._learned
        return {"weight": self.model.weight.numpy().copy(), "sources": sources.copy(), "places": places.copy()}

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        self.model.weight.copy_(torch.from_numpy(snapshot["weight"]))
        self._learned = snapshot["sources"].copy(), snapshot["places"].copy()

    def save(self, path: Path) -> None:
        save_model(self.model, path)

    def load(self, path: Path) -> None:
        load_model(self.model, path)
