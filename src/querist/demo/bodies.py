"""Pictures of people in many poses that the demo draws for itself: no download, exact joints, something to be learned.

Clothes differ in colour, cut and pattern, places and cameras in light and sharpness. As in photographs of people,
standing and walking are common, what gymnasts do is rare, and limbs are hidden by the body or by what stands before it.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from querist.core import rng
from querist.demo.bodies_figure import HEAD_RADIUS, draw_stance, forward, place_joints, solids
from querist.demo.bodies_paint import paint
from querist.demo.capsules import cast, in_sight
from querist.demo.folders import writing_folder
from querist.demo.people_light import SCALE, backdrop, paint_cover, photograph
from querist.demo.people_world import Camera, Sighting, draw_camera, draw_person
from querist.tasks.pose.skeletons import MPII

SIZE = 160
"""Rows and columns of a picture."""

_CAMERAS = 12
_TALL_MM = 1700.0
_SLACK_MM = 25.0
_FOCAL = 4.0
"""Focal length in sizes of the picture: people are some way off."""

_NECK, _TOP = 8, 9


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture of a person.

    Args:
        jpeg: SIZE x SIZE.
        joints: (16, 2) pixels, exact, whole at the middles of pixels; some may lie outside.
        visible: (16,) bool: in the picture, and covered neither by the body nor by anything before it.
        box: left, top, width and height around the person, as a detector of people would find it, pixels.
        head: diagonal of the box of the head, pixels.
        kind: of the pose.
    """

    jpeg: bytes
    joints: np.ndarray
    visible: np.ndarray
    box: tuple[float, float, float, float]
    head: float
    kind: str


def draw_shot(seed: int, number: int) -> Shot:
    """Draws one picture; the same arguments give the same bytes.

    Args:
        seed: of the data set.
        number: which picture of it.
    """
    stream = rng.generator(seed, "demo/body", number)
    person = draw_person(seed, int(stream.integers(100_000)))
    camera = draw_camera(seed, int(stream.integers(_CAMERAS)))
    stance, kind = draw_stance(stream)
    own = place_joints(stance, float(stream.normal(1, 0.03)), 1 + 0.08 * person.shoulders) * _TALL_MM
    ends, radii, parts = solids(
        own / _TALL_MM, person.build, person.fit, person.sleeves == "short", person.legs == "shorts"
    )
    turn = _turn(stream, camera)
    joints, ends = _before_camera(own @ turn.T, ends @ turn.T * _TALL_MM, stream)
    radii = radii * _TALL_MM
    side, focal = SCALE * SIZE, SCALE * SIZE * _FOCAL
    owners = np.full((side, side), -1, dtype=np.int64)
    depth = cast(ends, radii, side, side, focal, None, owners)
    pixels = joints[:, :2] * focal / joints[:, 2:] + (side - 1) / 2
    sighting = _sighting(pixels, camera, stream)
    picture = backdrop(camera, sighting, side, side, (sighting.x * side, sighting.foot * side))
    figure = paint(person, forward(joints), ends, radii, parts, depth, owners, camera.sun, sighting.light, stream)
    picture.paste(figure, mask=Image.fromarray((owners >= 0).astype(np.uint8) * 255))
    box, bare = _box(owners, stream), np.asarray(picture).copy()
    paint_cover(picture, sighting.cover, stream)
    owners[(np.asarray(picture) != bare).any(axis=2)] = len(ends)  # something that holds no joint
    far = np.array([[[0.0, 0, 0], [0, 0, 1]]])
    visible = in_sight(joints, pixels, np.concatenate([ends, far]), np.append(radii, 0.0), owners, _SLACK_MM)
    pixels = (pixels + 0.5) / SCALE - 0.5
    jpeg = photograph(picture, camera, sighting)
    scale = focal / SCALE / joints[[_NECK, _TOP], 2].mean()
    return Shot(jpeg, pixels, visible, box, _head(pixels, scale * HEAD_RADIUS * _TALL_MM), kind)


