"""Images and masks of a segmentation task, addressed by source."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from querist.errors import QueristError, UnlabelledError


class Indexed(Protocol):
    """Anything that gives an array for an integer: an ndarray, a memory map, a user's own lazy reader."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class SegmentationData:
    """All images of a task, of all roles, in one order: the order of the pool's sources.

    Args:
        names: (n,) unique names that survive a re-scan of the folder.
        images: n arrays (H, W, 3) uint8, all of one size.
        masks: n arrays (H, W) uint8 of class ids, ``void`` where unlabelled; None where there are no labels (to select
            for people). Only what the oracle reveals, the given sets and the metric read them.
        classes: names of the classes 0..C-1.
        void: the id that counts for nothing; default C.
        colours: (C, 3) for pictures; default: a fixed wheel.
        files: the n image files, where there are any: regions are then located in their pixels.
    """

    names: Sequence[str]
    images: Indexed
    masks: Indexed | None
    classes: tuple[str, ...]
    void: int | None = None
    colours: tuple[tuple[int, int, int], ...] | None = None
    files: Sequence[Path] | None = None

    def __post_init__(self) -> None:
        if len(self.images) != len(self.names):
            raise QueristError(f"{len(self.images)} images for {len(self.names)} names", "give one name per image")
        if self.masks is not None and len(self.masks) != len(self.names):
            raise QueristError(f"{len(self.masks)} masks for {len(self.names)} images", "give one mask per image")
        if len(self.classes) > 255:
            raise QueristError(f"{len(self.classes)} classes do not fit into 8-bit masks", "merge some classes")
        if not len(self.classes) <= self.void_id <= 255:
            raise QueristError(
                f"void is {self.void_id}, but must be one of {len(self.classes)}..255: ids below are classes",
                "give the masks consecutive class ids from 0 and void an id behind them",
            )

    @property
    def void_id(self) -> int:
        """The id of pixels that count for nothing."""
        return len(self.classes) if self.void is None else self.void

    @functools.cached_property  # a lazy reader would decode an image for every look
    def size(self) -> tuple[int, int]:
        """(H, W) of every image."""
        height, width = self.images[0].shape[:2]
        return int(height), int(width)

    def image(self, source: int) -> np.ndarray:
        """(H, W, 3) uint8."""
        image = np.asarray(self.images[int(source)])
        if image.shape != (*self.size, 3) or image.dtype != np.uint8:
            raise QueristError(
                f"image {self.names[int(source)]!r} is {image.dtype} {image.shape}, expected uint8 {(*self.size, 3)}",
                "bring all images to one size, 8 bits, three channels",
            )
        return image

    def mask(self, source: int) -> np.ndarray:
        """(H, W) uint8 of class ids or void."""
        if self.masks is None:
            raise UnlabelledError(f"{self.names[int(source)]!r} has no mask", "this needs labelled data")
        mask = np.asarray(self.masks[int(source)])
        if mask.shape != self.size:
            raise QueristError(
                f"mask of {self.names[int(source)]!r} is {mask.shape}, its image {self.size}",
                "give every mask the size of its image",
            )
        wrong = mask[((mask < 0) | (mask >= len(self.classes))) & (mask != self.void_id)]
        if len(wrong):
            raise QueristError(
                f"mask of {self.names[int(source)]!r} has the class id {int(wrong[0])}",
                f"class ids are 0..{len(self.classes) - 1}, and {self.void_id} is void",
            )
        return mask.astype(np.uint8, copy=False)


class Column:
    """One column of a data set of tuples, as :class:`Indexed`: images and masks of a ``torch.utils.data.Dataset``.

    Args:
        dataset: gives (image, mask, ...) for an integer: arrays, tensors or PIL images, (H, W, 3) and (H, W).
        column: 0 for images, 1 for masks.
    """

    def __init__(self, dataset: Any, column: int) -> None:
        self._dataset, self._column = dataset, column

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int, /) -> np.ndarray:
        return np.asarray(self._dataset[int(index)][self._column])


class Chain:
    """Several arrays one after another as one, without a copy.

    Args:
        parts: arrays or other :class:`Indexed`.
    """

    def __init__(self, parts: Sequence[Indexed]) -> None:
        self._parts = list(parts)
        self._ends = np.cumsum([len(p) for p in self._parts])

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._parts) else 0

    def __getitem__(self, index: int, /) -> np.ndarray:
        if not 0 <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        which = int(np.searchsorted(self._ends, index, side="right"))
        start = int(self._ends[which - 1]) if which else 0
        return self._parts[which][int(index) - start]
