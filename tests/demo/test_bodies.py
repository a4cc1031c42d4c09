import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from querist.demo.bodies import SIZE, draw_shot, write_bodies
from querist.demo.bodies_figure import LIMITS, STANCES, Stance, draw_stance, forward, place_joints, solids
from querist.tasks.pose.layouts import read
from querist.tasks.pose.load import load
from querist.tasks.pose.skeletons import MPII


def straight() -> Stance:
    pairs = {"arms": np.zeros((2, 2)), "thighs": np.zeros((2, 2)), "elbows": np.zeros(2), "knees": np.zeros(2)}
    return Stance(spine=np.zeros(3), neck=np.zeros(2), **pairs)


def lengths(joints: np.ndarray) -> np.ndarray:
    bones = MPII.bone_array
    return np.linalg.norm(joints[bones[:, 1]] - joints[bones[:, 0]], axis=1)


def test_poses_keep_to_the_limits_of_joints_and_all_kinds_occur():
    rng, kinds = np.random.default_rng(0), set()
    for _ in range(150):
        stance, kind = draw_stance(rng)
        kinds.add(kind)
        for name, limits in LIMITS.items():
            angles = getattr(stance, name)
            assert (angles >= limits[..., 0] - 1e-9).all()
            assert (angles <= limits[..., 1] + 1e-9).all()
    assert kinds == set(STANCES)


def test_a_straight_body_by_hand():
    joints = place_joints(straight())
    at = {name: joints[i] for i, name in enumerate(MPII.names)}
    assert np.ptp([at["head top"][1], at["right ankle"][1]]) == pytest.approx(0.28 + 0.055 + 0.135 + 0.012 + 0.48)
    for side, x in (("right", -1), ("left", 1)):
        assert np.allclose(at[f"{side} wrist"], [x * 0.105, 0.28 - 0.327, 0])
        assert np.allclose(at[f"{side} ankle"], [x * 0.055, -0.492, 0])
    assert np.allclose(forward(joints), [0, 0, 1])


def test_left_and_right_are_mirror_images():
    joints = place_joints(straight())
    assert np.allclose(joints[MPII.mirrored] * [-1, 1, 1], joints)


def test_knees_bend_backwards_and_thighs_rise_forward():
    stance = straight()
    stance.thighs[0, 0], stance.knees[0] = np.radians([90, 90])
    joints = place_joints(stance)
    hip, knee, ankle = joints[2], joints[1], joints[0]
    assert np.allclose(knee - hip, [0, 0, 0.245], atol=1e-9)
    assert np.allclose(ankle - knee, [0, -0.235, 0], atol=1e-9)
    assert np.allclose(joints[5], place_joints(straight())[5])


def test_a_body_bends_and_does_not_stretch():
    rng = np.random.default_rng(1)
    for _ in range(30):
        joints = place_joints(draw_stance(rng)[0])
        limbs = [i for i, (_, child) in enumerate(MPII.bones) if child in (0, 1, 4, 5, 8, 9, 10, 11, 14, 15)]
        assert np.allclose(lengths(joints)[limbs], lengths(place_joints(straight()))[limbs])


def test_joints_lie_inside_of_the_body():
    rng = np.random.default_rng(2)
    for _ in range(20):
        joints = place_joints(draw_stance(rng)[0])
        ends, radii, _ = solids(joints, 1.0, 1.0, True, True)
        start, axis = ends[:, 0], ends[:, 1] - ends[:, 0]
        along = np.clip(((joints[:, None] - start) * axis).sum(-1) / (axis * axis).sum(-1), 0, 1)
        away = np.linalg.norm(joints[:, None] - start - along[..., None] * axis, axis=2)
        assert (away <= radii + 0.015).any(axis=1).all()


def test_the_same_shot_is_drawn_twice_the_same():
    one, two, other = draw_shot(0, 4), draw_shot(0, 4), draw_shot(0, 5)
    assert one.jpeg == two.jpeg
    assert np.array_equal(one.joints, two.joints)
    assert one.jpeg != other.jpeg


def test_shots_hold_what_they_say():
    shots = [draw_shot(1, number) for number in range(16)]
    for shot in shots:
        assert Image.open(io.BytesIO(shot.jpeg)).size == (SIZE, SIZE)
        inside = ((shot.joints >= -0.5) & (shot.joints <= SIZE - 0.5)).all(axis=1)
        assert inside[shot.visible].all()
        left, top, width, height = shot.box
        seen = shot.joints[shot.visible]
        assert (seen >= [left - 1, top - 1]).all()
        assert (seen <= [left + width + 1, top + height + 1]).all()
        # The diagonal of the head's box is about its length / 0.6, as in MPII; seen from above it is shorter.
        assert 4 < 0.6 * shot.head < 0.3 * max(width, height)
    assert 0.6 < np.mean([shot.visible.mean() for shot in shots]) < 0.98
    assert len({shot.kind for shot in shots}) >= 4


def test_written_bodies_are_read_exactly(tmp_path):
    calls: list[tuple[int, int]] = []
    root = tmp_path / "bodies"
    write_bodies(root, 3, 2, seed=2, progress=lambda *call: calls.append(call))
    assert calls == [(i, 5) for i in range(1, 6)]
    found = read(root)
    assert found.skeleton == MPII
    assert found.names == ("train/000000", "train/000001", "train/000002", "test/000000", "test/000001")
    shot = draw_shot(2, 3)  # odd numbers are the test's
    known = np.isfinite(found.joints[4]).all(axis=1)
    assert np.allclose(found.joints[4][known], shot.joints[known], atol=1e-3)
    assert np.array_equal(found.visible[4], shot.visible)
    assert found.heads[4] == pytest.approx(shot.head, abs=1e-3)
    data = load(found, 48, cache=tmp_path / "cache")
    assert data.image(4).shape == (48, 48, 3)
    back = data.in_file(np.array([4]), data.joints[[4]])[0]
    assert np.allclose(back[known], shot.joints[known], atol=1e-2)


def test_joints_outside_of_the_picture_are_unknown(tmp_path, monkeypatch):
    shot = draw_shot(0, 0)
    joints = shot.joints.copy()
    joints[3], joints[5] = (-0.6, 50), (159.4, 50)
    monkeypatch.setattr("querist.demo.bodies.draw_shot", lambda seed, number: replace(shot, joints=joints))
    write_bodies(tmp_path / "bodies", 1, 0)
    assert np.isnan(read(tmp_path / "bodies").joints[0]).any(axis=1).tolist() == [j == 3 for j in range(16)]


def test_the_seed_decides_and_more_pictures_change_none(tmp_path):
    for name, train, seed in (("a", 2, 0), ("b", 2, 0), ("more", 3, 0), ("other", 2, 1)):
        write_bodies(tmp_path / name, train, 1, seed)
    a, b, more, other = (
        {path.relative_to(tmp_path / name).as_posix(): path.read_bytes() for path in (tmp_path / name).rglob("*.jpg")}
        for name in ("a", "b", "more", "other")
    )
    assert a == b
    assert a.items() <= more.items()
    assert len(more) == 4
    assert not set(a.values()) & set(other.values())


@pytest.mark.parametrize("change", [{"train": 0}, {"test": -1}])
def test_impossible_numbers_are_refused(tmp_path, change):
    with pytest.raises(ValueError, match="pictures"):
        write_bodies(tmp_path / "bodies", **({"train": 1, "test": 1} | change))
