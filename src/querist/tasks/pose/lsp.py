"""Leeds Sports Pose and its extension: `joints.mat` beside `images/`.

LSP (Johnson and Everingham 2010): `joints` (3, 14, 2000) with rows x, y and whether the joint is *hidden* (its README
says visibility, its values say the opposite: 1 where a joint is covered, and its place was labelled all the same);
images `im0001.jpg`; the first 1,000 are to learn from, the others to be tested on. LSP-Extended (Johnson and Everingham
2011): `joints` (14, 3, 10000) with columns x, y and whether the joint was *labelled* (0: it was not, and x and y mean
nothing); images `im00001.jpg`; all are to learn from. Coordinates are taken as pixels from 0.
"""

import re
from pathlib import Path

import numpy as np

from querist.errors import QueristError
from querist.nn.folders import image_files, require_folder
from querist.tasks.pose.listing import Frame, Listing, listing
from querist.tasks.pose.matlab import read_mat
from querist.tasks.pose.skeletons import LSP

JOINTS = "joints.mat"
_TRAIN = 1000
"""LSP's first images are its training half."""

_NAME = re.compile(r"im(\d{4,5})")


def read_lsp(root: Path) -> Listing:
    """Lists LSP or LSP-Extended; the shape of the matrix tells which.

    Of LSP all joints are known, and hidden ones are not visible. Of LSP-Extended only labelled joints are known.
    Names of poses are such as `train/im0001`.

    Raises:
        QueristError: if `joints.mat` or images are missing, images and joints do not pair up, the matrix has another
            shape, flags are neither 0 nor 1, or what :func:`~querist.tasks.pose.listing.listing` checks is wrong.
    """
    require_folder(root, f"{JOINTS} and images/")
    path = root / JOINTS
    matrix = np.asarray(read_mat(path, ["joints"])["joints"])
    if matrix.ndim == 2:  # of a single image, squeezed
        matrix = matrix[..., None]
    if matrix.ndim != 3 or matrix.shape[:2] not in ((3, 14), (14, 3)) or matrix.dtype.kind not in "fiu":
        raise QueristError(
            f"{path}: joints are {matrix.dtype} {matrix.shape}",
            "expected (3, 14, N) as in LSP, or (14, 3, N)",
        )
    extended = matrix.shape[0] == 14
    table = matrix.transpose((2, 0, 1) if extended else (2, 1, 0)).astype(np.float64)
    flags = table[..., 2]
    if not np.isin(flags, (0, 1)).all():
        i = int(np.flatnonzero(~np.isin(flags, (0, 1)).all(axis=1))[0])
        raise QueristError(f"{path}: a flag of image {i + 1} is neither 0 nor 1", "fetch it again")
    images = _images(root / "images", path, len(table))
    frames = []
    for i, image in enumerate(images):
        joints, flag = table[i, :, :2], flags[i] > 0
        joints = np.where(flag[:, None], joints, np.nan) if extended else joints
        split = "train" if extended or i < _TRAIN else "test"
        frames.append(Frame(split, image.stem, image, joints, flag if extended else ~flag))
    return listing("lsp", root, LSP, frames)


def _images(folder: Path, mat: Path, count: int) -> list[Path]:
    """The images 1..count."""
    require_folder(folder, "the images im0001.jpg, ...")
    found: dict[int, Path] = {}
    for stem, path in image_files(folder).items():
        number = _NAME.fullmatch(stem)
        if number is None:
            raise QueristError(f"{path} has no number", "expected names such as im0001.jpg or im00001.jpg; remove it")
        if int(number[1]) in found:
            raise QueristError(f"{folder} holds image {int(number[1])} twice, as {path.name}", "keep one of them")
        found[int(number[1])] = path
    for i in range(1, count + 1):
        if i not in found:
            raise QueristError(f"{folder} lacks image {i} of the {count} in {mat.name}", "fetch it again")
    if len(found) > count:
        extra = found[max(found)]
        raise QueristError(f"{extra} has no joints: {mat} ends at image {count}", "remove it or fetch the matrix again")
    return [found[i] for i in range(1, count + 1)]
