"""NYU hand pose (Tompson et al. 2014): `train/` and `test/`, each with `joint_data.mat` and depth images of 640 x 480.

`joint_data.mat` has `joint_uvd` (3 cameras, N frames, 36 joints, 3) in pixels and mm. Images are
`depth_CAMERA_0000001.png`, counted from 1: RGB, whose green channel holds the upper and whose blue channel the lower
byte of the depth in mm. Focal lengths 588.03 and 587.07 pixels, principal point (320, 240). Results are compared on
camera 1 and on 14 joints of the 36; learning on 21 of them is common too, with the palm in the place of the wrist.
"""

from pathlib import Path

import numpy as np

from querist.errors import QueristError
from querist.nn.folders import require_folder
from querist.tasks.pose.camera import Camera, Depth
from querist.tasks.pose.listing import Frame, Listing, listing
from querist.tasks.pose.matlab import read_mat
from querist.tasks.pose.skeletons import HAND21, NYU14

DEPTH = Depth(Camera(588.03, 587.07, 320.0, 240.0), cube_mm=300.0, green_blue=True, size=(640, 480))

JOINTS = "joint_data.mat"
SPLITS = ("train", "test")
_CAMERA = 1

EVALUATED = np.array([0, 3, 6, 9, 12, 15, 18, 21, 24, 25, 27, 30, 31, 32])
"""The joints of :data:`~querist.tasks.pose.skeletons.NYU14` among the 36, from little finger to palm."""

WHOLE = np.array([32, 28, 27, 25, 24, 23, 21, 19, 18, 17, 15, 13, 12, 11, 9, 7, 6, 5, 3, 1, 0])
"""21 of the 36 in the places of :data:`~querist.tasks.pose.skeletons.HAND21`; a finger's are numbered from its tip."""


def read_nyu(root: Path) -> Listing:
    """Lists NYU with its 14 joints; a hand is cut out around the mean of them.

    Names are such as `train/depth_1_0000001`.

    Raises:
        QueristError: if files are missing, the matrix has another shape, images and joints do not pair up, scipy is not
            installed, or what :func:`~querist.tasks.pose.listing.listing` checks is wrong.
    """
    return listing("nyu", root, NYU14, _frames(root, EVALUATED), DEPTH)


def read_nyu21(root: Path) -> Listing:
    """Lists NYU with 21 joints in the order of the other hands; else as :func:`read_nyu`."""
    return listing("nyu21", root, HAND21, _frames(root, WHOLE), DEPTH)


def _frames(root: Path, joints: np.ndarray) -> list[Frame]:
    require_folder(root, f"train/{JOINTS} and train/depth_1_0000001.png")
    folders = {split: root / split for split in SPLITS if (root / split).is_dir()}
    if not folders:
        raise QueristError(
            f"{root} has neither train/ nor test/", f"unpack NYU's dataset/ there, such as train/{JOINTS}"
        )
    frames = []
    for split, folder in folders.items():
        table = np.asarray(read_mat(folder / JOINTS, ["joint_uvd"])["joint_uvd"])
        if table.ndim == 3:  # a single frame, squeezed
            table = table[:, None]
        if table.ndim != 4 or table.shape[0] != 3 or table.shape[2:] != (36, 3) or table.dtype.kind not in "fiu":
            raise QueristError(
                f"{folder / JOINTS}: joint_uvd is {table.dtype} {table.shape}", "expected (3, N, 36, 3): fetch it again"
            )
        for i, pose in enumerate(table[_CAMERA - 1].astype(np.float64), start=1):
            image = folder / f"depth_{_CAMERA}_{i:07d}.png"
            if not image.is_file():
                raise QueristError(f"{image} is missing, of the {table.shape[1]} in {JOINTS}", "fetch the images again")
            frames.append(Frame(split, image.stem, image, pose[joints]))
    return frames
