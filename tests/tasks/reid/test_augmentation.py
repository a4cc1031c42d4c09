import numpy as np
import pytest

from querist.errors import QueristError
from querist.tasks.reid.augmentation import Augmentation

OFF = {"flip": 0.0, "shift": 0.0, "erase": 0.0}
GREY = [124, 116, 104]


def crops(count=3, size=(20, 10), seed=0):
    return np.random.default_rng(seed).integers(0, 100, (count, *size, 3)).astype(np.uint8)


def apply(images, seed=0, **changes):
    return Augmentation(**OFF | changes).apply(images, np.random.default_rng(seed))


def test_with_everything_off_nothing_changes():
    images = crops()
    varied = apply(images)
    np.testing.assert_array_equal(varied, images)
    assert not np.shares_memory(varied, images)


def test_mirroring():
    images = crops()
    np.testing.assert_array_equal(apply(images, flip=1.0), images[:, :, ::-1])


def test_shifts_are_whole_pixels_up_to_the_limit_and_grey_moves_in():
    images = crops(200)
    varied = apply(images, shift=0.1)  # up to 2 rows and 1 column
    moves = set()
    for image, moved in zip(images, varied, strict=True):
        fits = [
            (dy, dx)
            for dy in range(-2, 3)
            for dx in range(-1, 2)
            if np.array_equal(
                moved[max(dy, 0) : 20 + min(dy, 0), max(dx, 0) : 10 + min(dx, 0)],
                image[max(-dy, 0) : 20 + min(-dy, 0), max(-dx, 0) : 10 + min(-dx, 0)],
            )
        ]
        assert len(fits) == 1
        dy, dx = fits[0]
        assert int((moved == GREY).all(axis=2).sum()) == 20 * 10 - (20 - abs(dy)) * (10 - abs(dx))
        moves.add(fits[0])
    assert len(moves) == 15


def test_erasing_covers_one_rectangle_of_the_size_asked_for():
    images = crops(200, (40, 20))
    covered = (apply(images, erase=1.0, erase_area=0.3) == GREY).all(axis=3)
    for mask in covered:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert mask.sum() == len(rows) * len(columns)
        assert len(rows) == np.ptp(rows) + 1
        assert len(columns) == np.ptp(columns) + 1
    shares = covered.mean(axis=(1, 2))
    assert 0.005 < shares.min() < 0.05
    assert 0.25 < shares.max() < 0.33
    assert covered.any(axis=0)[2:-2, 1:-1].all()  # it can be anywhere, if rarely in a corner


def test_erasing_happens_as_often_as_it_should():
    covered = (apply(crops(400), erase=0.25) == GREY).all(axis=3).any(axis=(1, 2))
    assert 0.18 < covered.mean() < 0.32


def test_one_setting_does_not_move_the_draws_of_another():
    images = crops(8)
    rngs = [np.random.default_rng(1) for _ in range(2)]
    Augmentation(**OFF).apply(images, rngs[0])
    Augmentation().apply(images, rngs[1])
    assert rngs[0].random() == rngs[1].random()


@pytest.mark.parametrize("wrong", [{"flip": 1.5}, {"shift": 0.6}, {"erase_area": 0.01}, {"erase": -1}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(QueristError, match=next(iter(wrong))):
        Augmentation(**wrong)
