import gc
import itertools
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.errors import QueristError
from querist.rl.replay import Moment, Replay


def moment(value, groups=2, width=3, empty=()):
    """Candidate n of pool g has the features (value, 10 g + n); the state is (value, value)."""
    places = 10.0 * np.arange(groups)[:, None] + np.arange(width)
    candidates = np.stack([np.full_like(places, value), places], axis=2).astype(np.float32)
    mask = np.ones((groups, width), dtype=bool)
    mask[list(empty)] = False
    return Moment(np.full((1, 2), value, dtype=np.float32), candidates, mask)


def everything(replay):
    """All it holds, in the order of age."""

    class Straight:
        def choice(self, n, count, replace):
            assert (count, replace) == (n, False)
            return np.arange(n)

    return replay.sample(len(replay), Straight())


def test_a_step_becomes_one_sub_transition_per_pool():
    replay = Replay(10)
    replay.add(moment(1), np.array([2, 0]), 0.5, moment(2))
    batch = everything(replay)
    assert batch.states.tolist() == [[[1, 1]], [[1, 1]]]
    assert batch.next_states.tolist() == [[[2, 2]], [[2, 2]]]
    assert batch.candidates[:, :, 1].tolist() == [[0, 1, 2], [10, 11, 12]]
    assert batch.next_candidates[:, :, 1].tolist() == [[0, 1, 2], [10, 11, 12]]  # pool k follows pool k
    assert batch.next_candidates[:, :, 0].tolist() == [[2, 2, 2], [2, 2, 2]]
    assert batch.actions.tolist() == [2, 0]
    assert batch.rewards.tolist() == [0.5, 0.5]
    assert batch.ended.tolist() == [False, False]
    assert batch.mask.all()
    assert batch.next_mask.all()
    floats = (batch.states, batch.candidates, batch.next_states, batch.next_candidates, batch.rewards)
    assert {t.dtype for t in floats} == {torch.float32}
    assert batch.to("cpu").actions is batch.actions


def test_a_reward_for_each_pool():
    replay = Replay(10)
    replay.add(moment(1), np.array([0, 0]), np.array([0.25, -1.0]), moment(2))
    assert everything(replay).rewards.tolist() == [0.25, -1.0]


def test_what_ends_a_sub_transition():
    replay = Replay(10)
    replay.add(moment(1), np.array([0, 1]), 1.0, None)
    replay.add(moment(2, groups=3), np.array([0, 1, 2]), 2.0, moment(3, groups=2, empty=[0]))
    batch = everything(replay)
    # The game ended twice; then pool 0 met an empty row, pool 1 goes on, pool 2 has no follower.
    assert batch.ended.tolist() == [True, True, True, False, True]
    assert batch.next_mask.any(dim=1).tolist() == [False, False, False, True, False]


def test_a_pool_without_anybody_gives_no_sub_transition():
    replay = Replay(10)
    replay.add(moment(1, groups=3, empty=[1]), np.array([0, -1, 2]), 1.0, None)
    assert everything(replay).candidates[:, 0, 1].tolist() == [0, 20]


def test_pools_of_different_widths_are_padded_outside_the_mask():
    replay = Replay(10)
    replay.add(moment(1, groups=1, width=2), np.array([1]), 1.0, moment(2, groups=1, width=4))
    replay.add(moment(3, groups=1, width=3), np.array([0]), 1.0, None)
    batch = everything(replay)
    assert batch.mask.tolist() == [[True, True, False], [True, True, True]]
    assert batch.next_mask.tolist() == [[True] * 4, [False] * 4]
    assert batch.candidates[0, 2].tolist() == [0, 0]


def test_what_stands_outside_the_mask_is_read_as_zero():
    seen = moment(1, groups=1)
    seen.mask[0, 1] = False
    seen.candidates[0, 1] = np.nan
    replay = Replay(2)
    replay.add(seen, np.array([0]), 1.0, None)
    assert everything(replay).candidates[0, 1].tolist() == [0, 0]


@given(capacity=st.integers(1, 7), steps=st.lists(st.integers(1, 4), min_size=1, max_size=8))
@settings(max_examples=40)
def test_the_oldest_make_room(capacity, steps):
    replay, pushed = Replay(capacity), []
    for value, groups in enumerate(steps):
        replay.add(moment(value, groups), np.zeros(groups, dtype=int), float(value), None)
        pushed += [(value, 10 * g) for g in range(groups)]
    batch = everything(replay)
    assert len(replay) == min(capacity, len(pushed))
    assert [tuple(map(int, row)) for row in batch.candidates[:, 0].tolist()] == pushed[-capacity:]


def test_a_moment_is_kept_once_and_lives_as_long_as_a_sub_transition_of_it():
    moments = [moment(value) for value in range(5)]
    alive = [weakref.ref(m) for m in moments]
    arrays = [weakref.ref(m.candidates) for m in moments]
    replay = Replay(4)
    for before, after in itertools.pairwise(moments):
        replay.add(before, np.array([0, 1]), 1.0, after)
    del moments, before, after
    gc.collect()
    # Four sub-transitions are left: 2 -> 3 and 3 -> 4, twice each. What came before is gone, arrays and all.
    assert [ref() is not None for ref in alive] == [False, False, True, True, True]
    assert [ref() is not None for ref in arrays] == [False, False, True, True, True]
    kept = {id(m) for m in (ref() for ref in alive) if m is not None}
    assert {id(m) for item in replay._kept for m in (item.before, item.after)} == kept


