"""Readers of the folder layouts in which re-identification data lies on disk.

Each reader lists names, people, cameras and paths only; `data.py` decodes. A layout that users bring often is one
function here.
"""

import re
from collections.abc import Callable
from pathlib import Path

from querist.errors import QueristError
from querist.nn.folders import image_files, require_folder, subfolders
from querist.tasks.reid.cuhk03 import MAT, find_mat, read_cuhk03
from querist.tasks.reid.listing import UNKNOWN, Crop, Listing, listing
from querist.tasks.reid.table import TABLE, read_csv

__all__ = ["Crop", "Listing", "read", "read_csv", "read_cuhk03", "read_folder", "read_market"]

_FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
"""The folder of each split in the layout of Market-1501."""

_NAME = re.compile(r"(-1|\d{1,18})_c(\d{1,9})(?:s\d+)?_.+")
"""Person, camera and the rest, as in `0002_c1s1_000551_01` (Market-1501) and `0005_c2_f0046985` (DukeMTMC-reID)."""


def read_market(root: Path) -> Listing:
    """Lists Market-1501, DukeMTMC-reID and whatever else has their layout.

    Folders are `bounding_box_train/`, `query/` and `bounding_box_test/`, and a file name begins with person and
    camera: `0002_c1s1_000551_01.jpg`, `0005_c2_f0046985.jpg`. Person -1 is junk, 0 (`0000`) a distractor; both belong
    in `bounding_box_test/`. Files that are no images (`Thumbs.db`) are passed over. Names of crops are
    `train/0002_c1s1_000551_01`.

    Raises:
        QueristError: if a folder holds no images, a name does not begin so, a stem occurs twice, or what
            :func:`~querist.tasks.reid.listing.listing` checks is wrong.
    """
    require_folder(root, "the folders " + ", ".join(_FOLDERS.values()))
    splits: dict[str, list[Crop]] = {}
    for split, name in _FOLDERS.items():
        folder = root / name
        if not folder.exists():
            continue
        require_folder(folder, f"the images of the split {split}")
        splits[split] = [_named(split, path) for path in image_files(folder).values()]
        if not splits[split]:
            raise QueristError(f"{folder} holds no images", "looked for image files; add them or remove the folder")
    if not splits:
        raise QueristError(f"{root} has no split", f"looked for {', '.join(_FOLDERS.values())}")
    return listing("market", root, splits)


def _named(split: str, path: Path) -> Crop:
    """A crop whose file name says who is seen by which camera."""
    parts = _NAME.fullmatch(path.stem)
    if parts is None:
        raise QueristError(
            f"{path} is not named after person and camera",
            "expected PERSON_cCAMERA..., such as 0002_c1s1_000551_01.jpg or 0005_c2_f0046985.jpg; rename or remove it",
        )
    return Crop(f"{split}/{path.stem}", path, int(parts[1]), int(parts[2]))


def read_folder(root: Path) -> Listing:
    """Lists a plain folder of crops of which nothing is known, with its subfolders: a pool for people to answer about.

    Names of crops are `train/` and the path in the folder without suffix; person and camera are unknown.

    Raises:
        QueristError: if there are no images, a stem occurs twice in a folder, a subfolder is a link, or a link leads
            out of the folder.
    """
    require_folder(root, "image files")
    crops: list[Crop] = []
    folders = [""]
    while folders:
        within = folders.pop()
        crops += [
            Crop(f"train/{within}{stem}", path, UNKNOWN, UNKNOWN) for stem, path in image_files(root / within).items()
        ]
        for name in subfolders(root / within):
            if (root / within / name).is_symlink():  # it may lead to where we are
                raise QueristError(f"{root / within / name} is a link to a folder", "move the folder itself here")
            folders.append(f"{within}{name}/")
    return listing("folder", root, {"train": crops})


READERS: dict[str, Callable[[Path], Listing]] = {"market": read_market, "csv": read_csv, "folder": read_folder}
"""The readers of the layouts that only need to be listed."""

_CUHK03 = {"cuhk03": "detected", "cuhk03-labeled": "labeled"}
"""The boxes that each layout of CUHK03 is cut by."""


def read(root: Path, layout: str = "auto", progress: Callable[[int, int], None] | None = None) -> Listing:
    """Lists a data folder.

    Args:
        root: the folder; for the layout `csv` the table itself will do too.
        layout: `market` (also DukeMTMC-reID), `cuhk03` (detected boxes), `cuhk03-labeled`, `csv`, `folder`, or `auto`
            to recognise which of them it is.
        progress: called with (images done, images in all) while images are taken out of CUHK03's data file.

    Raises:
        QueristError: if the layout is unknown or cannot be recognised, or its reader finds something wrong.
    """
    layout = _recognise(root) if layout == "auto" else layout
    if layout in _CUHK03:
        return read_cuhk03(root, _CUHK03[layout], progress=progress)
    if layout not in READERS:
        raise QueristError(f"there is no layout {layout!r}", f"use one of: auto, {', '.join([*READERS, *_CUHK03])}")
    return READERS[layout](root)


def _recognise(root: Path) -> str:
    """The layout of a folder."""
    if root.suffix.lower() == ".csv" and root.is_file():
        return "csv"
    require_folder(root, "images in one of the layouts: " + ", ".join([*READERS, *_CUHK03]))
    found = [
        name
        for name, there in (
            ("market", any((root / folder).is_dir() for folder in _FOLDERS.values())),
            ("cuhk03", find_mat(root) is not None),
            ("csv", (root / TABLE).is_file()),
        )
        if there
    ]
    if len(found) > 1:
        raise QueristError(f"{root} looks like {' and '.join(found)} at once", "name the layout that is meant")
    if found:
        return found[0]
    # Subfolders are not looked into: a folder of other data sets is no pool.
    if image_files(root):
        return "folder"
    raise QueristError(
        f"{root} has no layout that is known",
        f"looked for market: {' or '.join(_FOLDERS.values())}; cuhk03: {MAT}; csv: {TABLE}; folder: image files; "
        "arrange the folder so or name its layout",
    )
