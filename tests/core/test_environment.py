import itertools

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from querist.core.candidates import ClusterPools, GlobalPool
from querist.core.environment import QueryEnvironment
from querist.core.featuriser import FieldFeaturiser
from querist.core.ledger import Ledger, LedgerRuleError
from querist.core.oracle import SimulatedOracle
from querist.core.reward import MetricGain
from querist.core.split import Role, Split
from querist.core.step import Game
from toy import ToyTask, toy_split


def make(tmp_path, scale=1.0, candidates=None, budget=6, batch=2):
    task, outer = ToyTask(), toy_split()
    ledger = Ledger.create(tmp_path / "ledger.sqlite", {})
    parent = ledger.start_game(task.pool, outer, 8, given={"start": (outer.sources(Role.START), 4)})
    inner = Split(np.where(outer.roles == Role.START, Role.POOL, np.where(outer.roles == Role.REWARD, Role.REWARD, 0)))
    first = task.snapshot()
    counter = itertools.count(1)

    def new_game(seed: int, episode: int) -> Game:
        task.restore(first)
        game = ledger.start_game(task.pool, inner, budget, "inner", next(counter), parent)
        features = FieldFeaturiser(task, ["spread", "both"])
        oracle = SimulatedOracle(task)
        offered = candidates or ClusterPools(2, 3)
        none = np.zeros(0, dtype=np.int64)
        return Game(
            ledger,
            game,
            episode,
            seed,
            task.pool,
            inner,
            task,
            oracle,
            offered,
            features,
            batch,
            4,
            none,
        )

    return QueryEnvironment(new_game, MetricGain(scale)), ledger, task


def test_gymnasium_accepts_it(tmp_path):
    environment, _, _ = make(tmp_path)
    check_env(environment, skip_render_check=True)


def test_a_pool_that_shrinks_stays_in_the_space(tmp_path):
    environment, _, _ = make(tmp_path, candidates=GlobalPool())
    seen, _ = environment.reset(seed=0)
    assert seen["mask"].sum() == 8
    seen, *_ = environment.step(np.array([[0, 1]]))
    assert environment.observation_space.contains(seen)
    assert (seen["mask"].shape, seen["mask"].sum()) == ((1, 8), 6)


def test_rewards_are_the_gains_and_add_up(tmp_path):
    environment, ledger, task = make(tmp_path, scale=100.0)
    environment.reset(seed=5)
    sources = environment.game.split.sources(Role.REWARD)
    before = task.evaluate(sources).value
    total, ended, steps = 0.0, False, 0
    while not ended:
        _, reward, ended, truncated, info = environment.step(np.zeros((2, 1), dtype=np.int64))
        assert info["reward_standard_error"] >= 0
        assert not truncated
        total, steps = total + reward, steps + 1
    assert steps == 3  # a budget of 6 at 2 per step
    assert total == pytest.approx(100 * (task.evaluate(sources).value - before))
    assert ledger.money(environment.game.id) == (6, 6)
    assert ledger.money(1) == (0, 8)  # an episode charges the deployment nothing


def test_episodes_may_only_use_what_was_bought(tmp_path):
    _, ledger, task = make(tmp_path)
    stranger = Split(np.full(20, Role.POOL, dtype=np.int8) * (np.arange(20) < 3))
    game = ledger.start_game(task.pool, stranger, 6, "inner", 99, 1)
    from querist.core.ledger import Asking

    with pytest.raises(LedgerRuleError, match="never bought"):
        ledger.ask(game, 0, task.pool, [Asking(0)], {})


def test_an_action_outside_the_mask_asks_nothing(tmp_path):
    environment, ledger, _ = make(tmp_path)
    environment.reset(seed=1)
    environment.observation.groups.mask[0, 2] = False
    with pytest.raises(ValueError, match="mask"):
        environment.step(np.array([[2], [0]]))
    assert ledger.money(environment.game.id) == (0, 6)


def test_a_seed_fixes_the_episode(tmp_path):
    environment, _, _ = make(tmp_path)
    first, _ = environment.reset(seed=7)
    second, _ = environment.reset(seed=7)
    third, _ = environment.reset()
    np.testing.assert_array_equal(first["candidates"], second["candidates"])
    assert not np.array_equal(first["candidates"], third["candidates"])


def test_what_the_last_money_did_not_buy_is_told(tmp_path):
    environment, ledger, _ = make(tmp_path, budget=5)
    environment.reset(seed=0)
    asked, ended = [], False
    while not ended:
        _, _, ended, _, info = environment.step(np.zeros((2, 1), dtype=np.int64))
        asked.append(info["asked"].tolist())
    assert asked == [[[True], [True]], [[True], [True]], [[True], [False]]]
    assert ledger.money(environment.game.id) == (5, 5)


def test_groups_that_have_gone_were_not_asked(tmp_path):
    environment, _, _ = make(tmp_path, candidates=ClusterPools(3, 3), budget=8, batch=3)  # 8 units, then 5, then 2
    environment.reset(seed=0)
    for left in (3, 3, 2):
        here = environment._seen()["mask"].any(axis=1)
        assert here.sum() == left
        *_, info = environment.step(np.where(here, 0, -1)[:, None])
        assert info["asked"][:, 0].tolist() == here.tolist()
