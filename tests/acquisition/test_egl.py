import numpy as np
import pytest
import torch

from querist.acquisition.egl import ExpectedGradientLength
from querist.core.candidates import GlobalPool
from querist.core.split import Role
from querist.core.step import offer
from querist.errors import QueristError
from querist.kernels.perplexity import neighbour_weights
from toy_poses import ToyPoses, poses_game, poses_split


class Moved(ToyPoses):
    """A gradient of an image is as long as the difference of its unit from that of the neighbour."""

    def __init__(self):
        super().__init__()
        self.told = []

    def embedding_width(self):
        return 4

    def embed(self, units):
        return self.looks[units].astype(np.float32)

    def describe(self, units, fields, rng):
        return (
            {"embedding": self.embed(units)} if list(fields) == ["embedding"] else super().describe(units, fields, rng)
        )

    def expected_gradients(self, units, references, answers, nearest, weights, scope):
        self.told.append((references, answers, scope))
        return (weights * (units[:, None] - references[nearest]) ** 2).sum(axis=1).astype(np.float32)


def observe(folder, policy, task, split=None):
    policy.check(task)
    game = poses_game(folder, task, policy.own_featuriser(task), split)
    return game, offer(game, 0)


def test_scores_are_expectations_over_near_labelled_images(tmp_path):
    task, policy = Moved(), ExpectedGradientLength(perplexity=3.0, keep=5)
    _, seen = observe(tmp_path, policy, task)
    units, labelled = seen.groups.units[0], np.arange(24, 54)
    rows, references = (torch.from_numpy(task.embed(u)) for u in (units, labelled))
    weights, nearest = (t.numpy() for t in neighbour_weights(rows, references, 3.0, 5))
    expected = (weights * (units[:, None] - labelled[nearest]) ** 2).sum(axis=1)
    found = policy.select(seen, 3, np.random.default_rng(0))
    np.testing.assert_allclose(found.scores[0], np.sort(expected)[::-1][:3], rtol=1e-5)
    np.testing.assert_array_equal(units[found.indices[0]], units[np.argsort(-expected)[:3]])
    (references, answers, scope) = task.told[0]
    assert references.tolist() == labelled.tolist()
    assert answers is None
    assert scope == "head"


def test_labels_may_stand_for_themselves(tmp_path):
    task = Moved()
    game, _ = observe(tmp_path, ExpectedGradientLength(labelling="truth", scope="all"), task)
    (references, answers, scope) = task.told[0]
    np.testing.assert_array_equal(answers, game.task.truth(references))
    assert scope == "all"


def test_a_large_pool_is_looked_at_in_part():
    assert ExpectedGradientLength(limit=7).own_candidates("global", 1) == GlobalPool(7)
    assert ExpectedGradientLength(limit=None).own_candidates("global", 1) == GlobalPool(None)
    assert ExpectedGradientLength(limit=7).own_candidates("group", 1) is None


def test_without_labels_there_are_no_neighbours(tmp_path):
    split = poses_split()
    split.roles[split.roles == Role.START] = Role.UNUSED
    with pytest.raises(QueristError, match="labelled neighbours"):
        observe(tmp_path, ExpectedGradientLength(), Moved(), split)


@pytest.mark.parametrize(
    "wrong", [{"perplexity": 1.0}, {"keep": 0}, {"limit": 0}, {"scope": "tail"}, {"labelling": "guess"}]
)
def test_settings_out_of_range(wrong):
    with pytest.raises(QueristError, match=r"egl\+\+ with"):
        ExpectedGradientLength(**wrong)


def test_what_it_needs():
    with pytest.raises(QueristError, match="Embeds"):
        ExpectedGradientLength().check(ToyPoses())
