"""What a folder of pedestrian crops holds: names, people, cameras and paths, nothing decoded."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from querist.errors import QueristError
from querist.nn.folders import check_inside

SPLITS = ("train", "query", "gallery")
"""What a crop can be for, in the order in which the splits of a folder follow each other."""

DISTRACTOR = 0
"""The person of crops that show somebody else, or nobody: they stay in the ranking and match no query."""

JUNK = -1
"""The person of crops too badly cut to count: they are taken out of every ranking."""

UNKNOWN = -2
"""The person, or the camera, of crops of which nothing is known."""


@dataclass(frozen=True)
class Crop:
    """One image of one person.

    Args:
        name: `split/...` without suffix, with forward slashes; the same after a re-scan or a move of the folder.
        image: its path.
        person: from 1; or :data:`DISTRACTOR` or :data:`JUNK` (in the gallery), or :data:`UNKNOWN` (in train).
        camera: numbered as the data set does, not below 0; or :data:`UNKNOWN`.
    """

    name: str
    image: Path
    person: int
    camera: int


@dataclass(frozen=True)
class Listing:
    """All crops of a data folder; made by :func:`listing`, which checks them.

    Args:
        layout: `market`, `cuhk03`, `csv` or `folder`.
        root: the folder that the crops lie in.
        splits: the crops of each split that is there, in the order of :data:`SPLITS`, sorted by name.
    """

    layout: str
    root: Path
    splits: Mapping[str, tuple[Crop, ...]]

    def split(self, name: str) -> tuple[Crop, ...]:
        """The crops of one split.

        Raises:
            QueristError: if the folder has no such split.
        """
        if name not in self.splits:
            raise QueristError(
                f"{self.root} has no split {name!r}", f"add its images or use one of: {', '.join(self.splits)}"
            )
        return self.splits[name]


def listing(layout: str, root: Path, splits: Mapping[str, Sequence[Crop]]) -> Listing:
    """Sorts and checks what a reader found.

    Raises:
        QueristError: if nothing was found; a link leads out of the folder; a name of train holds a ~; junk, distractors
            or people without a number are where they cannot be; queries stand without a gallery or the other way round;
            the gallery shows none of the people asked for, or none of them by another camera; or a person to learn from
            is also one to be tested on.
    """
    found = {split: tuple(sorted(splits.get(split, ()), key=lambda crop: crop.name)) for split in SPLITS}
    found = {split: crops for split, crops in found.items() if crops}
    if not found:
        raise QueristError(f"{root} holds no images", f"add images of people as the layout {layout} has them")
    for split, crops in found.items():
        check_inside(root, ((crop.name, crop.image) for crop in crops))
        _check_people(split, crops)
    _check_evaluation(root, found)
    return Listing(layout, root, found)


def _check_people(split: str, crops: Sequence[Crop]) -> None:
    for crop in crops:
        if crop.person < 1 and split != "gallery" and (split != "train" or crop.person != UNKNOWN):
            kind = {JUNK: "junk", DISTRACTOR: "a distractor", UNKNOWN: "unknown"}.get(crop.person, "no number from 1")
            raise QueristError(
                f"{crop.image}: the person is {crop.person} ({kind}), but the crop is in {split}",
                "junk (-1) and distractors (0) belong in the gallery; number people from 1, or take the file out",
            )
        if split == "train" and "~" in crop.name:
            raise QueristError(f"{crop.image}: its name holds a ~, which joins the names of a pair", "rename it")
        if split == "gallery" and crop.person < JUNK:
            raise QueristError(f"{crop.image}: its person is unknown, but it is in the gallery", "give its person")


def _check_evaluation(root: Path, splits: Mapping[str, Sequence[Crop]]) -> None:
    for one, other in (("query", "gallery"), ("gallery", "query")):
        if one in splits and other not in splits:
            raise QueristError(f"{root} has a {one} but no {other}", "a test needs both: add it, or take both out")
    if "query" not in splits:
        return
    shown = {crop.person: crop for crop in splits["gallery"] if crop.person > DISTRACTOR}
    asked = {crop.person: crop for crop in splits["query"]}
    if not shown.keys() & asked.keys():
        crop = splits["query"][0]
        raise QueristError(
            f"{root}: the gallery shows nobody of the queries, such as person {crop.person} of {crop.image}",
            "check that queries and gallery are of the same data set and number people alike",
        )
    by: dict[int, set[int]] = defaultdict(set)
    for crop in splits["gallery"]:
        by[crop.person].add(crop.camera)
    if all(by[crop.person] <= {crop.camera} for crop in splits["query"]):
        crop = next(crop for crop in splits["query"] if crop.person in shown)
        raise QueristError(
            f"{root}: the gallery shows nobody of the queries by another camera, and images by a query's own camera do "
            f"not count; such as person {crop.person} of {crop.image}, camera {crop.camera}",
            "check the cameras; where nobody knows them, number images of the gallery otherwise than the queries",
        )
    for crop in splits.get("train", ()):
        twin = shown.get(crop.person) or asked.get(crop.person)
        if twin is not None:
            raise QueristError(
                f"person {crop.person} is in train ({crop.image}) and in the test ({twin.image})",
                "people to learn from and people to be tested on must differ: number them apart or move the files",
            )
