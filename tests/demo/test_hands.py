from collections import Counter

import numpy as np
import pytest

from querist.demo.hands import CAMERA, CUBE_MM, HEIGHT, WIDTH, draw_view, write_hands
from querist.demo.hands_depth import sense
from querist.demo.hands_figure import (
    _FINGER_LIMITS,
    _THUMB_LIMITS,
    between,
    draw_bend,
    draw_hand,
    place_joints,
    solids,
)
from querist.tasks.pose.layouts import read
from querist.tasks.pose.load import load
from querist.tasks.pose.skeletons import HAND21


def stream(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def lengths(joints: np.ndarray) -> np.ndarray:
    bones = HAND21.bone_array
    return np.linalg.norm(joints[bones[:, 1]] - joints[bones[:, 0]], axis=1)


def test_poses_keep_to_the_limits_of_joints():
    rng = stream()
    for _ in range(200):
        bend = draw_bend(rng, usual=0.3)
        for angles, limits in ((bend.fingers, _FINGER_LIMITS), (bend.thumb, _THUMB_LIMITS)):
            assert (angles >= limits[:, 0] - 1e-9).all()
            assert (angles <= limits[:, 1] + 1e-9).all()


def test_a_hand_bends_and_does_not_stretch():
    rng = stream(1)
    hand = draw_hand(rng)
    first, second = (lengths(place_joints(hand, draw_bend(rng, 0))) for _ in range(2))
    assert np.allclose(first, second)
    assert not np.allclose(first, lengths(place_joints(draw_hand(rng), draw_bend(rng))))


def test_fingers_bend_to_the_palm_and_the_thumb_is_at_its_side():
    hand = draw_hand(stream())
    bend = draw_bend(stream())
    bend.fingers[:], bend.spread[:] = 0, 0
    flat = place_joints(hand, bend)
    bend.fingers[:] = _FINGER_LIMITS[:, 1]
    fist = place_joints(hand, bend)
    tips = [HAND21.joint(f"{finger} 4") for finger in ("index", "middle", "ring", "little")]
    assert (flat[tips, 1] > 120).all()
    assert (np.diff(flat[tips, 0]) < 0).all()  # from the index finger away from the thumb
    assert (fist[tips, 1] < 80).all()
    assert (fist[tips, 2] < -5).all()
    assert flat[2, 0] > flat[tips, 0].max()


def test_joints_lie_inside_of_the_hand():
    rng = stream(2)
    for _ in range(20):
        hand, bend = draw_hand(rng), draw_bend(rng, 0.3)
        joints = place_joints(hand, bend)
        ends, radii = solids(hand, bend, joints)
        start, axis = ends[:, 0], ends[:, 1] - ends[:, 0]
        along = np.clip(((joints[:, None] - start) * axis).sum(-1) / (axis * axis).sum(-1), 0, 1)
        away = np.linalg.norm(joints[:, None] - start - along[..., None] * axis, axis=2)
        assert (away <= radii).any(axis=1).all()


def test_the_same_view_is_drawn_twice_the_same():
    one, two, other = draw_view(0, 1, 5), draw_view(0, 1, 5), draw_view(0, 1, 6)
    assert np.array_equal(one.depth, two.depth)
    assert np.array_equal(one.joints, two.joints)
    assert not np.array_equal(one.joints, other.joints)


def test_the_skin_is_a_little_before_the_joints_that_can_be_seen():
    gaps, hidden = [], 0
    for number in range(30):
        view = draw_view(3, number % 4, number)
        assert view.depth.shape == (HEIGHT, WIDTH)
        columns, rows = np.rint(CAMERA.to_uvd(view.joints)[view.visible, :2]).astype(int).T
        found = view.depth[rows, columns].astype(float)
        gaps += (view.joints[view.visible, 2] - found)[found > 0].tolist()
        hidden += int((~view.visible).sum())
    assert 4 < np.median(gaps) < 16  # half a finger
    assert np.mean(np.abs(gaps) < 40) > 0.9  # the rest looks past a thin finger
    assert 0.1 < hidden / (30 * 21) < 0.5


def test_hands_fit_their_cube():
    views = [draw_view(0, i % 5, i) for i in range(40)]
    away = np.concatenate([np.abs(view.joints - view.centre) for view in views])
    assert (away < CUBE_MM / 2).mean() > 0.995


def test_a_sensor_adds_noise_and_holes_alone():
    depth = np.full((60, 80), np.inf, dtype=np.float32)
    depth[10:50, 10:70] = 400
    got = sense(depth, stream(3)).astype(float)
    inner = got[14:46, 14:66]
    assert got.dtype == float
    assert (got[:8] == 0).all()
    assert 0.9 < (inner > 0).mean() < 1
    assert inner[inner > 0].mean() == pytest.approx(400, abs=0.2)
    assert 0.8 < inner[inner > 0].std() < 1.6
    assert (got[9:11, 12:68] == 0).mean() > 0.25  # edges are lost more often


def test_written_hands_are_read_exactly(tmp_path):
    calls: list[tuple[int, int]] = []
    root = tmp_path / "hands"
    write_hands(root, 4, 2, people=5, seed=1, progress=lambda *call: calls.append(call))
    assert calls == [(i, 6) for i in range(1, 7)]
    found = read(root)
    assert found.layout == "folder"
    assert found.skeleton == HAND21
    assert [name.split("_")[0] for name in found.names] == [f"train/person0{i}" for i in (1, 2, 3, 4)] + 2 * [
        "test/person00"
    ]
    data = load(found, 64, cache=tmp_path / "cache")
    view = draw_view(1, 3, 2)
    assert np.allclose(data.in_space(np.array([2]), data.joints[[2]])[0], view.joints, atol=0.01)
    assert np.array_equal(data.visible[2], view.visible)
    # The hand is in the middle and before what is behind it.
    assert (data.image(2)[24:40, 24:40] < 0.5).mean() > 0.3


def test_the_seed_decides_and_more_images_change_none(tmp_path):
    for name, train, seed in (("a", 2, 0), ("b", 2, 0), ("more", 3, 0), ("other", 2, 1)):
        write_hands(tmp_path / name, train, 1, 3, seed)
    a, b, more, other = (
        {path.relative_to(tmp_path / name).as_posix(): path.read_bytes() for path in (tmp_path / name).rglob("*.png")}
        for name in ("a", "b", "more", "other")
    )
    assert a == b
    assert a.items() <= more.items()
    assert len(more) == 4
    assert not set(a.values()) & set(other.values())


def test_frames_of_a_clip_are_alike_and_of_one_hand():
    frames = [draw_view(0, 1, number, clip=(4, when)) for number, when in enumerate((0.1, 0.15, 0.9))]
    other = draw_view(0, 1, 1, clip=(5, 0.15))
    apart = [np.linalg.norm(view.joints - frames[0].joints, axis=1).mean() for view in (*frames, other)]
    assert apart[0] == 0
    assert 0 < apart[1] < 6  # mm
    assert apart[1] < apart[2]
    assert apart[1] < apart[3]
    assert np.allclose(lengths(frames[0].joints), lengths(frames[2].joints))
    assert not np.array_equal(frames[0].depth, frames[1].depth)


def test_poses_between_two_keep_to_their_limits():
    rng = stream(5)
    first, last = draw_bend(rng), draw_bend(rng)
    middle = between(first, last, 0.5)
    assert np.array_equal(between(first, last, 0).fingers, first.fingers)
    assert np.array_equal(between(first, last, 1).thumb, last.thumb)
    assert np.allclose(middle.wrist, (first.wrist + last.wrist) / 2)


def test_clips_are_subjects_of_many_lengths(tmp_path):
    for name, train in (("few", 30), ("more", 40)):
        write_hands(tmp_path / name, train, 2, people=5, clips=2)
    found = read(tmp_path / "more")
    clips = [subject for name, subject in zip(found.names, found.subjects, strict=True) if name.startswith("train")]
    sizes = Counter(clips)
    assert len(sizes) > 4
    assert len(set(sizes.values())) > 2
    assert all(
        len({n.split("_")[0] for n, c in zip(found.names, clips, strict=False) if c == clip}) == 1 for clip in sizes
    )
    few, more = (
        {path.name: path.read_bytes() for path in (tmp_path / name / "train").iterdir()} for name in ("few", "more")
    )
    assert few.items() <= more.items()


@pytest.mark.parametrize("change", [{"train": 0}, {"test": -1}, {"people": 1}, {"clips": 0.5}])
def test_impossible_numbers_are_refused(tmp_path, change):
    with pytest.raises(ValueError, match="images of"):
        write_hands(tmp_path / "hands", **({"train": 1, "test": 1} | change))
