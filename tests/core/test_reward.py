from types import SimpleNamespace

import numpy as np
import pytest

from querist.core.evaluation import paired_difference
from querist.core.observation import Groups, Observation, Schema
from querist.core.policy import Selection
from querist.core.questions import Question
from querist.core.reward import InfluenceGain, MetricGain, Timing
from querist.core.split import Role, Split
from querist.core.step import Outcome
from querist.errors import QueristError
from toy import ToyTask, toy_split


def a_game(task):
    def stream(name, step):
        return np.random.default_rng([ord(name[0]), step])

    return SimpleNamespace(task=task, split=toy_split(), stream=stream)


OUTCOMES = [SimpleNamespace(step=step) for step in range(3)]


@pytest.mark.parametrize("scale", [1.0, 100.0, -2.0])
def test_the_gain_is_the_scaled_difference_on_the_reward_set(scale):
    task = ToyTask()
    game, reward = a_game(task), MetricGain(scale)
    sources = game.split.sources(Role.REWARD)
    reward.begin(game)
    for step, weights in enumerate(([1.0, 1.0], [2.0, 1.0], [0.0, 0.0])):
        before = task.evaluate(sources)
        task.weights = np.array(weights)
        gain = reward.measure(game, OUTCOMES[step])
        value, error = paired_difference(before, task.evaluate(sources), game.stream("bootstrap", step))
        assert gain.value == pytest.approx(scale * value)
        assert gain.standard_error == pytest.approx(abs(scale) * error)
        assert gain.per_group is None
    assert reward.timing is Timing.AFTER_UPDATE


def test_a_model_that_did_not_change_gains_nothing_and_every_game_begins_anew():
    task = ToyTask()
    game, reward = a_game(task), MetricGain()
    reward.begin(game)
    gain = reward.measure(game, OUTCOMES[0])
    assert (gain.value, gain.standard_error) == (0.0, 0.0)
    task.weights = np.array([2.0, 1.0])
    reward.begin(game)
    assert reward.measure(game, OUTCOMES[0]).value == 0.0


def test_it_begins_before_it_measures():
    with pytest.raises(ValueError, match="begin"):
        MetricGain().measure(a_game(ToyTask()), OUTCOMES[0])


def test_a_game_without_a_reward_set_is_refused(tmp_path):
    task = ToyTask()
    roles = np.where(toy_split().roles == Role.REWARD, Role.UNUSED, toy_split().roles).astype(np.int8)
    game = SimpleNamespace(task=task, split=Split(roles))
    with pytest.raises(QueristError, match="no reward set"):
        MetricGain().begin(game)


def test_without_a_first_evaluation_the_first_reward_is_a_level_and_later_ones_are_gains():
    task = ToyTask()
    game, reward = a_game(task), MetricGain(10.0, evaluate_first=False)
    sources = game.split.sources(Role.REWARD)
    for _ in range(2):  # and so in every game
        reward.begin(game)
        levels = []
        for step, weights in enumerate(([1.0, 1.0], [2.0, 1.0], [0.0, 0.0])):
            before = task.evaluate(sources)
            task.weights = np.array(weights)
            gain = reward.measure(game, OUTCOMES[step])
            levels.append(task.evaluate(sources).value)
            expected = levels[0] if step == 0 else levels[step] - levels[step - 1]
            assert gain.value == pytest.approx(10 * expected)
            stream = game.stream("bootstrap", step)
            error = 0.0 if step == 0 else 10 * paired_difference(before, task.evaluate(sources), stream)[1]
            assert gain.standard_error == pytest.approx(error)


def test_without_a_first_evaluation_a_game_is_still_checked():
    game, reward = a_game(ToyTask()), MetricGain(evaluate_first=False)
    evaluate, game.task.evaluate = game.task.evaluate, None  # nothing is measured before the first question
    reward.begin(game)
    game.task.evaluate = evaluate
    with pytest.raises(ValueError, match="begin"):
        MetricGain(evaluate_first=False).measure(game, OUTCOMES[1])
    with pytest.raises(QueristError, match="no reward set"):
        reward.begin(SimpleNamespace(task=game.task, split=Split(np.zeros(20, dtype=np.int8))))


class Influential(ToyTask):
    """The worth of an answer is its first number times the model's first weight."""

    def influence(self, units, answers, sources):
        self.asked = (units.tolist(), sources.tolist())
        return np.array([a[0] * self.weights[0] for a in answers], dtype=np.float32)


def test_each_group_is_paid_its_own_answer_with_the_model_that_chose():
    """Three groups of two; the second asks nothing, the third's labeller could not tell."""
    task = Influential()
    game, reward = a_game(task), InfluenceGain()
    task.weights = np.array([3.0, 0.0])
    reward.begin(game)
    groups = Groups(np.array([[4, 5], [6, 7], [8, 9]]), np.ones((3, 2), dtype=bool))
    observation = Observation(groups, np.zeros((3, 2, 0), np.float32), Schema(()), np.zeros((3, 2, 1), np.int64))
    questions = [Question(0, 5, 0, 0, 1), Question(1, 8, 0, 1, 1)]
    chosen = Selection(np.array([[1], [-1], [0]]))
    outcome = Outcome(0, observation, chosen, questions, [np.array([7.0, 1.0]), None], {})
    before = task.evaluate(game.split.sources(Role.REWARD))
    task.weights = np.array([2.0, 1.0])  # it has learned meanwhile
    gain = reward.measure(game, outcome)
    assert gain.per_group.tolist() == [21.0, 0.0, 0.0]
    assert task.asked == ([5], game.split.sources(Role.REWARD).tolist())
    assert task.weights.tolist() == [2.0, 1.0]
    assert gain.value == pytest.approx(task.evaluate(game.split.sources(Role.REWARD)).value - before.value)
    assert reward.measure(game, outcome).per_group.tolist() == [14.0, 0.0, 0.0]


def test_a_task_that_cannot_tell_is_refused():
    with pytest.raises(QueristError, match="influence of single answers"):
        InfluenceGain().begin(a_game(ToyTask()))
