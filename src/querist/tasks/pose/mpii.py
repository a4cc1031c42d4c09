"""MPII Human Pose as JSON, in its two common forms.

Both come from the release and count pixels from 1, as MATLAB does. HRNet's (Sun et al. 2019): `annot/train.json` and
`annot/valid.json`, lists of ``{"image", "joints" (16, 2), "joints_vis" (16), "center", "scale"}``; a joint that is not
labelled is at (-1, -1) or (0, 0), and boxes of heads are in `annot/gt_valid.mat` (`headboxes_src` (2, 2, N), in the
order of `valid.json`), which may be missing: then, and everywhere else, the box follows from the joints of the head,
which were made from it. That of pytorch-pose: `mpii_annotations.json`, a list of ``{"img_paths",
"isValidation", "joint_self" (16, 3), "objpos", "scale_provided"}``, whose third column is 0 for covered joints. Images
lie in `images/`.
"""

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from querist.errors import QueristError
from querist.nn.folders import require_folder
from querist.tasks.pose.documents import entry, load_json, numbers
from querist.tasks.pose.listing import Frame, Listing, listing
from querist.tasks.pose.matlab import read_mat
from querist.tasks.pose.named_files import require_file
from querist.tasks.pose.skeletons import MPII

SPLIT_FILES = {"train": "annot/train.json", "val": "annot/valid.json"}
ONE_FILE = "mpii_annotations.json"
_HEADS = "annot/gt_valid.mat"

_PERSON = 200.0
"""MPII's scale is a person's height in units of so many pixels."""

_MARGIN = 1.25
"""How much larger than a person's height the square around it is, as usual."""

_OF_DIAGONAL = 0.8
"""MPII's upper neck and head top were made from the head's box: they lie 0.8 of its diagonal apart."""


def read_mpii(root: Path) -> Listing:
    """Lists MPII from JSON; names of poses are the image and the number of the person in it, such as `val/0154@0`.

    People in one image share a subject, so that no split tears them apart.

    Raises:
        QueristError: naming file and entry, if a file, an image or an entry is missing or of another kind, boxes of
            heads do not pair up with people, or what :func:`~querist.tasks.pose.listing.listing` checks is wrong.
    """
    require_folder(root, f"images/ and {', '.join(SPLIT_FILES.values())} or {ONE_FILE}")
    frames: list[Frame] = []
    if (root / ONE_FILE).is_file():
        people = _list(root / ONE_FILE)
        seen: dict[str, int] = {}
        frames = [_from_pytorch_pose(root, i, person, seen) for i, person in enumerate(people)]
        return listing("mpii", root, MPII, frames)
    there = {split: root / name for split, name in SPLIT_FILES.items() if (root / name).is_file()}
    if not there:
        raise QueristError(f"{root} has no annotations", f"looked for {', '.join(SPLIT_FILES.values())} and {ONE_FILE}")
    for split, path in there.items():
        people = _list(path)
        heads = _head_boxes(root / _HEADS, len(people)) if split == "val" and (root / _HEADS).is_file() else None
        seen = {}
        for i, person in enumerate(people):
            frames.append(_from_hrnet(root, path, i, person, split, seen, None if heads is None else float(heads[i])))
    return listing("mpii", root, MPII, frames)


def person_box(centre: np.ndarray, scale: float) -> tuple[float, float, float, float]:
    """Left, top, width and height of the square around a person of MPII: its centre, and height / 200 pixels.

    The centre is moved down by 15 scales, and the square is a quarter larger, as the stacked hourglass has it (Newell
    et al. 2016), so that feet are not cut off.
    """
    side = _PERSON * _MARGIN * scale
    return float(centre[0] - side / 2), float(centre[1] + 15 * scale - side / 2), side, side


def _list(path: Path) -> list[Any]:
    people = load_json(path)
    if not isinstance(people, list) or not people:
        raise QueristError(f"{path} is no list of people", "fetch it again")
    return people


def _image(root: Path, where: str, name: str, seen: dict[str, int]) -> tuple[Path, str]:
    """The image's path, and the stem of the next person in it."""
    path = PurePosixPath(name)
    if not path.name or path.is_absolute() or ".." in path.parts:
        raise QueristError(f"{where}: the image {name!r} is not one inside images/", "fetch the file again")
    image = root / "images" / path
    require_file(where, image, "unpack MPII's images there")
    number = seen[name] = seen.get(name, -1) + 1
    return image, f"{path.with_suffix('')}@{number}"


def _from_hrnet(
    root: Path, path: Path, i: int, person: Any, split: str, seen: dict[str, int], head: float | None
) -> Frame:
    where = f"{path}, person {i}"
    image, stem = _image(root, where, entry(where, person, "image", str), seen)
    joints = numbers(f"{where}: joints", entry(where, person, "joints", list), (16, 2))
    visible = numbers(f"{where}: joints_vis", entry(where, person, "joints_vis", list), (16,)) > 0
    centre = numbers(f"{where}: center", entry(where, person, "center", list), (2,))
    scale = float(numbers(f"{where}: scale", entry(where, person, "scale", (int, float)), ()))
    known = np.asarray((joints > 0).any(axis=1))
    joints = np.where(known[:, None], joints - 1, np.nan)
    head = _head(joints) if head is None else head
    return Frame(split, stem, image, joints, visible & known, person_box(centre - 1, scale), head, None, image.name)


def _from_pytorch_pose(root: Path, i: int, person: Any, seen: dict[str, int]) -> Frame:
    where = f"{root / ONE_FILE}, person {i}"
    image, stem = _image(root, where, entry(where, person, "img_paths", str), seen)
    table = numbers(f"{where}: joint_self", entry(where, person, "joint_self", list), (16, 3))
    centre = numbers(f"{where}: objpos", entry(where, person, "objpos", list), (2,))
    scale = float(numbers(f"{where}: scale_provided", entry(where, person, "scale_provided", (int, float)), ()))
    split = "val" if entry(where, person, "isValidation", (int, float)) else "train"
    known = np.asarray((table[:, :2] > 0).any(axis=1))
    joints = np.where(known[:, None], table[:, :2] - 1, np.nan)
    box = person_box(centre - 1, scale)
    return Frame(split, stem, image, joints, known & (table[:, 2] > 0), box, _head(joints), None, image.name)


def _head(joints: np.ndarray) -> float | None:
    """The diagonal of the head's box, from the two joints that were made from it; None if one is unknown."""
    assert MPII.head is not None
    length = float(np.linalg.norm(joints[MPII.head[0]] - joints[MPII.head[1]]))
    return length / _OF_DIAGONAL if length > 0 else None


def _head_boxes(path: Path, count: int) -> np.ndarray:
    """(count,) diagonals of the boxes of heads."""
    boxes = np.asarray(read_mat(path, ["headboxes_src"])["headboxes_src"])
    boxes = boxes[..., None] if boxes.ndim == 2 else boxes
    if boxes.shape != (2, 2, count) or boxes.dtype.kind not in "fiu":
        raise QueristError(
            f"{path}: headboxes_src is {boxes.dtype} {boxes.shape} for {count} people of {SPLIT_FILES['val']}",
            "fetch both files again, of the same origin",
        )
    return np.linalg.norm(boxes[1].astype(np.float64) - boxes[0], axis=0)