def test_a_follower_that_nobody_needs_is_let_go():
    after = moment(2, groups=1, empty=[0])
    alive = weakref.ref(after)
    replay = Replay(4)
    replay.add(moment(1, groups=1), np.array([0]), 1.0, after)
    del after
    gc.collect()
    assert alive() is None


def test_samples_are_uniform_and_without_repeats():
    replay = Replay(6)
    for value in range(6):
        replay.add(moment(value, groups=1), np.array([0]), float(value), None)
    rng, counts = np.random.default_rng(0), np.zeros(6)
    for _ in range(600):
        drawn = replay.sample(3, rng).rewards.long().tolist()
        assert len(set(drawn)) == 3
        counts[drawn] += 1
    assert np.abs(counts - 300).max() < 5 * np.sqrt(600 * 0.25)  # five standard deviations


def test_the_same_stream_draws_the_same():
    replay = Replay(6)
    for value in range(6):
        replay.add(moment(value), np.array([0, 1]), float(value), None)
    first, second = (replay.sample(4, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(first.candidates, second.candidates)


def test_a_restored_replay_gives_the_same_samples_and_still_shares():
    replay = Replay(5)
    moments = [moment(value) for value in range(5)]
    for before, after in zip(moments, [*moments[1:], None], strict=True):
        replay.add(before, np.array([1, 2]), np.array([0.1, 0.2]), after)
    arrays = replay.snapshot()
    again = Replay(5)
    again.restore(arrays)
    moments.append(moment(9))
    for r in (replay, again):
        r.add(moments[-1], np.array([0, 0]), 1.0, None)
    ours, theirs = (r.sample(4, np.random.default_rng(1)) for r in (replay, again))
    for name in ("states", "candidates", "actions", "rewards", "next_candidates", "next_mask", "ended"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name
    assert len({id(m) for item in again._kept for m in (item.before, item.after) if m}) == 3  # 3, 4 and the new one
    (states,) = [array for name, array in arrays.items() if name.endswith("/state")]
    assert len(states) == 3  # 2, 3 and 4, in one array because their shapes are one


def test_moments_of_several_shapes_survive_a_snapshot():
    wide, narrow = moment(1.0), moment(2.0)
    narrow = Moment(narrow.state, narrow.candidates[:, :2], narrow.mask[:, :2])
    replay, again = Replay(4), Replay(4)
    replay.add(wide, np.array([1, 0]), 0.5, narrow)
    replay.add(narrow, np.array([0, 1]), 0.25, wide)
    again.restore(replay.snapshot())
    for before, after in zip(replay._kept, again._kept, strict=True):
        np.testing.assert_array_equal(before.before.candidates, after.before.candidates)
        np.testing.assert_array_equal(before.after.mask, after.after.mask)


def test_what_followed_last_can_be_shared_and_all_be_forgotten():
    replay, first, second = Replay(4), moment(0), moment(1)
    assert replay.newest_after is None
    replay.add(first, np.array([0, 0]), 0.0, second)
    assert replay.newest_after is second
    replay.add(second, np.array([0, 0]), 0.0, None)
    assert replay.newest_after is None
    replay.clear()
    assert len(replay) == 0
    assert replay.newest_after is None


def test_an_empty_replay_survives_a_snapshot():
    replay = Replay(2)
    replay.restore(Replay(2).snapshot())
    assert len(replay) == 0


@pytest.mark.parametrize(
    ("actions", "rewards", "after"),
    [
        ([0], 1.0, None),
        ([0, 3], 1.0, None),
        ([0, -2], 1.0, None),
        ([0, 0], float("nan"), None),
        ([0, 0], np.array([0.0, np.inf]), None),
        ([0, 0], 1.0, Moment(np.zeros((2, 2)), np.zeros((2, 3, 2)), np.ones((2, 3), dtype=bool))),
        ([0, 0], 1.0, Moment(np.zeros((1, 2)), np.zeros((2, 3, 4)), np.ones((2, 3), dtype=bool))),
    ],
)
def test_what_does_not_fit_is_refused(actions, rewards, after):
    replay = Replay(2)
    with pytest.raises(ValueError):
        replay.add(moment(1), np.array(actions), rewards, after)


def test_a_choice_outside_the_mask_is_refused():
    with pytest.raises(ValueError, match="no candidate"):
        Replay(2).add(moment(1, empty=[0]), np.array([0, 0]), 1.0, None)


def test_a_later_moment_of_another_kind_is_refused():
    replay = Replay(2)
    replay.add(moment(1), np.array([0, 0]), 1.0, None)
    other = Moment(np.zeros(7), np.zeros((2, 3, 2)), np.ones((2, 3), dtype=bool))
    with pytest.raises(ValueError, match="before"):
        replay.add(other, np.array([0, 0]), 1.0, None)


def test_bad_sizes_are_refused():
    with pytest.raises(QueristError, match="0 sub-transitions"):
        Replay(0)
    with pytest.raises(ValueError, match="1 sub-transitions asked"):
        Replay(3).sample(1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="mask"):
        Moment(np.zeros(2), np.zeros((2, 3, 1)), np.zeros((2, 2), dtype=bool))
