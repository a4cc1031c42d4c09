"""What a camera sees of capsules, exactly, by ray casting: how far away, and which of them."""

import math

import numpy as np

NOTHING = np.float32(np.inf)
"""The depth of pixels whose rays meet nothing."""


def cast(
    ends: np.ndarray,
    radii: np.ndarray,
    height: int,
    width: int,
    focal: float,
    depth: np.ndarray | None = None,
    owners: np.ndarray | None = None,
) -> np.ndarray:
    """The depth of the nearest capsule along the ray of every pixel.

    The camera looks along z from the origin, x leads right and y down; the principal point is the middle of the image.

    Args:
        ends: (c, 2, 3) mm, all before the camera.
        radii: (c,) mm.
        height: rows; likewise ``width``.
        focal: focal length in pixels.
        depth: (height, width) float32 of what is there already; it is drawn over. None: nothing is there.
        owners: (height, width) integers; where a capsule is the nearest, its number is written to it.

    Returns:
        (height, width) float32 z in mm, :data:`NOTHING` where nothing is met.
    """
    if depth is None:
        depth = np.full((height, width), NOTHING, dtype=np.float32)
    cx, cy = (width - 1) / 2, (height - 1) / 2
    across = ((np.arange(width) - cx) / focal).astype(np.float32)
    down = ((np.arange(height) - cy) / focal).astype(np.float32)
    nearest = np.maximum(ends[..., 2].min(axis=1) - radii, 1.0)
    grow = 1.1 * radii * focal / nearest + 1
    columns, rows = (ends[..., a] * focal / ends[..., 2] + c for a, c in ((0, cx), (1, cy)))
    ends32 = ends.astype(np.float32)
    for i in range(len(ends)):
        wide = _span(columns[i], grow[i], width)
        high = _span(rows[i], grow[i], height)
        window = depth[high, wide]
        if not window.size:
            continue
        found = _meet(across[wide], down[high, None], ends32[i, 0], ends32[i, 1], float(radii[i]))
        if owners is not None:
            owners[high, wide][found < window] = i
        np.minimum(window, found, out=window)
    return depth


def in_sight(
    points: np.ndarray, pixels: np.ndarray, ends: np.ndarray, radii: np.ndarray, owners: np.ndarray, slack: float
) -> np.ndarray:
    """Whether what is seen in front of a point is a capsule that holds the point, or nothing; not one before it.

    Args:
        points: (J, 3) mm.
        pixels: (J, 2) columns and rows where they are seen.
        ends: (c, 2, 3) mm; likewise ``radii`` (c,).
        owners: (height, width) of :func:`cast`, -1 where nothing is.
        slack: a capsule holds what lies within its radius and so many mm.

    Returns:
        (J,) bool; False outside of the image.
    """
    height, width = owners.shape
    spots = np.rint(pixels).astype(np.int64)
    inside = ((spots >= 0) & (spots < [width, height])).all(axis=1)
    columns, rows = np.clip(spots, 0, [width - 1, height - 1]).T
    owner = owners[rows, columns]
    start, axis = ends[owner, 0], ends[owner, 1] - ends[owner, 0]
    along = np.einsum("ij,ij->i", points - start, axis) / np.maximum(np.einsum("ij,ij->i", axis, axis), 1e-6)
    away = np.linalg.norm(points - start - np.clip(along, 0, 1)[:, None] * axis, axis=1)
    return inside & ((owner < 0) | (away <= radii[owner] + slack))


def _span(ends: np.ndarray, grow: float, size: int) -> slice:
    """The pixels of an axis that a capsule may cover."""
    low, high = math.floor(float(ends.min()) - grow), math.ceil(float(ends.max()) + grow) + 1
    return slice(min(max(low, 0), size), min(max(high, 0), size))


def _meet(x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, radius: float) -> np.ndarray:
    """Z at which rays (x, y, 1) from the origin enter a capsule from a to b."""
    axis = b - a
    long = float(axis @ axis) + 1e-6
    rays = 1 + x * x + y * y
    ray_axis = axis[0] * x + (axis[1] * y + axis[2])
    ray_a = -(a[0] * x + (a[1] * y + a[2]))
    axis_a = -float(axis @ a)
    # A cylinder without ends: |a t - ray|² of what is across the axis.
    quadratic = long * rays - ray_axis * ray_axis
    linear = long * ray_a - axis_a * ray_axis
    constant = long * float(a @ a) - axis_a * axis_a - radius * radius * long
    root = linear * linear - quadratic * constant
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (-linear - np.sqrt(root)) / quadratic
        along = axis_a + z * ray_axis
    result = np.where((along > 0) & (along < long), z, NOTHING)
    for end, ray_end in ((a, ray_a), (b, ray_a - ray_axis)):
        # The ball around an end; of the ball, what the cylinder covers lies behind it.
        root = ray_end * ray_end - rays * (float(end @ end) - radius * radius)
        with np.errstate(invalid="ignore"):
            ball = (-ray_end - np.sqrt(root)) / rays
        result = np.fmin(result, ball)
    return result
