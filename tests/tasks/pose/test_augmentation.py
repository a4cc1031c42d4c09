from dataclasses import replace

import numpy as np
import pytest
import torch

from querist.errors import QueristError
from querist.tasks.pose.augmentation import Augmentation
from tiny_pose_task import LIMB

NONE = Augmentation(0.0, 0.0, 0.0, 0.0, 0.0)
SIDE = 64


def bumps(places, channels=3):
    """An image with a smooth bump at each place: channel j for joint j."""
    grid = (torch.arange(SIDE) + 0.5) * 2 / SIDE - 1
    x, y = places[..., 0, None, None], places[..., 1, None, None]
    return 100 * torch.exp(-((grid[None, None, None] - x) ** 2 + (grid[None, None, :, None] - y) ** 2) / 0.01)


def summit(image):
    """The mean place of what is bright, (C, 2)."""
    grid = (torch.arange(SIDE) + 0.5) * 2 / SIDE - 1
    total = image.sum(dim=(1, 2))
    return torch.stack([(image.sum(1) * grid).sum(1) / total, (image.sum(2) * grid).sum(1) / total], 1)


def places_of(n=6, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).uniform(-0.5, 0.5, (n, 3, 2))).float()


@pytest.mark.parametrize(
    "changes", [{"rotate": 60.0}, {"scale": 0.3}, {"shift": 0.1}, {"rotate": 40.0, "scale": 0.2, "shift": 0.1}]
)
def test_joints_move_with_the_image(changes):
    places = places_of()
    images, moved = replace(NONE, **changes).apply(bumps(places), places, LIMB, np.random.default_rng(3))
    assert (moved - places).abs().max() > 0.02
    for image, pose in zip(images, moved, strict=True):
        torch.testing.assert_close(summit(image), pose, atol=0.01, rtol=0)


def test_mirrored_left_is_right():
    places = places_of()
    images, moved = replace(NONE, flip=1.0).apply(bumps(places), places, LIMB, np.random.default_rng(0))
    torch.testing.assert_close(images, bumps(places).flip(3), atol=1e-3, rtol=0)
    expected = places[:, [0, 2, 1]] * torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(moved, expected)


def test_nothing_asked_for_changes_nothing():
    places = places_of()
    images = bumps(places)
    found, same = NONE.apply(images, places, LIMB, np.random.default_rng(0))
    torch.testing.assert_close(found, images, atol=1e-3, rtol=0)
    torch.testing.assert_close(same, places)


def test_unknown_stays_unknown():
    places = places_of()
    places[0, 1] = torch.nan
    _, moved = Augmentation(flip=1.0).apply(bumps(places_of()), places, LIMB, np.random.default_rng(0))
    assert torch.isnan(moved).sum() == 2
    assert torch.isnan(moved[0, 2]).all()


def test_depth_is_turned_and_its_cube_resized():
    image = torch.ones(1, 1, 16, 16)
    image[0, 0, 4:6, 10:12] = -0.5
    places = torch.tensor([[[3 / 8, -3 / 8, -0.5]]]).repeat(1, 3, 1)
    found, moved = Augmentation(0.0, 0.5, 0.0, 1.0, 0.5).apply(image, places, LIMB, np.random.default_rng(1))
    zoom = float(moved[0, 0, 2] / -0.5)
    torch.testing.assert_close(moved, places * zoom)  # and not mirrored
    assert zoom != 1
    values = found.unique().tolist()
    assert values == pytest.approx([max(-1.0, -0.5 * zoom), 1.0])
    row, column = (int((c * zoom + 1) * 8) for c in (-3 / 8, 3 / 8))
    assert found[0, 0, row, column] < 1
    turned, spun = Augmentation(180.0, 0.0, 0.0, 0.0, 0.0).apply(image, places, LIMB, np.random.default_rng(1))
    assert set(turned.unique().tolist()) <= {-0.5, 1.0}
    assert spun[..., 2].eq(-0.5).all()
    torch.testing.assert_close(spun.norm(dim=2), places.norm(dim=2))


def test_the_same_stream_gives_the_same_and_settings_draw_the_same_amount():
    places = places_of()
    streams = [np.random.default_rng(7) for _ in range(3)]
    first = Augmentation().apply(bumps(places), places, LIMB, streams[0])
    again = Augmentation().apply(bumps(places), places, LIMB, streams[1])
    NONE.apply(bumps(places), places, LIMB, streams[2])
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert streams[0].random() == streams[2].random()


@pytest.mark.parametrize("wrong", [{"rotate": -1}, {"scale": 1}, {"shift": 0.6}, {"flip": 1.1}, {"light": 1}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(QueristError, match="augmentation"):
        Augmentation(**wrong)
