"""What a folder of images of bodies or hands holds: names, paths and joints, nothing decoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from querist.errors import QueristError
from querist.nn.folders import check_inside
from querist.tasks.pose.camera import Depth
from querist.tasks.pose.skeleton import Skeleton

SPLITS = ("train", "val", "test")
"""What an image can be for, in the order in which the splits of a folder follow each other."""


@dataclass(frozen=True)
class Frame:
    """One pose in one image, as a reader found it; of what is None nothing is known.

    Args:
        split: one of :data:`SPLITS`.
        stem: its name without the split, with forward slashes; the same after a re-scan or a move of the folder.
        image: the path.
        joints: (J, D), NaN where unknown. D is 2: pixels of the file, whole at the middles of pixels, from 0. D is 3:
            the same and the depth in mm. None if no joint is known.
        visible: (J,) bool: whether a joint can be seen; None if all can that are known.
        box: left, top, width and height in pixels of the file around the person; None is the whole image.
        head: diagonal of the box of the head, in pixels of the file.
        centre: (3,) pixel and depth in mm that a hand is cut out around; None is the mean of its joints.
        subject: what a split must keep together; None is the frame itself. Those of one image stay together, too.
    """

    split: str
    stem: str
    image: Path
    joints: np.ndarray | None = None
    visible: np.ndarray | None = None
    box: tuple[float, float, float, float] | None = None
    head: float | None = None
    centre: np.ndarray | None = None
    subject: str | None = None


@dataclass(frozen=True, eq=False)
class Listing:
    """All poses of a data folder; made by :func:`listing`, which checks them.

    Args:
        layout: such as `lsp`.
        root: the data folder.
        skeleton: J joints.
        names: (n,) `split/stem`, sorted by split and name.
        images: (n,) paths; several people may be in one image.
        joints: (n, J, D) float64, NaN where unknown; see :class:`Frame`.
        visible: (n, J) bool; False where unknown.
        split_of: (n,) of :data:`SPLITS`.
        boxes: (n, 4) left, top, width, height in pixels of the file, NaN for the whole image; of colour images.
        heads: (n,) diagonals of the heads' boxes in pixels of the file, NaN where unknown.
        centres: (n, 3) pixel and depth that hands are cut out around; of depth images.
        subjects: (n,) int64, equal where a split must keep poses together.
        depth: how depth images are read; None for colour images.
    """

    layout: str
    root: Path
    skeleton: Skeleton
    names: tuple[str, ...]
    images: tuple[Path, ...]
    joints: np.ndarray
    visible: np.ndarray
    split_of: np.ndarray
    boxes: np.ndarray
    heads: np.ndarray
    centres: np.ndarray
    subjects: np.ndarray
    depth: Depth | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are there."""
        return tuple(split for split in SPLITS if (self.split_of == split).any())

    def rows(self, split: str) -> np.ndarray:
        """The rows of one split, ascending.

        Raises:
            QueristError: if the folder has no such split.
        """
        if split not in self.splits:
            raise QueristError(
                f"{self.root} has no split {split!r}", f"add its images or use one of: {', '.join(self.splits)}"
            )
        return np.flatnonzero(self.split_of == split)


def listing(
    layout: str, root: Path, skeleton: Skeleton, frames: Sequence[Frame], depth: Depth | None = None
) -> Listing:
    """Sorts and checks what a reader found.

    Raises:
        QueristError: naming the image, if nothing was found; a name occurs twice; a split does not exist; a link leads
            out of the folder; joints do not fit the skeleton, or are infinite; a head, a box or a depth is not
            positive; or it is not known where a hand is.
    """
    if not frames:
        raise QueristError(f"{root} holds no poses", f"add images and joints as the layout {layout} has them")
    order = sorted(range(len(frames)), key=lambda i: (_place(root, frames[i]), frames[i].stem))
    frames = [frames[i] for i in order]
    names = tuple(f"{frame.split}/{frame.stem}" for frame in frames)
    for name, after in pairwise(names):
        if name == after:
            raise QueristError(f"{root}: two poses are named {name}", "give every image a name of its own")
    check_inside(root, zip(names, (frame.image for frame in frames), strict=True))
    size = 2 if depth is None else 3
    joints = np.full((len(frames), len(skeleton), size), np.nan)
    visible = np.zeros(joints.shape[:2], dtype=bool)
    boxes, heads = np.full((len(frames), 4), np.nan), np.full(len(frames), np.nan)
    centres = np.full((len(frames), 3), np.nan)
    for i, frame in enumerate(frames):
        joints[i], visible[i] = _joints(frame, skeleton, size)
        boxes[i], heads[i] = _box(frame), _head(frame)
        if depth is not None:
            centres[i] = _centre(frame, joints[i])
    subjects = _subjects(frames)
    images, split_of = tuple(frame.image for frame in frames), np.array([frame.split for frame in frames])
    return Listing(
        layout, root, skeleton, names, images, joints, visible, split_of, boxes, heads, centres, subjects, depth
    )


