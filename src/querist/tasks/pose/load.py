"""Decodes the images of a data folder once, and brings the joints into the frame of what was cut out."""

import functools
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from querist.errors import QueristError
from querist.nn.arrays import Job, open_or_build
from querist.nn.cache import default_cache
from querist.nn.decode import image_size
from querist.tasks.pose.crop import STEPS, colour_frame, colour_square, cut_colour, cut_depth, depth_frame
from querist.tasks.pose.data import PoseData
from querist.tasks.pose.listing import Listing
from querist.tasks.pose.skeletons import SKELETONS

_LOOKED_AT = 200  # images of a split whose joints are compared with what the camera measured
_VERSION = 2
"""To be raised when decoding changes, so that older caches are not met again."""


@dataclass(frozen=True)
class _DepthJob(Job):
    """Depth images: two bytes a pixel, the lower one first."""

    def shape(self, kind: str) -> tuple[int, ...]:
        """The shape of a kind's array."""
        return (len(self.names), self.height, self.width, 2)


def load(
    found: Listing,
    size: int,
    splits: Sequence[str] | None = None,
    cache: Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> PoseData:
    """Decodes the poses of a folder, or opens them from the cache where no file has changed since.

    Of a colour image the square around the person's box is cut out, or all of it where there is no box, with a margin
    of an even colour (``crop.PAPER``) to make it square, and resized with an antialiased filter. Of a depth image the
    cube around the hand is cut out and sampled at the nearest pixels. Images are kept as memory maps on disk; 10,000
    at 256 x 256 are 2 GB there.

    Args:
        found: the data folder.
        size: rows and columns of every image.
        splits: which to load; None is all that are there, in the order of train, val, test.
        cache: the cache folder; None is `default_cache()`.
        progress: called with what is being done, images done, and images in all.

    Raises:
        QueristError: if a split is missing, a file cannot be read, the cache not be written, or joints are no pixels.
        ValueError: if the size is not positive.
    """
    if size < 1:
        raise ValueError(f"the size must be positive, not {size}")
    wanted = found.splits if splits is None else tuple(splits)
    images: list[np.ndarray] = []
    hashes: list[str] = []
    picked = [np.zeros(0, dtype=np.int64)]
    for split in wanted:
        picked.append(found.rows(split))
        told = None if progress is None else functools.partial(progress, f"reading {split}")
        array, contents = _load_images(found, picked[-1], size, cache or default_cache(), told)
        images.append(array)
        hashes += contents
    rows = np.concatenate(picked)
    scale, offset = _frames(found, rows, size)
    joints = (found.joints[rows] - offset[:, None]) / scale[:, None]
    for split, array in zip(wanted, images, strict=True):
        here = found.split_of[rows] == split
        _check_joints(found, rows[here], joints[here], array)
    names, own = tuple(found.names[row] for row in rows), _skeleton(found)
    return PoseData(
        names, tuple(images), joints.astype(np.float32), found.visible[rows], found.skeleton, scale, offset,
        found.split_of[rows], found.heads[rows], found.subjects[rows],
        None if found.depth is None else found.depth.camera, tuple(found.images[row] for row in rows),
        {n: _hash(f"{h}/{_labels(found, int(row), own)}") for n, h, row in zip(names, hashes, rows, strict=True)},
    )  # fmt: skip


def _check_joints(found: Listing, rows: np.ndarray, joints: np.ndarray, images: np.ndarray) -> None:
    """Refuse joints that cannot be meant: (n, J, D) of some rows, in the frame of ``images``."""
    if found.depth is not None:
        _check_depths(found, rows, joints, images)
        return
    _check_marks(found, rows)
    _check_places(found, rows, joints, images.shape[1])


def _check_places(found: Listing, rows: np.ndarray, joints: np.ndarray, size: int) -> None:
    """Joints in another unit."""
    known = np.isfinite(joints).all(axis=2)
    away = known & ((joints < -0.5) | (joints > size - 0.5)).any(axis=2)
    where = f"joints of {found.names[rows[int(away.sum(axis=1).argmax())]]}" if len(rows) else ""
    if 2 * away.sum() > known.sum():
        raise QueristError(
            f"{found.root}: {away.sum()} of {known.sum()} joints lie outside of their images or boxes, as {where} do",
            "joints are in pixels of the file, from its left upper corner",
        )
    several = known.sum(axis=1) > 1
    spread = np.nanmax(found.joints[rows[several]], axis=1) - np.nanmin(found.joints[rows[several]], axis=1)
    if 2 * (spread.max(axis=1) <= 1).sum() > several.sum():
        raise QueristError(
            f"{found.root}: joints of {found.names[rows[several][0]]} and others lie within one pixel",
            "joints are in pixels of the file: multiply shares of an image by its width and height",
        )


def _check_marks(found: Listing, rows: np.ndarray) -> None:
    """No joint is at (0, 0), or at one and the same place beyond the corner, in several images: so some say unknown.

    A limb that is cut off may lie beyond one edge, and at whole pixels twice at the same place.
    """
    for joint, name in enumerate(found.skeleton.names):
        places = found.joints[rows, joint]
        odd = rows[(places == 0).all(axis=1) | (places < 0).all(axis=1)]
        same, count = np.unique(found.joints[odd, joint], axis=0, return_counts=True)
        if len(same) and count.max() > 1:
            mark = same[count.argmax()]
            which = odd[(found.joints[odd, joint] == mark).all(axis=1)]
            raise QueristError(
                f"{found.root}: the joint {name!r} is at {', '.join(f'{v:g}' for v in mark)} in {len(which)} images, "
                f"as in {found.names[which[0]]} and {found.names[which[1]]}",
                "where a joint is unknown leave its cells empty (CSV), or write null (JSON)",
            )


def _check_depths(found: Listing, rows: np.ndarray, joints: np.ndarray, images: np.ndarray) -> None:
    """Joints in another space: (n, J, 3) on -1..1, held against the images (n, S, S, 1), of which some will do."""
    size, sampled = images.shape[1], range(0, len(rows), -(-len(rows) // _LOOKED_AT) or 1)
    apart = known = 0
    for row in sampled:
        measured = np.pad(np.asarray(images[row, ..., 0]) < STEPS, 1)
        around = np.asarray(np.lib.stride_tricks.sliding_window_view(measured, (3, 3)).any(axis=(2, 3)))
        places = joints[row][np.isfinite(joints[row]).all(axis=1)]
        inside = (np.abs(places) < 1).all(axis=1)
        column, line = ((places[inside, :2] + 1) * size / 2).astype(np.int64).T
        apart, known = apart + int((~inside).sum() + (~around[line, column]).sum()), known + len(places)
    if 2 * apart > known:
        raise QueristError(
            f"{found.root}: {apart} of {known} joints that were looked at lie where nothing was measured, as some of "
            f"{found.names[rows[0]]} and others do",
            "joints are in the space of the camera: millimetres, x to the right, y down, z away from it",
        )


def _frames(found: Listing, rows: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Scales and offsets (n, D) of some rows."""
    if found.depth is not None:
        return depth_frame(found.centres[rows], found.depth)
    scale, offset = np.ones((len(rows), 2)), np.zeros((len(rows), 2))
    for i, row in enumerate(rows):
        box = found.boxes[row]
        width, height = image_size(found.images[row]) if np.isnan(box).any() else (0, 0)
        scale[i], offset[i] = colour_frame(colour_square(box, width, height), size)
    return scale, offset


def _load_images(
    found: Listing, rows: np.ndarray, size: int, cache: Path, progress: Callable[[int, int], None] | None
) -> tuple[np.ndarray, list[str]]:
    """The images of some rows, and the SHA-256 of each file."""
    names, paths = tuple(found.names[row] for row in rows), tuple(found.images[row] for row in rows)
    depth = found.depth
    where = found.boxes[rows] if depth is None else found.centres[rows]

    def decode(i: int, data: Mapping[str, bytes]) -> dict[str, np.ndarray]:
        if depth is None:
            return {"images": cut_colour(paths[i], data["images"], where[i], size)}
        steps = cut_depth(paths[i], data["images"], where[i], depth, size)
        return {"images": np.ascontiguousarray(steps.astype("<u2")).view(np.uint8).reshape(size, size, 2)}

    key = json.dumps([_VERSION, found.layout, names, size, repr(depth), where.tolist()])
    folder = cache / "pose" / _hash(key)[:16]
    kind = Job if depth is None else _DepthJob
    job = kind(os.path.realpath(found.root), names, {"images": paths}, size, size, folder, decode)
    arrays, index = open_or_build(job, progress)
    images = arrays["images"] if depth is None else arrays["images"].view("<u2")
    return images, [stamp.sha256 for stamp in index.images]


def _skeleton(found: Listing) -> list[str]:
    """What a user's own skeleton says besides the names of its joints, which tell ours apart."""
    return [] if found.skeleton in SKELETONS.values() else [found.skeleton.to_json()]


def _labels(found: Listing, row: int, skeleton: Sequence[str]) -> str:
    """Everything about a row but its image, as text."""
    columns = (found.joints, found.visible, found.boxes, found.heads, found.centres)
    return json.dumps(
        [*(column[row].tolist() for column in columns), found.skeleton.names, repr(found.depth), *skeleton]
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
