"""Paints what stands still along a street: the ground, houses and trees."""

from itertools import pairwise

import numpy as np

from querist.demo.scenes_camera import NEAR, Canvas
from querist.demo.scenes_world import BUILDING, PAVEMENT, ROAD, TREE, Colour, Drive, Facade, Thing

_PAINT: Colour = (214, 212, 204)
_CLUSTERS = 7
_LEAVES = 24
"""Clusters of a crown, and leaves of a cluster at most."""

_END = 140.0
"""How far the ground is painted, metres."""


def paint_ground(canvas: Canvas, drive: Drive) -> None:
    """Road with its marks, pavements with their joints, what lies beyond, and the skyline at the end."""
    camera = canvas.camera
    begin = camera.z + NEAR
    edge = drive.road + drive.paving
    _skyline(canvas, drive)
    bands = [begin + d for d in (0.0, 3.0, 6.0, 10.0, 16.0, 26.0, 45.0, _END)]
    for near, far in pairwise(bands):  # strips, so that the haze grows with distance
        canvas.ground((-80, 80), (near, far), drive.ground, TREE if drive.grass else PAVEMENT)
        canvas.ground((-edge, edge), (near, far), drive.slabs, PAVEMENT)
        canvas.ground((-drive.road, drive.road), (near, far), drive.asphalt, ROAD)
    for side in (-1, 1):
        kerb = (side * drive.road, side * (drive.road + 0.18))
        canvas.ground(kerb, (begin, begin + 40), drive.slabs, PAVEMENT, 1.25)
        joint = side * (drive.road + drive.paving / 2)
        canvas.ground((joint - 0.04, joint + 0.04), (begin, begin + 25), drive.slabs, None, 0.72)
    first = np.ceil(begin / 1.2) * 1.2
    for z in np.arange(first, first + 20, 1.2).tolist():
        for side in (-1, 1):
            canvas.ground((side * drive.road, side * edge), (z, z + 0.09), drive.slabs, None, 0.72)
    _marks(canvas, drive, begin)


def _skyline(canvas: Canvas, drive: Drive) -> None:
    """Far houses or trees along the horizon, nearly lost in the haze."""
    rng = np.random.default_rng((drive.seed, 2))
    wooded = drive.kind in ("park", "avenue")
    colour: Colour = (70, 84, 62) if wooded else (140, 136, 134)
    x = -90.0
    while x < 90:
        wide = float(rng.uniform(4, 14))
        tall = float(rng.uniform(4, 9) if wooded else rng.uniform(3, 16))
        canvas.board((x, x + wide), (0.0, tall), canvas.camera.z + 95, colour, TREE if wooded else BUILDING)
        x += wide


def _marks(canvas: Canvas, drive: Drive, begin: float) -> None:
    """The middle line, the zebra crossing and the side street."""
    if drive.crossing is not None:
        near, far = drive.crossing, drive.crossing + 3.0
        canvas.ground((-80, 80), (far + 0.5, far + 4.5), drive.asphalt, ROAD)
        if far > begin:
            for x in np.arange(-drive.road + 0.3, drive.road - 0.5, 1.0).tolist():
                canvas.ground((x, x + 0.5), (max(near, begin), far), _PAINT, None)
    if drive.dashed:
        first = np.floor(begin / 5.0) * 5.0
        for z in np.arange(first, first + 60, 5.0).tolist():
            if z + 2.5 > begin and (drive.crossing is None or not drive.crossing - 3 < z < drive.crossing + 8):
                canvas.ground((-0.08, 0.08), (max(z, begin), z + 2.5), _PAINT, None)
    if drive.kind in ("traffic", "street"):
        for side in (-1, 1):
            x = side * (drive.road - 2.1)
            canvas.ground((x - 0.06, x + 0.06), (begin, begin + 50), _PAINT, None, 0.9)


def paint_facade(canvas: Canvas, facade: Facade) -> None:
    """A house: the wall along the street, the wall that faces the camera, windows, perhaps a shop."""
    camera = canvas.camera
    near, far = max(facade.near, camera.z + NEAR), facade.far
    if far - camera.z < 1.2:
        return
    x, side = facade.side * facade.offset, facade.side
    sun = canvas.light.sun
    along = 1.0 if sun == 0 else (0.72 if sun == side else 1.16)
    if facade.near > camera.z + NEAR:
        canvas.quad(_front(facade, 0, facade.height), facade.wall, BUILDING, 0.84)
        _windows(canvas, facade, front=True, factor=0.84)
    wall = [(x, 0.0, near), (x, 0.0, far), (x, facade.height, far), (x, facade.height, near)]
    canvas.quad(wall, facade.wall, BUILDING, along)
    canvas.quad(
        [(x, y, z) for (_, y, z) in wall[2:]] + [(x, facade.height - 0.5, z) for z in (near, far)],
        facade.wall,
        None,
        along * 0.7,
    )
    _windows(canvas, facade, front=False, factor=along)


