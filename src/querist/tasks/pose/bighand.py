"""BigHand2.2M (Yuan et al. 2017), whole or its share in HANDS 2017: depth images of 640 x 480, 21 joints in mm.

Whole, `full_annotation/Subject_1/1 75_loc_shift_made_by_qi_20180112_v2.txt` has the joints of `Subject_1/1 75/`: a line
is the number of an image, such as `00000956` for `image_D00000956.png`, or its path, and 63 numbers. There is no test
set. Some lines are about images that do not exist; they are passed over.

HANDS 2017 has `training/Training_Annotation.txt` (or `Training_Annotation.txt`) beside `images/`, and perhaps
`Test_Annotation.txt`. A line is the path of an image and 63 numbers, tab between tab.

The numbers are x, y, z in mm, in the space of the camera, of the wrist, the knuckles of thumb to little finger, and
then the three further joints of each finger in turn. Images are PNG of 16 bits in mm. Focal lengths 475.065948 and
475.065857 pixels, principal point (315.944855, 245.287079).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from querist.errors import QueristError
from querist.nn.folders import require_folder
from querist.tasks.pose.annotations import annotation_lines, image_inside, relative_path
from querist.tasks.pose.camera import Camera, Depth
from querist.tasks.pose.listing import Frame, Listing, listing
from querist.tasks.pose.skeletons import HAND21

DEPTH = Depth(Camera(475.065948, 475.065857, 315.944855, 245.287079), cube_mm=300.0, size=(640, 480))

ORDER = np.array([0, *(joint for finger in range(5) for joint in (1 + finger, *range(6 + 3 * finger, 9 + 3 * finger)))])
"""Where the joints of :data:`~querist.tasks.pose.skeletons.HAND21` stand in a line."""

_FILES = {"train": "Training_Annotation.txt", "test": "Test_Annotation.txt"}
_FOLDERS = ("", "training", "test", "frame")
_WHOLE = "full_annotation"
_NUMBERS = 63


def label_files(root: Path) -> list[tuple[str, Path]]:
    """Split and labels that are there, in the form of HANDS 2017."""
    paths = [(split, root / folder / name) for split, name in _FILES.items() for folder in _FOLDERS]
    return [(split, path) for split, path in paths if path.is_file()]


def recordings(root: Path) -> list[Path]:
    """The labels of the whole release, a file for each recording; beside them are notes."""
    return sorted(path for path in root.glob(f"{_WHOLE}/*/*.txt") if "readme" not in path.name.lower())


def read_bighand(root: Path) -> Listing:
    """Lists BigHand; a hand is cut out around the mean of its joints.

    Names are such as `train/Subject_1/1 75/image_D00000956`, and people are kept together; of HANDS 2017, where nobody
    knows whose hand it is, such as `train/image_D00000001`, and images are looked for in `images/` beside the
    annotations, and beside them.

    Raises:
        QueristError: naming file and line, if files are missing, a line is of another kind, an image is missing
            (in the whole release: most images of a recording) or listed twice, or what
            :func:`~querist.tasks.pose.listing.listing` checks is wrong.
    """
    require_folder(root, f"{_WHOLE}/Subject_1/*.txt and Subject_1/, or training/Training_Annotation.txt and images/")
    whole, files = recordings(root), label_files(root)
    if whole and files:
        raise QueristError(
            f"{root} holds {whole[0].relative_to(root)} and {files[0][1].relative_to(root)}",
            "the whole release and HANDS 2017 share images: keep them in folders of their own",
        )
    if not whole and not files:
        looked = f"{_WHOLE}/Subject_*/*.txt, {', '.join(_FILES.values())}, these also in training/"
        raise QueristError(f"{root} has no annotations", f"looked for {looked}")
    frames = [frame for labels in whole for frame in _recording(root, labels)]
    frames += [frame for split, labels in files for frame in _challenge(split, labels)]
    return listing("bighand", root, HAND21, frames, DEPTH)


def _recording(root: Path, labels: Path) -> list[Frame]:
    person = labels.parent.name
    folder = root / person / labels.name.split("_")[0].removesuffix(".txt")
    if not folder.is_dir():
        raise QueristError(f"{folder} is missing, whose joints are in {labels}", "unpack it there, or move these away")
    there = {path.name for path in folder.iterdir()}
    frames, count = [], 0
    for where, name, values in annotation_lines(labels, _NUMBERS, tabs=True):
        count += 1
        image = relative_path(where, folder, f"image_D{name}.png" if name.isdecimal() else name).name
        if image in there:
            stem = f"{person}/{folder.name}/{Path(image).stem}"
            frames.append(Frame("train", stem, folder / image, _joints(where, values), subject=person))
    if 2 * len(frames) < count:
        raise QueristError(
            f"{labels} has the joints of {count:,} images, of which {len(frames):,} are in {folder}",
            "unpack the others there",
        )
    return frames


def _challenge(split: str, labels: Path) -> Iterator[Frame]:
    folder = labels.parent / "images" if (labels.parent / "images").is_dir() else labels.parent
    for where, name, values in annotation_lines(labels, _NUMBERS, tabs=True):
        image, stem = image_inside(where, folder, name)
        yield Frame(split, stem, image, _joints(where, values))


def _joints(where: str, values: np.ndarray) -> np.ndarray:
    """(21, 3) pixels and mm, in the order of the other hands."""
    try:
        return DEPTH.camera.to_uvd(values.reshape(21, 3)[ORDER])
    except ValueError as error:
        raise QueristError(f"{where}: {error}", "expected x, y, z in mm") from error
