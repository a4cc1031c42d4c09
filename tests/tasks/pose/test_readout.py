from dataclasses import replace

import numpy as np
import pytest
import torch

from querist.core.capabilities import EstimatesInfluence, HasSkeleton, KnowsTruth
from querist.core.rehearsal import Scene, Stage
from querist.core.split import Role, Split
from querist.kernels.ridge import masked_ridge
from querist.tasks.pose.deep_prior import DeepPrior
from querist.tasks.pose.frame import in_frame, normalised
from querist.tasks.pose.heatmaps import gaussians, read_places
from querist.tasks.pose.measures import Metric
from querist.tasks.pose.process import Images, bandwidth_of, gains
from querist.tasks.pose.readout_features import cells_of
from tiny_pose_task import GIVEN, POOL, about, depths, limbs, tiny_task

PLAYED = np.arange(20)
REWARD = np.arange(14, 20)


def rng(seed=0):
    return np.random.default_rng(seed)


def of_hands():
    torch.manual_seed(0)
    model = DeepPrior(3, channels=2, hidden=4, size=40)
    data = depths()
    data = replace(data, images=(np.pad(data.images[0], ((0, 0), (4, 4), (4, 4), (0, 0)), "edge"),))
    return tiny_task(data, model, metric=Metric("mm"), objective="coordinate_mse")


@pytest.fixture(params=[tiny_task, of_hands])
def games(request):
    return request.param().rehearsal(PLAYED)


def fit(games, units, given=GIVEN[:4], **changes):
    labels = about(games, units, given)
    return games.fit(labels, new=labels, **({"steps": 1, "phase": "step", "rng": rng()} | changes))


def test_features_of_cells_are_white():
    games = tiny_task().rehearsal(PLAYED)
    cells = games._kept.cells.flatten(0, 2).double()
    assert (cells[:, -1] == 1).all()
    varied = cells[:, :-1]
    torch.testing.assert_close(varied.mean(dim=0), torch.zeros(varied.shape[1]).double(), atol=1e-4, rtol=0)
    second = varied.T @ varied / len(varied)
    torch.testing.assert_close(second, torch.eye(len(second)).double(), atol=1e-3, rtol=0)


def test_features_of_whole_images_keep_their_distances():
    task = of_hands()
    games = task.rehearsal(PLAYED)
    with torch.inference_mode():
        last = torch.cat([seen.last for _, seen in task.looks(PLAYED)]).double()
    kept = games._kept.cells[:, 0, 0].double()
    assert kept.shape == (20, 21)  # as many directions as images, and the constant
    scale = (last - last.mean(dim=0)).square().sum(dim=1).mean().sqrt()
    torch.testing.assert_close(torch.cdist(kept, kept), torch.cdist(last, last) / scale, atol=1e-4, rtol=1e-3)


def test_cells_are_what_the_head_takes_and_all_coarser_maps():
    task = tiny_task()
    with torch.inference_mode():
        ((_, seen),) = list(task.looks(np.arange(2)))
    cells = cells_of(seen, gives_maps=True)
    assert cells.shape == (2, 4, 4, 12)  # heat maps of 8 x 8, halved; of the levels only that of 2 x 2 is coarser
    torch.testing.assert_close(cells[..., :6].mean(dim=(1, 2)), seen.last.mean(dim=(2, 3)), atol=0.05, rtol=0.1)
    assert cells_of(seen, gives_maps=False).shape == (2, 1, 1, 6 * 64)


def test_it_is_the_regression_of_bells():
    games = tiny_task().rehearsal(PLAYED)
    fit(games, [8, 9])
    x = games._kept.cells[[8, 9, 0, 1, 2, 3]].flatten(1, 2)
    places = torch.from_numpy(normalised(games.data, games.data.joints[[8, 9, 0, 1, 2, 3]]))
    bells = gaussians(places, (4, 4), 0.7).flatten(2)
    target = (bells / bells.sum(dim=2, keepdim=True)).transpose(1, 2)
    weight = masked_ridge(x, target, torch.ones(6, 3, dtype=torch.bool), 0.3)
    torch.testing.assert_close(games.model.weight.data, weight, atol=1e-5, rtol=1e-4)
    maps = (games._kept.cells[[15]].flatten(1, 2) @ weight).transpose(1, 2).unflatten(2, (4, 4))
    expected = in_frame(games.data, read_places(300 * maps, "peak_mean").numpy())
    ((_, found),) = list(games.predict(np.array([15])))
    np.testing.assert_allclose(found, expected, atol=1e-2)
    pose = games.describe(np.array([15]), ("pose",), rng())["pose"]
    np.testing.assert_allclose(in_frame(games.data, pose.reshape(1, 3, 2)), found, atol=1e-4)


