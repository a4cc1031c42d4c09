"""Pose estimation as a task: any network that gives heat maps or coordinates, asked about images."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from querist.core.answers import Labels
from querist.core.capabilities import Embeds, ExpectsGradients, Rehearses, SamplesPredictions, TellsLosses
from querist.core.evaluation import Evaluation
from querist.core.pool import ColumnarPool
from querist.core.task import Phase
from querist.errors import QueristError
from querist.nn.runtime import resolve_device, seeded, torch_generator
from querist.nn.trainer import Trainer, finite
from querist.tasks.pose.batches import Batches
from querist.tasks.pose.data import PoseData
from querist.tasks.pose.description import EMBEDDING, PoseDescriber, Shapes, check_tensor
from querist.tasks.pose.frame import in_frame
from querist.tasks.pose.heatmaps import Reading
from querist.tasks.pose.insight import PoseInsight
from querist.tasks.pose.measures import Metric
from querist.tasks.pose.network import PoseNetwork
from querist.tasks.pose.objectives import ON_MAPS, WITH_DOUBT, Objective, pose_losses
from querist.tasks.pose.pictures import pose_picture
from querist.tasks.pose.readout import PoseReadoutTask
from querist.tasks.pose.training import Schedule, Training

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet

READINGS: Mapping[str, Reading] = {"cross_entropy": "peak_mean", "soft_argmax": "mean", "heat_map_mse": "peak"}
"""How places are read off heat maps that were learned by each objective."""


class PoseTask(PoseInsight):
    """Buys the joints of bodies or hands, image by image.

    An answer is a float array (J, D): the joints in pixels of the image file, and mm of depth for depth images; NaN
    where a joint could not be placed. The field ``pose``, and what :meth:`joints` gives, are on -1..1 across the image
    that the model sees.

    Args:
        data: images and joints.
        model: maps colour images (B, 3, S, S), normalised with ImageNet statistics, or depth images (B, 1, S, S) in
            -1..1, to heat maps (B, J, h, w), those of several stages (B, S, J, h, w), or coordinates (B, J, D) on
            -1..1. One that is a :class:`~querist.tasks.pose.network.PoseNetwork` can do more: embed, sample, rehearse.
        metric: how it is measured.
        objective: what it learns, see :func:`~querist.tasks.pose.objectives.pose_losses`; ``sigma`` the width of a
            joint's bell, in cells of a heat map.
        schedule: the training of each phase.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        inference_batch: images per forward pass.
        passes: Monte-Carlo passes behind ``pose_mean`` and ``pose_spread``.

    Raises:
        QueristError: the model's output is of another shape, or does not fit the objective.
    """

    def __init__(
        self,
        data: PoseData,
        model: nn.Module,
        metric: Metric | None = None,
        objective: Objective = "cross_entropy",
        sigma: float = 1.0,
        schedule: Schedule | None = None,
        device: str = "auto",
        inference_batch: int = 32,
        passes: int = 20,
    ) -> None:
        self.data, self.metric = data, metric or Metric()
        self.images = ColumnarPool(data.names, subjects=data.source_subjects)
        self.pool = self.images
        self.parts = data.skeleton.names
        self._device = resolve_device(device)
        self._schedule = schedule or Schedule()
        self._trainer = Trainer(model.to(self._device), self._schedule.step.optimiser)
        if not any(p.requires_grad for p in self.model.parameters()):
            raise QueristError(
                f"nothing of the model {type(model).__name__} can be learned",
                "leave requires_grad on for some of its parameters",
            )
        self.objective: Objective = objective
        self._sigma = sigma
        self._inference_batch = inference_batch
        self._mean = torch.tensor(_MEAN, device=self._device).view(1, 3, 1, 1) * 255
        self._deviation = torch.tensor(_DEVIATION, device=self._device).view(1, 3, 1, 1) * 255
        black = torch.zeros(1, 1 if data.is_depth else 3, data.size, data.size, device=self._device)
        shapes = Shapes(len(self.parts), data.joints.shape[2])
        self._describer = PoseDescriber(self.model, black, shapes, READINGS.get(objective, "peak"), passes)
        if self._describer.gives_maps != (objective in ON_MAPS):
            kind = "heat maps" if self._describer.gives_maps else "coordinates"
            raise QueristError(
                f"the model gives {kind}, which the objective {objective!r} is not for",
                f"use {', '.join(ON_MAPS)}" if kind == "heat maps" else "use coordinate_mse or coordinate_smooth_l1",
            )
        doubts = isinstance(model, PoseNetwork) and model.doubts
        if doubts != (objective == WITH_DOUBT):
            raise QueristError(
                f"the objective {objective!r}, but the model says {'' if doubts else 'not '}how sure it is",
                f"{WITH_DOUBT} is for a DeepPrior with doubt: true, and such a network for {WITH_DOUBT}",
            )
        self.fields = self._describer.fields(self.model)

    def can(self, capability: type) -> bool:
        """What looks into the model needs one that shows what it sees before its head."""
        needs = (Embeds, ExpectsGradients, Rehearses, SamplesPredictions, TellsLosses)
        return super().can(capability) and (isinstance(self.model, PoseNetwork) or capability not in needs)

    def way_to(self, capability: type) -> str:
        """A plain module lacks what a network has that shows what it sees."""
        if isinstance(self, capability):
            return "derive the model from querist.tasks.pose.network.PoseNetwork, and give it look() and head"
        return super().way_to(capability)

    @property
    def gives_maps(self) -> bool:
        """Whether the model gives heat maps; coordinates otherwise."""
        return self._describer.gives_maps

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
        if steps <= 0:
            return {}
        training: Training = getattr(self._schedule, phase)
        batches = Batches(self.data, self.images, labels, new, training, phase, steps, rng)
        if batches.empty:
            return {}
        total = 0.0
        with (
            self._trainer.training(training.optimiser, steps, update=phase == "step") as descend,
            seeded(int(rng.integers(2**62))),
        ):
            for step in range(steps):
                images, places = self._varied(batches[step], training, rng)
                total += descend(self._loss(images, places))
        return {"loss": finite(total, phase) / steps}

    def _loss(self, images: Tensor, places: Tensor) -> Tensor:
        output = self.model(images)
        check_tensor(f"{type(self.model).__name__}, when it is trained,", output)
        try:
            return pose_losses(output, places, self.objective, self._sigma).mean()
        except ValueError as error:
            raise QueristError(
                f"the model {type(self.model).__name__} gives, when it is trained, {tuple(output.shape)}: {error}",
                "let it give the same in training as it gives in evaluation",
            ) from error

    def _varied(
        self, batch: tuple[np.ndarray, np.ndarray], training: Training, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        images = torch.from_numpy(self.data.batch(batch[0])).to(self._device).permute(0, 3, 1, 2).float()
        places = torch.from_numpy(batch[1]).to(self._device)
        if self.data.is_depth:
            return training.augmentation.apply(images, places, self.data.skeleton, rng)
        images, places = training.augmentation.apply(images - self._mean, places, self.data.skeleton, rng)
        return images / self._deviation, places

    # Prediction ---------------------------------------------------------------------------------------------------

    def predict(self, sources: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Per batch: its sources, and their joints (b, J, D) float32 in the frame of ``data``."""
        with torch.inference_mode():
            for batch, images in self._batches(sources):
                yield batch, in_frame(self.data, self._describer.places(self.model(images)).cpu().numpy())

    def sample_predictions(
        self, sources: np.ndarray, passes: int, rng: np.random.Generator
    ) -> Iterator[tuple[np.ndarray, Iterator[np.ndarray]]]:
        """Per batch: joints (b, J, D) of ``passes`` Monte-Carlo dropout passes, in the frame of ``data``."""
        with torch.inference_mode():
            for batch, images in self._batches(sources):
                generator = torch_generator(int(rng.integers(2**62)), self._device)
                outputs = self.network.sample(self.network.look(images), passes, generator)
                # Taken one by one, perhaps outside of inference mode.
                yield (
                    batch,
                    (in_frame(self.data, self._describer.places(one).detach().cpu().numpy()) for one in outputs),
                )

    def describe(self, units: np.ndarray, fields: Sequence[str], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """See :meth:`Task.describe`; a :class:`~querist.tasks.pose.network.PoseNetwork` also knows ``embedding``."""
        sources, row = np.unique(self.images.sources(units)[:, 0], return_inverse=True)
        shapes = {n: (self.embedding_width(),) if n == EMBEDDING else self.fields[n].shape for n in fields}
        found = {name: np.empty((len(sources), *shape), dtype=np.float32) for name, shape in shapes.items()}
        generator = torch_generator(int(rng.integers(2**62)), self._device)
        done = 0
        with torch.inference_mode():
            for batch, images in self._batches(sources):
                tables = self._describer.describe(fields, self.model, images, generator)
                for name, table in tables.items():
                    found[name][done : done + len(batch)] = table
                done += len(batch)
        return {name: table[row] for name, table in found.items()}

    @property
    def data_hash(self) -> str:
        return self.data.digest

    def evaluate(self, sources: np.ndarray) -> Evaluation:
        sources = np.asarray(sources)
        found = [joints for _, joints in self.predict(sources)]
        return self.metric(self.data, sources, np.concatenate(found) if found else self.data.joints[:0])

    # Capabilities -------------------------------------------------------------------------------------------------

    def picture(self, units: np.ndarray) -> bytes:
        """A JPEG of the images with the poses that are known of them."""
        return pose_picture(self.data, self.images.sources(units)[:, 0])

    def rehearsal(self, sources: np.ndarray) -> PoseReadoutTask:
        """The same questions for a linear read-out of this model's features, frozen: see :class:`PoseReadoutTask`."""
        return PoseReadoutTask(self, sources)

    def snapshot(self) -> dict[str, np.ndarray]:
        return self._trainer.snapshot()

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        self._trainer.restore(snapshot)

    def save(self, path: Path) -> None:
        self._trainer.save(path)

    def load(self, path: Path) -> None:
        self._trainer.load(path)
