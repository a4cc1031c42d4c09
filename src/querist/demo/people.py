"""Crops of pedestrians that the demo draws for itself: no download, and yet something that a network must learn.

A person is known by clothes, build, hair and what is carried; cameras differ in colours, sharpness, height and in the
side from which they see people. As in a street, a few colours dress most people, and some come dressed like another,
so that colour alone tells little. Frames of one person by one camera are alike, as they are in a film.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from querist.demo.folders import writing_folder
from querist.demo.people_body import paint_person
from querist.demo.people_figure import Figure
from querist.demo.people_light import SCALE, backdrop, clothe, paint_cover, passer_offset, photograph
from querist.demo.people_world import Camera, Person, Sighting, draw_camera, draw_person, draw_track

HEIGHT, WIDTH = 128, 64
"""The usual size of a crop, pixels."""

_FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
"""The folder of each split in the layout of Market-1501."""

_Shot = tuple[str, int, int, Sighting]
"""File name, person, camera and what the camera sees."""

_PASSERS = 100_000
"""Numbers of people from here on are those who pass by: they stand in the way, or are distractors."""


def draw_crop(
    person: Person, camera: Camera, sighting: Sighting, seed: int = 0, height: int = HEIGHT, width: int = WIDTH
) -> bytes:
    """Draws one crop; the same arguments give the same bytes.

    Args:
        person: who is seen.
        camera: by what.
        sighting: when.
        seed: of the people who pass by.
        height: rows of the crop.
        width: columns of the crop.

    Returns:
        A JPEG of height x width.
    """
    rows, columns = SCALE * height, SCALE * width
    foot = (sighting.x * columns, sighting.foot * rows)
    unit = sighting.tall * rows
    rng = np.random.default_rng((sighting.seed, 6))
    picture = backdrop(camera, sighting, rows, columns, foot)
    figure = Figure((columns, rows), foot, unit, sighting.heading, camera.pitch, camera.sun)
    paint_person(figure, person, sighting.phase, sighting.stride)
    layers = [figure]
    if sighting.cover == "passer":
        passer = draw_person(seed, _PASSERS + sighting.seed % 1000)
        nearer = bool(rng.random() < 0.5)
        size = unit * (1.05 if nearer else 0.92)
        spot = (foot[0] + passer_offset(rng, columns), foot[1] + (0.03 if nearer else -0.03) * rows)
        other = Figure((columns, rows), spot, size, float(rng.uniform(0, 6.28)), camera.pitch, camera.sun)
        paint_person(other, passer, float(rng.uniform(0, 6.28)), 0.12)
        layers.insert(1 if nearer else 0, other)
    for layer in layers:
        picture.paste(clothe(layer, rng, sighting.light), mask=layer.mask)
    paint_cover(picture, sighting.cover, rng)
    return photograph(picture, camera, sighting)


def crops(split: str, people: range, images: int, cameras: int, seed: int) -> Iterator[tuple[str, int, int, Sighting]]:
    """The crops of some people: file name, person, camera, sighting; in the names of Market-1501.

    Every person is seen by at least two cameras, `images` times in all or a little less where that does not divide.

    Args:
        split: `train`, `query` or `gallery`; the first sighting by each camera is the query, the others the gallery.
        people: their numbers, from 1.
        images: crops of one person.
        cameras: how many cameras there are.
        seed: decides all.
    """
    for person in people:
        order = np.random.default_rng((seed, 8, person)).permutation(cameras) + 1
        seen = sorted(order[: max(2, min(cameras, images // 2))].tolist())
        each = images // len(seen)
        for camera in seen:
            track = draw_track(draw_camera(seed, camera), (seed, person, camera), each)
            for i, sighting in enumerate(track):
                if split == "train" or (split == "query") == (i == 0):
                    yield f"{person:04d}_c{camera}s1_{1000 * camera + i:06d}_01.jpg", person, camera, sighting


def _clutter(count: int, cameras: int, seed: int) -> Iterator[tuple[str, int, int, Sighting]]:
    """What a detector finds beside the people in question: others (distractors), and bad boxes (junk)."""
    for i in range(count):
        camera = i % cameras + 1
        (sighting,) = draw_track(draw_camera(seed, camera), (seed, _PASSERS + i, camera), 1)
        name = f"{'-1' if i % 3 == 2 else '0000'}_c{camera}s1_{500_000 + i:06d}_01.jpg"
        if i % 3 == 2:
            sighting = replace(sighting, x=sighting.x + 0.45, foot=sighting.foot + 0.4, tall=sighting.tall * 1.4)
        yield name, _PASSERS + i, camera, sighting


def _plan(
    train: int, test: int, images: int, cameras: int, seed: int
) -> dict[str, list[tuple[str, int, int, Sighting]]]:
    """What is written for each split, as :func:`crops` gives it."""
    tested = range(train + 1, train + test + 1)
    plan = {"train": list(crops("train", range(1, train + 1), images, cameras, seed))}
    if test:
        plan["query"] = list(crops("query", tested, images, cameras, seed))
        gallery = list(crops("gallery", tested, images, cameras, seed))
        plan["gallery"] = [*gallery, *_clutter(len(gallery) // 10, cameras, seed)]
    return plan


def write_people(
    root: Path,
    train: int,
    test: int,
    images: int = 12,
    cameras: int = 4,
    height: int = HEIGHT,
    width: int = WIDTH,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes crops in the layout of Market-1501 (JPEG), which `tasks/reid/layouts.py` reads.

    People 1..train are to learn from, the following `test` to be tested on: of each camera that sees them one crop is
    a query, the others are the gallery, among distractors and junk (a tenth as many). The folder appears when all of
    it is written, or not at all.

    Args:
        root: the folder to make; it may exist if it is empty.
        train: people to learn from.
        test: people to be tested on; 0 for none.
        images: crops of one person, at least 4.
        cameras: at least 2 and at most 99; a person is seen by no more than half as many as there are images.
        height: rows of a crop.
        width: columns of a crop.
        seed: decides all; the same seed gives the same crops.
        progress: called after every crop with (crops done, crops in all).

    Raises:
        QueristError: if the folder holds something already or cannot be written.
        ValueError: if a number is out of range.
    """
    if train < 1 or test < 0 or images < 4 or not 2 <= cameras <= 99 or min(height, width) < 8 or train + test > 9999:
        raise ValueError(
            f"{train} and {test} people, {images} images, {cameras} cameras and {height}x{width} pixels: there must be "
            "1 or more to learn from, at most 9,999 people, 4 or more images, 2..99 cameras, 8 or more pixels"
        )
    plan = _plan(train, test, images, cameras, seed)
    done, total = 0, sum(map(len, plan.values()))
    with writing_folder(root, "the crops") as partial:
        for split, found in plan.items():
            folder = partial / _FOLDERS[split]
            folder.mkdir(parents=True)
            for name, person, camera, sighting in found:
                crop = draw_crop(draw_person(seed, person), draw_camera(seed, camera), sighting, seed, height, width)
                (folder / name).write_bytes(crop)
                done += 1
                if progress is not None:
                    progress(done, total)
