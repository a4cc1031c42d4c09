"""How a segmentation model is trained in each phase, and the batches it sees."""

from dataclasses import dataclass, field

import numpy as np
from torch import Tensor
from torch.nn import functional

from querist.core.answers import Labels
from querist.core.pool import ColumnarPool
from querist.core.task import Phase
from querist.nn.optimiser import Optimiser
from querist.tasks.segmentation.crops import Canvas, CropSampler, anchors, draw_by_image, draw_in_rounds
from querist.tasks.segmentation.data import SegmentationData
from querist.tasks.segmentation.grid import Grid


def cross_entropy(logits: Tensor, masks: Tensor, void: int) -> Tensor:
    """The mean cross-entropy over labelled pixels; zero (with a gradient of zero) where there are none."""
    labelled = (masks != void).sum()
    # Summed here: on GPUs the sum that cross_entropy takes of maps has no deterministic form.
    total = functional.cross_entropy(logits, masks, ignore_index=void, reduction="none").sum()
    return total / labelled.clamp(min=1)


@dataclass(frozen=True)
class Training:
    """One phase's training.

    Args:
        optimiser: its kind, rate and schedule.
        batch: crops per optimiser step.
        crop: (height, width) of a crop; None: the whole image.
        replay: the share of a batch that is drawn from what was known before: in the ``step`` phase from older answers
            and the given images (0 trains on the newest answers alone, as the released code of RALIS does), in the
            ``final`` phase from the given images, whatever the numbers of given and of bought images are.
    """

    optimiser: Optimiser = field(default_factory=Optimiser)
    batch: int = 16
    crop: tuple[int, int] | None = None
    replay: float = 0.5


@dataclass(frozen=True)
class Schedule:
    """The training of each phase."""

    start: Training = field(default_factory=Training)
    step: Training = field(default_factory=Training)
    final: Training = field(default_factory=Training)


class Batches:
    """Makes uint8 batches of crops with masked labels.

    Args:
        data: images, and masks of given sources.
        grid: the regions; ``pool`` the units.
        labels: everything that may be learned from.
        new: what the last step bought.
        training: sizes and shares; ``phase`` decides how anchors are drawn.
        steps: how many batches will be asked for.
        rng: draws everything.
    """

    def __init__(
        self,
        data: SegmentationData,
        grid: Grid,
        pool: ColumnarPool,
        labels: Labels,
        new: Labels,
        training: Training,
        phase: Phase,
        steps: int,
        rng: np.random.Generator,
    ) -> None:
        self._data, self._grid, self._rng = data, grid, rng
        self._canvas = Canvas(data, grid, pool, labels)
        self._sampler = CropSampler(training.crop)
        self._batch = training.batch
        table = anchors(labels, pool, grid)
        newest = np.isin(labels.units, new.units) if phase == "step" else np.ones(len(labels.units), dtype=bool)
        is_fresh = np.r_[newest, np.zeros(len(table) - len(newest), dtype=bool)]
        fresh, known = table[is_fresh], table[~is_fresh]
        old = 0 if not len(known) else training.batch if not len(fresh) else round(training.batch * training.replay)
        draw = draw_in_rounds if phase == "step" else draw_by_image
        parts = [(draw, fresh, training.batch - old), (draw_by_image, known, old)]
        mixed = [how(table, steps * count, rng).reshape(steps, count, 2) for how, table, count in parts if count]
        self._anchors = np.concatenate(mixed, axis=1).reshape(-1, 2)

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """(images (B, h, w, 3) uint8, masks (B, h, w) uint8) of one step; ask for the steps in order."""
        images, masks = [], []
        for source, part in self._anchors[step * self._batch : (step + 1) * self._batch]:
            rows, columns = self._sampler.window(self._grid, int(part), self._data.size, self._rng)
            image = self._data.image(source)[rows, columns]
            mask = self._canvas.mask(int(source))[rows, columns]
            if self._sampler.flip and self._rng.random() < 0.5:
                image, mask = image[:, ::-1], mask[:, ::-1]
            images.append(image)
            masks.append(mask)
        return np.stack(images), np.stack(masks)
