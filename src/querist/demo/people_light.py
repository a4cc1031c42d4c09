"""The place behind a person, what stands in the way, and what a camera makes of it all."""

import math
from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from querist.demo.people_figure import Figure
from querist.demo.people_world import Camera, Colour, Sighting

SCALE = 2
"""Everything is painted at this multiple of the final size and averaged down."""

_SPAN = 5
"""Width of a place, in widths of a crop."""

_TILE = 512

_WALLS: tuple[Colour, ...] = ((148, 138, 126), (98, 112, 80), (128, 130, 136), (170, 160, 146), (96, 84, 78))
_GROUNDS: tuple[Colour, ...] = ((150, 146, 140), (106, 118, 78), (126, 126, 130), (160, 148, 130))


@lru_cache(maxsize=8)
def _tile(cell: int) -> np.ndarray:
    """Smooth noise of unit variance, float32 (512, 512), with features of about `cell` pixels; always the same."""
    small = np.random.default_rng(cell).standard_normal((_TILE // cell, _TILE // cell)).astype(np.float32)
    tile = np.asarray(Image.fromarray(small).resize((_TILE, _TILE), Image.Resampling.BICUBIC))
    return np.tile(tile / tile.std(), (2, 2))


def _patch(cell: int, rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """A piece of noise from a random place; at most 512 x 512 of it are different."""
    top, left = rng.integers(_TILE, size=2).tolist()
    tile = _tile(cell)
    if rows > _TILE or columns > _TILE:
        return tile[(top + np.arange(rows)) % _TILE][:, (left + np.arange(columns)) % _TILE]
    return tile[top : top + rows, left : left + columns]


@lru_cache(maxsize=16)
def _place(seed: int, pitch: float, rows: int, columns: int) -> Image.Image:
    """What a camera sees when nobody passes: ground, a wall, a hedge or a street behind it, things that stand there."""
    rng = np.random.default_rng(seed)
    wide = _SPAN * columns
    picture = Image.new("RGB", (wide, rows))
    pen = ImageDraw.Draw(picture)
    horizon = rows * float(np.clip(0.42 - 1.1 * pitch + rng.normal(0, 0.04), 0.06, 0.5))
    far: Colour = ((148, 138, 126), (104, 118, 88), (128, 130, 136), (170, 160, 146), (96, 84, 78))[
        int(rng.integers(5))
    ]
    ground: Colour = ((150, 146, 140), (112, 122, 84), (132, 132, 136), (164, 152, 134))[int(rng.integers(4))]
    pen.rectangle((0, 0, wide, horizon), fill=far)
    pen.rectangle((0, horizon, wide, rows), fill=ground)
    x = 0.0
    while x < wide:  # windows, doors, trunks, shrubs along the far side
        w = float(rng.uniform(0.12, 0.6)) * columns
        tone = float(rng.uniform(0.5, 1.35))
        top = float(rng.uniform(-0.5, 0.6)) * horizon
        pen.rectangle((x, top, x + w, horizon * rng.uniform(0.85, 1.05)), fill=_toned(far, tone, rng))
        x += w + float(rng.uniform(0.05, 0.7)) * columns
    kerb = horizon + rows * float(rng.uniform(0.1, 0.45))
    pen.rectangle((0, kerb, wide, rows), fill=_toned(ground, float(rng.uniform(0.8, 1.15)), rng))
    pen.rectangle((0, kerb, wide, kerb + 0.015 * rows), fill=_toned(ground, 1.2, rng))
    joints, slant = int(rng.integers(6, 20)), float(rng.uniform(-0.6, 0.6)) * columns
    for i in range(-2, joints + 2):
        u = wide * i / joints
        pen.line((u, horizon, u + slant, rows), fill=_toned(ground, 0.86, rng), width=max(rows // 90, 1))
    for _ in range(int(rng.integers(3, 9))):  # bins, posts, parked bicycles, people far off
        u, foot = float(rng.uniform(0, wide)), float(rng.uniform(horizon, 0.5 * (horizon + rows)))
        w, h = float(rng.uniform(0.05, 0.28)) * columns, float(rng.uniform(0.15, 0.4)) * rows
        colour: Colour = ((52, 54, 58), (120, 60, 50), (60, 84, 110), (186, 182, 172))[int(rng.integers(4))]
        pen.rectangle((u, foot - h, u + w, foot), fill=_toned(colour, 1.0, rng))
        pen.ellipse((u - w * 0.2, foot - 0.03 * rows, u + w * 1.2, foot + 0.02 * rows), fill=_toned(ground, 0.6, rng))
    picture = picture.filter(ImageFilter.GaussianBlur(rows / 110))
    grain = 1 + 0.025 * _patch(4, rng, rows, wide) + 0.05 * _patch(64, rng, rows, wide)
    return Image.fromarray(np.clip(np.asarray(picture) * grain[..., None], 0, 255).astype(np.uint8))


def _toned(colour: Colour, tone: float, rng: np.random.Generator) -> Colour:
    red, green, blue = np.clip(np.array(colour) * tone + rng.normal(0, 7, 3), 0, 255).astype(int).tolist()
    return red, green, blue


def backdrop(camera: Camera, sighting: Sighting, rows: int, columns: int, shadow: tuple[float, float]) -> Image.Image:
    """The part of a camera's place that a crop shows, with a shadow at the feet.

    Args:
        camera: whose place.
        sighting: where in it.
        rows: of the canvas.
        columns: of the canvas.
        shadow: (column, row) of the feet.
    """
    place = _place(camera.seed, round(camera.pitch, 3), rows, columns)
    left = int(sighting.place * (_SPAN - 1) * columns)
    picture = place.crop((left, 0, left + columns, rows))
    u, v = shadow
    w, h = 0.11 * rows, max(0.022 * rows, 1.0)
    u += 0.3 * w * -camera.sun
    box = (int(u - w), int(v - h), int(u + w), int(v + h))
    dark = Image.new("L", (box[2] - box[0], box[3] - box[1]))
    ImageDraw.Draw(dark).ellipse((0, 0, dark.width - 1, dark.height - 1), fill=110)
    picture.paste((22, 22, 26), box[:2], dark)
    return picture


def clothe(figure: Figure, rng: np.random.Generator, light: float) -> Image.Image:
    """The figure's picture with the folds and the grain of cloth, in the light of the moment."""
    columns, rows = figure.picture.size
    folds = 1 + 0.07 * _patch(16, rng, rows, columns) + 0.04 * _patch(2, rng, rows, columns)
    u = (np.arange(columns, dtype=np.float32) - figure.foot[0]) / (0.15 * figure.unit)
    factor = folds * (light * (1 + 0.08 * figure.sun * np.clip(u, -1, 1)))
    return Image.fromarray(np.clip(np.asarray(figure.picture) * factor[..., None], 0, 255).astype(np.uint8))


def paint_cover(picture: Image.Image, kind: str, rng: np.random.Generator) -> None:
    """A pole or a hedge before everything else."""
    pen, (columns, rows) = ImageDraw.Draw(picture), picture.size
    if kind == "pole":
        u, w = float(rng.uniform(0.1, 0.9)) * columns, float(rng.uniform(0.03, 0.07)) * columns
        pen.rectangle((u - w, 0, u + w, rows), fill=(92, 92, 96))
        pen.rectangle((u - w * 0.3, 0, u + w * 0.2, rows), fill=(122, 122, 126))
    elif kind == "hedge":
        top, dark = float(rng.uniform(0.7, 0.86)) * rows, rng.integers(0, 60, 60)
        for i, (x, y) in enumerate(zip(rng.uniform(0, 1, 60), rng.uniform(0, 1, 60) ** 0.5, strict=True)):
            r, v = 0.07 * columns, top + (rows - top) * float(y) + 0.05 * rows
            tone = int(dark[i])
            pen.ellipse((x * columns - r, v - r, x * columns + r, v + r), fill=(46 + tone, 70 + tone, 36 + tone // 2))


def photograph(picture: Image.Image, camera: Camera, sighting: Sighting) -> bytes:
    """What a camera makes of a canvas: a JPEG of half its size.

    Averaging, colour cast and lost colour, blur, noise, compression.
    """
    small = picture.reduce(SCALE)
    own, grey = camera.colourful, (1 - camera.colourful)
    shares = (0.3 * grey, 0.59 * grey, 0.11 * grey)
    matrix: list[float] = []
    for channel, gain in enumerate(camera.gains):
        row = [share + (own if i == channel else 0.0) for i, share in enumerate(shares)]
        matrix += [gain * weight * (1 - camera.lift / 255) for weight in row] + [camera.lift]
    toned = small.convert("RGB", tuple(matrix)).filter(ImageFilter.GaussianBlur(camera.blur * small.height / 128))
    rng = np.random.default_rng((sighting.seed, 7))
    rows, columns = toned.height, toned.width
    noise = np.stack([_patch(1, rng, rows, columns) for _ in range(3)], axis=2) * np.float32(camera.noise)
    pixels = np.clip(np.asarray(toned) + noise + 0.5, 0, 255).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=camera.quality)
    return buffer.getvalue()


def passer_offset(rng: np.random.Generator, columns: int) -> float:
    """How far beside the middle somebody else walks through the crop, in pixels."""
    return math.copysign(float(rng.uniform(0.38, 0.52)) * columns, float(rng.normal()))
