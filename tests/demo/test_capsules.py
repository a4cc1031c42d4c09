import numpy as np
import pytest

from querist.demo.capsules import NOTHING, cast, in_sight

HEIGHT, WIDTH, FOCAL = 14, 18, 20.0
STEP = 0.25


def marched(ends: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth and owner by walking along every ray until a capsule is met."""
    depth, owners = np.full((HEIGHT, WIDTH), NOTHING), np.full((HEIGHT, WIDTH), -1)
    z = np.arange(50, 260, STEP)
    for row in range(HEIGHT):
        for column in range(WIDTH):
            ray = np.array([(column - (WIDTH - 1) / 2) / FOCAL, (row - (HEIGHT - 1) / 2) / FOCAL, 1.0])
            points = z[:, None] * ray
            for i, ((a, b), radius) in enumerate(zip(ends, radii, strict=True)):
                along = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
                inside = np.linalg.norm(points - a - along[:, None] * (b - a), axis=1) <= radius
                if inside.any() and z[inside.argmax()] < depth[row, column]:
                    depth[row, column], owners[row, column] = z[inside.argmax()], i
    return depth, owners


@pytest.mark.parametrize("seed", range(3))
def test_rays_meet_capsules_where_walking_along_them_does(seed):
    rng = np.random.default_rng(seed)
    ends = rng.uniform([-60, -45, 120], [60, 45, 220], (4, 2, 3))
    radii = rng.uniform(4, 22, 4)
    owners = np.full((HEIGHT, WIDTH), -1)
    depth = cast(ends, radii, HEIGHT, WIDTH, FOCAL, None, owners)
    expected, by = marched(ends, radii)
    both = np.isfinite(depth) & np.isfinite(expected)
    assert both.sum() > 40
    assert (np.isfinite(depth) != np.isfinite(expected)).sum() <= 2  # grazing rays
    assert np.abs(depth[both] - expected[both]).max() < 2.5 * STEP
    assert (owners != by).sum() <= 3
    assert ((owners >= 0) == np.isfinite(depth)).all()


def test_what_is_there_already_stays_where_it_is_nearer():
    ends, radii = np.array([[[-90.0, 0, 100], [90, 0, 100]]]), np.array([10.0])
    depth = np.full((HEIGHT, WIDTH), 95, dtype=np.float32)
    depth[:, 9:] = 85
    got = cast(ends, radii, HEIGHT, WIDTH, FOCAL, depth)
    assert got is depth
    assert got[7, 3] == pytest.approx(90, abs=0.3)  # half a pixel below the middle
    assert (got[:, 9:] == 85).all()
    assert (got[0] == [95] * 9 + [85] * 9).all()


def test_capsules_beside_the_image_are_not_drawn():
    for place in ([-900.0, 0, 100], [900, 0, 100], [0, -900, 100], [0, 900, 100]):
        depth = cast(np.array([[place, place]]), np.array([30.0]), HEIGHT, WIDTH, FOCAL)
        assert not np.isfinite(depth).any()


def test_a_point_is_in_sight_unless_something_else_is_before_it():
    ends = np.array([[[-60.0, 0, 200], [60, 0, 200]], [[0, 0, 100], [0, 5, 100]]])
    radii = np.array([10.0, 8.0])
    owners = np.full((HEIGHT, WIDTH), -1)
    cast(ends, radii, HEIGHT, WIDTH, FOCAL, None, owners)
    points = np.array([[-60.0, 0, 200], [0, 0, 200], [0, 0, 100], [0, 60, 200], [300, 0, 200]])
    pixels = points[:, :2] * FOCAL / points[:, 2:] + [(WIDTH - 1) / 2, (HEIGHT - 1) / 2]
    got = in_sight(points, pixels, ends, radii, owners, 1.0)
    assert got.tolist() == [True, False, True, True, False]
