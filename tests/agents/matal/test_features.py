from dataclasses import replace

import numpy as np
import pytest
import torch

from querist.agents.matal.config import FAITHFUL, SOUND
from querist.agents.matal.features import MatalFeaturiser, schema
from querist.agents.matal.spaces import Calibration, Spaces, calibrate
from querist.core.candidates import GlobalPool
from querist.core.observation import Field, Groups
from querist.core.policy import Selection
from querist.core.pool import ColumnarPool
from querist.core.step import advance, offer
from querist.errors import QueristError
from querist.kernels.kinematic_chain import chain_features
from querist.kernels.mmd import discrepancy, median_bandwidth
from toy_poses import BONES, JOINTS, LOOKS, PARTS, ToyPoses, poses_game, poses_split

EXACT = replace(SOUND, gap="exact", appearance="seen", density="seen", bins=4, landmarks=1000)


def eyes_of(task, settings=EXACT):
    units = np.arange(len(task.pool))
    return MatalFeaturiser(task, settings, calibrate(Spaces(task), task, units, settings, 0))


def look(folder, task, settings=EXACT, step=0, **rest):
    eyes = eyes_of(task, settings)
    game = poses_game(folder, task, eyes, **rest)
    return offer(game, step), game, eyes


def topology(poses):
    return chain_features(torch.from_numpy(np.asarray(poses, np.float32)), torch.from_numpy(BONES), PARTS).numpy()


def estimates(task, units):
    return task.describe(np.asarray(units), ("pose",), None)["pose"].reshape(-1, JOINTS, 2)


# Sizes ----------------------------------------------------------------------------------------------------------------


class Sized(ToyPoses):
    def __init__(self, joints, dimensions, bones, parts, looks):
        self.pool = ColumnarPool(["a"])
        self.bones, self.part_bones = np.array(bones), parts
        self.fields = {"pose": Field("pose", (joints * dimensions,)), "appearance": Field("appearance", (looks,))}


HAND = [[0 if i % 4 == 0 else i, i + 1] for i in range(20)]
FINGERS = [[0, 4, 8, 12, 16], *([4 * f + i for i in range(4)] for f in range(5))]


def test_sizes_of_the_paper():
    """9 numbers of the state, and 205 of an action for hands."""
    task = Sized(21, 3, HAND, FINGERS, 128)
    spaces = Spaces(task)
    found = schema(spaces, task, FAITHFUL)
    assert found.width == 7 + 7 * 10 + 128 == 205
    assert sum(f.size for f in found.state) == 9
    assert len(spaces) == 8
    assert spaces.columns[-1].stop == 275
    assert found.classes is None


@pytest.mark.parametrize(
    ("without", "state", "width"),
    [("nothing", 6, 26), ("global_gap", 5, 26), ("part_gaps", 3, 26), ("appearance_gap", 5, 26), ("spent", 5, 26),
     ("novelty", 6, 22), ("density", 6, 10), ("familiarity", 6, 24), ("appearance", 6, 22)],
)  # fmt: skip
def test_what_the_ablations_leave_out(tmp_path, without, state, width):
    task = ToyPoses()
    seen, _, _ = look(tmp_path, task, replace(EXACT, without=without, network="layers"))
    whole, _, _ = look(tmp_path_of(tmp_path), task)
    assert seen.state.shape == (state,)
    assert seen.candidates.shape == (1, 24, width)
    for f in seen.schema.candidates:
        np.testing.assert_array_equal(seen.field(f.name), whole.field(f.name))
    assert without == "nothing" or seen.schema.hash() != whole.schema.hash()


def test_how_familiar_a_candidate_is(tmp_path):
    """Logarithms of the distance to the nearest labelled appearance, and of one more than its subject's labels.

    Both less their means over all that is offered.
    """
    task, images = ToyPoses(), np.arange(60)
    subjects = np.where(images < 24, images % 8, images**2 % 5)
    task.pool = ColumnarPool([f"i{i:04d}" for i in images], subjects=subjects)
    seen, _, _ = look(tmp_path, task)
    offered, known = seen.groups.flat, np.arange(24, 54)
    looks, labelled = (task.describe(units, ("appearance",), None)["appearance"] for units in (offered, known))
    nearest = np.linalg.norm(looks[:, None] - labelled[None], axis=2).min(axis=1)
    labels = [int((subjects[known] == subjects[unit]).sum()) for unit in offered]
    assert 0 in labels
    assert len(set(labels)) > 2
    expected = np.log(np.stack([nearest, 1.0 + np.array(labels)], axis=1))
    np.testing.assert_allclose(seen.field("familiarity")[0], expected - expected.mean(axis=0), atol=1e-4)


