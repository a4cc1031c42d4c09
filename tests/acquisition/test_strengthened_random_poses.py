import numpy as np
import pytest

from querist.acquisition import strengthened_random_poses
from querist.acquisition.strengthened_random_poses import StrengthenedRandomPoses
from querist.core.pool import ColumnarPool
from querist.core.split import Role, Split
from querist.core.step import offer
from querist.errors import QueristError
from toy import ToyTask
from toy_poses import JOINTS, ToyPoses, poses_game

LYING = np.stack([np.arange(JOINTS), np.zeros(JOINTS)], axis=1)
STANDING = LYING[:, ::-1]


class Estimates(ToyPoses):
    """Whose poses are as told: people lie, but for those in the pool who stand."""

    def __init__(self, standing=(), subjects=None):
        super().__init__()
        self.poses = np.tile(LYING, (60, 1, 1))
        self.poses[list(standing)] = STANDING
        rng = np.random.default_rng(5)
        self.poses *= rng.uniform(0.5, 2, (60, 1, 1))  # some are large, and they are here and there
        self.poses += rng.uniform(-3, 3, (60, 1, 2))
        if subjects is not None:
            self.pool = ColumnarPool([f"i{i:04d}" for i in range(60)], subjects=subjects)

    def describe(self, units, fields, rng):
        assert list(fields) == ["pose"]
        return {"pose": self.poses[units].reshape(len(units), -1).astype(np.float32)}


def seen(folder, task, policy, seed=3):
    policy.check(task)
    folder.mkdir(exist_ok=True)
    return offer(poses_game(folder, task, policy.own_featuriser(task), seed=seed), 0)


def picks(observation, policy, k, seed=0):
    return observation.groups.units[0, policy.select(observation, k, np.random.default_rng(seed)).indices[0]]


def test_kinds_of_poses_take_turns_wherever_and_however_large_people_are(tmp_path):
    """Of 24 candidates 4 stand: as long as there are any, every other question is about one of them."""
    policy = StrengthenedRandomPoses(kinds=2)
    observation = seen(tmp_path / "a", Estimates(standing=(2, 9, 11, 20)), policy)
    kinds = observation.field("classes")[0]
    assert sorted(kinds.sum(axis=0).tolist()) == [4, 20]
    for seed in range(6):
        found = picks(observation, policy, 10, seed)
        standing = np.isin(found, [2, 9, 11, 20])
        assert standing[:8].reshape(4, 2).sum(axis=1).tolist() == [1, 1, 1, 1]
        assert not standing[8:].any()


def test_subjects_asked_about_least_come_first(tmp_path):
    """One kind; subject 70 has most images, and subjects 90 and 80 two each."""
    subjects = np.full(60, 70)
    subjects[[1, 5]], subjects[[3, 8]] = 90, 80
    subjects[24:] = 1000 + np.arange(36)
    policy = StrengthenedRandomPoses(kinds=1)
    task = Estimates(subjects=subjects)
    observation = seen(tmp_path / "a", task, policy)
    for seed in range(6):
        asked = subjects[picks(observation, policy, 6, seed)]
        assert sorted(asked[:3]) == sorted(asked[3:]) == [70, 80, 90]


def test_what_was_asked_before_counts(tmp_path, monkeypatch):
    subjects = np.repeat([4, 7], [12, 48])
    policy = StrengthenedRandomPoses(kinds=1)
    task = Estimates(subjects=subjects)
    game = poses_game(tmp_path, task, policy.own_featuriser(task), Split(np.full(60, Role.POOL, dtype=np.int8)))
    before = np.zeros(60, dtype=np.int64)
    before[:3] = 1
    monkeypatch.setattr(game.view, "asked_per_source", lambda: before)
    observation = offer(game, 0)
    assert observation.asked.tolist() == [3, 0]
    assert (subjects[picks(observation, policy, 3)] == 7).all()


def test_what_was_given_counts_too(tmp_path):
    """The starting set may show the same subjects as the pool: of one that is known well nobody need ask."""
    subjects = np.repeat([4, 7, 9], [20, 20, 20])
    policy = StrengthenedRandomPoses(kinds=1)
    task = Estimates(subjects=subjects)
    roles = np.full(60, Role.POOL, dtype=np.int8)
    roles[[0, 1, 2, 20, 21]] = Role.START
    game = poses_game(tmp_path, task, policy.own_featuriser(task), Split(roles))
    observation = offer(game, 0)
    assert observation.asked.tolist() == [3, 2, 0]
    chosen = subjects[picks(observation, policy, 7)]
    # 0 labels of 9 become 2, then both of 7 and 9 rise to 3, and then all three are level
    assert (chosen[:2] == 9).all()
    assert sorted(chosen[2:4]) == [7, 9]
    assert sorted(chosen[4:7]) == [4, 7, 9]


def test_the_seed_decides(tmp_path):
    policy, task = StrengthenedRandomPoses(), Estimates(standing=range(8))
    first, again = (seen(tmp_path / name, task, policy) for name in ("a", "b"))
    np.testing.assert_array_equal(first.candidates, again.candidates)
    np.testing.assert_array_equal(picks(first, policy, 6), picks(again, policy, 6))
    assert picks(first, policy, 6, 1).tolist() != picks(first, policy, 6, 2).tolist()


def test_kinds_are_found_anew_at_each_step_of_each_run(tmp_path, monkeypatch):
    seeds, found = [], strengthened_random_poses.k_means

    def noted(shapes, kinds, generator):
        seeds.append(generator.initial_seed())
        return found(shapes, kinds, generator)

    monkeypatch.setattr(strengthened_random_poses, "k_means", noted)
    task, policy = Estimates(), StrengthenedRandomPoses()
    for seed in (3, 4):
        (tmp_path / str(seed)).mkdir()
        game = poses_game(tmp_path / str(seed), task, policy.own_featuriser(task), seed=seed)
        for step in (0, 1, 1):
            offer(game, step)
    assert len(set(seeds)) == 4
    assert seeds[1] == seeds[2]


def test_more_kinds_than_candidates(tmp_path):
    policy = StrengthenedRandomPoses(kinds=40)
    observation = seen(tmp_path / "a", Estimates(), policy)
    assert len(set(picks(observation, policy, 24).tolist())) == 24


def test_refusals():
    with pytest.raises(QueristError, match="0 kinds"):
        StrengthenedRandomPoses(kinds=0)
    with pytest.raises(QueristError, match="HasSkeleton"):
        StrengthenedRandomPoses().check(ToyTask())
