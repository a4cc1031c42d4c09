import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.agents.matal.config import SOUND
from querist.agents.matal.features import MatalFeaturiser
from querist.agents.matal.retraining import LabelsBought, due
from querist.agents.matal.spaces import Spaces, calibrate
from querist.core.agent import Again
from querist.core.oracle import Oracle
from querist.core.policy import Selection
from querist.core.split import Role
from querist.core.step import advance
from querist.errors import QueristError
from toy_poses import ToyPoses, poses_game, poses_split


def retraining_marks(start: int, end: int, batch: int) -> list[int]:
    """How many images are labelled whenever a team is trained again in a deployment from `start` to `end`."""
    marks, last = [], start
    for labelled in range(start + batch, end, batch):
        if due(labelled, last, end - labelled):
            marks.append(labelled)
            last = labelled
    return marks


def test_three_retrainings_between_800_and_10000():
    """ALGORITHMS 10."""
    assert retraining_marks(800, 10_000, 40) == [1600, 3200, 6400]
    assert retraining_marks(10, 25, 3) == [22]
    assert retraining_marks(10, 20, 10) == []


def test_a_team_is_trained_again_when_its_labels_have_doubled_and_something_is_left():
    assert [due(labelled, 10, 5) for labelled in (10, 19, 20, 23)] == [False, False, True, True]
    assert not due(20, 10, 0)


@settings(max_examples=50)
@given(st.integers(1, 40), st.integers(0, 400), st.integers(1, 30))
def test_marks_are_the_first_steps_at_twice_the_last_mark(start, more, batch):
    steps, last = list(range(start + batch, start + more, batch)), start
    for mark in retraining_marks(start, start + more, batch):
        assert mark == min(step for step in steps if step >= 2 * last)
        last = mark
    assert not any(step >= 2 * last for step in steps)


@pytest.fixture
def bought(tmp_path):
    """A deployment that bought 12 labels beside the 20 it was given."""
    task = ToyPoses()
    untouched = task.snapshot()
    eyes = MatalFeaturiser(task, SOUND, calibrate(Spaces(task), task, np.arange(60), SOUND, 0))
    game = poses_game(tmp_path, task, eyes, split=poses_split(60, 20, 6))
    for step in range(4):
        advance(game, step, lambda _seen, _k: Selection(np.array([[0, 1, 2]])))
    return game, untouched


def test_a_stage_holds_all_labels_and_nothing_else(bought, tmp_path):
    game, untouched = bought
    stage = LabelsBought(Again(untouched, 3, 5, 5, 2))(game, tmp_path, SOUND, 0)
    labelled = set(range(34, 54)) | {int(u) for u in game.view.labels().units}
    assert set(stage.outer.sources(Role.START).tolist()) == labelled
    assert len(stage.scenes) == 3
    for scene in stage.scenes:
        used = np.flatnonzero(scene.inner.roles)
        assert set(used.tolist()) == labelled
        assert [len(scene.inner.sources(r)) for r in (Role.REWARD, Role.POOL, Role.START)] == [10, 13, 9]
    assert len({scene.inner.digest() for scene in stage.scenes}) == 3


def test_each_partition_begins_with_a_model_of_its_own_labels(bought, tmp_path, monkeypatch):
    """What a game's model has seen, the game cannot be about (ALGORITHMS 2.9-3)."""
    game, untouched = bought
    fitted = []
    fit = ToyPoses.fit

    def noted(self, labels, **rest):
        fitted.append((labels, self.weights.copy(), rest["phase"]))
        return fit(self, labels, **rest)

    monkeypatch.setattr(ToyPoses, "fit", noted)
    stage = LabelsBought(Again(untouched, 2, 5, 5, 2))(game, tmp_path, SOUND, 0)
    for scene, (labels, weights, phase) in zip(stage.scenes, fitted, strict=True):
        known = set(labels.given.tolist()) | set(game.pool.sources(labels.units)[:, 0].tolist())
        assert known == set(scene.inner.sources(Role.START).tolist())
        assert len(labels.units) == len(labels.answers)
        np.testing.assert_array_equal(weights, untouched["weights"])
        assert phase == "start"


def test_the_games_model_and_its_stand_in_learn_from_the_same_labels_and_no_others(bought, tmp_path, monkeypatch):
    game, untouched = bought
    fitted = []
    fit = ToyPoses.fit

    def noted(self, labels, **rest):
        fitted.append((self, labels))
        return fit(self, labels, **rest)

    monkeypatch.setattr(ToyPoses, "fit", noted)
    monkeypatch.setattr(ToyPoses, "rehearsal", lambda _self, _sources: ToyPoses(), raising=False)
    stage = LabelsBought(Again(untouched, 2, 5, 5, 2, rehearsal=True))(game, tmp_path, SOUND, 0)
    assert len(fitted) == 4
    for scene, (first, second) in zip(stage.scenes, (fitted[:2], fitted[2:]), strict=True):
        assert first[0] is game.task
        assert second[0] is scene.task is not game.task
        for _, labels in (first, second):
            known = labels.given.tolist() + game.pool.sources(labels.units).ravel().tolist()
            assert sorted(known) == scene.inner.sources(Role.START).tolist()


def test_another_seed_makes_other_partitions_and_the_same_one_the_same(bought, tmp_path):
    game, untouched = bought
    made = [
        [scene.inner.digest() for scene in LabelsBought(Again(untouched, 2, 5, 5, 2))(game, tmp_path, SOUND, n).scenes]
        for n in (4, 4, 5)
    ]
    assert made[0] == made[1]
    assert not set(made[0]) & set(made[2])


def test_labels_of_people_cannot_be_played_on_yet(bought, tmp_path):
    game, untouched = bought

    class Person(Oracle):
        def submit(self, questions): ...

        def collect(self):
            return iter(())

    game.oracle = Person()
    with pytest.raises(QueristError, match="not yet on those of people"):
        LabelsBought(Again(untouched, 2, 5, 5, 2))(game, tmp_path, SOUND, 0)
