"""A rehearsal of a segmentation task: its features frozen and kept, a linear classifier on them learns.

An episode in which a policy is trained needs an update and a measurement at every step. Here both are cheap: the
classifier is a multinomial logistic regression over the labelled cells of the feature map (all that was bought, and a
share of what was given, which weighs as much as all of it), trained by the same number of full-batch steps from where
it stood. There is no noise of batches or of augmentation in a gain, only what the labels are worth to a linear
read-out of the features, and the noise of the set it is measured on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from querist.core.answers import Labels
from querist.core.evaluation import Evaluation
from querist.core.task import Phase, Task
from querist.errors import QueristError
from querist.kernels.confusion import confusion_counts
from querist.nn.head import resize
from querist.nn.weights import load_model, save_model
from querist.tasks.segmentation.crops import Canvas
from querist.tasks.segmentation.data import SegmentationData
from querist.tasks.segmentation.description import RegionDescriber
from querist.tasks.segmentation.influence import Cells, Yardstick, region_influence
from querist.tasks.segmentation.metric import evaluation

if TYPE_CHECKING:
    from querist.tasks.segmentation.task import SegmentationTask

_RATE, _MOMENTUM, _DECAY = 2.0, 0.9, 1e-4  # of gradient steps on white features, which settle with given images
_LEAST_FREQUENCY = 1e-3  # a class that was hardly met shall not rule the rest
_LEAST_VARIANCE = 1e-5  # of the largest: directions below it are rounding


class LinearReadout(nn.Module):
    """Class scores that are linear in a feature map, enlarged to the image.

    Args:
        width: channels of the (white) features; ``classes`` C; ``size`` (height, width) of the image.
    """

    def __init__(self, width: int, classes: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size
        self.weight = nn.Parameter(torch.zeros(width, classes), requires_grad=False)

    def scores(self, features: Tensor) -> Tensor:
        """(..., width) -> (..., C)."""
        return features @ self.weight

    def forward(self, features: Tensor) -> Tensor:
        """(B, h, w, width) -> logits (B, C, H, W)."""
        return resize(self.scores(features).permute(0, 3, 1, 2), self.size)


class Features:
    """The white features and the labels of some images at the stride of the feature map.

    Args:
        maps: (n, d, h, w) of the images; whitened here (mean 0, covariance 1 over all cells) and given a constant.
        sources: (n,) which images, ascending.
        data: gives the masks; ``sources`` index it.
    """

    def __init__(self, maps: Tensor, sources: np.ndarray, data: SegmentationData) -> None:
        n, d, h, w = maps.shape
        self.size = (h, w)
        mean, covariance = torch.zeros(d, dtype=torch.float64), torch.zeros(d, d, dtype=torch.float64)
        for image in maps:  # one by one: in double precision all of them would take many times their room
            mean += _cells(image).sum(dim=0) / (n * h * w)
        for image in maps:
            centred = _cells(image) - mean
            covariance += centred.T @ centred / (n * h * w)
        values, vectors = torch.linalg.eigh(covariance)
        kept = values > values.max() * _LEAST_VARIANCE
        directions = vectors[:, kept] / values[kept].sqrt()
        self.white = torch.ones(n, h, w, directions.shape[1] + 1)
        for row, image in zip(self.white, maps, strict=True):
            row[..., :-1] = ((_cells(image) - mean) @ directions).unflatten(0, (h, w))
        self.row = {int(source): i for i, source in enumerate(sources)}
        self.cells = Cells.of(self.size, data.size)

    def of(self, sources: Sequence[int] | np.ndarray) -> Tensor:
        """(n, h, w, width + 1)."""
        missing = [int(s) for s in sources if int(s) not in self.row]
        if missing:
            raise ValueError(f"the rehearsal keeps no features of source {missing[0]}")
        return self.white[[self.row[int(s)] for s in sources]]

    def sampled(self, mask: np.ndarray) -> np.ndarray:
        """A mask (H, W) at the centres of the cells: (h, w)."""
        return self.cells.sampled(mask)


def _cells(image: Tensor) -> Tensor:
    """(d, h, w) -> (h w, d) float64."""
    return image.flatten(1).T.double()


class ReadoutTask(Task):
    """A segmentation task of which only a linear classifier on frozen features learns.

    Args:
        of: the task whose model, as it stands, gives the features. It is left alone.
        sources: the images that will be played with: given, pool, state and reward.
        given_share: of the given images' cells, so many are learned from (each counts for more then).
        balance: a class of frequency f among the labelled cells weighs f to the power of minus this. Without it the
            best linear classifier gives the rare classes up, and more labels can lower the mIoU.
        batch: images per forward pass of the read-out.

    Raises:
        QueristError: the model cannot be split at its head.
    """

    amount_unit = "pixels"

    def __init__(
        self,
        of: "SegmentationTask",
        sources: np.ndarray,
        given_share: float = 0.25,
        balance: float = 0.5,
        batch: int = 32,
    ) -> None:
        self._of, self._batch, self._given_share, self._balance = of, batch, given_share, balance
        self.pool, self.parts, self.data, self.grid = of.pool, of.parts, of.data, of.grid
        self._describer = RegionDescriber(of.grid, of.data.size, len(of.parts), 1)
        self.fields = self._describer.fields(splits=False)
        sources = np.unique(sources)
        self._features = Features(of.feature_maps(sources), sources, of.data)
        self.model = LinearReadout(int(self._features.white.shape[-1]), len(self.parts), of.data.size)
        self._momentum = torch.zeros_like(self.model.weight)
        self._given: tuple[np.ndarray, Tensor, Tensor] | None = None
        self._yardstick: tuple[np.ndarray, Tensor, Yardstick] | None = None

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
        """Full-batch gradient steps on the labelled cells. Nothing is drawn."""
        if steps <= 0 or not len(labels.units) + len(labels.given):
            return {}
        if phase != "step":
            self.model.weight.zero_()
            self._momentum.zero_()
        features, target, weight = self._learned_from(labels)
        weight = weight * self._of_classes(target, weight)[target]
        weight /= weight.sum()
        # Classes by cells: a softmax over the rows is many times faster than one over short columns.
        cells = features.T.contiguous()
        truth = torch.zeros(len(self.parts), len(target)).scatter_(0, target.unsqueeze(0), 1.0)
        with torch.inference_mode():
            for _ in range(steps):
                shares = (self.model.weight.T @ cells).softmax(dim=0)
                slope = ((shares - truth).mul_(weight) @ features).T + _DECAY * self.model.weight
                self._momentum.mul_(_MOMENTUM).sub_(slope, alpha=_RATE)
                self.model.weight.add_(self._momentum)
            chances = (self.model.weight.T @ cells).log_softmax(dim=0)
        return {"loss": -float((weight * chances * truth).sum())}

    def _of_classes(self, target: Tensor, weight: Tensor) -> Tensor:
        """(C,): what a cell of each class weighs."""
        frequency = torch.bincount(target, weight, minlength=len(self.parts)) / weight.sum()
        return frequency.clamp_min(_LEAST_FREQUENCY) ** -self._balance

    def _learned_from(self, labels: Labels) -> tuple[Tensor, Tensor, Tensor]:
        """(n, width) features, (n,) classes and (n,) weights of all labelled cells."""
        parts = []
        if len(labels.given):
            if self._given is None or not np.array_equal(self._given[0], labels.given):
                self._given = (labels.given, *self._cells(labels.given, [self.data.mask(s) for s in labels.given]))
            _, features, target = self._given
            every = max(1, round(1 / self._given_share))
            # Every so-maniest cell, the same at every step.
            parts.append((features[::every], target[::every], float(every)))
        if len(labels.units):
            canvas = Canvas(
                self.data, self.grid, self._of.regions, Labels(labels.units, labels.answers, labels.given[:0])
            )
            images = np.unique(self.pool.sources(labels.units)[:, 0])
            parts.append((*self._cells(images, [canvas.mask(int(s)) for s in images]), 1.0))
        weights = [torch.full((len(target),), weight) for _, target, weight in parts]
        return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts]), torch.cat(weights)

    def _cells(self, sources: np.ndarray, masks: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        target = torch.from_numpy(np.stack([self._features.sampled(mask) for mask in masks])).flatten().long()
        known = target != self.data.void_id
        return self._features.of(sources).flatten(0, 2)[known], target[known]

    def predict(self, sources: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Per batch: logits (B, C, H, W)."""
        with torch.inference_mode():
            for start in range(0, len(sources), self._batch):
                some = sources[start : start + self._batch]
                yield some, self.model(self._features.of(some))

    def describe(self, units: np.ndarray, fields: Sequence[str], rng: np.random.Generator) -> dict[str, np.ndarray]:
        source, part = self._of.regions.sources(units)[:, 0], self._of.regions.part(units)
        images, row = np.unique(source, return_inverse=True)
        tables = [self._describer.from_logits(fields, logits) for _, logits in self.predict(images)]
        shapes = {name: self.fields[name].shape for name in fields}
        if not tables:
            return {name: np.zeros((0, *shape), dtype=np.float32) for name, shape in shapes.items()}
        return {
            name: np.concatenate([table[name] for table in tables])[row, part].reshape(len(units), *shape)
            for name, shape in shapes.items()
        }

    def evaluate(self, sources: np.ndarray) -> Evaluation:
        """MIoU over the cells of the feature map.

        Raises:
            QueristError: not one of them is labelled.
        """
        counts = []
        with torch.inference_mode():
            for start in range(0, len(sources), self._batch):
                some = sources[start : start + self._batch]
                found = self.model.scores(self._features.of(some)).argmax(dim=-1)
                truth = torch.from_numpy(np.stack([self._features.sampled(self.data.mask(s)) for s in some]))
                counts.append(confusion_counts(found, truth, len(self.parts), self.data.void_id).numpy())
        if not any(part.any() for part in counts):
            raise QueristError(
                f"not one cell of the {len(sources)} images to measure on is labelled",
                "give images with masks the role reward",
            )
        return evaluation(sources, np.concatenate(counts))

    def truth(self, units: np.ndarray) -> list[np.ndarray]:
        """The true mask of each region."""
        return self._of.truth(units)

    def influence(self, units: np.ndarray, answers: Sequence[np.ndarray] | None, sources: np.ndarray) -> np.ndarray:
        """See :class:`~querist.core.capabilities.EstimatesInfluence`; exact for a gradient step of this classifier."""
        source, part = self.pool.sources(units)[:, 0], self._of.regions.part(units)

        def look(images: np.ndarray) -> tuple[Tensor, Tensor]:
            features = self._features.of(images)
            return features, self.model.scores(features).softmax(dim=-1)

        with torch.inference_mode():
            yardstick = self._measured_by(sources, look)
            images = np.unique(source)
            batches = [images[i : i + self._batch] for i in range(0, len(images), self._batch)]
            looks = ((some, yardstick.values(*seen), seen[1]) for some in batches for seen in [look(some)])
            given = None
            if answers is not None:
                given = Canvas(self.data, self.grid, self._of.regions, Labels(units, tuple(answers), units[:0]))
            return region_influence(self.data, self.grid, (source, part), given, looks)

    def _measured_by(self, sources: np.ndarray, look: Callable[[np.ndarray], tuple[Tensor, Tensor]]) -> Yardstick:
        """The yardstick of the present weights; kept, because a step asks twice: before it chooses, and to be paid."""
        kept = self._yardstick
        if kept is None or not (np.array_equal(kept[0], sources) and torch.equal(kept[1], self.model.weight)):
            masks = np.stack([self._features.sampled(self.data.mask(int(s))) for s in sources])
            yardstick = Yardstick.of(*look(sources), masks, self.data.void_id)
            kept = self._yardstick = (sources, self.model.weight.clone(), yardstick)
        return kept[2]

    def amounts(self, units: np.ndarray, answers: Sequence[np.ndarray]) -> np.ndarray:
        """(n, C) pixels of each class in each answer."""
        return self._of.amounts(units, answers)

    def snapshot(self) -> dict[str, np.ndarray]:
        return {"weight": self.model.weight.numpy().copy(), "momentum": self._momentum.numpy().copy()}

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        self.model.weight.copy_(torch.from_numpy(snapshot["weight"]))
        self._momentum.copy_(torch.from_numpy(snapshot["momentum"]))

    def save(self, path: Path) -> None:
        save_model(self.model, path)

    def load(self, path: Path) -> None:
        load_model(self.model, path)
