"""Readers of the folder layouts in which segmentation data lies on disk.

Each reader lists names and paths only; `arrays.py` decodes. A layout that users bring often is one function
here.
"""

from collections.abc import Callable
from pathlib import Path

from querist.errors import QueristError
from querist.nn.folders import image_files, require_folder, subfolders
from querist.tasks.segmentation.classes import CAMVID, CITYSCAPES, ClassMap, read_classes
from querist.tasks.segmentation.listing import (
    SPLITS,
    Listing,
    Sample,
    check_samples,
    pair,
    require_masks,
    require_samples,
)

__all__ = [
    "Listing",
    "Sample",
    "read",
    "read_camvid",
    "read_cityscapes",
    "read_folder",
    "require_masks",
]


def read_camvid(root: Path) -> Listing:
    """Lists CamVid as the SegNet copy has it: `train/`, `trainannot/`, and so on for val and test.

    Images and masks may have any image suffix and match by stem. Sample names are `train/0001TP_006690`.

    Raises:
        QueristError: if a folder is missing or empty, a stem occurs twice, a mask has no image, or a link
            leads out.
    """
    require_folder(root, "CamVid: train/, trainannot/, ...")
    splits = {}
    for split in SPLITS:
        images, masks = root / split, root / f"{split}annot"
        if images.is_dir() or masks.is_dir():
            require_folder(images, f"the images of {masks}")
            splits[split] = require_samples(pair(f"{split}/", images, "", masks, ""), images, "image files")
    return _listing("camvid", root, CAMVID, splits, "train/, val/ or test/")


def read_cityscapes(root: Path) -> Listing:
    """Lists Cityscapes: `leftImg8bit/SPLIT/CITY/*_leftImg8bit.png` and `gtFine/.../*_gtFine_labelIds.png`.

    Sample names are `train/aachen/aachen_000000_000019`.

    Raises:
        QueristError: if a folder is missing or empty, a mask has no image, or a link leads out.
    """
    require_folder(root / "leftImg8bit", "the images of Cityscapes: leftImg8bit/SPLIT/CITY/*_leftImg8bit.png")
    splits = {}
    for split in SPLITS:
        images, masks = root / "leftImg8bit" / split, root / "gtFine" / split
        mask_cities = subfolders(masks) if masks.is_dir() else []
        if not images.is_dir() and not mask_cities:
            continue
        require_folder(images, f"the images of {masks}")
        samples: list[Sample] = []
        for city in sorted({*subfolders(images), *mask_cities}):
            require_folder(images / city, f"the images of {masks / city}")
            samples += pair(f"{split}/{city}/", images / city, "_leftImg8bit.png", masks / city, "_gtFine_labelIds.png")
        splits[split] = require_samples(samples, images, "CITY/*_leftImg8bit.png")
    return _listing("cityscapes", root, CITYSCAPES, splits, "leftImg8bit/train/, val/ or test/")


def read_folder(root: Path) -> Listing:
    """Lists a plain folder: `classes.yaml`, `images/` and `masks/`.

    `images/` and `masks/` have split folders (train, val, test) or are both flat; a flat folder is one split,
    `train`. `masks/` or some masks may be missing: such images can be selected, not learned from. Masks hold
    8-bit class ids.

    Raises:
        QueristError: if `classes.yaml` is wrong, a folder is missing, empty or has unknown subfolders, a stem
            occurs twice, a mask has no image, or a link leads out.
    """
    require_folder(root, "classes.yaml, images/ and masks/")
    classes = read_classes(root / "classes.yaml")
    images, masks = root / "images", root / "masks"
    require_folder(images, "the images, flat or in train/, val/ and test/")
    has_splits = _has_splits(images)
    if masks.is_dir() and any(True for _ in masks.iterdir()) and _has_splits(masks) != has_splits:
        flat, deep = (masks, images) if has_splits else (images, masks)
        raise QueristError(f"{deep} has split folders and {flat} has none", "arrange both in the same way")
    if not has_splits:
        samples = require_samples(pair("train/", images, "", masks, ""), images, "image files")
        return _listing("folder", root, classes, {"train": samples}, "images/")
    splits = {}
    for split in SPLITS:
        if (images / split).is_dir() or (masks / split).is_dir():
            require_folder(images / split, f"the images of {masks / split}")
            samples = pair(f"{split}/", images / split, "", masks / split, "")
            splits[split] = require_samples(samples, images / split, "image files")
    return _listing("folder", root, classes, splits, "images/train/, val/ or test/")


READERS: dict[str, Callable[[Path], Listing]] = {
    "camvid": read_camvid,
    "cityscapes": read_cityscapes,
    "folder": read_folder,
}
"""The reader of every layout, by the name that `read` takes."""

_SIGNS = {
    "camvid": tuple(f"{split}annot" for split in SPLITS),
    "cityscapes": ("leftImg8bit",),
    "folder": ("classes.yaml", "images"),
}
"""Any one of these in the root gives the layout away."""


def read(root: Path, layout: str = "auto") -> Listing:
    """Lists a data folder.

    Args:
        root: the folder.
        layout: `camvid`, `cityscapes`, `folder`, or `auto` to recognise which of them it is.

    Raises:
        QueristError: if the layout is unknown or cannot be recognised, or its reader finds something wrong.
    """
    if layout != "auto":
        if layout not in READERS:
            raise QueristError(f"there is no layout {layout!r}", f"use one of: auto, {', '.join(READERS)}")
        try:
            return READERS[layout](root)
        except QueristError as error:
            others = _signs(root)
            if not others or layout in others:
                raise
            what = f"{error.what}; it looks like the layout {' or '.join(others)}"
            raise QueristError(what, f"--set problem.layout={others[0]}") from error
    require_folder(root, "images in one of the layouts: " + ", ".join(READERS))
    found = _signs(root)
    if len(found) == 1:
        return READERS[found[0]](root)
    looked_for = "; ".join(f"{name}: {' or '.join(signs)}" for name, signs in _SIGNS.items())
    if found:
        raise QueristError(f"{root} looks like {' and '.join(found)} at once", "name the layout that is meant")
    raise QueristError(
        f"{root} has no layout that is known",
        f"looked for {looked_for}; arrange the folder so or name its layout",
    )


def _has_splits(folder: Path) -> bool:
    """Whether a folder of images or masks has split folders; mixtures and other subfolders are errors."""
    folders = subfolders(folder)
    unknown = [name for name in folders if name not in SPLITS]
    if unknown:
        raise QueristError(
            f"{folder / unknown[0]} is no split folder",
            f"use {', '.join(SPLITS)}, or put all files straight in {folder}",
        )
    loose = image_files(folder)
    if folders and loose:
        raise QueristError(
            f"{folder} has both split folders and loose files such as {min(loose.values()).name}",
            "move the files into the split folders",
        )
    return bool(folders)


def _listing(
    layout: str, root: Path, classes: ClassMap, splits: dict[str, tuple[Sample, ...]], looked_for: str
) -> Listing:
    if not splits:
        raise QueristError(f"{root} has no split", f"looked for {looked_for}")
    for samples in splits.values():
        check_samples(root, samples)
    return Listing(layout, root, classes, splits)


def _signs(root: Path) -> list[str]:
    """The layouts that something in the root gives away."""
    return [name for name, signs in _SIGNS.items() if any((root / sign).exists() for sign in signs)]