def write_bodies(
    root: Path, train: int, test: int, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> None:
    """Writes pictures and joints as a plain folder with MPII's skeleton, which `tasks/pose/folder.py` reads.

    Joints outside of a picture are not labelled. The folder appears when all of it is written, or not at all. More
    pictures leave those that were there as they are.

    Args:
        root: the folder to make; it may exist if it is empty.
        train: pictures to learn from.
        test: pictures to be tested on; 0 for none.
        seed: decides all; the same seed gives the same pictures.
        progress: called after every picture with (pictures done, pictures in all).

    Raises:
        QueristError: if the folder holds something already or cannot be written.
        ValueError: if a number is out of range.
    """
    if train < 1 or test < 0:
        raise ValueError(f"{train} and {test} pictures: there must be one or more to learn from")
    # Odd numbers are the test's, so that more pictures of one split change none of the other.
    plan = [("train", i, 2 * i) for i in range(train)] + [("test", i, 2 * i + 1) for i in range(test)]
    frames: list[dict[str, object]] = []
    with writing_folder(root, "the pictures of bodies") as partial:
        for done, (split, i, number) in enumerate(plan, start=1):
            shot = draw_shot(seed, number)
            path = f"{split}/{i:06d}.jpg"
            (partial / split).mkdir(exist_ok=True)
            (partial / path).write_bytes(shot.jpeg)
            inside = [bool(((joint >= -0.5) & (joint <= SIZE - 0.5)).all()) for joint in shot.joints]
            joints = np.round(shot.joints, 3).tolist()
            frames.append({
                "path": path, "split": split, "visible": shot.visible.tolist(), "box": list(shot.box),
                "joints": [joint if seen else None for joint, seen in zip(joints, inside, strict=True)],
                "head": round(shot.head, 3),
            })  # fmt: skip
            if progress is not None:
                progress(done, len(plan))
        (partial / "skeleton.json").write_text(MPII.to_json(), encoding="utf-8")
        (partial / "joints.json").write_text(json.dumps({"frames": frames}), encoding="utf-8")


def _turn(stream: np.random.Generator, camera: Camera) -> np.ndarray:
    """From the body's space to the camera's: mostly upright, from any side, the front the most common."""
    if stream.random() < 0.65:
        yaw = stream.normal(0, 0.75) + math.pi * (stream.random() < 0.3)
    else:
        yaw = stream.uniform(-math.pi, math.pi)
    odd = stream.random()
    roll = stream.normal(0, 0.07)
    if odd < 0.06:  # on the hands
        roll += math.pi
    elif odd < 0.13:  # lying, or a cartwheel
        roll += float(stream.choice([-1.0, 1.0])) * stream.normal(math.pi / 2, 0.3)
    pitch = camera.pitch + stream.normal(0, 0.08)
    cos, sin = math.cos(yaw), math.sin(yaw)
    about_y = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    cos, sin = math.cos(roll), math.sin(roll)
    about_z = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    cos, sin = math.cos(pitch), math.sin(pitch)
    about_x = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    return np.diag([1.0, -1, -1]) @ about_x @ about_z @ about_y


def _before_camera(joints: np.ndarray, ends: np.ndarray, stream: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Puts a body where it fills most of the picture, about in its middle; sometimes a limb leaves it."""
    low, high = joints[:, :2].min(axis=0), joints[:, :2].max(axis=0)
    share = float(np.clip(stream.normal(0.66, 0.08), 0.45, 0.9))
    z = _FOCAL * float((high - low).max()) / share
    aside = stream.normal(0, 0.05, 2) * z / _FOCAL
    place = np.array([*(aside - (low + high) / 2), z - joints[:, 2].mean()])
    return joints + place, ends + place


def _sighting(pixels: np.ndarray, camera: Camera, stream: np.random.Generator) -> Sighting:
    """Where the feet, or whatever is lowest, meet the ground, and what stands in the way."""
    side = SCALE * SIZE
    low = pixels[int(pixels[:, 1].argmax())]
    cover = str(stream.choice(("", "pole", "hedge"), p=(0.86, 0.07, 0.07)))
    light = math.exp(float(stream.normal(0, 0.12)))
    return Sighting(
        camera.path, 0.0, 0.0, float(low[0] / side), float(low[1] / side), 0.9, light, float(stream.random()), cover,
        int(stream.integers(2**31)),
    )  # fmt: skip


def _box(owners: np.ndarray, stream: np.random.Generator) -> tuple[float, float, float, float]:
    """The box of what is painted, an eighth larger on every side, and a little off, as a detector's is."""
    rows, columns = (np.flatnonzero((owners >= 0).any(axis=axis)) for axis in (1, 0))
    low = np.array([columns[0], rows[0]]) / SCALE
    wide = np.array([columns[-1] + 1, rows[-1] + 1]) / SCALE - low
    margin = 0.125 * wide.max()
    low, wide = low - margin + stream.normal(0, 0.02, 2) * wide, wide + 2 * margin
    left, top, width, height = np.round([*low, *wide], 2).tolist()
    return left, top, width, height


def _head(pixels: np.ndarray, radius: float) -> float:
    """The diagonal of the upright box of a head, between the neck and the top."""
    return float(np.linalg.norm(np.abs(pixels[_TOP] - pixels[_NECK]) + 1.1 * radius))
