"""Street scenes that the demo draws for itself: no download, and yet something that a network must learn.

The pool is made as a real one is: by a car that films as it drives. Frames of one drive are nearly identical,
a few kinds of drives (crossings full of people, parks) are rare, and so are the classes that live there.
Houses, pavements and cars share their colours, so that colour alone tells little.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from querist.demo.folders import writing_folder
from querist.demo.scenes_actors import paint_bonnet, paint_car, paint_lamp, paint_person, paint_sign
from querist.demo.scenes_camera import SCALE, Camera, Canvas
from querist.demo.scenes_light import paint_sky, photograph, reduce_ids
from querist.demo.scenes_paint import paint_facade, paint_ground, paint_tree
from querist.demo.scenes_street import KINDS, draw_drive
from querist.demo.scenes_world import SKY, Drive
from querist.tasks.segmentation.classes import ClassMap, write_classes

HEIGHT, WIDTH = 96, 128
"""The usual size of a scene, pixels."""

SCENES = ClassMap(
    names=("sky", "building", "road", "pavement", "tree", "car", "pedestrian", "pole", "sign"),
    colours=(
        (128, 170, 210), (140, 70, 60), (112, 72, 120), (226, 100, 200), (96, 140, 48), (40, 60, 170), (220, 40, 60),
        (200, 200, 150), (240, 200, 30),
    ),
)  # fmt: skip
"""The classes of the scenes; void = 9."""


DRIVE_FRAMES = {"train": 8, "val": 2, "test": 2}
"""Frames of one drive in each split: the pool is as redundant as a video, the splits that measure are varied."""


def draw_scene(rng: np.random.Generator, height: int = HEIGHT, width: int = WIDTH) -> tuple[np.ndarray, np.ndarray]:
    """Draws one scene of a street of its own.

    Returns:
        uint8 (height, width, 3) in RGB, and uint8 (height, width) of the ids of `SCENES`.
    """
    drive = draw_drive(rng)
    return draw_frame(drive, int(rng.integers(30)), height, width)


def draw_frame(drive: Drive, frame: int, height: int = HEIGHT, width: int = WIDTH) -> tuple[np.ndarray, np.ndarray]:
    """Draws one frame of a drive; the same arguments give the same pixels.

    Returns:
        uint8 (height, width, 3) in RGB, and uint8 (height, width) of the ids of `SCENES`.
    """
    camera = Camera.of(drive, frame, height, width)
    canvas = Canvas(camera, drive, paint_sky(drive, SCALE * height, SCALE * width), SKY)
    paint_ground(canvas, drive)
    for facade in sorted(drive.facades, key=lambda facade: -facade.near):
        paint_facade(canvas, facade)
    things = [thing.at(frame) for thing in drive.things]
    for thing in sorted(things, key=lambda thing: -thing.z):
        if thing.z - camera.z < 1.2:
            continue
        match thing.kind:
            case "tree":
                paint_tree(canvas, thing)
            case "car":
                paint_car(canvas, thing)
            case "person":
                paint_person(canvas, thing, frame)
            case "lamp":
                paint_lamp(canvas, thing)
            case "sign":
                paint_sign(canvas, thing)
    paint_bonnet(canvas, drive)
    ids = np.asarray(canvas.ids)
    return photograph(np.asarray(canvas.picture), ids, drive, frame), reduce_ids(ids)


def drives(split: str, count: int, seed: int) -> Iterator[tuple[str, Drive, int]]:
    """The scenes of one split: stem of the file name, drive, and number of the frame.

    The kinds of drives follow each other so that any run of them holds each kind about as often as it should,
    and a larger `count` only adds to the end.
    """
    stream = (seed, tuple(DRIVE_FRAMES).index(split))
    start, shares = np.random.default_rng(stream).random(), np.cumsum(list(KINDS.values()))
    frames = DRIVE_FRAMES[split]
    for number in range(-(-count // frames)):
        place = (start + number * (5**0.5 - 1) / 2) % 1  # the golden section spreads points evenly
        kind = list(KINDS)[min(int(np.searchsorted(shares, place, side="right")), len(KINDS) - 1)]
        drive = draw_drive(np.random.default_rng((*stream, number)), kind)
        for frame in range(min(frames, count - number * frames)):
            yield f"drive{number:04d}_{frame:02d}", drive, frame


def write_scenes(
    root: Path,
    counts: Mapping[str, int],
    height: int = HEIGHT,
    width: int = WIDTH,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes scenes as a plain folder (`classes.yaml`, `images/SPLIT/`, `masks/SPLIT/`, PNG) for `read_folder`.

    The folder appears when all of it is written, or not at all.

    Args:
        root: the folder to make; it may exist if it is empty.
        counts: how many scenes each split gets; splits are train, val and test.
        height: rows of a scene.
        width: columns of a scene.
        seed: decides all scenes; the same seed gives the same ones.
        progress: called after every scene with (scenes done, scenes in all).

    Raises:
        QueristError: if the folder holds something already or cannot be written.
        ValueError: if a split is unknown or gets no scenes.
    """
    if not counts or not set(counts) <= set(DRIVE_FRAMES) or min(counts.values()) < 1:
        raise ValueError(f"counts must give 1 scene or more to some of {', '.join(DRIVE_FRAMES)}, not {dict(counts)}")
    done, total = 0, sum(counts.values())
    with writing_folder(root, "the scenes") as partial:
        for split, count in counts.items():
            images, masks = partial / "images" / split, partial / "masks" / split
            images.mkdir(parents=True)
            masks.mkdir(parents=True)
            for stem, drive, frame in drives(split, count, seed):
                image, mask = draw_frame(drive, frame, height, width)
                Image.fromarray(image).save(images / f"{stem}.png", compress_level=1)
                Image.fromarray(mask).save(masks / f"{stem}.png")
                done += 1
                if progress is not None:
                    progress(done, total)
        write_classes(partial / "classes.yaml", SCENES)
