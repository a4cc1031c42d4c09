"""What a folder of images and masks holds: names and paths, nothing decoded."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from querist.errors import QueristError
from querist.tasks.segmentation.classes import ClassMap

SPLITS = ("train", "val", "test")
"""The names of split folders."""

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
"""Suffixes (in lower case) of the files that are taken for images or masks; others are passed over."""


@dataclass(frozen=True)
class Sample:
    """One image and, where there is one, its mask.

    Args:
        name: `split/...` without suffix, with forward slashes; the same after a re-scan or a move of the
            folder.
        image: path of the image.
        mask: path of the mask of class ids, or None.
    """

    name: str
    image: Path
    mask: Path | None


@dataclass(frozen=True)
class Listing:
    """All samples of a data folder.

    Args:
        layout: `camvid`, `cityscapes` or `folder`.
        root: the data folder, as the user gave it.
        classes: the class map of its masks.
        splits: the samples of each split that is there, sorted by name.
    """

    layout: str
    root: Path
    classes: ClassMap
    splits: Mapping[str, tuple[Sample, ...]]

    def split(self, name: str) -> tuple[Sample, ...]:
        """The samples of one split.

        Raises:
            QueristError: if the folder has no such split.
        """
        if name not in self.splits:
            found = ", ".join(self.splits)
            raise QueristError(f"{self.root} has no split {name!r}", f"add its folder or use one of: {found}")
        return self.splits[name]


def require_masks(samples: Sequence[Sample]) -> None:
    """Checks that every sample has a mask.

    Raises:
        QueristError: naming the first image without one and how many there are.
    """
    missing = [sample for sample in samples if sample.mask is None]
    if missing:
        raise QueristError(
            f"{missing[0].image} has no mask ({len(missing)} of {len(samples)} images have none)",
            "add the missing masks, or take these images out of the split",
        )


def require_folder(folder: Path, holds: str) -> None:
    """Checks that a folder exists; `holds` says what it should hold.

    Raises:
        QueristError: if there is no such folder, or the path is a file.
    """
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise QueristError(f"{folder} {problem}", f"it should hold {holds}; check the path of the data")


def subfolders(folder: Path) -> list[str]:
    """Sorted names of the visible folders in a folder."""
    return sorted(entry.name for entry in _visible(folder) if entry.is_dir())


def image_files(folder: Path, suffix: str = "") -> dict[str, Path]:
    """The image files directly in a folder, by stem.

    Args:
        folder: where to look; not deeper.
        suffix: only files whose name ends so, and the stem is what comes before it. Empty: any image suffix.

    Raises:
        QueristError: if two files share a stem.
    """
    files: dict[str, Path] = {}
    for entry in _visible(folder):
        path = folder / entry.name
        if not (entry.name.endswith(suffix) if suffix else path.suffix.lower() in SUFFIXES) or entry.is_dir():
            continue
        stem = entry.name.removesuffix(suffix) if suffix else path.stem
        if stem in files:
            first, second = sorted((files[stem].name, entry.name))
            raise QueristError(
                f"{folder} holds both {first} and {second}", "keep one file for each name without its suffix"
            )
        files[stem] = path
    return files


def pair(prefix: str, images: Path, image_suffix: str, masks: Path, mask_suffix: str) -> list[Sample]:
    """Matches the images of one folder with the masks of another by stem.

    Args:
        prefix: what the sample names begin with, such as `train/`.
        images: folder of the images.
        image_suffix: end of the images' file names, or empty for any image suffix.
        masks: folder of the masks; it may be missing.
        mask_suffix: end of the masks' file names, or empty.

    Returns:
        Samples sorted by name; `mask` is None where an image has none.

    Raises:
        QueristError: if two files share a stem, or a mask has no image.
    """
    found = image_files(images, image_suffix)
    answers = image_files(masks, mask_suffix) if masks.is_dir() else {}
    orphans = sorted(set(answers) - set(found))
    if orphans:
        raise QueristError(
            f"{answers[orphans[0]]} is a mask without an image in {images} ({len(orphans)} in all)",
            "an image and its mask share their name up to the suffix: add the image or remove the mask",
        )
    return [Sample(prefix + stem, found[stem], answers.get(stem)) for stem in sorted(found)]


def require_samples(samples: Sequence[Sample], folder: Path, looked_for: str) -> tuple[Sample, ...]:
    """Checks that a split is not empty.

    Raises:
        QueristError: naming the folder and what was looked for.
    """
    if not samples:
        raise QueristError(f"{folder} holds no images", f"looked for {looked_for}; add images or remove the folder")
    return tuple(sorted(samples, key=lambda sample: sample.name))


def check_inside(root: Path, samples: Iterable[Sample]) -> None:
    """Checks that no file leads out of the data folder through a symbolic link; the root itself may be one.

    Raises:
        QueristError: naming the first file that does, or whose name is not UTF-8.
    """
    real_root = os.path.realpath(root)
    prefix = os.path.join(real_root, "")  # noqa: PTH118 (twice as fast as pathlib on large folders)
    for sample in samples:
        for path in (sample.image, sample.mask):
            if path is not None and not os.path.realpath(path).startswith(prefix):
                raise QueristError(
                    f"{path} is a link that leads out of {root}", "copy the file into the data folder instead"
                )
        if any("\ud800" <= char <= "\udfff" for char in sample.name):  # what Python makes of undecodable bytes
            raise QueristError(f"the file name {sample.name!r} in {root} is not UTF-8", "rename the file")


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    """Entries of a folder but for the hidden ones (`.DS_Store`, `._copy.png`)."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise QueristError(f"{folder} cannot be listed: {error.strerror}", "check the path and its rights") from error
