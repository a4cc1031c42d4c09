import numpy as np
import pytest

from querist.acquisition.mcd_cke import McdCke
from querist.core.observation import Field
from querist.core.step import offer
from querist.errors import QueristError
from toy_poses import JOINTS, ToyPoses, poses_game


class Doubtful(ToyPoses):
    """Its mean poses lie on a line; it doubts some of them."""

    fields = {  # noqa: RUF012
        "pose_mean": Field("pose_mean", (2 * JOINTS,)),
        "pose_spread": Field("pose_spread", (2 * JOINTS,), 0.0),
    }

    def __init__(self):
        super().__init__()
        self.at, self.doubt = np.zeros(60), np.zeros(60)

    def describe(self, units, fields, rng):
        one = np.zeros((len(units), 2 * JOINTS), np.float32)
        mean, spread = one.copy(), one.copy()
        mean[:, 0], spread[:, 0] = self.at[units], self.doubt[units]
        return {"pose_mean": mean, "pose_spread": spread}


def picks(folder, at, doubt, k, policy=None):
    """Which units of the pool come first; labelled ones lie at 0."""
    task, policy = Doubtful(), policy or McdCke()
    task.at[: len(at)], task.doubt[: len(doubt)] = at, doubt
    policy.check(task)
    game = poses_game(folder, task, policy.own_featuriser(task))
    seen = offer(game, 0)
    found = policy.select(seen, k, np.random.default_rng(0))
    return seen.groups.units[0, found.indices[0]].tolist(), found.scores[0].tolist()


def test_without_doubt_it_is_core_set(tmp_path):
    """At 1, 4.5, 10 and 6, labelled at 0: first 10, then 4.5, which is farther from 0 than 6 is from 10, then 6."""
    units, scores = picks(tmp_path, [1, 4.5, 10, 6], [], 3)
    assert units == [2, 1, 3]
    assert scores == pytest.approx([10, 4.5, 1.5])


def test_doubt_draws_an_estimate_towards_zero(tmp_path):
    """10 with a deviation of 20 stands at 4, and -8 with one of 5 at -6.5."""
    units, scores = picks(tmp_path, [7, 10, -8], [0, 20, 5], 3)
    assert units == [0, 2, 1]
    assert scores == pytest.approx([7, 6.5, 3], rel=1e-4)
    (tmp_path / "plain").mkdir()
    assert picks(tmp_path / "plain", [7, 10, -8], [0, 20, 5], 2, McdCke(0.0))[0] == [1, 2]


def test_what_is_labelled_is_drawn_towards_zero_as_well(tmp_path):
    """Labelled at 10 with a deviation of 20, it stands at 4: farther from 10.5 than from -1."""
    at, doubt = np.zeros(60), np.zeros(60)
    at[:24], at[:2], at[24:], doubt[24:] = 4, (10.5, -1), 10, 20
    units, scores = picks(tmp_path, at, doubt, 1)
    assert (units, scores) == ([0], pytest.approx([6.5]))


def test_refusals():
    with pytest.raises(QueristError, match="share of -1"):
        McdCke(-1)
    with pytest.raises(QueristError, match="needs the field 'pose_mean'"):
        McdCke().check(ToyPoses())
