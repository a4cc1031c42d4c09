"""Depth images of hands that the demo draws for itself: no download, exact joints, and something to be learned.

As in recordings of hands, common gestures seen from the front are many and alike, odd ones and odd views are rare;
people differ in size and build, and those to be tested on are others than those to learn from. Images to learn from may
be frames of clips, of which neighbours are nearly the same.
"""

import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from querist.core import rng
from querist.demo.capsules import cast, in_sight
from querist.demo.folders import writing_folder
from querist.demo.hands_depth import sense
from querist.demo.hands_figure import Bend, between, draw_bend, draw_hand, place_joints, solids
from querist.tasks.pose.camera import Camera
from querist.tasks.pose.skeletons import HAND21

HEIGHT, WIDTH = 160, 200
FOCAL = 160.0
CAMERA = Camera(FOCAL, FOCAL, (WIDTH - 1) / 2, (HEIGHT - 1) / 2)
"""What films the hands: pixels and a focal length of half of what sensors of hands have."""

CUBE_MM = 280.0
"""Side of the cube that holds a hand."""

_ARM = 3
"""How many of the solids of a hand are its arm."""

_SLACK_MM = 3.0

_UNEVEN = 1.5
"""Deviation of the logarithm of a clip's length: half of all have less than a third of the mean, one in thirty has more
than five times the mean, as where somebody rests before the camera."""


@dataclass(frozen=True, eq=False)
class View:
    """A hand before the camera.

    Args:
        depth: (HEIGHT, WIDTH) uint16 as the sensor measures it, mm.
        joints: (21, 3) mm in the space of the camera, exact.
        visible: (21,) bool: whether the skin over a joint can be seen.
        centre: (3,) mm: about the middle of what is seen of the hand, as a detector of hands would find it.
    """

    depth: np.ndarray
    joints: np.ndarray
    visible: np.ndarray
    centre: np.ndarray


def draw_view(seed: int, person: int, number: int, clip: tuple[int, float] | None = None) -> View:
    """Draws one image; the same arguments give the same bits.

    Args:
        seed: of the data set.
        person: whose hand.
        number: which image of the data set.
        clip: which clip it is a frame of, and where in it, 0..1; None: of none.
    """
    hand = draw_hand(rng.generator(seed, "demo/hand", person))
    stream = rng.generator(seed, "demo/hand/view", person, number)
    if clip is None:
        bend = draw_bend(stream)
        turn, place = _turn(stream), _place(stream)
    else:
        bend, turn, place = _moment(rng.generator(seed, "demo/hand/clip", clip[0]), clip[1])
    own = place_joints(hand, bend)
    ends, radii = solids(hand, bend, own)
    middle = own[[0, 5, 9, 13, 17]].mean(axis=0)
    joints, ends = ((points - middle) @ turn.T + place for points in (own, ends))
    ends[..., 2] = np.maximum(ends[..., 2], 80)  # an arm may come towards the camera, not through it
    owners = np.full((HEIGHT, WIDTH), -1, dtype=np.int64)
    bare = cast(ends[:-_ARM], radii[:-_ARM], HEIGHT, WIDTH, FOCAL, None, owners)
    full = cast(ends[-_ARM:], radii[-_ARM:], HEIGHT, WIDTH, FOCAL, bare.copy())
    owners[full < bare] = len(ends) - 1
    visible = in_sight(joints, CAMERA.to_uvd(joints)[:, :2], ends, radii, owners, _SLACK_MM)
    centre = _centre(bare, full, joints) + stream.normal(0, 6, 3)
    _add_backdrop(full, joints, stream if clip is None else rng.generator(seed, "demo/hand/backdrop", clip[0]))
    return View(sense(full, stream), joints, visible, centre)


