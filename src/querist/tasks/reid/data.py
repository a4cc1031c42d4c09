"""Crops of people, addressed by source: pixels, who is seen, and by which camera."""

import functools
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from querist.core.digests import arrays_digest
from querist.errors import QueristError
from querist.nn.arrays import Job, open_or_build
from querist.nn.cache import default_cache
from querist.nn.decode import decode_image
from querist.tasks.reid.listing import SPLITS, UNKNOWN, Crop, Listing

_VERSION = 2
"""To be raised when decoding changes, so that older caches are not met again."""


@dataclass(frozen=True, eq=False)
class ReidData:
    """All crops of a task, of all splits, in one order: the order of the pool's sources.

    Args:
        names: (n,) unique names that survive a re-scan of the folder.
        images: arrays (n_i, H, W, 3) uint8, RGB, one after another; memory maps will do.
        persons: (n,) int64; equal where the same person is seen. Junk is -1, distractors 0, unknown people -2.
        cameras: (n,) int64, -2 where unknown.
        split_of: (n,) of `train`, `query` and `gallery`.
        paths: the n image files, where there are any.
        files: for each name the SHA-256 (hexadecimal) over the contents of its file, its person and its camera; empty
            where there are no files.
    """

    names: tuple[str, ...]
    images: tuple[np.ndarray, ...]
    persons: np.ndarray
    cameras: np.ndarray
    split_of: np.ndarray
    paths: tuple[Path, ...] | None = None
    files: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.names)
        columns = {
            "images": sum(map(len, self.images)),
            "persons": len(self.persons),
            "cameras": len(self.cameras),
            "splits": len(self.split_of),
        } | ({} if self.paths is None else {"paths": len(self.paths)})
        for column, count in columns.items():
            if count != n:
                raise QueristError(f"{count} {column} for {n} names", "give one for each image")
        if len(set(self.names)) < n:
            raise QueristError("two images share a name", "give every image its own name")
        for array in self.images:
            if array.dtype != np.uint8 or array.shape[1:] != (*self.size, 3):
                raise QueristError(
                    f"images are {array.dtype} {array.shape}, expected uint8 (n, {self.size[0]}, {self.size[1]}, 3)",
                    "bring all images to one size, 8 bits, three channels",
                )
        unknown = set(np.unique(self.split_of).tolist()) - set(SPLITS)
        if unknown:
            raise QueristError(f"there is no split {min(unknown)!r}", f"use {', '.join(SPLITS)}")

    def __len__(self) -> int:
        return len(self.names)

    @functools.cached_property
    def size(self) -> tuple[int, int]:
        """(H, W) of every image.

        Raises:
            QueristError: if there are no images.
        """
        if not self.names or not self.images:
            raise QueristError("there are no images", "give at least one")
        height, width = self.images[0].shape[1:3]
        return int(height), int(width)

    @property
    def known(self) -> bool:
        """Whether it is known of every crop who is seen."""
        return bool(np.all(self.persons != UNKNOWN))

    @functools.cached_property
    def digest(self) -> str:
        """16 hexadecimal digits over names, contents, people and cameras; not over the images' size or their place.

        Where there are no files it is over the arrays.
        """
        if not self.files:
            return arrays_digest(self.names, *self.images, self.persons, self.cameras)
        return hashlib.sha256(json.dumps(list(self.files.items())).encode()).hexdigest()[:16]

    def sources(self, split: str) -> np.ndarray:
        """The sources of a split, (m,) int64, in their order; none if the split is not there."""
        return np.flatnonzero(self.split_of == split)

    def image(self, source: int) -> np.ndarray:
        """(H, W, 3) uint8."""
        return self.batch(np.array([source]))[0]

    def batch(self, sources: np.ndarray) -> np.ndarray:
        """The images of (b,) sources, (b, H, W, 3) uint8; a copy, in the order of the sources.

        Raises:
            IndexError: if a source is none of 0..n-1.
        """
        sources = np.asarray(sources, dtype=np.int64)
        if len(sources) and not (sources.min() >= 0 and sources.max() < len(self)):
            raise IndexError(f"sources {sources.min()}..{sources.max()} of {len(self)}")
        out = np.empty((len(sources), *self.size, 3), dtype=np.uint8)
        start = 0
        for array in self.images:
            here = np.flatnonzero((sources >= start) & (sources < start + len(array)))
            out[here] = array[sources[here] - start]
            start += len(array)
        return out


def load(
    found: Listing,
    height: int,
    width: int,
    splits: Sequence[str] | None = None,
    cache: Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> ReidData:
    """Decodes the crops of a folder, or opens them from the cache where no file has changed since.

    Images are resized to exactly height x width with an antialiased filter and kept as memory maps on disk: 32,000 of
    them at 256 x 128 are 3 GB there, and in memory only what is in use.

    Args:
        found: the data folder.
        height: rows of every image.
        width: columns of every image.
        splits: which to load; None is all that are there, in the order of train, query, gallery.
        cache: the cache folder; None is `default_cache()`.
        progress: called with what is being done, images done, and images in all.

    Raises:
        QueristError: if a split is missing, a file cannot be read or decoded, or the cache cannot be written.
        ValueError: if height or width is not positive.
    """
    if height < 1 or width < 1:
        raise ValueError(f"height and width must be positive, not {height} and {width}")
    wanted = tuple(found.splits) if splits is None else tuple(splits)
    crops: list[Crop] = []
    images: list[np.ndarray] = []
    hashes: list[str] = []
    for split in wanted:
        told = None if progress is None else functools.partial(progress, f"reading {split}")
        own = found.split(split)
        array, contents = _load_split(found, own, height, width, cache or default_cache(), told)
        crops += own
        images.append(array)
        hashes += contents
    labels = zip(crops, hashes, strict=True)
    files = {crop.name: _hash(f"{contents}/{crop.person}/{crop.camera}") for crop, contents in labels}
    return ReidData(
        tuple(crop.name for crop in crops),
        tuple(images),
        np.array([crop.person for crop in crops], dtype=np.int64),
        np.array([crop.camera for crop in crops], dtype=np.int64),
        np.repeat(wanted, [len(found.splits[split]) for split in wanted]),
        tuple(crop.image for crop in crops),
        files,
    )


def _load_split(
    found: Listing,
    crops: Sequence[Crop],
    height: int,
    width: int,
    cache: Path,
    progress: Callable[[int, int], None] | None,
) -> tuple[np.ndarray, list[str]]:
    """The images of one split, and the SHA-256 of each file."""
    names = tuple(crop.name for crop in crops)

    def decode(i: int, data: Mapping[str, bytes]) -> dict[str, np.ndarray]:
        return {"images": decode_image(crops[i].image, data["images"], height, width)[0]}

    folder = cache / "reid" / _hash(json.dumps([_VERSION, found.layout, names, height, width]))[:16]
    files = {"images": tuple(crop.image for crop in crops)}
    arrays, index = open_or_build(
        Job(os.path.realpath(found.root), names, files, height, width, folder, decode), progress
    )
    return arrays["images"], [stamp.sha256 for stamp in index.images]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
