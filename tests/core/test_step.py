import numpy as np
import pytest

from querist.core.candidates import ClusterPools, GlobalPool
from querist.core.featuriser import FieldFeaturiser
from querist.core.ledger import Ledger
from querist.core.oracle import Oracle, SilentOracle, SimulatedOracle
from querist.core.policy import Selection
from querist.core.split import Role
from querist.core.step import Game, advance, offer
from querist.errors import QueristError
from toy import ToyTask, toy_split


class Recording(ToyTask):
    """Remembers what every fit was given."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def fit(self, labels, *, new, unlabelled=None, steps, phase, rng):
        first = rng.random()
        self.seen.append((labels.units.tolist(), new.units.tolist(), new.given.tolist(), steps, phase, first))
        return super().fit(labels, new=new, steps=steps, phase=phase, rng=rng)


class Unsure(Oracle):
    """Cannot tell what it is asked first."""

    def __init__(self):
        self.asked = []

    def submit(self, questions):
        self.asked += questions

    def collect(self):
        for place, question in enumerate(self.asked):
            yield question.id, None if place == 0 else np.array([float(question.unit), 0.0])
        self.asked = []


@pytest.fixture
def new_game(tmp_path):
    ledgers = []

    def make(budget=20, oracle=None, candidates=None, name="run", next_step=None, update_every=1, batch=3):
        task, split = Recording(), toy_split()
        path = tmp_path / f"{name}.sqlite"
        fresh = not path.exists()
        ledger = Ledger.create(path, {}) if fresh else Ledger.open(path)
        ledgers.append(ledger)
        number = ledger.start_game(task.pool, split, budget) if fresh else ledger.game()["id"]
        given = split.sources(Role.START)
        features = FieldFeaturiser(task, ["spread"])
        asks = oracle or SimulatedOracle(task), candidates or GlobalPool(), features, batch
        return Game(ledger, number, 0, 5, task.pool, split, task, *asks, 4, given, update_every, next_step)

    yield make
    for ledger in ledgers:
        ledger.close()


def head(seen, k):
    """The first k of every group."""
    mask = seen.groups.mask
    ranked = np.argsort(~mask, axis=1, kind="stable")[:, :k]
    scores = np.tile(np.arange(k) / 2, (len(mask), 1))
    return Selection(np.where(np.take_along_axis(mask, ranked, axis=1), ranked, -1), scores)


def test_a_step_asks_learns_and_tells(new_game):
    game = new_game()
    outcome = advance(game, 0, head)
    offered = outcome.observation.groups.units[0, :3].tolist()
    assert [q.unit for q in outcome.questions] == offered
    assert [q.score for q in outcome.questions] == [0.0, 0.5, 1.0]
    np.testing.assert_array_equal(np.stack(outcome.answers), np.stack(game.task.truth(np.array(offered))))
    assert game.ledger.money(game.id) == (3, 20)
    assert game.ledger.step_details(game.id, 0) == {"offer": outcome.observation.groups.digest()}
    assert set(outcome.log) == {"seconds_select", "seconds_step", "loss"}
    stream = game.stream("fit", 0).random()
    assert game.task.seen == [(offered, offered, [], 4, "step", stream)]
    second = advance(game, 1, head)
    later = [q.unit for q in second.questions]
    assert not set(later) & set(offered)
    assert game.task.seen[1][:3] == (offered + later, later, [])


def test_the_last_step_is_as_short_as_the_budget(new_game):
    game = new_game(budget=4)
    assert [len(advance(game, step, head).questions) for step in range(3)] == [3, 1, 0]
    assert game.ledger.money(game.id) == (4, 4)
    assert len(game.task.seen) == 2  # nothing was asked, nothing is learned


def test_one_question_of_every_group_in_their_order(new_game):
    game = new_game(candidates=ClusterPools(3, 5))
    outcome = advance(game, 0, head)
    assert [q.unit for q in outcome.questions] == outcome.observation.groups.units[:, 0].tolist()


def test_a_pool_with_nothing_left_asks_nothing(new_game):
    for candidates in (GlobalPool(), ClusterPools(3, 5)):
        game = new_game(budget=90, candidates=candidates, name=str(candidates))
        asked = 0
        for step in range(30):
            questions = advance(game, step, head).questions
            asked += len(questions)
            if not questions:
                break
        assert asked == 48  # 12 sources of 4 units
        assert game.view.exhausted


def test_cannot_tell_costs_and_teaches_nothing(new_game):
    game = new_game(oracle=Unsure())
    outcome = advance(game, 0, head)
    assert outcome.answers[0] is None
    assert game.ledger.money(game.id) == (3, 20)
    units = [q.unit for q in outcome.questions]
    assert game.task.seen[0][:2] == (units[1:], units[1:])
    assert not set(offer(game, 1).groups.flat.tolist()) & set(units)  # and it is not asked again


def test_waiting_for_people_and_going_on(new_game):
    whole = advance(new_game(name="whole"), 0, head)
    game = new_game(oracle=SilentOracle())
    assert advance(game, 0, head) is None
    questions = game.ledger.questions(game.id, game.pool)
    assert [q.unit for q in questions] == [q.unit for q in whole.questions]
    game.ledger.answer(questions[1].id, game.task.truth(np.array([questions[1].unit]))[0])
    assert advance(new_game(oracle=SilentOracle(), next_step=0), 0, head) is None  # one of three is here
    resumed = new_game(next_step=0)
    outcome = advance(resumed, 0, head)
    assert resumed.ledger.money(1) == (3, 20)  # paid once
    assert [q.id for q in outcome.questions] == [q.id for q in questions]
    # What the fit sees stands in the order in which the answers came.
    assert resumed.task.seen[0][1] == [questions[i].unit for i in (1, 0, 2)]


def test_a_step_at_the_end_of_the_budget_is_taken_up_too(new_game):
    assert advance(new_game(budget=3, oracle=SilentOracle()), 0, head) is None
    assert len(advance(new_game(budget=3, next_step=0), 0, head).questions) == 3


@pytest.mark.parametrize("change", ["order", "fewer", "other"])
def test_another_selection_than_the_recorded_one_is_an_error(new_game, change):
    assert advance(new_game(oracle=SilentOracle()), 0, head) is None
    game = new_game(next_step=0)
    was = game.ledger.questions(game.id, game.pool)

    def otherwise(seen, k):
        indices = {"order": [[1, 0, 2]], "fewer": [[0, 1, -1]], "other": [[0, 1, 5]]}[change]
        return Selection(np.array(indices))

    place = {"order": 0, "fewer": 2, "other": 2}[change]
    name = game.pool.name(was[place].unit)
    with pytest.raises(QueristError, match=f"step 0 asked about {name} in place {place}, but now"):
        advance(game, 0, otherwise)
    assert game.ledger.counts(1) == {"questions": 3, "answers": 0}
    assert game.task.seen == []


def test_an_offer_that_changed_is_an_error_even_if_the_selection_is_the_same(new_game):
    assert advance(new_game(oracle=SilentOracle()), 0, head) is None
    game = new_game(next_step=0, candidates=GlobalPool(limit=40))
    with pytest.raises(QueristError, match="step 0"):
        advance(game, 0, head)


def test_updates_may_wait_for_several_steps(new_game):
    game = new_game(update_every=3)
    for step in range(6):
        advance(game, step, head)
    assert [len(labels) for labels, *_ in game.task.seen] == [9, 18]


def test_a_late_correction_is_not_taken_for_a_new_label(new_game):
    """Neither one that adds a label to an older step nor one that takes it away shifts what is new."""
    game = new_game(oracle=Unsure())
    first = advance(game, 0, head).questions
    game.ledger.answer(first[0].id, np.array([1.0, 1.0]), revision=1)
    second = advance(game, 1, head).questions
    labels, new = game.task.seen[1][:2]
    assert new == [q.unit for q in second[1:]]
    assert sorted(labels) == sorted(q.unit for q in first + second[1:])
    game.ledger.answer(first[1].id, None, revision=1)
    third = advance(game, 2, head).questions
    assert game.task.seen[2][1] == [q.unit for q in third[1:]]


def test_streams_differ_by_purpose_step_and_episode(new_game):
    game = new_game()
    game_two = new_game()
    game_two.episode = 1
    numbers = [game.stream("fit", 0), game.stream("fit", 1), game.stream("policy", 0), game_two.stream("fit", 0)]
    assert len({g.random() for g in numbers}) == 4
