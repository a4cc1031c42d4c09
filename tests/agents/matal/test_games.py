from dataclasses import replace

import numpy as np
import pytest
import torch

from querist.agents.matal.agent import AGENT
from querist.agents.matal.config import FAITHFUL, SOUND
from querist.agents.matal.exploring import drawn, exploration, explorer
from querist.agents.matal.features import MatalFeaturiser
from querist.agents.matal.games import TeamPool, play, team_pool
from querist.agents.matal.partition import partitioned
from querist.agents.matal.spaces import Spaces, calibrate
from querist.core.pool import ColumnarPool
from querist.core.split import Role, Split
from querist.errors import QueristError
from toy_poses import ToyPoses, poses_game, poses_split

SETTINGS = replace(SOUND, bins=3, frequencies=16, reward="metric")


# Partitions -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "sets"), [(800, (240, 480, 80)), (80, (24, 48, 8)), (10, (3, 6, 1))])
def test_three_to_six_to_one(size, sets):
    """ALGORITHMS 2.1."""
    pool = ColumnarPool([f"i{i}" for i in range(size + 20)])
    outer = poses_split(size + 20, size, 10)
    found = partitioned(outer, pool, 3)
    assert tuple(len(found.sources(r)) for r in (Role.REWARD, Role.POOL, Role.START)) == sets
    assert len(found.sources(Role.UNUSED)) == 20
    assert (found.roles[outer.roles != Role.START] == Role.UNUSED).all()
    assert found.digest() == partitioned(outer, pool, 3).digest()
    assert found.digest() != partitioned(outer, pool, 3, turn=1).digest()


def test_a_partition_rewards_on_other_people_than_it_asks_about():
    pool = ColumnarPool([f"i{i}" for i in range(40)], subjects=np.arange(40) // 4)
    found = partitioned(Split(np.full(40, Role.START, np.int8)), pool, 0)
    found.check(pool)
    assert [len(found.sources(r)) for r in (Role.REWARD, Role.POOL, Role.START)] == [12, 24, 4]
    people = [set(pool.source_subjects[found.sources(r)]) for r in (Role.REWARD, Role.POOL, Role.START)]
    assert not people[0] & (people[1] | people[2])
    assert people[1] & people[2]  # what is labelled is drawn image by image


def test_as_printed_images_are_divided_whoever_they_show():
    """3:6:1 to the image, though subjects are of very different sizes."""
    pool = ColumnarPool([f"i{i}" for i in range(40)], subjects=np.repeat([0, 1, 2, 3], [30, 5, 3, 2]))
    outer = Split(np.full(40, Role.START, np.int8))
    shares = FAITHFUL.reward_share, FAITHFUL.labelled_share, FAITHFUL.apart
    found = partitioned(outer, pool, 0, 0, *shares)
    assert [len(found.sources(r)) for r in (Role.REWARD, Role.POOL, Role.START)] == [12, 24, 4]
    inner = AGENT.scene("faithful", {}, outer, pool, 0, 0)
    assert inner.digest() == found.digest() != AGENT.scene("sound", {}, outer, pool, 0, 0).digest()


def test_too_few_labels_make_no_partition():
    pool = ColumnarPool([f"i{i}" for i in range(4)])
    with pytest.raises(QueristError, match="4 labelled images of 4 subjects cannot be divided"):
        partitioned(Split(np.full(4, Role.START, np.int8)), pool, 0)


def test_more_labels_of_one_recording_are_not_advised():
    pool = ColumnarPool([f"i{i}" for i in range(40)], subjects=np.zeros(40, dtype=np.int64))
    with pytest.raises(
        QueristError, match=r"40 labelled images of 1 subjects .*\n  fix: label images of more subjects"
    ):
        partitioned(Split(np.full(40, Role.START, np.int8)), pool, 0)


# Exploration ----------------------------------------------------------------------------------------------------------


def test_exploration_falls_in_a_line_over_the_first_half():
    assert [exploration(SETTINGS, p) for p in (0, 0.25, 0.5, 1)] == pytest.approx([0.9, 0.475, 0.05, 0.05])


def takes(seed, settings, epsilon=1.0, n=200, k=20, rows=None):
    rows = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32) if rows is None else rows
    draw = explorer(rows, settings, epsilon, np.random.default_rng(seed), np.ones(4))
    return rows, draw, drawn(draw, len(rows), k)


def test_exploring_takes_no_image_twice():
    _, _, places = takes(1, SETTINGS, k=300)
    assert sorted(places) == list(range(200))


def test_coherent_batches_differ_more_than_uniform_ones():
    def spread(kind):
        means = []
        for seed in range(30):
            rows, _, places = takes(seed, replace(SETTINGS, exploration=kind))
            means.append(rows[places].mean(axis=0))
        return np.std(means, axis=0).mean()

    assert spread("coherent") > 2 * spread("uniform")


def test_uniform_exploration_is_uniform():
    counts = np.zeros(10)
    for seed in range(600):
        _, _, places = takes(seed, replace(SETTINGS, exploration="uniform"), k=2, rows=np.zeros((10, 4), np.float32))
        counts[places] += 1
    assert (np.abs(counts - 120) < 5 * np.sqrt(120)).all()


def test_each_agent_explores_by_itself():
    free = torch.ones(200, dtype=torch.bool)
    _, draw, _ = takes(0, SETTINGS, epsilon=1.0)
    sometimes = explorer(np.zeros((200, 4), np.float32), SETTINGS, 0.3, np.random.default_rng(0), np.ones(4))
    assert all(draw(m, free) is not None for m in range(20))
    explored = sum(sometimes(m, free) is not None for m in range(200))
    assert 35 < explored < 85
    nobody = explorer(np.zeros((5, 4), np.float32), SETTINGS, 0.0, np.random.default_rng(0), np.ones(4))
    assert all(nobody(m, torch.ones(5, dtype=torch.bool)) is None for m in range(5))


