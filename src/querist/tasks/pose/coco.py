"""COCO keypoints: `annotations/person_keypoints_SPLIT.json` beside `SPLIT/`, such as train2017 and val2017.

The format (cocodataset.org): `images` with `id` and `file_name`; `annotations` with `image_id`, `category_id`, `bbox`
(left, top, width, height), `iscrowd`, `num_keypoints` and `keypoints`, 3 x 17 numbers x, y, v, where v is 0 for not
labelled (x and y are 0 then), 1 for labelled but covered, and 2 for visible; `categories` with the names of the
keypoints. Pixels count from 0.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from querist.errors import QueristError
from querist.nn.folders import require_folder
from querist.tasks.pose.documents import entry, load_json, numbers
from querist.tasks.pose.listing import Frame, Listing, listing
from querist.tasks.pose.named_files import require_file
from querist.tasks.pose.skeletons import COCO

_FILE = re.compile(r"person_keypoints_((train|val|test)\w*)\.json")

_MARGIN = 1.25
"""How much larger than the person's box the one that is cut out is, as usual."""


def annotation_files(root: Path) -> dict[str, Path]:
    """The files of keypoints in a folder by the folder of their images, such as `train2017`."""
    found = {path.name: path for path in sorted((root / "annotations").glob("person_keypoints_*.json"))}
    return {match[1]: path for name, path in found.items() if (match := _FILE.fullmatch(name))}


def read_coco(root: Path) -> Listing:
    """Lists people with at least one labelled keypoint; crowds are passed over.

    Names are the image and the annotation, such as `val/000000000139@230831`. People in one image share a subject.
    Images lie in `SPLIT/` or `images/SPLIT/`.

    Raises:
        QueristError: naming file and annotation, if a file, an image or an entry is missing or of another kind, a
            category has other keypoints, or what :func:`~querist.tasks.pose.listing.listing` checks is wrong.
    """
    require_folder(root, "annotations/person_keypoints_train2017.json and train2017/")
    files = annotation_files(root)
    if not files:
        raise QueristError(f"{root / 'annotations'} holds no keypoints", "looked for person_keypoints_train2017.json")
    frames: list[Frame] = []
    for name, path in files.items():
        folder = next((f for f in (root / name, root / "images" / name) if f.is_dir()), None)
        if folder is None:
            raise QueristError(f"{root / name} does not exist", f"unpack the images of {path.name} there")
        split = next(split for split in ("train", "val", "test") if name.startswith(split))
        frames += _frames(path, folder, split)
    return listing("coco", root, COCO, frames)


def _frames(path: Path, folder: Path, split: str) -> list[Frame]:
    document = load_json(path)
    images: dict[Any, str] = {}
    for i, image in enumerate(entry(str(path), document, "images", list)):
        where = f"{path}, images[{i}]"
        number = entry(where, image, "id", (int, str))
        if number in images:
            raise QueristError(f"{where}: the id {number} is that of {images[number]} too", "give every image its own")
        images[number] = entry(where, image, "file_name", str)
    categories = _categories(path, document)
    frames: list[Frame] = []
    for i, person in enumerate(entry(str(path), document, "annotations", list)):
        where = f"{path}, annotations[{i}]"
        if isinstance(person, dict) and (person.get("iscrowd") or not person.get("num_keypoints", 1)):
            continue
        if entry(where, person, "category_id", int) not in categories:
            raise QueristError(f"{where}: there is no category {person['category_id']}", "fetch the file again")
        key = entry(where, person, "image_id", (int, str))
        if key not in images:
            raise QueristError(f"{where}: there is no image {key}", "fetch the file again")
        frame = _person(where, folder, images[key], split, person)
        if frame is not None:
            frames.append(frame)
    return frames


def _categories(path: Path, document: Any) -> set[int]:
    """The numbers of the categories, all of which must have COCO's keypoints."""
    found = set()
    for i, category in enumerate(entry(str(path), document, "categories", list)):
        where = f"{path}, categories[{i}]"
        names = [str(name).replace("_", " ") for name in entry(where, category, "keypoints", list)]
        if names != list(COCO.names):
            raise QueristError(
                f"{where} has other keypoints than COCO's 17",
                "bring other skeletons as a plain folder",
            )
        found.add(entry(where, category, "id", int))
    return found


def _person(where: str, folder: Path, name: str, split: str, person: Any) -> Frame | None:
    """One annotation; None if none of its keypoints is labelled."""
    table = numbers(f"{where}: keypoints", entry(where, person, "keypoints", list), (51,)).reshape(17, 3)
    if not np.isin(table[:, 2], (0, 1, 2)).all():
        raise QueristError(f"{where}: a keypoint's v is none of 0, 1 and 2", "fetch the file again")
    known = table[:, 2] > 0
    if not known.any():
        return None
    image = folder / name
    if ".." in Path(name).parts or Path(name).is_absolute():
        raise QueristError(f"{where}: the image {name!r} is not one inside {folder}", "fetch the file again")
    require_file(where, image, "unpack COCO's images there")
    left, top, width, height = numbers(f"{where}: bbox", entry(where, person, "bbox", list), (4,)).tolist()
    grow = (_MARGIN - 1) / 2
    box = (left - grow * width, top - grow * height, _MARGIN * width, _MARGIN * height)
    stem = f"{Path(name).with_suffix('').as_posix()}@{entry(where, person, 'id', (int, str))}"
    joints = np.where(known[:, None], table[:, :2], np.nan)
    return Frame(split, stem, image, joints, table[:, 2] == 2, box, None, None, f"{split}/{name}")
