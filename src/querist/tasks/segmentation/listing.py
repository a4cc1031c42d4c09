"""What a folder of images and masks holds: names and paths, nothing decoded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from querist.errors import QueristError
from querist.nn.folders import check_inside, image_files
from querist.tasks.segmentation.classes import ClassMap

SPLITS = ("train", "val", "test")
"""The names of split folders."""


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


def check_samples(root: Path, samples: Iterable[Sample]) -> None:
    """Checks that no image or mask leads out of the data folder through a symbolic link; the root itself may be one.

    Raises:
        QueristError: naming the first file that does, or whose name is not UTF-8.
    """
    files = ((sample.name, path) for sample in samples for path in (sample.image, sample.mask) if path is not None)
    check_inside(root, files)
