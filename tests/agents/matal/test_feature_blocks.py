"""What a team sees does not depend on how many images are looked at together, nor on their order."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from querist.agents.matal.config import SOUND
from querist.agents.matal.features import MatalFeaturiser
from querist.agents.matal.spaces import Spaces, calibrate
from querist.core.observation import Groups
from toy_poses import ToyPoses, poses_game

POOL, LABELLED, LANDMARKS = 24, 30, 5
SETTINGS = replace(SOUND, appearance="seen", density="seen", bins=4, landmarks=LANDMARKS, frequencies=64)
TASK = ToyPoses()
ROUNDING = {"rtol": 1e-5, "atol": 1e-5}  # of logarithms of distances, in single precision
CALIBRATION = calibrate(Spaces(TASK), TASK, np.arange(len(TASK.pool)), SETTINGS, 0)


@pytest.fixture(scope="module")
def game(tmp_path_factory):
    return poses_game(tmp_path_factory.mktemp("blocks"), TASK, eyes_of(100))


def eyes_of(block, settings=SETTINGS):
    return MatalFeaturiser(TASK, settings, CALIBRATION, block)


def group_of(units):
    units = np.array(units, dtype=np.int64).reshape(1, -1)
    return Groups(units, units >= 0)


@pytest.mark.parametrize("gap", ["random_features", "exact"])
@pytest.mark.parametrize("block", [1, 7, POOL - 1, POOL, 100])
def test_blocks_of_any_size_show_the_same(game, gap, block):
    settings, offered = replace(SETTINGS, gap=gap), group_of(np.random.default_rng(1).permutation(POOL))
    whole = eyes_of(POOL, settings).observe(game, offered, 0)
    seen = eyes_of(block, settings).observe(game, offered, 0)
    assert len(np.unique(whole.candidates[0], axis=0)) == POOL
    np.testing.assert_allclose(seen.candidates, whole.candidates, **ROUNDING)
    np.testing.assert_allclose(seen.state, whole.state, rtol=1e-5, atol=1e-7)
    if block >= POOL:
        np.testing.assert_array_equal(seen.candidates, whole.candidates)
        np.testing.assert_array_equal(seen.state, whole.state)


@effort(max_examples=20)
@given(st.permutations(range(POOL)), st.integers(1, POOL), st.integers(0, POOL), st.integers(1, 30))
def test_the_order_of_the_offered_does_not_matter(game, order, count, hole, block):
    """Nor do holes between them; rows of holes stay zero."""
    shuffled = order[:count]
    expected = eyes_of(100).observe(game, group_of(sorted(shuffled)), 0)
    with_hole = [*shuffled[:hole], -1, *shuffled[hole:]]
    seen = eyes_of(block).observe(game, group_of(with_hole), 0)
    there = seen.groups.mask[0]
    by_unit = np.argsort(seen.groups.units[0][there])
    np.testing.assert_allclose(seen.candidates[0][there][by_unit], expected.candidates[0], **ROUNDING)
    np.testing.assert_allclose(seen.state, expected.state, rtol=1e-5, atol=1e-7)
    assert not seen.candidates[0][~there].any()


def test_each_image_is_described_once_and_neighbours_together(game):
    """First what is labelled and the landmarks, whose block is never smaller than they are; then by unit."""
    eyes = eyes_of(4)
    TASK.described.clear()
    eyes.observe(game, group_of(np.random.default_rng(2).permutation(POOL)), 0)
    first, *others = TASK.described
    assert [len(units) for units in TASK.described] == [LABELLED + LANDMARKS, 4, 4, 4, 4, 3]
    assert sorted(np.concatenate(TASK.described)) == list(range(POOL + LABELLED))
    assert set(range(POOL, POOL + LABELLED)) < set(first.tolist())
    assert np.concatenate(others).tolist() == sorted(np.concatenate(others))


def test_one_who_is_offered_twice_gets_the_same_numbers_twice(game):
    for block in (1, 3, 100):
        seen = eyes_of(block).observe(game, group_of([3, 8, 3, 11, 2, 8]), 0)
        np.testing.assert_allclose(seen.candidates[0, [0, 1], :4], seen.candidates[0, [2, 5], :4], atol=1e-6)
        np.testing.assert_array_equal(seen.field("appearance")[0, 0], seen.field("appearance")[0, 2])


@pytest.mark.parametrize("block", [1, 100])
def test_an_empty_offer_is_all_zeros_and_describes_nothing(game, block):
    eyes = eyes_of(block)
    TASK.described.clear()
    for nobody in (group_of([]), group_of([-1, -1])):
        seen = eyes.observe(game, nobody, 0)
        assert seen.candidates.shape == (1, nobody.units.shape[1], eyes.schema.width)
        assert not seen.candidates.any()
        assert not seen.state.any()
    assert not TASK.described


def test_lists_are_seen_in_their_order_and_each_image_once():
    spaces = Spaces(TASK)
    TASK.described.clear()
    one, two = spaces.seen(TASK, [np.array([9, 2, 9]), np.array([2, 5])], np.random.default_rng(0))
    assert [units.tolist() for units in TASK.described] == [[2, 5, 9]]
    np.testing.assert_array_equal(one.looks, TASK.looks[[9, 2, 9]].astype(np.float32))
    np.testing.assert_array_equal(two.looks, TASK.looks[[2, 5]].astype(np.float32))
    np.testing.assert_array_equal(one.topology[1], two.topology[0])
    np.testing.assert_array_equal(one.poses[1], two.poses[0])
    np.testing.assert_allclose(one.topology, spaces.topology(one.poses), atol=1e-6)


def test_an_empty_block_is_refused():
    with pytest.raises(ValueError, match="a block of 0 images"):
        eyes_of(0)