def write_hands(
    root: Path,
    train: int,
    test: int,
    people: int = 10,
    seed: int = 0,
    clips: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes depth images and joints as a plain folder, which `tasks/pose/folder.py` reads.

    The folder appears when all of it is written, or not at all. More images leave those that were there as they are.

    Args:
        root: the folder to make; it may exist if it is empty.
        train: images to learn from.
        test: images to be tested on; 0 for none.
        people: whose hands are seen, at least 2; a fifth of them, one at least, only in the test.
        seed: decides all; the same seed gives the same images.
        clips: how many images to learn from a clip has on average: a few have many times more, most have fewer. A clip
            is a subject of its own. None: all are drawn independently, as those to be tested on are.
        progress: called after every image with (images done, images in all).

    Raises:
        QueristError: if the folder holds something already or cannot be written.
        ValueError: if a number is out of range.
    """
    if train < 1 or test < 0 or people < 2 or (clips is not None and clips < 1):
        raise ValueError(
            f"{train} and {test} images of {people} people, clips of {clips}: there must be one to learn from, two "
            "people, and an image in a clip"
        )
    plan = _plan(train, test, people, seed, clips)
    frames: list[Mapping[str, object]] = []
    with writing_folder(root, "the images of hands") as partial:
        for done, (split, number, person, clip) in enumerate(plan, start=1):
            view = draw_view(seed, person, number, clip)
            path = f"{split}/person{person:02d}_{number:06d}.png"
            (partial / split).mkdir(exist_ok=True)
            (partial / path).write_bytes(_png(view.depth))
            frames.append({
                "path": path, "split": split, "joints": np.round(view.joints, 3).tolist(),
                "visible": view.visible.tolist(), "centre": np.round(view.centre, 2).tolist(),
            } | ({} if clip is None else {"subject": f"clip {clip[0]}"}))  # fmt: skip
            if progress is not None:
                progress(done, len(plan))
        camera = {"fx": CAMERA.fx, "fy": CAMERA.fy, "cx": CAMERA.cx, "cy": CAMERA.cy, "cube_mm": CUBE_MM}
        (partial / "camera.json").write_text(json.dumps(camera), encoding="utf-8")
        (partial / "skeleton.json").write_text(HAND21.to_json(), encoding="utf-8")
        (partial / "joints.json").write_text(json.dumps({"frames": frames}), encoding="utf-8")


def _plan(
    train: int, test: int, people: int, seed: int, clips: float | None
) -> list[tuple[str, int, int, tuple[int, float] | None]]:
    """(split, number in it, person, place in a clip) of every image."""
    tested = max(people // 5, 1)
    films = [None] * train if clips is None else _films(train, clips, seed)
    plan = [("train", i, tested + (film[0] if film else i) % (people - tested), film) for i, film in enumerate(films)]
    return plan + [("test", i, i % tested, None) for i in range(test)]


def _films(images: int, clips: float, seed: int) -> list[tuple[int, float]]:
    """Which clip each image is of, and where in it; their lengths differ widely."""
    found: list[tuple[int, float]] = []
    clip = 0
    while len(found) < images:
        stream = rng.generator(seed, "demo/hand/length", clip)
        drawn = stream.lognormal(math.log(clips) - _UNEVEN**2 / 2, _UNEVEN)
        length = max(round(drawn), 1)
        found += [(clip, (i + 0.5) / length) for i in range(length)]
        clip += 1
    return found[:images]


def _moment(stream: np.random.Generator, when: float) -> tuple[Bend, np.ndarray, np.ndarray]:
    """Pose, turn and place in a clip: from one gesture to another, while the hand turns and drifts a little."""
    first, turn, place = draw_bend(stream), _turn(stream), _place(stream)
    last, drift, way = draw_bend(stream), stream.normal(0, 0.25, 3), stream.normal(0, 15, 3)
    eased = when * when * (3 - 2 * when)
    for axis in range(3):
        turn = _about(axis, eased * drift[axis]) @ turn
    return between(first, last, eased), turn, place + eased * way


def _png(depth: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(depth).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _turn(stream: np.random.Generator) -> np.ndarray:
    """From the hand's space to the camera's: fingers mostly up and a flat side shown, sometimes anyhow."""
    if stream.random() < 0.85:
        roll, yaw, pitch = stream.normal(0, [0.35, 0.4, 0.35])
        yaw += math.pi * (stream.random() < 0.6)  # palm or back
    else:
        roll, yaw = stream.uniform(-math.pi, math.pi, 2)
        pitch = stream.uniform(-1.2, 1.2)
    # In the camera's space y leads down and z away: a flat hand shows its back with fingers up.
    flat = np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])
    return _about(2, roll) @ _about(0, pitch) @ _about(1, yaw) @ flat


def _about(axis: int, angle: float) -> np.ndarray:
    """A rotation about a coordinate axis."""
    one, two = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[[one, two], [one, two]] = math.cos(angle)
    matrix[one, two], matrix[two, one] = -math.sin(angle), math.sin(angle)
    return matrix


def _place(stream: np.random.Generator) -> np.ndarray:
    z = float(stream.uniform(330, 480))
    return np.array([*(stream.uniform(-0.12, 0.12, 2) * z), z])


def _centre(bare: np.ndarray, full: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """The mean of the points of the hand that are seen, without the arm; of its joints if none is seen."""
    rows, columns = np.nonzero(np.isfinite(bare) & (bare <= full))
    if not len(rows):
        return joints.mean(axis=0)
    return CAMERA.to_xyz(np.stack([columns, rows, bare[rows, columns]], axis=-1)).mean(axis=0)


def _add_backdrop(depth: np.ndarray, joints: np.ndarray, stream: np.random.Generator) -> None:
    """Sometimes a body or a table behind the hand, at a slant; it may reach into the cube."""
    if stream.random() > 0.4:
        return
    behind = joints[:, 2].max() + stream.uniform(40, 300)
    slant = stream.normal(0, 0.35, 2)
    columns = (np.arange(WIDTH) - CAMERA.cx) / CAMERA.fx
    rows = ((np.arange(HEIGHT) - CAMERA.cy) / CAMERA.fy)[:, None]
    bent = 60 * stream.random() * (columns - stream.uniform(-0.3, 0.3)) ** 2
    wall = (behind / np.maximum(1 - slant[0] * columns - slant[1] * rows, 0.3) + bent).astype(np.float32)
    np.minimum(depth, wall, out=depth, where=wall > joints[:, 2].max() + 15)