def test_an_ablation_of_sound_leaves_out_one_field_more():
    """Whose appearance and density stay out of sight; their own ablations are the other way round."""
    task = ToyPoses()
    spaces = Spaces(task)

    def names(**changes):
        found = schema(spaces, task, replace(SOUND, network="layers", **changes))
        return {f.name for f in (*found.candidates, *found.state)}

    sound = names()
    assert sound == {"novelty", "familiarity", "appearance_gap", "global_gap", "part_gaps", "spent"}
    for name in sound:
        assert names(without=name) == sound - {name}
    for name in ("appearance", "density"):
        assert names(**{name: "seen"}) == sound | {name}


def tmp_path_of(folder):
    (folder / "whole").mkdir()
    return folder / "whole"


# Numbers --------------------------------------------------------------------------------------------------------------


def test_the_state_against_its_definition(tmp_path):
    task = ToyPoses()
    seen, game, eyes = look(tmp_path, task, budget=20)
    pool, start = np.arange(24), np.arange(24, 54)
    spaces = [(task.looks[start], task.looks[pool])]
    L, U = topology(estimates(task, start)), topology(estimates(task, pool))
    spaces += [(L[:, c], U[:, c]) for c in eyes.spaces.columns]
    for i, (labelled, unlabelled) in enumerate(spaces):
        pair = torch.from_numpy(labelled.astype(np.float32)), torch.from_numpy(unlabelled.astype(np.float32))
        expected = discrepancy(*pair, float(eyes.calibration.bandwidths[i]))
        assert seen.state[i] == pytest.approx(expected, abs=1e-6)
    assert seen.state[-1] == 0
    advance(game, 0, lambda _seen, _k: Selection(np.array([[0, 1, 2]])), seen)
    assert offer(game, 1).state[-1] == pytest.approx(3 / 20)


def test_random_features_are_near(tmp_path):
    task = ToyPoses()
    exact, _, _ = look(tmp_path, task)
    near, _, _ = look(tmp_path_of(tmp_path), task, replace(EXACT, gap="random_features"))
    np.testing.assert_allclose(near.state, exact.state, atol=0.02)
    np.testing.assert_array_equal(near.candidates, exact.candidates)


@pytest.mark.parametrize("side", ["truth", "estimated"])
def test_novelty_is_likeness_to_the_labelled_poses(tmp_path, side):
    task = ToyPoses()
    seen, _, eyes = look(tmp_path, task, replace(EXACT, labelled_side=side))
    units = seen.groups.units[0]
    start = np.arange(24, 54)
    known = estimates(task, start) if side == "estimated" else np.stack(task.truth(start))
    X, Y = topology(estimates(task, units)), topology(known)
    for i, c in enumerate(eyes.spaces.columns):
        x, y = (t[:, c] / np.linalg.norm(t[:, c], axis=1, keepdims=True) for t in (X, Y))
        np.testing.assert_allclose(seen.field("novelty")[0, :, i], (x @ y.T).max(axis=1), atol=1e-5)


def test_a_double_of_a_labelled_pose_is_not_novel(tmp_path):
    """ALGORITHMS 10: s_i = 1."""
    task = ToyPoses()
    task.truths[30] = estimates(task, [5])[0].ravel()
    seen, _, _ = look(tmp_path, task)
    at = int(np.flatnonzero(seen.groups.units[0] == 5)[0])
    np.testing.assert_allclose(seen.field("novelty")[0, at], 1, atol=1e-5)


def test_equal_sets_have_no_gap(tmp_path):
    """ALGORITHMS 10; labelled images that are doubles of the pool."""
    task = ToyPoses(60)
    task.looks[24:48] = task.looks[:24]
    seen, _, _ = look(tmp_path, task, split=poses_split(60, 24, 12))
    np.testing.assert_allclose(seen.state, 0, atol=1e-7)


def test_density_counts_the_other_unlabelled_poses(tmp_path):
    task = ToyPoses()
    seen, _, eyes = look(tmp_path, task)
    units = seen.groups.units[0]
    X = topology(estimates(task, units))
    for i, c in enumerate(eyes.spaces.columns):
        x = X[:, c] / np.linalg.norm(X[:, c], axis=1, keepdims=True)
        bounds = [-2, *eyes.calibration.edges[i], 2]
        for n in range(3):
            counts, _ = np.histogram(np.delete(x @ x[n], n), bounds)
            np.testing.assert_allclose(seen.field("density")[0, n].reshape(-1, 4)[i], counts / 23, atol=1e-6)


