import numpy as np
import pytest

from querist.agents.matal.config import SOUND
from querist.agents.matal.features import MatalFeaturiser
from querist.agents.matal.retraining import LabelsBought
from querist.agents.matal.spaces import Spaces, calibrate
from querist.core.agent import Again
from querist.core.oracle import Oracle
from querist.core.policy import Selection
from querist.core.split import Role
from querist.core.step import advance
from querist.errors import QueristError
from toy_poses import ToyPoses, poses_game, poses_split


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
    stage = LabelsBought(Again(untouched, 3, 5, 5, 2))(game, tmp_path)
    labelled = set(range(34, 54)) | {int(u) for u in game.view.labels().units}
    assert set(stage.outer.sources(Role.START).tolist()) == labelled
    assert len(stage.scenes) == 3
    for scene in stage.scenes:
        used = np.flatnonzero(scene.inner.roles)
        assert set(used.tolist()) == labelled
        assert [len(scene.inner.sources(r)) for r in (Role.REWARD, Role.POOL, Role.START)] == [10, 19, 3]
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
    stage = LabelsBought(Again(untouched, 2, 5, 5, 2))(game, tmp_path)
    for scene, (labels, weights, phase) in zip(stage.scenes, fitted, strict=True):
        known = set(labels.given.tolist()) | set(game.pool.sources(labels.units)[:, 0].tolist())
        assert known == set(scene.inner.sources(Role.START).tolist())
        assert len(labels.units) == len(labels.answers)
        np.testing.assert_array_equal(weights, untouched["weights"])
        assert phase == "start"


def test_labels_of_people_cannot_be_played_on_yet(bought, tmp_path):
    game, untouched = bought

    class Person(Oracle):
        def submit(self, questions): ...

        def collect(self):
            return iter(())

    game.oracle = Person()
    with pytest.raises(QueristError, match="not yet on those of people"):
        LabelsBought(Again(untouched, 2, 5, 5, 2))(game, tmp_path)
