"""Colours on the capsules of a body: skin and hair, cloth with its pattern and grain, light and shade."""

from functools import lru_cache

import numpy as np
from PIL import Image

from querist.demo.bodies_figure import PARTS
from querist.demo.people_world import Cloth, Person

_TILE = 256
_HAIR, _TOP = PARTS.index("hair"), PARTS.index("top")


@lru_cache(maxsize=4)
def _grain(cell: int) -> np.ndarray:
    """Smooth noise of unit variance, float32 (256, 256), with features of about `cell` pixels; always the same."""
    small = np.random.default_rng(cell).standard_normal((_TILE // cell, _TILE // cell)).astype(np.float32)
    tile = np.asarray(Image.fromarray(small).resize((_TILE, _TILE), Image.Resampling.BICUBIC))
    return tile / tile.std()


def paint(
    person: Person,
    facing: np.ndarray,
    ends: np.ndarray,
    radii: np.ndarray,
    parts: np.ndarray,
    depth: np.ndarray,
    owners: np.ndarray,
    sun: float,
    light: float,
    stream: np.random.Generator,
) -> Image.Image:
    """The picture of a body, black where it is not.

    Args:
        person: what is worn.
        facing: (3,) where the chest faces.
        ends: (c, 2, 3) mm of the capsules, in the space of the camera.
        radii: (c,) mm.
        parts: (c,) numbers of :data:`~querist.demo.bodies_figure.PARTS`.
        depth: (S, S) of :func:`~querist.demo.capsules.cast`.
        owners: (S, S) which capsule is seen, -1 for none.
        sun: the side that the light comes from, -1..1.
        light: factor on the colours.
        stream: draws folds.
    """
    rows, columns = np.nonzero(owners >= 0)
    which = owners[rows, columns]
    side, focal = len(owners), len(owners) * 4.0
    z = depth[rows, columns].astype(np.float64)
    middle = (side - 1) / 2
    points = np.stack([(columns - middle) * z / focal, (rows - middle) * z / focal, z], axis=1)
    start, axes = ends[which, 0], ends[which, 1] - ends[which, 0]
    lengths = np.linalg.norm(axes, axis=1)
    along = np.einsum("ij,ij->i", points - start, axes) / lengths**2
    normals = (points - start - np.clip(along, 0, 1)[:, None] * axes) / radii[which][:, None]
    colours = _dress(
        person, parts[which], along, along * lengths / 1700, normals, normals @ facing, _upward(ends, parts)
    )
    lit = np.array([0.75 * sun, -0.65, -0.6])
    shade = 0.66 + 0.4 * np.clip(normals @ (lit / np.linalg.norm(lit)), -0.25, 1)
    top, left = stream.integers(_TILE, size=2).tolist()
    spots = ((rows + top) % _TILE, (columns + left) % _TILE)
    folds = 1 + 0.07 * _grain(16)[spots] + 0.04 * _grain(2)[spots]
    picture = np.zeros((side, side, 3), dtype=np.uint8)
    picture[rows, columns] = np.clip(colours * (light * shade * folds)[:, None], 0, 255)
    return Image.fromarray(picture)


def _dress(
    person: Person,
    parts: np.ndarray,
    along: np.ndarray,
    height: np.ndarray,
    normals: np.ndarray,
    front: np.ndarray,
    upward: np.ndarray,
) -> np.ndarray:
    """(p, 3) the colours of points in even light.

    Args:
        person: what is worn.
        parts: (p,) numbers of PARTS.
        along: (p,) where along its capsule a point lies, 0..1; ``height``, the same in heights of a person.
        normals: (p, 3) away from the body; ``front``, (p,) how much of that is forward.
        upward: (3,) from the chin to the top of the head.
    """
    colours = _colours(person)[parts]
    for part, cloth in (("top", person.top), ("sleeve", person.sleeve)):
        colours[(parts == PARTS.index(part)) & _second(cloth, height, normals)] = cloth.second
    if person.shirt is not None:
        colours[(parts == _TOP) & (front > 0.8)] = person.shirt
    if person.badge is not None:
        colours[(parts == _TOP) & (front > 0.55) & (along > 0.45) & (along < 0.85)] = person.badge
    head, up = parts == _HAIR, normals @ upward
    colours[head & (person.style == "bald" or ((front > 0.15) & (up < 0.55)))] = person.skin
    if person.hat is not None:
        colours[head & (up > 0.3)] = person.hat
    return colours


def _colours(person: Person) -> np.ndarray:
    """(7, 3) the first colour of each part."""
    worn = {
        "skin": person.skin, "hair": person.hair, "top": person.top.colour, "sleeve": person.sleeve.colour,
        "bottom": person.bottom.colour, "leg": person.bottom.colour, "shoe": person.shoes,
    }  # fmt: skip
    return np.array([worn[part] for part in PARTS], dtype=np.float64)


def _second(cloth: Cloth, height: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """(p,) bool: where a pattern shows its second colour."""
    if cloth.pattern == "stripes":
        return (height * 16) % 1 < 0.42
    if cloth.pattern == "checks":
        return ((height * 16) % 1 < 0.42) ^ ((normals[:, 0] * 2.5) % 1 < 0.4)
    if cloth.pattern == "block":
        return height < 0.1
    return np.zeros(len(height), dtype=bool)


def _upward(ends: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """(3,) from the chin to the top of the head."""
    low, high = ends[int(np.flatnonzero(parts == _HAIR)[0])]
    return (high - low) / max(float(np.linalg.norm(high - low)), 1e-6)
