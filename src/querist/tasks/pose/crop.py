"""From the image of a file to the square that a model sees: a person in colour, or a hand in depth.

Both are a change of scale and origin, so that one formula leads back: file = scale * frame + offset, per coordinate.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from querist.errors import QueristError
from querist.nn.decode import open_image
from querist.tasks.pose.camera import Depth

PAPER = (124, 116, 104)
"""What lies outside of an image: the mean of ImageNet, which becomes zero when it is taken off."""

STEPS = 65534
"""Normalised depths -1..1 are kept as 0..65534: 0.005 mm a step in a cube of 300 mm, and -1, 0 and 1 are exact."""

_WIDEST = 20_000
"""Pixels: a larger square is a mistake in a box, not a person."""


def colour_square(box: np.ndarray, width: int, height: int) -> tuple[int, int, int]:
    """Left, top and side of the square of a file that is cut out, in whole pixels; it may reach over the edges.

    Args:
        box: (4,) left, top, width and height; NaN for the whole image. The square has its middle and its longer side.
        width: of the file's image; likewise ``height``.
    """
    if np.isnan(box).any():
        box = np.array([0, 0, width, height], dtype=np.float64)
    side = max(round(float(max(box[2:]))), 1)
    left, top = (round(float(box[axis] + (box[2 + axis] - side) / 2)) for axis in (0, 1))
    return left, top, side


def colour_frame(square: tuple[int, int, int], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Scale and offset (2,) that lead from pixels of a resized square back to those of the file."""
    left, top, side = square
    scale = side / size
    middle = 0.5 * scale - 0.5  # pixels are whole at their middles
    return np.full(2, scale), np.array([left + middle, top + middle])


def cut_colour(path: Path, data: bytes, box: np.ndarray, size: int) -> np.ndarray:
    """The square of an image around a box, resized with an antialiased filter; what lies outside is :data:`PAPER`.

    Args:
        path: for messages.
        data: the contents of the file.
        box: see :func:`colour_square`.
        size: of the result.

    Returns:
        (size, size, 3) uint8.

    Raises:
        QueristError: if the file is not an 8-bit image or is damaged, or the box is absurdly large.
    """
    image = open_image(path, data)
    if image.mode.startswith(("I", "F")):
        raise QueristError(f"{path} is an image of mode {image.mode}", "an 8-bit image is expected: convert it")
    left, top, side = colour_square(box, *image.size)
    if side > _WIDEST:
        raise QueristError(f"{path}: the box of a person is {side} pixels wide", "correct its scale or its box")
    right, bottom = min(left + side, image.width), min(top + side, image.height)
    if right <= max(left, 0) or bottom <= max(top, 0):
        raise QueristError(f"{path}: the box of a person lies outside of the image", "correct the box")
    rgb = image.convert("RGB")
    if (left, top, side, side) != (0, 0, *image.size):
        inner = rgb.crop((max(left, 0), max(top, 0), right, bottom))
        rgb = Image.new("RGB", (side, side), PAPER)
        rgb.paste(inner, (max(-left, 0), max(-top, 0)))
    if side != size:
        rgb = rgb.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(rgb)


def depth_frame(centre: np.ndarray, depth: Depth) -> tuple[np.ndarray, np.ndarray]:
    """Scales and offsets (..., 3) that lead from normalised uvd, -1..1 in the cube, back to pixels and mm.

    Args:
        centre: (..., 3) pixel and depth in mm of the middle of the cube.
        depth: its side and the camera. The cube's front as seen at its middle is cut out, so a step of u is as many
            millimetres as one of d there.
    """
    half = depth.cube_mm / 2
    z = centre[..., 2]
    scale = np.stack([half * depth.camera.fx / z, half * depth.camera.fy / z, np.full_like(z, half)], axis=-1)
    return scale, np.asarray(centre, dtype=np.float64)


def cut_depth(path: Path, data: bytes, centre: np.ndarray, depth: Depth, size: int) -> np.ndarray:
    """The cube of a depth image around a hand, sampled at the nearest pixels (Oberweger et al. 2015).

    What was not measured (0), lies outside of the image or behind the cube becomes 1, as the cube's back; what lies
    before the cube becomes -1, its front.

    Args:
        path: for messages.
        data: the contents of the file.
        centre: (3,) see :func:`depth_frame`.
        depth: how the file is read.
        size: of the result.

    Returns:
        (size, size) uint16, normalised depth as :data:`STEPS` says.

    Raises:
        QueristError: if the file is no depth image of the kind that is expected, or is damaged, or nothing of it lies
            in the cube.
    """
    image = read_depth(path, data, depth)
    scale, offset = depth_frame(centre, depth)
    grid = (np.arange(size) + 0.5) * (2 / size) - 1
    columns, rows = (np.rint(np.clip(offset[a] + scale[a] * grid, -1, 1e6)).astype(np.int64) for a in (0, 1))
    found = np.zeros((size, size))
    inside = np.ix_((rows >= 0) & (rows < image.shape[0]), (columns >= 0) & (columns < image.shape[1]))
    found[inside] = image[np.ix_(rows[inside[0][:, 0]], columns[inside[1][0]])]
    normal = np.where(found > 0, (found - offset[2]) / scale[2], 1.0)
    if not (np.abs(normal) < 1).any():
        where = ", ".join(f"{value:.0f}" for value in centre)
        raise QueristError(
            f"{path}: nothing lies in the cube of {depth.cube_mm:g} mm around the hand at {where} (pixel, pixel, mm)",
            f"correct the hand's place or the unit of depth ({depth.unit_mm:g} mm), or remove the image",
        )
    return np.rint((np.clip(normal, -1, 1) + 1) * (STEPS / 2)).astype(np.uint16)


def read_depth(path: Path, data: bytes, depth: Depth) -> np.ndarray:
    """A depth image in mm, (H, W) float64, 0 where nothing was measured.

    Raises:
        QueristError: if it is of another kind or size, or damaged.
    """
    image = open_image(path, data)
    if depth.size not in (None, image.size):
        raise QueristError(
            f"{path} has {image.width} x {image.height} pixels, and its camera takes {depth.size[0]} x {depth.size[1]}",
            "bring the images as they were released, or as a plain folder with a camera of their own",
        )
    if depth.green_blue:
        if image.mode != "RGB":
            raise QueristError(f"{path} is an image of mode {image.mode}", "expected RGB: depth in green and blue")
        channels = np.asarray(image).astype(np.int64)
        return (256 * channels[..., 1] + channels[..., 2]) * depth.unit_mm
    if not image.mode.startswith("I"):
        raise QueristError(f"{path} is an image of mode {image.mode}", "expected depth in one channel of 16 bits")
    return np.asarray(image).astype(np.float64) * depth.unit_mm
