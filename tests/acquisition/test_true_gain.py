import numpy as np
import pytest

from querist.acquisition.registry import GroupForm, strategy
from querist.acquisition.true_gain import TrueGain
from querist.core.answers import Labels
from querist.core.ledger import Ledger
from querist.core.oracle import SimulatedOracle
from querist.core.split import Role, Split
from querist.core.step import Game, advance, offer
from querist.errors import QueristError
from tiny import SplitNet, tiny_task
from toy import ToyTask, toy_split


def toy_game(tmp_path, task, name="true_gain/global", split=None, batch=2, groups=None, given=()):
    chosen = strategy(name, task, groups)
    split = split or toy_split(task.pool.source_count)
    ledger = Ledger.create(tmp_path / "ledger.sqlite", {})
    number = ledger.start_game(task.pool, split, 12)
    given = np.array(given, dtype=np.int64)
    oracle = SimulatedOracle(task)
    return Game(
        ledger, number, 0, 3, task.pool, split, task, oracle, chosen.candidates, chosen.featuriser, batch, 5, given
    )


def select(game, policy, step=0):
    seen = offer(game, step)
    return seen, policy.select(seen, game.candidates.per_group(game.batch), game.stream("policy", step))


def reached(game, task, units, step=0):
    """The metric of a task of its own after the step's update on these units."""
    units = np.array(units, dtype=np.int64)
    old = game.view.labels()
    new = Labels(units, tuple(task.truth(units)), old.given[:0])
    all_ = Labels(np.concatenate([old.units, units]), old.answers + new.answers, old.given)
    task.fit(all_, new=new, steps=game.update, phase="step", rng=game.stream("fit", step))
    return task.evaluate(game.split.sources(Role.REWARD)).value


def test_each_pick_is_the_best_of_all_tried_one_by_one(tmp_path):
    task = ToyTask()
    game = toy_game(tmp_path, task, batch=3)
    seen, found = select(game, TrueGain(limit=7))
    pool = seen.groups.units[0, :7].tolist()
    picked, level = [], ToyTask().evaluate(game.split.sources(Role.REWARD)).value
    for place, score in zip(found.indices[0], found.scores[0], strict=True):
        values = {u: reached(game, ToyTask(), [*picked, u]) for u in pool if u not in picked}
        best = max(values, key=lambda u: values[u])
        assert seen.groups.units[0, place] == best
        assert score == pytest.approx(values[best] - level)
        picked, level = [*picked, best], values[best]
    game.ledger.close()


def test_what_was_promised_is_what_the_step_reaches(tmp_path):
    """The trial does the very update of the step: the metric afterwards is the one foreseen."""
    task = ToyTask()
    game = toy_game(tmp_path, task, given=[12, 13])
    before = task.evaluate(game.split.sources(Role.REWARD)).value
    outcome = advance(game, 0, lambda seen, k: TrueGain().select(seen, k, game.stream("policy", 0)))
    gain = task.evaluate(game.split.sources(Role.REWARD)).value - before
    assert gain == pytest.approx(outcome.selection.scores.sum())
    outcome = advance(game, 1, lambda seen, k: TrueGain().select(seen, k, game.stream("policy", 1)))
    assert len(game.view.labels().units) == 4
    game.ledger.close()


def test_pools_take_turns_on_top_of_each_others_picks(tmp_path):
    game = toy_game(tmp_path, ToyTask(), "true_gain/group", batch=3, groups=GroupForm(3, 4))
    seen, found = select(game, TrueGain(limit=3))
    picked = []
    for g in range(3):
        pool = seen.groups.units[g, :3].tolist()
        values = [reached(game, ToyTask(), [*picked, u]) for u in pool]
        assert found.indices[g, 0] == int(np.argmax(values))
        picked.append(pool[int(np.argmax(values))])
    game.ledger.close()


def test_in_groups_every_candidate_is_tried(tmp_path):
    """The default limit is for each pool, however many pools there are."""
    game = toy_game(tmp_path, ToyTask(), "true_gain/group", batch=6, groups=GroupForm(6, 2))
    tried = []
    policy = TrueGain()
    seen = offer(game, 0)
    for g, row in enumerate(policy.select(seen, 1, game.stream("policy", 0)).indices):
        alone = [reached(game, ToyTask(), [u]) for u in seen.groups.units[g].tolist()]
        tried.append((int(row[0]), int(np.argmax(alone))))
    assert tried[0][0] == tried[0][1]
    assert {place for place, _ in tried} == {0, 1}
    game.ledger.close()


def test_it_tries_at_least_as_many_as_it_must_pick(tmp_path):
    game = toy_game(tmp_path, ToyTask(), batch=3)
    assert sorted(select(game, TrueGain(limit=1))[1].indices[0].tolist()) == [0, 1, 2]
    game.ledger.close()


def test_a_real_task_is_left_bit_by_bit(tmp_path):
    task = tiny_task(model=SplitNet(3))
    labels = Labels(np.zeros(0, dtype=np.int64), (), np.array([5]))
    task.fit(labels, new=labels, steps=2, phase="start", rng=np.random.default_rng(0))
    roles = np.array([Role.POOL, Role.POOL, Role.POOL, Role.POOL, Role.REWARD, Role.START], dtype=np.int8)
    game = toy_game(tmp_path, task, split=Split(roles), given=[5])
    before = task.snapshot()
    asked = game.ledger.questions(game.id, game.pool)
    select(game, TrueGain(limit=2))
    after = task.snapshot()
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert not task.model.training
    assert game.ledger.questions(game.id, game.pool) == asked
    game.ledger.close()


def test_an_update_that_fails_leaves_the_task_too(tmp_path):
    class Breaks(ToyTask):
        def evaluate(self, sources):
            if self.weights.any():
                raise QueristError("it broke", "mend it")
            return super().evaluate(sources)

    task = Breaks()
    game = toy_game(tmp_path, task)
    with pytest.raises(QueristError, match="it broke"):
        select(game, TrueGain())
    assert not task.weights.any()
    game.ledger.close()


def test_without_a_reward_set_or_its_own_featuriser_it_says_so(tmp_path):
    roles = np.where(toy_split().roles == Role.REWARD, Role.UNUSED, toy_split().roles).astype(np.int8)
    game = toy_game(tmp_path, ToyTask(), split=Split(roles))
    with pytest.raises(QueristError, match="no reward set"):
        select(game, TrueGain())
    game.featuriser = strategy("random", game.task).featuriser
    with pytest.raises(QueristError, match="needs the game itself"):
        select(game, TrueGain())
    game.ledger.close()
    with pytest.raises(QueristError, match="limit of 0"):
        TrueGain(limit=0)
