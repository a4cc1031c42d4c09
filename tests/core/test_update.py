from dataclasses import replace

import numpy as np
import pytest

from querist.core.answers import Labels
from querist.core.candidates import GlobalPool
from querist.core.featuriser import FieldFeaturiser
from querist.core.finals import FinalTraining, undetermined
from querist.core.ledger import Ledger
from querist.core.oracle import Oracle, SilentOracle, SimulatedOracle
from querist.core.policy import Selection
from querist.core.split import Role
from querist.core.step import Game, advance, open_step, settle
from querist.core.update import Updates, due
from querist.errors import QueristError
from toy import ToyTask, toy_deployment, toy_split


@pytest.fixture
def new_game(tmp_path):
    ledgers = []

    def make(oracle=None, next_step=None, **more):
        task, split, path = ToyTask(), toy_split(), tmp_path / "run.sqlite"
        fresh = not path.exists()
        ledger = Ledger.create(path, {}) if fresh else Ledger.open(path)
        ledgers.append(ledger)
        number = ledger.start_game(task.pool, split, 40) if fresh else ledger.game()["id"]
        asks = oracle or SimulatedOracle(task), GlobalPool(), FieldFeaturiser(task, ["spread"])
        given = split.sources(Role.START)
        return Game(
            ledger, number, 0, 5, task.pool, split, task, *asks, 3, 4, given, next_step=next_step, **more
        )  # fmt: skip

    yield make
    for ledger in ledgers:
        ledger.close()


def head(seen, k):
    """The first k that are offered, scored by their places."""
    places = np.flatnonzero(seen.groups.mask[0])[:k]
    return Selection(places[None], np.arange(k)[None] / 2.0)


def tail(seen, k):
    return Selection(np.flatnonzero(seen.groups.mask[0])[-k:][None])


def play(game, steps, first=0):
    return [[q.unit for q in advance(game, step, head).questions] for step in range(first, first + steps)]


def test_at_once_an_update_learns_everything_and_its_own_window_is_new(new_game):
    game = new_game(update_every=2)
    asked = play(game, 4)
    assert due(game, 2) is None
    update = due(game, 3)
    assert update.labels.units.tolist() == [unit for step in asked for unit in step]
    assert update.new.units.tolist() == asked[2] + asked[3]
    assert update.labels.given.tolist() == [12, 13]
    assert update.stream.random() == game.stream("fit", 3).random()


def test_with_a_lag_it_learns_what_was_known_at_the_end_of_the_window_before(new_game):
    game = new_game(update_every=2, update_lag=1)
    asked = play(game, 2)
    assert due(game, 1) is None  # nothing was known before the first window
    ahead = due(game, 3)  # at its beginning
    asked += play(game, 2, first=2)
    now = due(game, 3)  # and at its end
    for update in (ahead, now):
        assert update.labels.units.tolist() == asked[0] + asked[1]
        assert update.new.units.tolist() == asked[0] + asked[1]
        assert update.steps == 4
    assert ahead.stream.random() == now.stream.random() == game.stream("fit", 1).random()
    assert ahead.unlabelled.tolist() == now.unlabelled.tolist()
    assert [fit[1:] for fit in game.task.fits] == [(6, 6)]


def test_what_had_not_been_asked_once_may_be_used_without_labels(new_game):
    game = new_game(update_lag=1)
    every = game.view.unlabelled()
    for step in range(10):  # 30 of 48 units: some sources have nothing left
        advance(game, step, head)
    assert game.view.spent_after(9) == 30
    assert len(game.view.unlabelled()) < len(every)
    np.testing.assert_array_equal(game.view.unlabelled(0), every)
    np.testing.assert_array_equal(game.view.unlabelled(30), game.view.unlabelled())
    with pytest.raises(KeyError):
        game.view.spent_after(10)


def test_a_selection_that_stands_is_not_made_again(new_game):
    game = new_game(oracle=SilentOracle())
    opened = open_step(game, 0, head)
    assert settle(game, opened) is None
    again = open_step(new_game(next_step=0, stands=True), 0, tail)
    assert again.questions == opened.questions
    np.testing.assert_array_equal(again.selection.indices, opened.selection.indices)
    np.testing.assert_array_equal(again.selection.scores, opened.selection.scores)
    with pytest.raises(QueristError, match="would be asked"):
        open_step(new_game(next_step=0), 0, tail)


def test_what_stands_must_have_been_offered(new_game, monkeypatch):
    open_step(new_game(oracle=SilentOracle()), 0, head)
    build = GlobalPool.build
    monkeypatch.setattr(GlobalPool, "build", lambda self, game, step: build(self, game, step + 1))  # another order
    with pytest.raises(QueristError, match="would be asked"):
        open_step(new_game(next_step=0, stands=True), 0, head)


class Later(Oracle):
    """Answers when it is told to."""

    def __init__(self):
        self.ready = []

    def submit(self, questions):
        self.asked = [q.id for q in questions]

    def collect(self):
        ready, self.ready = self.ready, []
        return iter([(question, np.array([1.0, 2.0])) for question in ready])


def test_a_step_goes_on_when_all_its_answers_are_there(new_game):
    oracle = Later()
    game = new_game(oracle=oracle)
    opened = open_step(game, 0, head)
    assert settle(game, opened) is None
    first, *rest = oracle.asked
    oracle.ready = [first]
    assert settle(game, opened) is None
    assert game.view.spent == 0
    oracle.ready = rest
    outcome = settle(game, opened)
    assert (outcome.step, len(outcome.answers), game.view.spent) == (0, 3, 3)


def test_a_final_training_leaves_the_model_as_it_was(new_game, tmp_path):
    game = new_game()
    play(game, 2)
    task, split = game.task, replace(toy_split())
    before, initial = task.snapshot(), ToyTask().snapshot()

    def final():
        return FinalTraining(6, game.view.labels(6), initial, 5, 20, split, tmp_path / "models")

    found = Updates().measure(game, 6, final)
    assert {name for name, _ in found} == {"reward", "test", "account"}
    assert sum(found["account", "final"][1]["bought"]) == 6
    assert all(np.array_equal(array, before[name]) for name, array in task.snapshot().items())
    task.load(tmp_path / "models" / "labels-000006.safetensors")
    again = ToyTask()
    final().run(again)
    np.testing.assert_array_equal(task.weights, again.weights)


def test_where_nobody_knows_the_truth_a_final_training_only_writes_its_model(tmp_path):
    task = ToyTask()
    nobody = type(toy_split())(np.full(20, Role.POOL, dtype=np.int8))
    labels = Labels(np.zeros(0, np.int64), (), np.zeros(0, np.int64))
    found = FinalTraining(6, labels, task.snapshot(), 5, 20, nobody, tmp_path).run(task)
    assert list(found) == [("account", "final")]
    assert found["account", "final"][1]["bought"] == []
    assert [path.name for path in tmp_path.iterdir()] == ["labels-000006.safetensors"]


def test_what_a_set_cannot_measure_is_counted(tmp_path, monkeypatch):
    plain = ToyTask.evaluate
    monkeypatch.setattr(
        ToyTask, "evaluate", lambda task, sources: replace(plain(task, sources), left_out=2 if sources[0] == 16 else 0)
    )
    with toy_deployment(tmp_path) as run:
        marks = [event.details["left_out"] for event in run.play() if event.kind == "mark"]
    assert marks == [{"test": 2}, {"test": 2}]  # of the test set, which begins with 16; nothing of the reward set


def test_parts_without_a_number_are_named():
    assert undetermined(("road", "car"), {"parts": [0.5, None]}) == ["car"]
    assert undetermined(("road", "car"), {}) == []
