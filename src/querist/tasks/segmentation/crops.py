"""Training batches: crops around labelled regions, with everything unlabelled void (ALGORITHMS 1.2)."""

from dataclasses import dataclass

import numpy as np

from querist.core.answers import Labels
from querist.core.pool import ColumnarPool
from querist.errors import QueristError
from querist.tasks.segmentation.data import SegmentationData
from querist.tasks.segmentation.grid import Grid


@dataclass(frozen=True)
class CropSampler:
    """Draws crops whose extent contains the centre of an anchor region.

    Args:
        size: (height, width) of a crop, at most the image; None: the whole image.
        flip: whether a crop is mirrored with probability one half.
    """

    size: tuple[int, int] | None = None
    flip: bool = True

    def window(self, grid: Grid, part: int, image: tuple[int, int], rng: np.random.Generator) -> tuple[slice, slice]:
        """Where to cut for an anchor: rows and columns of the image."""
        if self.size is None:
            return slice(0, image[0]), slice(0, image[1])
        left, top, width, height = grid.box(part)
        spans = []
        for start, extent, crop, limit in (
            (top, height, min(self.size[0], image[0]), image[0]),
            (left, width, min(self.size[1], image[1]), image[1]),
        ):
            centre = start + extent // 2
            low, high = max(0, centre - crop + 1), min(centre, limit - crop)
            at = int(rng.integers(low, high + 1))
            spans.append(slice(at, at + crop))
        return spans[0], spans[1]


class Canvas:
    """The masks that training may see: what was answered, and void everywhere else.

    Args:
        data: gives the masks of given sources, and nothing else's.
        grid: where regions lie; ``pool`` which unit is which region.
        labels: what is labelled.
    """

    def __init__(self, data: SegmentationData, grid: Grid, pool: ColumnarPool, labels: Labels) -> None:
        self._data = data
        self._given = {int(s) for s in labels.given}
        self._painted: dict[int, np.ndarray] = {}
        sources, parts = pool.sources(labels.units)[:, 0], pool.part(labels.units)
        for source, part, answer in zip(sources, parts, labels.answers, strict=True):
            if answer.shape != (grid.height, grid.width):
                raise QueristError(
                    f"the answer about {data.names[source]!r}, region {part}, is a mask of {answer.shape}",
                    f"a region's mask is {(grid.height, grid.width)}",
                )
            mask = self._painted.setdefault(int(source), np.full(data.size, data.void_id, dtype=np.uint8))
            mask[grid.window(part)] = answer

    def mask(self, source: int) -> np.ndarray:
        """(H, W) uint8: the labels of an image as far as they were bought or given."""
        return self._data.mask(source) if source in self._given else self._painted[source]


def anchors(labels: Labels, pool: ColumnarPool, grid: Grid) -> np.ndarray:
    """Every labelled region as (source, part): the answered ones and all of given images. (n, 2) int64."""
    answered = np.stack([pool.sources(labels.units)[:, 0], pool.part(labels.units)], axis=1)
    given = pool.units_of(labels.given)
    return np.concatenate([answered, np.stack([pool.sources(given)[:, 0], pool.part(given)], axis=1)])


def draw_by_image(table: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Anchors such that every labelled image has the same chance: an image, then one of its labelled regions.

    Images come in shuffled rounds, so that each is seen once before any is seen twice.

    Args:
        table: (n, 2) of (source, part); ``count`` how many to draw.
        rng: draws.

    Returns:
        (count, 2).
    """
    order = np.argsort(table[:, 0], kind="stable")
    sources, starts, sizes = np.unique(table[order, 0], return_index=True, return_counts=True)
    picks = _rounds(len(sources), count, rng)
    return table[order[starts[picks] + rng.integers(0, sizes[picks])]]


def draw_in_rounds(table: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Anchors in shuffled rounds over all of them: (n, 2) -> (count, 2)."""
    return table[_rounds(len(table), count, rng)]


def _rounds(of: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` of the numbers below ``of``, each once in every round; none if none are wanted."""
    rounds = [rng.permutation(of) for _ in range(-(-count // of))]
    return np.concatenate([np.zeros(0, dtype=np.int64), *rounds])[:count]