def test_labels_are_learned_from(games):
    before = games.evaluate(GIVEN[:4]).value
    log = fit(games, [8, 9, 10, 11])
    assert games.evaluate(GIVEN[:4]).value > before
    assert np.isfinite(log["loss"])


def test_what_it_learns_depends_on_the_labels_alone(games):
    fit(games, [8, 9, 10])
    once = games.snapshot()
    fit(games, [8])
    fit(games, [8, 9], phase="final", rng=rng(5))
    fit(games, [8, 9, 10], steps=30)
    assert np.array_equal(games.snapshot()["weight"], once["weight"])
    assert fit(games, [8], steps=0) == {}
    assert fit(games, [], given=[]) == {}
    assert np.array_equal(games.snapshot()["weight"], once["weight"])
    other = type(games)(games_of(games), PLAYED)
    other.restore(once)
    np.testing.assert_array_equal(
        other.describe(POOL, ("pose",), rng())["pose"], games.describe(POOL, ("pose",), rng())["pose"]
    )


def games_of(games):
    """The task that a rehearsal came from, made again."""
    return of_hands() if games.data.is_depth else tiny_task()


def test_the_real_model_is_left_alone():
    task = tiny_task()
    before = task.snapshot()
    fit(task.rehearsal(PLAYED), [8, 9])
    after = task.snapshot()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_unknown_joints_teach_nothing(games):
    told = [answer.copy() for answer in about(games, [8, 9]).answers]
    told[1][2] = np.nan
    labels = replace(about(games, [8, 9], GIVEN[:4]), answers=tuple(told))
    games.fit(labels, new=labels, steps=1, phase="step", rng=rng())
    each = games.model.weight.shape[1] // 3
    learned = games.model.weight[:, 2 * each :].clone()
    fit(games, [8])
    torch.testing.assert_close(games.model.weight[:, 2 * each :].data, learned.data, atol=1e-4, rtol=1e-3)


KNOWN = np.r_[GIVEN[:4], 8, 13]
CAN = (KnowsTruth, HasSkeleton, EstimatesInfluence)


def test_influence_is_what_the_label_is_worth_to_a_process(games):
    fit(games, [8, 13])
    units = np.array([9, 10, 11, 12])

    def images(sources):
        places = torch.from_numpy(normalised(games.data, games.data.joints[sources]))
        return Images(games._kept.appearance[games._kept.rows(sources)], places)

    expected = gains(images(KNOWN), images(units), images(REWARD), bandwidth_of(games._kept.appearance))
    np.testing.assert_allclose(games.influence(units, games.truth(units), REWARD), expected, rtol=1e-3, atol=1e-6)
    assert not games.influence(units, None, REWARD).any()


def test_what_the_influence_needs_is_part_of_a_snapshot(games):
    units = np.array([9, 10])
    fit(games, [8])
    kept, answers = games.snapshot(), games.truth(units)
    expected = games.influence(units, answers, REWARD)
    fit(games, [8, 11, 12])
    assert not np.allclose(games.influence(units, answers, REWARD), expected)
    games.restore(kept)
    np.testing.assert_array_equal(games.influence(units, answers, REWARD), expected)


def test_it_can_what_games_need(games):
    assert all(games.can(capability) for capability in CAN)
    assert games.fields.keys() == {"pose", "appearance"}
    found = games.describe(np.array([9, 3, 9]), ("appearance", "pose"), rng())
    of = games_of(games).describe(np.array([9, 3, 9]), ("appearance",), rng())
    np.testing.assert_allclose(found["appearance"], of["appearance"], atol=1e-5)
    assert games.describe(POOL[:0], ("pose",), rng())["pose"].shape == (0, games.fields["pose"].size)
    with pytest.raises(ValueError, match="no features of source 25"):
        games.evaluate(np.array([25]))


def test_weights_are_saved_and_loaded(games, tmp_path):
    fit(games, [8])
    games.save(tmp_path / "readout.safetensors")
    kept = games.snapshot()["weight"]
    fit(games, [8, 9, 10])
    games.load(tmp_path / "readout.safetensors")
    np.testing.assert_array_equal(games.snapshot()["weight"], kept)


def test_a_game_can_be_staged(tmp_path):
    task = tiny_task(limbs())
    games = task.rehearsal(PLAYED)
    roles = np.full(26, Role.UNUSED, dtype=np.int8)
    roles[GIVEN[:2]], roles[GIVEN[2:]] = Role.START, Role.POOL
    outer = np.where(np.arange(26) < 8, Role.START, Role.UNUSED).astype(np.int8)
    fit(games, [], GIVEN[:2])
    stage = Stage(tmp_path, task.pool, Split(outer), (Scene(Split(roles), games, games.snapshot()),), 1, 2, 1)
    assert stage.task is games
