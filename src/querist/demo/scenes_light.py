"""Sky, texture, shadow and the sensor: what makes a painted street look photographed."""

from functools import lru_cache

import numpy as np
from PIL import Image

from querist.demo.scenes_camera import SCALE
from querist.demo.scenes_world import BUILDING, CAR, PAVEMENT, PERSON, POLE, ROAD, SIGN, SKY, TREE, VOID, Drive

_TILE = 512
"""Rows and columns of the noise tiles."""

_GRAIN = {
    SKY: 0.0,
    BUILDING: 0.04,
    ROAD: 0.05,
    PAVEMENT: 0.045,
    TREE: 0.13,
    CAR: 0.01,
    PERSON: 0.05,
    POLE: 0.03,
    SIGN: 0.0,
    VOID: 0.01,
}
"""Strength of the fine texture of each class, relative to its colour."""

_STAIN = {
    SKY: 0.0,
    BUILDING: 0.09,
    ROAD: 0.10,
    PAVEMENT: 0.10,
    TREE: 0.10,
    CAR: 0.03,
    PERSON: 0.0,
    POLE: 0.0,
    SIGN: 0.0,
    VOID: 0.0,
}
"""Strength of the coarse texture."""

_THIN = (PERSON, POLE, SIGN)
"""Classes that win a pixel which they share in equal parts."""


@lru_cache(maxsize=16)
def _tile(cell: int) -> np.ndarray:
    """Smooth noise of unit variance, float32 (512, 512), with features of about `cell` pixels; always the same."""
    small = np.random.default_rng(cell).standard_normal((_TILE // cell, _TILE // cell)).astype(np.float32)
    tile = np.asarray(Image.fromarray(small).resize((_TILE, _TILE), Image.Resampling.BICUBIC))
    return tile / tile.std()


def _patch(cell: int, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """A piece of noise from a random place; wraps around where it is larger than the tile."""
    rows = (np.arange(shape[0]) + int(rng.integers(_TILE))) % _TILE
    columns = (np.arange(shape[1]) + int(rng.integers(_TILE))) % _TILE
    return _tile(cell)[rows[:, None], columns]


def paint_sky(drive: Drive, height: int, width: int) -> np.ndarray:
    """The sky behind everything: a gradient from zenith to haze with clouds, uint8 (height, width, 3) of the canvas."""
    rng = np.random.default_rng((drive.seed, 3))
    t = np.clip(np.linspace(0, 1 / max(drive.horizon, 0.1), height), 0, 1)[:, None, None].astype(np.float32)
    zenith, haze = np.array(drive.light.zenith, np.float32), np.array(drive.light.haze, np.float32)
    sky = zenith * (1 - t) + haze * t
    cell = 32 * SCALE
    clouds = sum(_patch(c, rng, (height, width)) * w for c, w in ((cell, 0.6), (cell // 4, 0.3), (cell // 8, 0.15)))
    cover = np.clip(clouds * 0.5 + 0.1, 0, 1)[..., None] * drive.light.clouds
    bright = np.clip(haze * 1.06 + 8, 0, 250)
    return (sky * (1 - cover) + bright * cover).astype(np.uint8)


def reduce_ids(ids: np.ndarray) -> np.ndarray:
    """Class ids of the final pixels, from the four of the canvas that each is averaged from.

    A pixel has the class that covers most of it. Where two classes share it equally the thin ones (people,
    posts, signs) win; else nobody can tell, and it is void.

    Args:
        ids: uint8 (2·H, 2·W).

    Returns:
        uint8 (H, W).
    """
    a, b, c, d = np.sort([ids[i::SCALE, j::SCALE] for i in range(SCALE) for j in range(SCALE)], axis=0)
    first, middle, last = a == b, b == c, c == d  # sorted, so that equal ids are neighbours
    void = np.full_like(a, VOID)
    result = np.select([middle, first & last, first, last], [b, void, a, c], void)
    for thin in _THIN:
        result[(first & (a == thin)) | (middle & (b == thin)) | (last & (c == thin))] = thin
    return result


def photograph(picture: np.ndarray, ids: np.ndarray, drive: Drive, frame: int) -> np.ndarray:
    """What the sensor makes of the painted canvas: texture, shadow, averaging, exposure, vignette, noise.

    Args:
        picture: uint8 (SCALE·H, SCALE·W, 3).
        ids: uint8 (SCALE·H, SCALE·W).
        drive: the street.
        frame: number of the frame.

    Returns:
        uint8 (H, W, 3).
    """
    texture = np.random.default_rng((drive.seed, 4))
    factor = 1 + _strength(_GRAIN)[ids] * _patch(SCALE, texture, ids.shape)
    factor += _strength(_STAIN)[ids] * _patch(16 * SCALE, texture, ids.shape)
    factor *= _shadow(drive, ids, texture)
    light = picture.astype(np.float32) * factor[..., None]
    light = (light[::2, ::2] + light[1::2, ::2] + light[::2, 1::2] + light[1::2, 1::2]) / 4
    rng = np.random.default_rng((drive.seed, frame, 5))
    gains = np.asarray(drive.exposure * np.exp(rng.normal(0, 0.015, 3)), np.float32)
    y = np.linspace(-1, 1, light.shape[0], dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, light.shape[1], dtype=np.float32)
    vignette = 1 - 0.09 * (x * x + y * y)
    noise = rng.standard_normal(light.shape, dtype=np.float32) * np.float32(drive.light.noise)
    return np.clip(light * vignette[..., None] * gains + noise + 0.5, 0, 255).astype(np.uint8)


def _strength(by_class: dict[int, float]) -> np.ndarray:
    return np.array([by_class[i] for i in range(len(by_class))], dtype=np.float32)


def _shadow(drive: Drive, ids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Factor for the shadows of houses and trees that lie on the ground on sunny days."""
    if drive.light.sun == 0:
        return np.ones(ids.shape, dtype=np.float32)
    rows, columns = ids.shape
    y = (np.arange(rows, dtype=np.float32)[:, None] / rows - drive.horizon) / (1 - drive.horizon)
    x = np.arange(columns, dtype=np.float32) / columns - 0.5
    # The eaves' shadow runs along the street; its edge is uneven, more so nearby.
    edge = float(rng.uniform(-0.6, 0.3)) + 0.1 * _patch(16 * SCALE, rng, (rows, 1))
    in_shadow = (x * drive.light.sun > edge * np.maximum(y, 0.02)) & (y > 0)
    return np.where(in_shadow & np.isin(ids, (ROAD, PAVEMENT)), np.float32(0.58), np.float32(1.0))
