"""BigHand2.2M (Yuan et al. 2017) and its share in the HANDS 2017 challenge: depth images of 640 x 480, 21 joints in mm.

`training/Training_Annotation.txt` (or `Training_Annotation.txt`) beside `images/`, and perhaps `Test_Annotation.txt`. A
line is the path of an image and 63 numbers, tab between tab: x, y, z in mm, in the space of the camera, of the wrist,
the knuckles of thumb to little finger, and then the three further joints of each finger in turn. Images are PNG of 16
bits in mm. Focal lengths 475.065948 and 475.065857 pixels, principal point (315.944855, 245.287079).
"""

from pathlib import Path

import numpy as np

from querist.errors import QueristError
from querist.nn.folders import require_folder
from querist.tasks.pose.annotations import annotation_lines, image_inside
from querist.tasks.pose.camera import Camera, Depth
from querist.tasks.pose.listing import Frame, Listing, listing
from querist.tasks.pose.skeletons import HAND21

DEPTH = Depth(Camera(475.065948, 475.065857, 315.944855, 245.287079), cube_mm=300.0, size=(640, 480))

ORDER = np.array([0, *(joint for finger in range(5) for joint in (1 + finger, *range(6 + 3 * finger, 9 + 3 * finger)))])
"""Where the joints of :data:`~querist.tasks.pose.skeletons.HAND21` stand in a line."""

_FILES = {"train": "Training_Annotation.txt", "test": "Test_Annotation.txt"}
_FOLDERS = ("", "training", "test", "frame")


def label_files(root: Path) -> list[tuple[str, Path]]:
    """Split and labels that are there."""
    paths = [(split, root / folder / name) for split, name in _FILES.items() for folder in _FOLDERS]
    return [(split, path) for split, path in paths if path.is_file()]


def read_bighand(root: Path) -> Listing:
    """Lists BigHand; a hand is cut out around the mean of its joints. Names are such as `train/image_D00000001`.

    Images are looked for in `images/` beside the annotations, and beside them.

    Raises:
        QueristError: naming file and line, if files are missing, a line is of another kind, an image is missing or
            listed twice, or what :func:`~querist.tasks.pose.listing.listing` checks is wrong.
    """
    require_folder(root, "training/Training_Annotation.txt and training/images/")
    files = label_files(root)
    if not files:
        raise QueristError(f"{root} has no annotations", f"looked for {', '.join(_FILES.values())}, also in training/")
    frames = []
    for split, labels in files:
        folder = labels.parent / "images" if (labels.parent / "images").is_dir() else labels.parent
        for where, name, values in annotation_lines(labels, 63, tabs=True):
            image, stem = image_inside(where, folder, name)
            try:
                joints = DEPTH.camera.to_uvd(values.reshape(21, 3)[ORDER])
            except ValueError as error:
                raise QueristError(f"{where}: {error}", "expected x, y, z in mm") from error
            frames.append(Frame(split, stem, image, joints))
    return listing("bighand", root, HAND21, frames, DEPTH)
