"""What can be said of the regions of a batch of images from one forward pass."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from querist.core.observation import Field
from querist.errors import QueristError
from querist.kernels.regions import region_class_counts, region_features, region_grids, region_means
from querist.kernels.uncertainty import mutual_information, pixel_uncertainty, probability_and_entropy
from querist.tasks.segmentation.grid import Grid
from querist.tasks.segmentation.logits import check_finite, check_logits, logits_of

CELLS = 8
"""Rows and columns of the grid on a region that ``entropy_grid`` gives (ALGORITHMS 1.3)."""
BEHIND_FEATURES = frozenset({"embedding", "mutual_information"})
"""Fields that need the map before the classifier, and so a model that can be split at its head."""


@runtime_checkable
class SplitsAtTheHead(Protocol):
    """A model whose last map can be had apart from its classifier, as that of the FPN."""

    def features(self, images: Tensor, /) -> Tensor:
        """(B, 3, H, W) -> (B, d, h, w)."""
        ...

    def classify(self, features: Tensor, size: tuple[int, int], /) -> Tensor:
        """Logits (B, C, H, W) from :meth:`features`, the same that the model gives in one go."""
        ...

    def classify_dropout(
        self, features: Tensor, size: tuple[int, int], passes: int, generator: torch.Generator, /
    ) -> Iterator[Tensor]:
        """Logits (B, C, H, W) of passes with dropout, only the head repeated."""
        ...


def split_model(model: nn.Module) -> SplitsAtTheHead:
    """The model as one that can be split; QueristError if it cannot."""
    if not isinstance(model, SplitsAtTheHead):
        raise QueristError(
            f"{type(model).__name__} cannot be split at its head",
            "give the model features(images), classify(features, size) and "
            "classify_dropout(features, size, passes, generator)",
        )
    return model


@dataclass(frozen=True)
class RegionDescriber:
    """Reduces a batch to numbers per region, so that no map outlives its batch.

    Args:
        grid: the regions.
        size: (height, width) of the images.
        classes: C.
        passes: Monte-Carlo passes behind ``mutual_information`` (RALIS takes 20, ALGORITHMS 1.6).

    Raises:
        QueristError: fewer than one pass.
    """

    grid: Grid
    size: tuple[int, int]
    classes: int
    passes: int

    def __post_init__(self) -> None:
        if self.passes < 1:
            raise QueristError(f"{self.passes} Monte-Carlo passes", "mutual information needs at least one")

    def fields(self, splits: bool) -> dict[str, Field]:
        """What can be said; ``mutual_information`` only of a model that splits at its head."""
        most = float(np.log(self.classes))
        found = {
            "entropy": Field("entropy", (), 0.0, most),
            "margin": Field("margin", (), 0.0, 1.0),
            "classes": Field("classes", (self.classes,), 0.0, 1.0, per_class=True),
            "probabilities": Field("probabilities", (self.classes,), 0.0, 1.0, per_class=True),
        }
        size = self.grid.height * self.grid.width
        found["class_counts"] = Field("class_counts", (self.classes,), 0.0, float(size), per_class=True)
        if min(self.grid.height, self.grid.width) >= CELLS:
            found["entropy_grid"] = Field("entropy_grid", (3, CELLS, CELLS), 0.0, most)
        return found | ({"mutual_information": Field("mutual_information", (), 0.0, most)} if splits else {})

    def describe(
        self, names: Sequence[str], model: nn.Module, images: Tensor, generator: torch.Generator
    ) -> dict[str, np.ndarray]:
        """Fields of every region of a batch, from one forward pass.

        Args:
            names: which fields.
            model: gives logits; must split at its head for a field in :data:`BEHIND_FEATURES`.
            images: (B, 3, H, W), normalised.
            generator: of the dropout.

        Returns:
            name -> (B, regions, *shape) float32.
        """
        if not BEHIND_FEATURES & set(names):
            return self.from_logits(names, check_finite(model, logits_of(model, images, self.classes)))
        split = split_model(model)
        maps = split.features(images)
        tables: dict[str, Tensor] = {}
        if "embedding" in names:
            tables["embedding"] = self._embedding(maps)
        if "mutual_information" in names:
            tables["mutual_information"] = self._mutual_information(split, maps, generator)
        found = self._arrays(tables)
        others = [name for name in names if name not in BEHIND_FEATURES]
        if not others:
            return found
        logits = check_logits(model, split.classify(maps, self.size), images, self.classes)
        return found | self.from_logits(others, check_finite(model, logits))

    def from_logits(self, names: Sequence[str], logits: Tensor) -> dict[str, np.ndarray]:
        """Fields that need no more than logits (B, C, H, W): name -> (B, regions, *shape) float32."""
        height, width = self.grid.height, self.grid.width
        tables: dict[str, Tensor] = {}
        if "probabilities" in names:
            # Class by class: no second map of the size of the logits.
            total = logits.float().logsumexp(dim=1)
            shares = [region_means((z.float() - total).exp_(), height, width) for z in logits.unbind(dim=1)]
            tables["probabilities"] = torch.stack(shares, dim=-1)
        if {"entropy", "margin", "classes", "class_counts", "entropy_grid"} & set(names):
            found = pixel_uncertainty(logits)
            for name in {"entropy", "margin"} & set(names):
                tables[name] = region_means(getattr(found, name), height, width)
            if "entropy_grid" in names:
                tables["entropy_grid"] = region_grids(found.entropy, height, width, CELLS)
            counts = region_class_counts(found.classes, height, width, self.classes).float()
            for name, value in (("class_counts", counts), ("classes", counts / float(height * width))):
                if name in names:
                    tables[name] = value
        return self._arrays(tables)

    @staticmethod
    def _arrays(tables: dict[str, Tensor]) -> dict[str, np.ndarray]:
        """(B, R, Q, *shape) -> (B, R * Q, *shape)."""
        return {name: table.flatten(1, 2).float().cpu().numpy() for name, table in tables.items()}

    def _embedding(self, maps: Tensor) -> Tensor:
        """(B, R, Q, d): the area average of the map over each region."""
        grid, (height, width) = self.grid, self.size
        covered = (grid.rows * grid.height / height, grid.columns * grid.width / width)
        return region_features(maps, (grid.rows, grid.columns), covered)

    def _mutual_information(self, split: SplitsAtTheHead, maps: Tensor, generator: torch.Generator) -> Tensor:
        """(B, R, Q): BALD's score of each pixel, averaged. Two running sums, however many the passes (T10)."""
        passes = split.classify_dropout(maps, self.size, self.passes, generator)
        sum_p, sum_entropy = probability_and_entropy(next(passes))
        for logits in passes:
            probability, entropy = probability_and_entropy(logits)
            sum_p += probability
            sum_entropy += entropy
        found = mutual_information(sum_p, sum_entropy, self.passes)
        return region_means(found, self.grid.height, self.grid.width)
