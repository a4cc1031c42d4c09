"""Poses and their images, addressed by source: pixels or depths, joints in the frame of the model, and the way back."""

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from querist.core.digests import arrays_digest
from querist.errors import QueristError
from querist.tasks.pose.camera import Camera
from querist.tasks.pose.crop import STEPS
from querist.tasks.pose.listing import SPLITS
from querist.tasks.pose.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class PoseData:
    """All poses of a task, of all splits, in one order: the order of the pool's sources.

    Joints are given in the frame of the model's input. For colour images (D = 2) that is pixels of the square image,
    whole at the middles of pixels; for depth images (D = 3) u, v and d in -1..1 across the cube around the hand, u
    and v over the image from edge to edge. Joints may lie outside. ``file = scale * frame + offset`` leads back, to
    pixels of the file and mm of depth.

    A joint whose place nobody labelled is NaN: it is *unknown*, teaches nothing and counts in no metric. A joint that
    is covered but labelled is known and not *visible*: it teaches and counts like others, as in the metric of MPII.

    Args:
        names: (n,) unique names that survive a re-scan of the folder.
        images: arrays (n_i, S, S, 3) uint8, RGB, or (n_i, S, S, 1) uint16, normalised depths as ``crop.STEPS``
            says; one after another; memory maps will do.
        joints: (n, J, D) float32.
        visible: (n, J) bool; False where unknown.
        skeleton: of J joints.
        scale: (n, D) float64; likewise ``offset``.
        split_of: (n,) of `train`, `val` and `test`.
        heads: (n,) diagonals of the boxes of heads, in pixels of the file, NaN where unknown; None: all unknown.
        subjects: (n,) int64, equal where a split must keep poses together; None: each is its own.
        camera: of depth images; None for colour images.
        paths: the n image files, where there are any.
        files: for each name the SHA-256 (hexadecimal) over its image and its labels; empty where there are no files.
    """

    names: tuple[str, ...]
    images: tuple[np.ndarray, ...]
    joints: np.ndarray
    visible: np.ndarray
    skeleton: Skeleton
    scale: np.ndarray
    offset: np.ndarray
    split_of: np.ndarray
    heads: np.ndarray | None = None
    subjects: np.ndarray | None = None
    camera: Camera | None = None
    paths: tuple[Path, ...] | None = None
    files: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n, joints, size = len(self.names), len(self.skeleton), 2 if self.camera is None else 3
        shapes = {
            "joints": (self.joints, (n, joints, size)), "visible": (self.visible, (n, joints)),
            "scale": (self.scale, (n, size)), "offset": (self.offset, (n, size)), "split_of": (self.split_of, (n,)),
            "heads": (self.heads, (n,)), "subjects": (self.subjects, (n,)),
        }  # fmt: skip
        for column, (array, shape) in shapes.items():
            if array is not None and array.shape != shape:
                raise QueristError(f"{column} is {array.shape} for {n} names", f"expected {shape}")
        if sum(map(len, self.images)) != n or (self.paths is not None and len(self.paths) != n):
            raise QueristError(f"{sum(map(len, self.images))} images for {n} names", "give one, and one path, for each")
        if len(set(self.names)) < n:
            raise QueristError("two images share a name", "give every image its own name")
        self._check_images()
        unknown = set(np.unique(self.split_of).tolist()) - set(SPLITS)
        if unknown:
            raise QueristError(f"there is no split {min(unknown)!r}", f"use {', '.join(SPLITS)}")
        half = np.isfinite(self.joints).any(axis=2) & ~self.known
        if half.any() or np.isinf(self.joints).any() or (self.visible & ~self.known).any():
            wrong = half | np.isinf(self.joints).any(axis=2) | (self.visible & ~self.known)
            source, joint = np.argwhere(wrong)[0].tolist()
            raise QueristError(
                f"the joint {self.skeleton.names[joint]!r} of {self.names[source]!r} is infinite, known by half, or "
                "visible but unknown",
                "set all coordinates of an unknown joint to NaN, and visible to false",
            )
        if not (np.isfinite(self.scale).all() and (self.scale > 0).all() and np.isfinite(self.offset).all()):
            raise QueristError("a scale or an offset is not finite or not positive", "give the frame of every image")

    def _check_images(self) -> None:
        channels, kind = (3, np.uint8) if self.camera is None else (1, np.uint16)
        for array in self.images:
            if array.dtype != kind or array.shape[1:] != (self.size, self.size, channels):
                raise QueristError(
                    f"images are {array.dtype} {array.shape}, expected {np.dtype(kind)} (n, S, S, {channels})",
                    "colour images are uint8 RGB; depth images are uint16 and come with a camera",
                )

    def __len__(self) -> int:
        return len(self.names)

    @functools.cached_property
    def size(self) -> int:
        """S: rows and columns of every image.

        Raises:
            QueristError: if there are no images.
        """
        if not self.names or not self.images or self.images[0].ndim != 4:
            raise QueristError("there are no images", "give at least one")
        return int(self.images[0].shape[1])

    @property
    def is_depth(self) -> bool:
        """Whether images are depths and joints have three coordinates."""
        return self.camera is not None

    @functools.cached_property
    def known(self) -> np.ndarray:
        """(n, J) bool: whether a joint's place was labelled, covered or not."""
        return np.asarray(np.isfinite(self.joints).all(axis=2))

    @property
    def source_subjects(self) -> np.ndarray:
        """(n,) int64: what a split must keep together."""
        return np.arange(len(self)) if self.subjects is None else self.subjects

    @functools.cached_property
    def digest(self) -> str:
        """16 hexadecimal digits over names, contents and labels; not over the images' size or their place.

        Where there are no files it is over the arrays.
        """
        if not self.files:
            return arrays_digest(self.names, *self.images, self.joints, self.visible)
        return hashlib.sha256(json.dumps(list(self.files.items())).encode()).hexdigest()[:16]

    def sources(self, split: str) -> np.ndarray:
        """The sources of a split, (m,) int64, in their order; none if the split is not there."""
        return np.flatnonzero(self.split_of == split)

    def image(self, source: int) -> np.ndarray:
        """One image of :meth:`batch`."""
        return self.batch(np.array([source]))[0]

    def batch(self, sources: np.ndarray) -> np.ndarray:
        """The images of (b,) sources in their order, a copy.

        Returns:
            (b, S, S, 3) uint8 for colour, or (b, S, S, 1) float32 in -1..1 for depth: 1 is the back of the cube and all
            that was not measured.

        Raises:
            IndexError: if a source is none of 0..n-1.
        """
        sources = self._checked(sources)
        out = np.empty((len(sources), *self.images[0].shape[1:]), dtype=self.images[0].dtype)
        start = 0
        for array in self.images:
            here = np.flatnonzero((sources >= start) & (sources < start + len(array)))
            out[here] = array[sources[here] - start]
            start += len(array)
        return out.astype(np.float32) / np.float32(STEPS / 2) - np.float32(1) if self.is_depth else out

    def in_file(self, sources: np.ndarray, joints: np.ndarray) -> np.ndarray:
        """Joints of the frame (b, J, D) as pixels of the files, and mm of depth; float64."""
        sources = self._checked(sources)
        return np.asarray(joints, np.float64) * self.scale[sources][:, None] + self.offset[sources][:, None]

    def in_frame(self, sources: np.ndarray, joints: np.ndarray) -> np.ndarray:
        """Joints in pixels of the files, and mm of depth, (b, J, D), in the frame; the inverse of :meth:`in_file`."""
        sources = self._checked(sources)
        return (np.asarray(joints, np.float64) - self.offset[sources][:, None]) / self.scale[sources][:, None]

    def in_space(self, sources: np.ndarray, joints: np.ndarray) -> np.ndarray:
        """Joints of the frame (b, J, 3) as millimetres in the space of the camera; float64.

        Raises:
            QueristError: for colour images, which know no space.
        """
        if self.camera is None:
            raise QueristError("colour images have no millimetres", "use a metric in pixels, such as PCKh or PCK")
        return self.camera.to_xyz(self.in_file(sources, joints))

    def _checked(self, sources: np.ndarray) -> np.ndarray:
        sources = np.asarray(sources, dtype=np.int64)
        if len(sources) and not (sources.min() >= 0 and sources.max() < len(self)):
            raise IndexError(f"sources {sources.min()}..{sources.max()} of {len(self)}")
        return sources
