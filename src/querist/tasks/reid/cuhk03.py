"""CUHK03: images inside a MATLAB file, split by the 767/700 protocol.

`cuhk-03.mat` (Li et al. 2014) is HDF5. Its arrays `detected` and `labeled` refer to five tables, one for each pair of
cameras, of people x ten images; the first five images of a person are of one camera, the rest of the other.
`cuhk03_new_protocol_config_detected.mat` and `..._labeled.mat` (Zhong et al. 2017) are of the older MATLAB format and
hold `filelist` (`1_001_1_01.png`: pair of cameras, person of the pair, camera, image), `labels` (people), and
`train_idx`, `query_idx` and `gallery_idx`, which count from 1.
"""

import hashlib
import importlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from querist.errors import QueristError
from querist.nn.cache import default_cache, writing
from querist.nn.folders import require_folder
from querist.tasks.reid.listing import SPLITS, Crop, Listing, listing

MAT = "cuhk-03.mat"
"""The file that gives the layout away."""

BOXES = ("detected", "labeled")
"""Whether a detector or a person drew the boxes that the crops were cut by."""

_VERSION = 1
"""To be raised when images are written differently, so that older ones are not met again."""

_NAME = re.compile(r"([1-9])_([0-9]{3})_([12])_([0-9]{2})\.png")


def find_mat(root: Path) -> Path | None:
    """The data file of CUHK03 in a folder, or in `cuhk03_release/` as it is unpacked; None if there is none."""
    return next((path for path in (root / MAT, root / "cuhk03_release" / MAT) if path.is_file()), None)


def read_cuhk03(
    root: Path, boxes: str = "detected", cache: Path | None = None, progress: Callable[[int, int], None] | None = None
) -> Listing:
    """Lists CUHK03 in the 767/700 protocol; the first time, its images are taken out of the data file.

    They are written as PNG into the cache, and done again if the data file's size or time changes. Names of crops are
    `train/1_001_1_01`.

    Args:
        root: holds `cuhk-03.mat`, or `cuhk03_release/` with it, and the protocol's file.
        boxes: `detected` or `labeled`.
        cache: the cache folder; None is `default_cache()`.
        progress: called with (images written, images in all).

    Raises:
        QueristError: if a file is missing, damaged or of another structure, h5py or scipy is not installed, or the
            cache cannot be written.
        ValueError: for other boxes.
    """
    if boxes not in BOXES:
        raise ValueError(f"boxes must be one of {', '.join(BOXES)}, not {boxes!r}")
    require_folder(root, f"{MAT} and cuhk03_new_protocol_config_{boxes}.mat")
    mat = find_mat(root)
    if mat is None:
        raise QueristError(f"{root / MAT} is missing", "it comes in CUHK03's cuhk03_release.zip; put it there")
    names, people, splits = _protocol(root, mat, boxes)
    key = json.dumps([_VERSION, boxes, os.path.realpath(mat), mat.stat().st_size, mat.stat().st_mtime_ns, names])
    folder = (cache or default_cache()) / "reid" / f"cuhk03-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    if not folder.is_dir():
        _write(mat, boxes, names, folder, progress or (lambda done, total: None))
    found = {
        split: [Crop(f"{split}/{names[i][:-4]}", folder / names[i], people[i], int(names[i][6])) for i in rows]
        for split, rows in splits.items()
    }
    return listing("cuhk03" if boxes == "detected" else "cuhk03-labeled", folder, found)


def _protocol(root: Path, mat: Path, boxes: str) -> tuple[list[str], list[int], dict[str, list[int]]]:
    """File names, their people, and which of them each split has."""
    name = f"cuhk03_new_protocol_config_{boxes}.mat"
    path = next((path for path in (root / name, mat.parent / name) if path.is_file()), None)
    if path is None:
        raise QueristError(
            f"{root / name} is missing", "it defines the 767/700 split and comes with the protocol (Zhong et al. 2017)"
        )
    try:
        content = _library("scipy.io", "scipy", path).loadmat(path)
        names = [str(np.asarray(cell).ravel()[0]) for cell in content["filelist"].ravel()]
        people = [int(person) for person in content["labels"].ravel()]
        splits = {split: [int(i) - 1 for i in content[f"{split}_idx"].ravel()] for split in SPLITS}
    except (OSError, ValueError, TypeError, IndexError, NotImplementedError, KeyError) as error:
        raise QueristError(f"{path} cannot be understood: {error}", "fetch it again") from error
    wrong = [name for name in names if not _NAME.fullmatch(name)]
    if wrong:
        raise QueristError(f"{path} lists {wrong[0]!r}", "expected names such as 1_001_1_01.png: fetch it again")
    rows = [i for split in splits.values() for i in split]
    if len(people) != len(names) or not all(0 <= i < len(names) for i in rows) or len(set(rows)) < len(rows):
        raise QueristError(f"{path}: files, people and splits do not fit each other", "fetch it again")
    return names, people, splits


def _write(mat: Path, boxes: str, names: Sequence[str], folder: Path, progress: Callable[[int, int], None]) -> None:
    """Writes the images of a data file, all of them or none."""
    partial = folder.with_name(f"{folder.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    h5py = _library("h5py", "h5py", mat)
    try:
        with writing(folder):
            partial.mkdir(parents=True)
        for done, (name, image) in enumerate(_images(h5py, mat, boxes, names), start=1):
            with writing(folder):
                Image.fromarray(image).save(partial / name, compress_level=1)
            progress(done, len(names))
        with writing(folder):
            try:
                partial.replace(folder)
            except OSError:
                if not folder.is_dir():  # else another process was first, with the same images
                    raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _images(h5py: Any, mat: Path, boxes: str, names: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """The images by name: uint8 (H, W, 3), each of its own size."""
    name = ""
    try:
        with h5py.File(mat, "r") as file:
            # MATLAB's order of dimensions is the reverse of HDF5's.
            tables = [file[reference] for reference in file[boxes][()].ravel()]
            for name in names:
                pair, person, _, number = (int(part) for part in name[:-4].split("_"))
                image = np.ascontiguousarray(file[tables[pair - 1][number - 1, person - 1]][()].T)
                if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
                    raise ValueError(f"it is {image.dtype} {image.shape}, not uint8 (H, W, 3)")
                yield name, image
    except (OSError, KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        what = f"the {boxes} image {name}" if name else f"the {boxes} images"
        raise QueristError(f"{mat}: {what} cannot be read: {error}", "fetch CUHK03 again") from error


def _library(module: str, package: str, path: Path) -> Any:
    """A library that only this layout needs."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise QueristError(
            f"{path} can only be read with {package}, which is not installed", f"pip install {package}"
        ) from error