# Games ----------------------------------------------------------------------------------------------------------------


def a_game(folder, budget=9, **rest):
    task = ToyPoses()
    eyes = MatalFeaturiser(task, SETTINGS, calibrate(Spaces(task), task, np.arange(60), SETTINGS, 0))
    return poses_game(folder, task, eyes, partitioned(poses_split(), task.pool, 0), budget, episode=4, **rest)


def first(seen, k, step):
    return np.arange(min(k, seen.groups.mask.sum()))


def test_a_game_tells_what_a_team_learns_from(tmp_path):
    game = a_game(tmp_path)
    told = []
    played = play(game, replace(SETTINGS, gamma=0.9, offer="all", standardise_returns=False), first, 2, told.append)
    assert told == played.steps
    assert [s.place for s in played.steps] == [(2, 0), (2, 1), (2, 2)]
    assert len(played.rewards) == len(played.errors) == len(played.seen) == 3
    assert [s.reward for s in played.steps] == played.rewards
    for step, (state, rows) in zip(played.steps, played.seen, strict=True):
        np.testing.assert_array_equal(step.state, state)
        np.testing.assert_array_equal(step.actions, rows[:3])
    assert [len(rows) for _, rows in played.seen] == [18, 15, 12]
    np.testing.assert_array_equal(played.steps[0].after[1], played.seen[1][1])
    assert played.steps[-1].after is None
    assert played.seen[1][0][-1] == pytest.approx(3 / 9)  # of the game's own budget


def test_rewards_add_up_to_the_gain_on_the_reward_set(tmp_path):
    game = a_game(tmp_path)
    reward = game.split.sources(Role.REWARD)
    before = game.task.evaluate(reward).value
    played = play(game, SETTINGS, first)
    assert sum(played.rewards) == pytest.approx(game.task.evaluate(reward).value - before)
    assert played.steps[0].after is None  # nobody looks ahead


def test_each_agent_can_be_paid_for_its_own_image(tmp_path):
    """With the model that chose."""
    game = a_game(tmp_path)
    task, reward, told = game.task, game.split.sources(Role.REWARD), []
    before = {0: task.snapshot()}

    def noted(step):
        told.append((step, task.snapshot()))

    played = play(game, replace(SETTINGS, reward="influence", worth="amount"), first, told=noted)
    assert [s.reward.shape for s in played.steps] == [(3,)] * 3
    asked = [game.ledger.questions(game.id, game.pool, step) for step in range(3)]
    for number, (step, after) in enumerate(told):
        units = np.array([q.unit for q in asked[number]])
        task.restore(before[number])
        np.testing.assert_allclose(step.reward, task.influence(units, task.truth(units), reward), rtol=1e-5)
        before[number + 1] = after
        task.restore(after)
    assert sum(played.rewards) == pytest.approx(
        task.evaluate(reward).value - (task.restore(before[0]) or task.evaluate(reward).value)
    )


def test_what_others_could_have_taken_is_paid_alike(tmp_path):
    """Of 18 images three are taken: the other 15 are five more teams, and the ranks of all are evenly spread."""
    game = a_game(tmp_path, budget=3)
    worth = []

    def pick(seen, k, step):
        units = seen.groups.units[0, seen.groups.mask[0]]
        worth.extend(game.task.influence(units, game.task.truth(units), game.split.sources(Role.REWARD)))
        return first(seen, k, step)

    played = play(game, replace(SETTINGS, reward="influence"), pick, scene=2)
    (step,), ((_, rows),) = played.steps, played.seen
    assert len(played.imagined) == 5
    assert {(*s.place, s.after) for s in played.imagined} == {(2, 0, None)}
    both = [step, *played.imagined]
    paid = np.concatenate([s.reward for s in both])
    np.testing.assert_allclose(sorted(paid), np.sqrt(12) * ((np.arange(18) + 0.5) / 18 - 0.5))
    assert np.std(paid) == pytest.approx(1, abs=0.01)
    taken = {tuple(row): pay for s in both for row, pay in zip(s.actions, s.reward, strict=True)}
    by_worth = [taken[tuple(rows[place])] for place in np.argsort(worth)]
    assert by_worth == sorted(by_worth)


@pytest.mark.parametrize("changes", [{"learn_from": "taken"}, {"reward": "metric"}])
def test_nothing_is_imagined(tmp_path, changes):
    played = play(a_game(tmp_path), replace(SETTINGS, **{"reward": "influence", **changes}), first)
    assert played.imagined == []
    assert len(played.steps) == 3


def test_a_short_last_step_is_played_but_not_learned_from(tmp_path):
    played = play(a_game(tmp_path, budget=7), SETTINGS, first)
    assert len(played.rewards) == 3
    assert [len(s.actions) for s in played.steps] == [3, 3]


def test_the_pool_of_a_team():
    assert team_pool(SETTINGS, deployed=False) == TeamPool(None, False)
    assert team_pool(SETTINGS, deployed=True) == TeamPool(10_000, False)
    assert team_pool(replace(SETTINGS, candidates=0), deployed=True).limit is None
    alone = team_pool(replace(SETTINGS, team="single"), deployed=True)
    assert alone.per_group(20) == 1
    assert team_pool(SETTINGS, deployed=True).per_group(20) == 20
