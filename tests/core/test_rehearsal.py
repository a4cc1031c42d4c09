from dataclasses import replace

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

from querist.core.candidates import ClusterPools, GlobalPool
from querist.core.featuriser import FieldFeaturiser
from querist.core.ledger import Ledger, LedgerRuleError
from querist.core.pool import ColumnarPool
from querist.core.questions import Asking
from querist.core.rehearsal import Scene, Stage, halved
from querist.core.reward import MetricGain
from querist.core.split import Role, Split
from querist.errors import QueristError
from toy import PARTS, ToyTask


def a_split(start=7, sources=20):
    """Of 20: first the start, then 2 state, 3 reward, 4 test, 1 unused; the rest is the pool."""
    roles = np.full(sources, Role.POOL, dtype=np.int8)
    for role, first, count in ((Role.START, 0, start), (Role.STATE, start, 2), (Role.REWARD, start + 2, 3)):
        roles[first : first + count] = role
    roles[start + 5 : start + 9], roles[-1] = Role.TEST, Role.UNUSED
    return Split(roles)


def a_stage(folder, seed=1, start=7):
    task, outer = ToyTask(), a_split(start)
    scene = Scene(halved(outer, task.pool, seed), task, task.snapshot())
    return Stage(folder, task.pool, outer, (scene,), PARTS, 2, 4)


def rehearsal(stage, budget=6, keep_given=True):
    return stage.rehearse(FieldFeaturiser(stage.task, ["spread"]), budget, keep_given)


def play(environment, seed=None):
    """A game of first choices: (observations, rewards)."""
    seen, _ = environment.reset(seed=seed)
    observations, rewards, ended = [seen["candidates"]], [], False
    while not ended:
        first = seen["mask"].argmax(axis=1)
        seen, reward, ended, _, _ = environment.step(first[:, None])
        observations.append(seen["candidates"])
        rewards.append(reward)
    return observations, rewards


@given(start=st.integers(0, 9), seed=st.integers(0, 100))
def test_the_halves_are_the_start_and_everybody_else_keeps_out(start, seed):
    outer = a_split(start)
    inner = halved(outer, ToyTask().pool, seed)
    begins, offered = inner.sources(Role.START), inner.sources(Role.POOL)
    assert not set(begins) & set(offered)
    assert sorted([*begins, *offered]) == outer.sources(Role.START).tolist()
    assert len(offered) - len(begins) in (0, 1)  # an odd one may be asked about
    for role in (Role.STATE, Role.REWARD):
        np.testing.assert_array_equal(inner.sources(role), outer.sources(role))
    for role in (Role.POOL, Role.TEST, Role.UNUSED):
        assert (inner.roles[outer.roles == role] == Role.UNUSED).all()
    assert inner.digest() == halved(outer, ToyTask().pool, seed).digest()


def test_a_subject_is_in_one_half_with_all_its_images():
    """Twelve images of 4 people, 3 each: two people begin and two are asked about."""
    people = ColumnarPool([f"s{i}" for i in range(14)], subjects=np.r_[np.repeat([7, 5, 9, 6], 3), 1, 2])
    outer = Split(np.r_[np.full(12, Role.START), Role.REWARD, Role.TEST])
    met = set()
    for seed in range(8):
        inner = halved(outer, people, seed)
        begin, offered = ({*people.source_subjects[inner.sources(r)].tolist()} for r in (Role.START, Role.POOL))
        assert len(begin) == len(offered) == 2
        assert begin | offered == {5, 6, 7, 9}
        assert len(inner.sources(Role.START)) == 6
        inner.check(people)
        met.add(frozenset(begin))
    assert len(met) > 2


def test_the_halves_depend_on_the_seed():
    assert len({halved(a_split(), ToyTask().pool, seed).digest() for seed in range(10)}) > 5


def test_games_charge_nobody(tmp_path):
    stage = a_stage(tmp_path)
    games = rehearsal(stage)
    environment = games.environment(ClusterPools(2, 3), MetricGain())
    for _ in range(2):
        play(environment)
    number = environment.game.id
    games.close()
    ledger = Ledger.read(tmp_path / "games.sqlite")
    assert ledger.money(1) == (0, 0)
    assert ledger.counts(1) == {"questions": 0, "answers": 0}
    assert ledger.money(number) == (6, 6)
    assert ledger.given(1) == {"start": 7 * PARTS}
    asked = stage.pool.sources(np.array([q.unit for q in ledger.questions(number, stage.pool)]))[:, 0]
    assert set(asked) <= set(stage.scenes[0].inner.sources(Role.POOL))
    ledger.close()


def test_every_game_starts_from_the_first_weights(tmp_path):
    stage = a_stage(tmp_path)
    stage.task.weights = np.array([0.5, -1.0])
    stage.task.momentum = np.array([0.1, 0.2])
    scene = stage.scenes[0]
    games = rehearsal(replace(stage, scenes=(replace(scene, first=stage.task.snapshot()),)))
    environment = games.environment(GlobalPool(), MetricGain())
    for _ in range(2):
        environment.reset()
        np.testing.assert_array_equal(stage.task.weights, [0.5, -1.0])
        np.testing.assert_array_equal(stage.task.momentum, [0.1, 0.2])
        environment.step(np.array([[0, 1]]))
        assert not np.array_equal(stage.task.weights, [0.5, -1.0])
    games.close()


