"""Semantic segmentation as a task: any model that gives logits, asked about regions of images."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from querist.core.answers import Labels
from querist.core.capabilities import (
    Embeds,
    EstimatesDeepInfluence,
    EstimatesInfluence,
    Rehearses,
    RehearsesStill,
    SamplesPredictions,
)
from querist.core.evaluation import Evaluation
from querist.core.task import Phase, Task
from querist.kernels.uncertainty import PixelUncertainty, pixel_uncertainty
from querist.nn.runtime import resolve_device, seeded, torch_generator
from querist.nn.trainer import Trainer, finite
from querist.tasks.segmentation.crops import Canvas
from querist.tasks.segmentation.data import SegmentationData
from querist.tasks.segmentation.description import RegionDescriber, SplitsAtTheHead, split_model
from querist.tasks.segmentation.grid import Grid
from querist.tasks.segmentation.influence import region_influence
from querist.tasks.segmentation.logits import logits_of
from querist.tasks.segmentation.metric import mean_iou_of, smooth_loss_of
from querist.tasks.segmentation.pictures import region_picture, region_place
from querist.tasks.segmentation.readout import ReadoutTask
from querist.tasks.segmentation.still import StillTask
from querist.tasks.segmentation.training import Batches, Schedule, Training, cross_entropy
from querist.tasks.segmentation.worth import LookAt, Sight, behind_the_backbone, to_the_last_layer

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


class SegmentationTask(Task):
    """Buys regions for a segmentation model.

    Args:
        data: images and masks.
        model: maps (B, 3, H, W) float, normalised with ImageNet statistics, to (B, C, H, W) logits.
        region: (height, width) of a region in pixels.
        loss: (logits, masks (B, H, W) int64, void id) -> scalar; default cross-entropy without void.
        schedule: the training of each phase.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        inference_batch: images per forward pass.
        passes: Monte-Carlo passes behind the field ``mutual_information``; only the model's head is repeated.
    """

    amount_unit = "pixels"

    def __init__(
        self,
        data: SegmentationData,
        model: nn.Module,
        region: tuple[int, int],
        loss: Callable[[Tensor, Tensor, int], Tensor] = cross_entropy,
        schedule: Schedule | None = None,
        device: str = "auto",
        inference_batch: int = 8,
        passes: int = 20,
    ) -> None:
        self.data = data
        self.grid = Grid.of(data.size, region)
        self.regions = self.grid.pool(data.names)
        self.pool = self.regions
        self.parts = tuple(data.classes)
        self._describer = RegionDescriber(self.grid, data.size, len(self.parts), passes)
        self.fields = self._describer.fields(isinstance(model, SplitsAtTheHead))
        self._embedding_width: int | None = None
        self._device = resolve_device(device)
        self._loss, self._schedule = loss, schedule or Schedule()
        self._trainer = Trainer(model.to(self._device), self._schedule.step.optimiser)
        self._inference_batch = inference_batch
        self._mean = torch.tensor(_MEAN, device=self._device).view(1, 3, 1, 1) * 255
        self._deviation = torch.tensor(_DEVIATION, device=self._device).view(1, 3, 1, 1) * 255

    @property
    def model(self) -> nn.Module:
        """What learns."""
        return self._trainer.model

    def can(self, capability: type) -> bool:
        """Embeddings and Monte-Carlo passes need a model that can be split at its head."""
        splits = isinstance(self.model, SplitsAtTheHead)
        needs = (Embeds, EstimatesDeepInfluence, EstimatesInfluence, Rehearses, RehearsesStill, SamplesPredictions)
        return super().can(capability) and (splits or capability not in needs)

    # Training -----------------------------------------------------------------------------------------------------

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
        if steps <= 0 or not len(labels.units) + len(labels.given):
            return {}
        training: Training = getattr(self._schedule, phase)
        batches = Batches(self.data, self.grid, self.regions, labels, new, training, phase, steps, rng)
        total = 0.0
        with (
            self._trainer.training(training.optimiser, steps, update=phase == "step") as descend,
            seeded(int(rng.integers(2**62))),
        ):
            for step in range(steps):
                images, masks = batches[step]
                target = torch.from_numpy(masks).to(self._device).long()
                logits = logits_of(self.model, self._tensor(images), len(self.parts))
                total += descend(self._loss(logits, target, self.data.void_id))
        return {"loss": finite(total, phase) / steps}

    def _tensor(self, images: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(images)).to(self._device).permute(0, 3, 1, 2).float()
        return (tensor - self._mean) / self._deviation

    # Prediction ---------------------------------------------------------------------------------------------------

    def _batches(self, sources: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        self.model.eval()
        for start in range(0, len(sources), self._inference_batch):
            batch = sources[start : start + self._inference_batch]
            yield batch, self._tensor(np.stack([self.data.image(s) for s in batch]))

    def predict(self, sources: np.ndarray) -> Iterator[tuple[np.ndarray, PixelUncertainty]]:
        """Per batch: class map, entropy and margin of every pixel, from one forward pass."""
        with torch.inference_mode():
            for batch, images in self._batches(sources):
                yield batch, pixel_uncertainty(logits_of(self.model, images, len(self.parts)))

    def sample_predictions(
        self, sources: np.ndarray, passes: int, rng: np.random.Generator
    ) -> Iterator[tuple[np.ndarray, Iterator[Tensor]]]:
        """Per batch: logits (B, C, H, W) of ``passes`` Monte-Carlo dropout passes; only the head is repeated."""
        model = split_model(self.model)
        with torch.inference_mode():
            for batch, images in self._batches(sources):
                generator = torch_generator(int(rng.integers(2**62)), self._device)
                yield batch, model.classify_dropout(model.features(images), self.data.size, passes, generator)

    def describe(self, units: np.ndarray, fields: Sequence[str], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """See :meth:`Task.describe`; a model that splits at its head also knows ``embedding``."""
        source, part = self.regions.sources(units)[:, 0], self.regions.part(units)
        images, row = np.unique(source, return_inverse=True)
        shapes = {n: (self.embedding_width(),) if n == "embedding" else self.fields[n].shape for n in fields}
        found = {name: np.empty((len(units), *shape), dtype=np.float32) for name, shape in shapes.items()}
        generator = torch_generator(int(rng.integers(2**62)), self._device)
        order = np.argsort(row, kind="stable")
        done = 0
        with torch.inference_mode():
            for batch, pictures in self._batches(images):
                tables = self._describer.describe(fields, self.model, pictures, generator)
                low, high = np.searchsorted(row, (done, done + len(batch)), sorter=order)
                here = order[low:high]  # the units that lie in this batch
                for name, table in tables.items():
                    found[name][here] = table[row[here] - done, part[here]]
                done += len(batch)
        return found

    def evaluate(self, sources: np.ndarray) -> Evaluation:
        return mean_iou_of(self.sight, sources, len(self.parts))

    def evaluate_smoothly(self, sources: np.ndarray) -> Evaluation:
        """See :class:`~querist.core.capabilities.EvaluatesSmoothly`: by the cross-entropy."""
        return smooth_loss_of(self.sight, sources, len(self.parts))

    # Capabilities -------------------------------------------------------------------------------------------------

    def truth(self, units: np.ndarray) -> list[np.ndarray]:
        """The true mask of each region, (height, width) uint8."""
        sources, parts = self.regions.sources(units)[:, 0], self.regions.part(units)
        return [
            np.ascontiguousarray(self.data.mask(source)[self.grid.window(part)])
            for source, part in zip(sources, parts, strict=True)
        ]

    def amounts(self, units: np.ndarray, answers: Sequence[np.ndarray]) -> np.ndarray:
        """(n, C) pixels of each class in each answer."""
        counts = [np.bincount(answer.ravel(), minlength=256)[: len(self.parts)] for answer in answers]
        return np.array(counts).reshape(len(answers), len(self.parts))

    def locate(self, units: np.ndarray) -> list[dict[str, Any]]:
        """The image and the box (left, top, width, height) of each region, in the pixels of the image file."""
        sources, parts = self.regions.sources(units)[:, 0], self.regions.part(units)
        return [
            {"image": image, "box": box}
            for source, part in zip(sources, parts, strict=True)
            for image, box in [region_place(self.data, self.grid, int(source), int(part))]
        ]

    def picture(self, units: np.ndarray) -> bytes:
        """A JPEG of the images that the regions lie in, with the regions outlined."""
        return region_picture(self.data, self.grid, self.regions, units)

    def embedding_width(self) -> int:
        """Channels of the model's last feature map, from one forward pass of a black image, once."""
        if self._embedding_width is None:
            model = split_model(self.model)
            self.model.eval()
            with torch.inference_mode():
                black = torch.zeros(1, 3, *self.data.size, device=self._device)
                self._embedding_width = int(model.features(black).shape[1])
        return self._embedding_width

    def embed(self, units: np.ndarray) -> np.ndarray:
        """(n, d) float32: the model's last feature map, averaged over each region. Needs a model with ``features``."""
        return self.describe(units, ("embedding",), np.random.default_rng(0))["embedding"]  # nothing is drawn

    def feature_maps(self, sources: np.ndarray) -> Tensor:
        """(n, d, h, w) float32 on the CPU: the map before the classifier. Needs a model that splits at its head."""
        model, found, done = split_model(self.model), torch.zeros(0), 0
        with torch.inference_mode():
            for batch, images in self._batches(sources):
                maps = model.features(images).float().cpu()
                found = found if done else torch.empty(len(sources), *maps.shape[1:])
                found[done : done + len(batch)] = maps
                done += len(batch)
        return found

    def influence(self, units: np.ndarray, answers: Sequence[np.ndarray] | None, sources: np.ndarray) -> np.ndarray:
        """See :class:`~querist.core.capabilities.EstimatesInfluence`: of the last layer alone, on white features."""
        return self.worth(units, answers, to_the_last_layer(self.sight, sources))

    def deep_influence(
        self, units: np.ndarray, answers: Sequence[np.ndarray] | None, sources: np.ndarray
    ) -> np.ndarray:
        """See :class:`~querist.core.capabilities.EstimatesDeepInfluence`: of all weights behind the backbone."""
        return self.worth(units, answers, behind_the_backbone(self.sight, sources))

    @property
    def sight(self) -> Sight:
        """The present model and what it sees with; it shows the model as it is when one looks."""
        return Sight(self.model, self._batches, self.data)

    def worth(self, units: np.ndarray, answers: Sequence[np.ndarray] | None, look: LookAt) -> np.ndarray:
        """(n,) float32: what the labels of regions are worth, or are expected to be where ``answers`` is None."""
        source, part = self.regions.sources(units)[:, 0], self.regions.part(units)
        given = None
        if answers is not None:
            given = Canvas(self.data, self.grid, self.regions, Labels(units, tuple(answers), units[:0]))
        return region_influence(self.data, self.grid, (source, part), given, look(np.unique(source)))

    def rehearsal(self, sources: np.ndarray) -> ReadoutTask:
        """The same questions for a linear classifier on this model's features, frozen: see :class:`ReadoutTask`."""
        return ReadoutTask(self, sources)

    def still_rehearsal(self, sources: np.ndarray) -> StillTask:
        """The same questions about this model as it stands: see :class:`StillTask`."""
        still = copy.copy(self)
        still._trainer = Trainer(copy.deepcopy(self.model), self._schedule.step.optimiser)
        return StillTask(still)

    def snapshot(self) -> dict[str, np.ndarray]:
        return self._trainer.snapshot()

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        self._trainer.restore(snapshot)

    def save(self, path: Path) -> None:
        self._trainer.save(path)

    def load(self, path: Path) -> None:
        self._trainer.load(path)