def test_landmarks_are_few_and_stay_while_others_go(tmp_path):
    """Cosines are to 6 landmarks, or to the 5 others if one is a landmark; who is one does not change."""
    task = ToyPoses()
    eyes = eyes_of(task, replace(EXACT, landmarks=6, bins=40, edges="fixed"))
    game = poses_game(tmp_path, task, eyes, update_every=10)
    seen = offer(game, 0)
    units, rows = seen.groups.units[0], seen.field("density")[0]
    terms = np.array([6 if np.allclose(row * 6, np.rint(row * 6), atol=1e-4) else 5 for row in rows])
    assert (terms == 5).sum() == 6
    assert np.allclose(rows[terms == 5] * 5, np.rint(rows[terms == 5] * 5), atol=1e-4)
    chosen = np.flatnonzero(terms == 6)[:3]
    advance(game, 0, lambda _seen, _k: Selection(chosen[None]), seen)
    again = offer(game, 1)
    before = dict(zip(units.tolist(), rows, strict=True))
    for unit, row in zip(again.groups.units[0].tolist(), again.field("density")[0], strict=True):
        np.testing.assert_array_equal(row, before[unit])


def test_joints_that_nobody_could_place_stand_where_the_model_thinks(tmp_path):
    task = ToyPoses()
    spaces = Spaces(task)
    truth, guess = np.ones((1, JOINTS, 2)), np.zeros((1, JOINTS, 2))
    truth[0, 2] = np.nan
    known = spaces.known(truth, guess)
    assert known[0, 2].tolist() == [0, 0]
    assert known[0, 3].tolist() == [1, 1]
    task.truths[24:54] = np.nan
    hidden, _, _ = look(tmp_path, task)
    assert np.isfinite(hidden.candidates).all()
    with pytest.raises(QueristError, match="in the frame of its field"):
        spaces.known(np.ones((1, JOINTS, 3)), guess)


def test_everything_stays_in_its_range_and_each_image_is_described_once(tmp_path):
    task = ToyPoses()
    seen, game, eyes = look(tmp_path, task)
    for step in range(6):
        assert seen.candidates.dtype == seen.state.dtype == np.float32
        for f in seen.schema.candidates:
            assert (seen.field(f.name) >= f.low).all()
            assert (seen.field(f.name) <= f.high).all()
        assert len(set(task.described[-1].tolist())) == len(task.described[-1]) == 54
        advance(game, step, lambda _seen, _k: Selection(np.array([[2, 0, 1]])), seen)
        seen = offer(game, step + 1)
    nobody = Groups(np.full((1, 2), -1), np.zeros((1, 2), bool))
    assert not eyes.observe(game, nobody, 9).candidates.any()


def test_what_is_offered_stands_for_the_pool_where_it_is_too_large(tmp_path):
    task = ToyPoses()
    eyes = eyes_of(task)
    game = poses_game(tmp_path, task, eyes)
    game.candidates = GlobalPool(7)
    seen = offer(game, 0)
    assert seen.candidates.shape[:2] == (1, 7)
    assert len(task.described[-1]) == 30 + 7


# Calibration ----------------------------------------------------------------------------------------------------------


def test_bandwidths_are_medians_of_what_the_model_sees():
    task = ToyPoses()
    spaces = Spaces(task)
    found = calibrate(spaces, task, np.arange(60), EXACT, 0)
    assert found.bandwidths[0] == pytest.approx(median_bandwidth(torch.from_numpy(task.looks.astype(np.float32))))
    assert found.bandwidths.shape == (5,)
    assert found.edges.shape == (4, 3)
    fixed = calibrate(spaces, task, np.arange(60), replace(EXACT, edges="fixed"), 0)
    assert fixed.edges.tolist() == [[-0.5, 0.0, 0.5]] * 4
    again = Calibration.of(found.arrays("c"), "c")
    np.testing.assert_array_equal(again.edges, found.edges)


def test_refusals(tmp_path):
    class NoPose(ToyPoses):
        fields = {"pose": ToyPoses.fields["pose"]}  # noqa: RUF012

    with pytest.raises(QueristError, match="needs the field 'appearance'"):
        Spaces(NoPose())
    boneless = ToyPoses()
    boneless.fields = {**ToyPoses.fields, "pose": Field("pose", (11,))}
    with pytest.raises(QueristError, match="11 coordinates, but its bones join 5 joints"):
        Spaces(boneless)
    torn = ToyPoses()
    torn.part_bones = ((0, 1), (2,))
    with pytest.raises(QueristError, match="part 1 of the skeleton of ToyPoses has one bone"):
        Spaces(torn)
    torn.part_bones = ((0, 1), ())
    with pytest.raises(QueristError, match="part 1 is"):
        Spaces(torn)
    wild = ToyPoses()
    wild.weights[0, 0] = np.nan
    with pytest.raises(QueristError, match="pose of i0000 and of 59 more images is not finite"):
        eyes_of(wild)
    task = ToyPoses()
    game = poses_game(tmp_path, task, eyes_of(task), split=poses_split(60, 0, 6))
    with pytest.raises(QueristError, match="there are none"):
        offer(game, 0)
    assert Spaces(task).appearance_width == LOOKS
