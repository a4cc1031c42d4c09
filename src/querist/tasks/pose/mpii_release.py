"""MPII Human Pose as it was released: `mpii_human_pose_v1_u12_1.mat` beside `images/`.

The structure `RELEASE` (Andriluka et al. 2014) has `annolist`, an entry for each image with `image.name` and
`annorect`, its people; `img_train`, 1 where labels are public; and more. A person has the box of the head `x1, y1, x2,
y2`, `scale` (height / 200 pixels), `objpos.x` and `.y`, and `annopoints.point`, joints with `x`, `y`, `id` (0..15) and
`is_visible` (perhaps empty: in view). All count from 1. Of images that are not for training nothing is known but rough
places.
"""

from pathlib import Path
from typing import Any

import numpy as np

from querist.errors import QueristError
from querist.nn.folders import require_folder
from querist.tasks.pose.listing import Frame, Listing, listing
from querist.tasks.pose.matlab import as_list, read_mat
from querist.tasks.pose.mpii import person_box
from querist.tasks.pose.named_files import require_file
from querist.tasks.pose.skeletons import MPII

RELEASE = "mpii_human_pose_v1_u12_1.mat"


def find_release(root: Path) -> Path | None:
    """The release in a folder, or in its unpacked subfolder; None if there is none."""
    folders = (root, root / "mpii_human_pose_v1_u12_2", root / "annot")
    return next((folder / RELEASE for folder in folders if (folder / RELEASE).is_file()), None)


def read_mpii_release(root: Path) -> Listing:
    """Lists the labelled people of MPII's release, all in the split `train`; names are such as `train/0154@0`.

    People without labelled joints, scale or place are passed over, and so are images not for training. People in one
    image share a subject.

    Raises:
        QueristError: naming file, image and person, if the file is missing or of another structure, an image is
            missing, scipy is not installed, or what :func:`~querist.tasks.pose.listing.listing` checks is wrong.
    """
    require_folder(root, f"images/ and {RELEASE}")
    path = find_release(root)
    if path is None:
        raise QueristError(f"{root / RELEASE} is missing", "it comes in MPII's mpii_human_pose_v1_u12_2.zip")
    release = read_mat(path, ["RELEASE"])["RELEASE"]
    if not hasattr(release, "annolist") or not hasattr(release, "img_train"):
        raise QueristError(f"{path}: RELEASE has no annolist and img_train", "fetch it again")
    images, train = as_list(release.annolist), as_list(release.img_train)
    if len(images) != len(train):
        raise QueristError(f"{path}: {len(images)} images, but {len(train)} entries of img_train", "fetch it again")
    frames: list[Frame] = []
    for i, (image, public) in enumerate(zip(images, train, strict=True)):
        if public:
            frames += _people(root, f"{path}, image {i + 1}", image)
    return listing("mpii-release", root, MPII, frames)


def _people(root: Path, where: str, image: Any) -> list[Frame]:
    name = getattr(getattr(image, "image", None), "name", None)
    if not isinstance(name, str) or not name or Path(name).name != name:
        raise QueristError(f"{where} has no name of a file", "fetch the release again")
    path = root / "images" / name
    frames = []
    for number, person in enumerate(as_list(getattr(image, "annorect", []))):
        points = as_list(getattr(getattr(person, "annopoints", None), "point", []))
        place, scale = getattr(person, "objpos", None), getattr(person, "scale", None)
        if not points or not hasattr(place, "x") or scale is None or np.size(scale) != 1:
            continue
        require_file(where, path, "unpack MPII's images there")
        frames.append(_person(f"{where}, person {number + 1}", path, number, person, points))
    return frames


def _person(where: str, path: Path, number: int, person: Any, points: list[Any]) -> Frame:
    joints, visible = np.full((16, 2), np.nan), np.zeros(16, dtype=bool)
    try:
        for point in points:
            joint = int(point.id)
            if not 0 <= joint < 16 or np.isfinite(joints[joint, 0]):
                raise ValueError(f"the joint {joint} is unknown or there twice")
            joints[joint] = float(point.x) - 1, float(point.y) - 1
            visible[joint] = _flag(getattr(point, "is_visible", []))
        corners = np.array([float(getattr(person, key)) for key in ("x1", "y1", "x2", "y2")])
        centre = np.array([float(person.objpos.x) - 1, float(person.objpos.y) - 1])
        box = person_box(centre, float(person.scale))
    except (AttributeError, OverflowError, TypeError, ValueError) as error:
        raise QueristError(f"{where} cannot be understood: {error}", "fetch the release again") from error
    head = float(np.linalg.norm(corners[2:] - corners[:2]))
    return Frame("train", f"{path.stem}@{number}", path, joints, visible, box, head, None, path.name)


def _flag(value: Any) -> bool:
    """Whether a joint is visible: a number, a digit as text, or empty, which the release has for joints in view."""
    if isinstance(value, str):
        return value.strip() != "0"
    return bool(np.all(np.asarray(value) != 0))