@pytest.mark.parametrize(("recipe", "agent", "given"), [(True, True, 3), (True, False, 0), (False, True, 0)])
def test_games_learn_from_the_given_half_if_both_want_it(tmp_path, recipe, agent, given):
    games = rehearsal(replace(a_stage(tmp_path), keep_given=recipe), keep_given=agent)
    environment = games.environment(ClusterPools(2, 3), MetricGain())
    environment.reset(seed=0)
    assert len(environment.game.view.labels().given) == given
    games.close()


def test_a_game_is_a_function_of_seed_and_episode(tmp_path):
    games = rehearsal(a_stage(tmp_path))
    environment = games.environment(ClusterPools(2, 3), MetricGain())
    first, later, again = play(environment, 5), play(environment), play(environment, 5)
    games.close()
    assert first[1] == again[1]
    for a, b in zip(first[0], again[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert first[1] != later[1]


def test_gymnasium_accepts_it(tmp_path):
    games = rehearsal(a_stage(tmp_path))
    check_env(games.environment(ClusterPools(2, 3), MetricGain()), skip_render_check=True)
    games.close()


@pytest.mark.parametrize("role", [Role.POOL, Role.REWARD, Role.STATE, Role.TEST])
def test_the_ledger_refuses_what_was_not_given(tmp_path, role):
    """Even if the split of the games were wrong: the deployment's labels are not there yet, the others' not to buy."""
    stage = a_stage(tmp_path)
    source = int(stage.outer.sources(role)[0])
    roles = stage.scenes[0].inner.roles.copy()
    roles[source] = Role.POOL
    games = rehearsal(replace(stage, scenes=(replace(stage.scenes[0], inner=Split(roles)),)))

    def ask():
        game = games.new_game(GlobalPool(), 0, 1)
        game.ledger.ask(game.id, 0, game.pool, [Asking(source * PARTS)], {})

    with pytest.raises(LedgerRuleError, match=r"never bought|test image"):
        ask()
    games.close()


def test_the_given_half_is_not_asked_about(tmp_path):
    stage = a_stage(tmp_path)
    games = rehearsal(stage)
    game = games.new_game(GlobalPool(), 0, 1)
    with pytest.raises(LedgerRuleError, match="outside the pool"):
        game.ledger.ask(game.id, 0, game.pool, [Asking(int(stage.scenes[0].inner.sources(Role.START)[0]) * PARTS)], {})
    games.close()


@pytest.mark.parametrize("keep_given", [True, False])
def test_the_task_learns_from_the_given_half_or_does_not(tmp_path, monkeypatch, keep_given):
    stage, learned = a_stage(tmp_path), []
    fit = stage.task.fit

    def spy(labels, **rest):
        learned.append((rest["phase"], labels.given.tolist(), len(labels.units)))
        return fit(labels, **rest)

    monkeypatch.setattr(stage.task, "fit", spy)
    games = rehearsal(stage, 4, keep_given)
    play(games.environment(ClusterPools(2, 3), MetricGain()))
    games.close()
    given = stage.scenes[0].inner.sources(Role.START).tolist() if keep_given else []
    assert learned == [("step", given, 2), ("step", given, 4)]


def test_a_budget_beyond_the_half_is_refused(tmp_path):
    stage = a_stage(tmp_path)  # 4 of 7 images of 4 units
    with pytest.raises(
        QueristError, match="games of 17 questions, but their pool, a part of the starting set, has only 16"
    ) as caught:
        rehearsal(stage, 17)
    assert "lower" in caught.value.fix
    assert not (tmp_path / "games.sqlite").exists()
    rehearsal(stage, 16).close()


def test_games_take_turns_in_the_scenes_and_one_scene_is_kept(tmp_path):
    task, outer = ToyTask(), a_split()
    scenes = [
        Scene(halved(outer, task.pool, 0, turn), task, {**task.snapshot(), "weights": np.full(2, turn)})
        for turn in range(4)
    ]
    stage = Stage(tmp_path, task.pool, outer, tuple(scenes[:3]), PARTS, 2, 4, scenes[3])
    featuriser = FieldFeaturiser(task, ["spread"])
    games, kept = (stage.rehearse(featuriser, 4, unseen=unseen) for unseen in (False, True))
    for episode in range(1, 7):
        game = games.new_game(GlobalPool(), 0, episode)
        assert game.split.digest() == scenes[episode % 3].inner.digest()
        assert (game.task.snapshot()["weights"] == episode % 3).all()
        assert kept.new_game(GlobalPool(), 0, episode).split.digest() == scenes[3].inner.digest()
    assert len({scene.inner.digest() for scene in scenes}) == 4
    games.close()
    kept.close()