def _subjects(frames: Sequence[Frame]) -> np.ndarray:
    """(n,) numbers by first appearance; subjects of whom one image shows several are one, or it would be split."""
    people: dict[tuple[str | None, int], int] = {}
    photographs: dict[Path, int] = {}
    shown = np.array(
        [
            (
                people.setdefault((f.subject, i if f.subject is None else -1), len(people)),
                photographs.setdefault(f.image, len(photographs)),
            )
            for i, f in enumerate(frames)
        ]
    )
    n = len(people) + len(photographs)
    links = coo_array((np.ones(len(shown)), (shown[:, 0], len(people) + shown[:, 1])), shape=(n, n))
    return connected_components(links, directed=False)[1][shown[:, 0]].astype(np.int64)


def _place(root: Path, frame: Frame) -> int:
    if frame.split not in SPLITS:
        raise QueristError(f"{root}: the split of {frame.stem} is {frame.split!r}", f"use {', '.join(SPLITS)}")
    return SPLITS.index(frame.split)


def _joints(frame: Frame, skeleton: Skeleton, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Joints with all coordinates of a joint unknown if one is, and which of them can be seen."""
    if frame.joints is None:
        return np.full((len(skeleton), size), np.nan), np.zeros(len(skeleton), dtype=bool)
    joints = np.asarray(frame.joints, dtype=np.float64)
    if joints.shape != (len(skeleton), size):
        raise QueristError(
            f"{frame.image}: joints are {joints.shape}, but the skeleton has {len(skeleton)} of {size} coordinates",
            "give every joint of the skeleton; leave unknown ones empty",
        )
    if np.isinf(joints).any():
        joint = skeleton.names[int(np.flatnonzero(np.isinf(joints).any(axis=1))[0])]
        raise QueristError(f"{frame.image}: the joint {joint!r} is infinite", "correct it or leave it empty")
    unknown = np.asarray(np.isnan(joints).any(axis=1))
    joints = np.where(unknown[:, None], np.nan, joints)
    if size == 3 and (joints[:, 2] <= 0).any():
        joint = skeleton.names[int(np.flatnonzero(joints[:, 2] <= 0)[0])]
        raise QueristError(f"{frame.image}: the joint {joint!r} has no positive depth", "correct it or leave it empty")
    return joints, ~unknown if frame.visible is None else ~unknown & np.asarray(frame.visible, dtype=bool)


def _box(frame: Frame) -> np.ndarray:
    if frame.box is None:
        return np.full(4, np.nan)
    box = np.asarray(frame.box, dtype=np.float64)
    if not np.isfinite(box).all() or min(box[2:]) <= 0:
        raise QueristError(
            f"{frame.image}: the box of {frame.stem} is {box.tolist()}", "give left, top, width and height in pixels"
        )
    return box


def _head(frame: Frame) -> float:
    if frame.head is None:
        return np.nan
    if not 0 < frame.head < np.inf:
        raise QueristError(
            f"{frame.image}: the head of {frame.stem} measures {frame.head} pixels", "correct its box or leave it out"
        )
    return frame.head


def _centre(frame: Frame, joints: np.ndarray) -> np.ndarray:
    known = joints[np.isfinite(joints).all(axis=1)]
    if frame.centre is None and not len(known):
        raise QueristError(
            f"{frame.image}: it is not known where the hand of {frame.stem} is", "give its centre or some of its joints"
        )
    centre = known.mean(axis=0) if frame.centre is None else np.asarray(frame.centre, dtype=np.float64)
    if centre.shape != (3,) or not np.isfinite(centre).all() or centre[2] <= 0:
        raise QueristError(
            f"{frame.image}: the centre of {frame.stem} is {centre.tolist()}", "give a pixel and a positive depth in mm"
        )
    return centre