def _front(facade: Facade, low: float, high: float) -> list[tuple[float, float, float]]:
    x0, x1 = facade.side * facade.offset, facade.side * (facade.offset + 9.0)
    return [(x0, low, facade.near), (x1, low, facade.near), (x1, high, facade.near), (x0, high, facade.near)]


def _windows(canvas: Canvas, facade: Facade, front: bool, factor: float) -> None:
    """A grid of windows on one wall, each darker, lighter or lit; those too small to be seen are left out."""
    rng = np.random.default_rng((facade.seed, int(front)))
    camera, side = canvas.camera, facade.side
    length = 9.0 if front else facade.far - facade.near
    bays = max(int(length / facade.bay), 1)
    storeys = max(int((facade.height - 0.8) / facade.storey), 1)
    lit = rng.random((bays, storeys)) < canvas.light.lit
    tone = rng.uniform(0.8, 1.25, (bays, storeys))
    step = length / bays
    for bay in range(bays):
        start, end = (bay + 0.24) * step, (bay + 0.76) * step
        z0, z1 = (facade.near, facade.near) if front else (facade.near + start, facade.near + end)
        if z1 - camera.z < NEAR + 0.2 or camera.pixels(facade.storey, z0) < 5:
            continue
        x0, x1 = (facade.offset + start, facade.offset + end) if front else (facade.offset, facade.offset)
        for storey in range(storeys):
            shop = facade.shop and storey == 0
            low = storey * facade.storey + (0.5 if shop else 0.9)
            high = (storey + 1) * facade.storey - (0.5 if shop else 0.45)
            colour: Colour = (236, 206, 132) if lit[bay, storey] else facade.glass
            # Lights keep their own brightness whatever the weather.
            strength = 1.5 if lit[bay, storey] else float(tone[bay, storey]) * factor
            corners = [(side * x0, low, z0), (side * x1, low, z1), (side * x1, high, z1), (side * x0, high, z0)]
            canvas.quad(corners, colour, None, strength)


def paint_tree(canvas: Canvas, tree: Thing) -> None:
    """A trunk and a crown: clusters of leaves, each leaf lighter or darker, lightest on the upper side."""
    rng = np.random.default_rng(tree.seed)
    camera, size = canvas.camera, tree.size
    canvas.board((tree.x - 0.14 * size, tree.x + 0.14 * size), (0, 3.2 * size), tree.z, tree.second, TREE)
    places = rng.normal(0, (0.95, 0.8), (_CLUSTERS, 2)) * size + (tree.x, 4.0 * size)
    radii = rng.uniform(0.75, 1.3, _CLUSTERS) * size
    clusters = [
        (*camera.point(x, y, tree.z), camera.pixels(radius, tree.z))
        for (x, y), radius in zip(places.tolist(), radii.tolist(), strict=True)
    ]
    shadow = canvas.shade(tree.colour, tree.z, 0.68)
    for u, v, r in clusters:
        canvas.disc((u, v), (r, r * 0.9), shadow, TREE)
    tones = [canvas.shade(tree.colour, tree.z, factor) for factor in (0.6, 0.78, 0.95, 1.12, 1.32, 1.5)]
    leaf = max(camera.pixels(0.16 * size, tree.z), 0.8)
    angles = rng.uniform(0, 2 * np.pi, (_CLUSTERS, _LEAVES))
    spans = np.sqrt(rng.random((_CLUSTERS, _LEAVES)))
    down = spans * np.sin(angles)
    tone = np.clip(rng.normal(2.5, 1.3, down.shape) - 1.2 * down, 0, 5).astype(int)
    for (u, v, r), *leaves in zip(
        clusters, (spans * np.cos(angles)).tolist(), down.tolist(), tone.tolist(), strict=True
    ):
        visible = min(int(2 + r * 1.5), _LEAVES)
        for dx, dy, which in list(zip(*leaves, strict=True))[:visible]:
            canvas.disc((u + r * dx, v + 0.9 * r * dy), (leaf, leaf), tones[which], None)
