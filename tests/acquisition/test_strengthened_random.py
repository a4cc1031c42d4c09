import numpy as np
import pytest

from querist.acquisition.strengthened_random import StrengthenedRandom
from querist.core.observation import Field, Groups, Observation, Schema

A, B, NONE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 0.0)  # class 2 is predicted nowhere
SCHEMA = Schema((Field("classes", (3,), 0.0, 1.0, per_class=True),), classes=("a", "b", "c"))


def seen(shares, sources, asked=None, mask=None):
    shares = np.array(shares, dtype=np.float32)
    shares = shares[None] if shares.ndim == 2 else shares
    mask = np.ones(shares.shape[:2], dtype=bool) if mask is None else np.atleast_2d(mask)
    sources = np.atleast_2d(sources)[:, :, None]
    units = np.where(mask, np.arange(mask.size).reshape(mask.shape), -1)
    counts = None if asked is None else np.array(asked)
    return Observation(Groups(units, mask), shares, SCHEMA, sources, asked=counts)


def choose(observation, k, seed=0):
    return StrengthenedRandom().select(observation, k, np.random.default_rng(seed)).indices


@pytest.mark.parametrize("seed", range(8))
def test_classes_take_turns(seed):
    """Nine candidates of the common class, three of the rare one, all of different images: half and half."""
    observation = seen([A] * 9 + [B] * 3, np.arange(12))
    picks = choose(observation, 6, seed)[0]
    assert (picks >= 9).sum() == 3
    assert sorted((picks[i : i + 2] >= 9).sum() for i in (0, 2, 4)) == [1, 1, 1]  # a turn each, not first one class
    late = choose(observation, 8, seed)[0]
    assert (late >= 9).sum() == 3  # the rare class is used up and passed over


@pytest.mark.parametrize("seed", range(8))
def test_images_asked_about_least_come_first(seed):
    """One class; images 0..2 with 2, 0 and 1 questions so far and three candidates each."""
    observation = seen([A] * 9, [0, 0, 0, 1, 1, 1, 2, 2, 2], asked=[2, 0, 1])
    images = choose(observation, 7, seed)[0] // 3
    assert images[0] == 1
    assert sorted(images[1:3].tolist()) == [1, 2]  # both stand at one
    assert sorted(images[3:6].tolist()) == [0, 1, 2]  # all stand at two
    assert images[6] in (0, 2)  # of image 1 nothing is left
    assert observation.asked.tolist() == [2, 0, 1]  # its own tally, not the game's


def test_a_class_is_asked_of_the_least_asked_image_that_shows_it():
    """Image 1 was never asked about, but shows class a only: the turn of class b goes to image 0."""
    observation = seen([B, A, A], [0, 1, 1], asked=[5, 0])
    for seed in range(8):
        assert sorted(choose(observation, 2, seed)[0].tolist()) in ([0, 1], [0, 2])


def test_chances_go_by_the_share_of_the_class():
    """A single class shown in shares of 1 : 3 by two images that were never asked about."""
    observation = seen([(0.25, 0, 0), (0.75, 0, 0)], [0, 1])
    rounds = 2000
    second = sum(int(choose(observation, 1, seed)[0, 0]) for seed in range(rounds))
    assert abs(second - 0.75 * rounds) < 5 * np.sqrt(rounds * 0.75 * 0.25)


def test_the_order_of_the_classes_is_shuffled():
    observation = seen([A, B], [0, 1])
    first = sum(int(choose(observation, 1, seed)[0, 0]) for seed in range(400))
    assert abs(first - 200) < 5 * 10


def test_groups_share_the_turns_and_the_tally():
    """Two groups of both classes of two images: the second pick avoids the class and the image of the first."""
    observation = seen([[A, B, A, B], [A, B, A, B]], [[0, 0, 1, 1], [0, 0, 1, 1]])
    for seed in range(12):
        (first,), (second,) = choose(observation, 1, seed)
        assert first % 2 != second % 2
        assert first // 2 != second // 2


def test_without_any_prediction_it_is_plain_random():
    counts = np.zeros(3)
    for seed in range(900):
        counts[choose(seen([NONE] * 3, [0, 1, 2]), 1, seed)[0, 0]] += 1
    assert np.abs(counts - 300).max() < 5 * np.sqrt(300 * 2 / 3)


def test_masks_and_small_groups():
    mask = np.array([[True, False, True], [False, False, False]])
    observation = seen([[A, B, B], [A, B, A]], [[0, 1, 2], [0, 0, 0]], mask=mask)
    for seed in range(6):
        found = choose(observation, 4, seed)
        assert sorted(found[0, :2].tolist()) == [0, 2]
        assert (found[0, 2:] == -1).all()
        assert (found[1] == -1).all()


def test_the_stream_decides():
    observation = seen([A] * 9 + [B] * 9, np.arange(18))
    np.testing.assert_array_equal(choose(observation, 8, 1), choose(observation, 8, 1))
    assert not np.array_equal(choose(observation, 8, 1), choose(observation, 8, 2))
