"""ICVL hand posture (Tang et al. 2014): depth images of 320 x 240, 16 joints in pixels and mm.

`Training/labels.txt` beside `Training/Depth/`, and `Testing/test_seq_1.txt` and `test_seq_2.txt` beside
`Testing/Depth/`; or, as later copies have it, `train.txt`, `test_seq_1.txt` and `test_seq_2.txt` beside one `Depth/`. A
line is the path of an image in `Depth/` and 48 numbers: u, v, d of the palm and of root, middle and tip of thumb,
index, middle, ring and little finger. Images are PNG of 16 bits in mm. Focal length 241.42 pixels, principal point
(160, 120).

The release has every training image up to 15 times more, turned in the plane, in folders that are named by the angle
(`-22-5/`, `45/`). They are the same hands and are passed over, as is usual: 22,000 images are left, and turning is the
business of the augmentation.
"""

import re
from pathlib import Path

from querist.errors import QueristError
from querist.nn.folders import require_folder
from querist.tasks.pose.annotations import annotation_lines, image_inside, relative_path
from querist.tasks.pose.camera import Camera, Depth
from querist.tasks.pose.listing import Frame, Listing, listing
from querist.tasks.pose.skeletons import ICVL16

DEPTH = Depth(Camera(241.42, 241.42, 160.0, 120.0), cube_mm=250.0, size=(320, 240))

_FILES = (
    ("train", "Training/labels.txt", "Training/Depth"), ("test", "Testing/test_seq_1.txt", "Testing/Depth"),
    ("test", "Testing/test_seq_2.txt", "Testing/Depth"), ("train", "train.txt", "Depth"),
    ("test", "test_seq_1.txt", "Depth"), ("test", "test_seq_2.txt", "Depth"),
)  # fmt: skip
"""Split, labels and images of both arrangements."""


_TURNED = re.compile(r"-?\d{1,3}(-5)?")
"""Folders of copies; those of recordings are dates and times."""


def label_files(root: Path) -> list[tuple[str, Path, Path]]:
    """Split, labels and folder of images that are there."""
    return [(split, root / labels, root / images) for split, labels, images in _FILES if (root / labels).is_file()]


def read_icvl(root: Path) -> Listing:
    """Lists ICVL; a hand is cut out around the mean of its joints. Names are such as `train/201403121135/image_0001`.

    Raises:
        QueristError: naming file and line, if files are missing, a line is of another kind, an image is missing or
            listed twice, or what :func:`~querist.tasks.pose.listing.listing` checks is wrong.
    """
    require_folder(root, "Training/labels.txt and Training/Depth/")
    files = label_files(root)
    if not files:
        raise QueristError(f"{root} has no labels", f"looked for {', '.join(labels for _, labels, _ in _FILES)}")
    frames = []
    for split, labels, folder in files:
        require_folder(folder, f"the images that {labels.name} lists")
        for where, name, values in annotation_lines(labels, 48):
            if split == "train" and _TURNED.fullmatch(relative_path(where, folder, name).parts[0]):
                continue
            image, stem = image_inside(where, folder, name)
            frames.append(Frame(split, stem, image, values.reshape(16, 3)))
    return listing("icvl", root, ICVL16, frames, DEPTH)
