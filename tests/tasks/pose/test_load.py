import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from querist.errors import QueristError
from querist.tasks.pose import load as module
from querist.tasks.pose.folder import read_folder
from querist.tasks.pose.load import load
from querist.tasks.pose.skeleton import Skeleton
from querist.tasks.pose.skeletons import HAND21

SKELETON = Skeleton(("hip", "knee"), ((0, 1),))
FRAMES = [
    {"path": "one.png", "joints": [[0, 0], [7, 3]], "subject": "x"},
    {"path": "two.png", "joints": [[4, 4], None], "box": [2, 2, 4, 4], "head": 3, "subject": "x"},
    {"path": "three.png", "split": "test"},
]


def pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    root.mkdir()
    (root / "skeleton.json").write_text(SKELETON.to_json())
    for i, frame in enumerate(FRAMES):
        Image.fromarray(pixels(i)).save(root / str(frame["path"]))
    write(root, FRAMES)
    return root


def write(root: Path, frames: list) -> None:
    (root / "joints.json").write_text(json.dumps({"frames": frames}))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("joints", "says"),
    [
        ([[0.1, 0.2], [0.9, 0.7]], "joints of train/one and others lie within one pixel"),
        ([[90, 2], [5, -30]], "2 of 2 joints lie outside of their images or boxes, as joints of train/one do"),
    ],
)
def test_joints_in_another_unit_are_found(root, cache, joints, says):
    write(root, [{"path": "one.png", "joints": joints}])
    with pytest.raises(QueristError, match=says):
        load(read_folder(root), 8, cache=cache)


def test_a_joint_may_lie_outside_and_one_alone_has_no_spread(root, cache):
    write(root, [{"path": "one.png", "joints": [[-3, 2], [5, 3]]}, {"path": "two.png", "joints": [[4, 4], None]}])
    assert len(load(read_folder(root), 8, cache=cache).names) == 2


def test_images_and_joints_come_in_the_frame(root, cache):
    calls: list[tuple[str, int, int]] = []
    got = load(read_folder(root), 8, cache=cache, progress=lambda *call: calls.append(call))
    assert got.names == ("train/one", "train/two", "test/three")
    assert got.split_of.tolist() == ["train", "train", "test"]
    assert calls == [("reading train", 1, 2), ("reading train", 2, 2), ("reading test", 1, 1)]
    assert np.array_equal(got.image(0), pixels(0))
    assert got.joints.dtype == np.float32
    assert got.joints[0].tolist() == [[0, 0], [7, 3]]
    # Two pixels for each one of the box of 4; the middle of pixel 4 is the third's of the box, 2.5 from its edge.
    assert got.joints[1, 0].tolist() == [4.5, 4.5]
    assert got.scale[1].tolist() == [0.5, 0.5]
    assert np.isnan(got.joints[1, 1]).all()
    assert got.visible.tolist() == [[True, True], [True, False], [False, False]]
    assert got.heads is not None
    assert got.heads[1] == 3
    assert got.source_subjects.tolist() == [0, 0, 1]
    assert np.array_equal(got.in_file(np.array([1]), got.joints[[1]])[0, 0], [4, 4])
    assert isinstance(got.images[0], np.memmap)
    assert got.paths is not None
    assert got.paths[2] == root / "three.png"


def test_a_narrow_image_is_letterboxed(root, cache):
    Image.fromarray(pixels(0)[:4]).save(root / "one.png")
    got = load(read_folder(root), 8, ("train",), cache)
    assert np.array_equal(got.image(0)[2:6], pixels(0)[:4])
    assert got.joints[0].tolist() == [[0, 2], [7, 5]]
    assert len(got) == 2


def test_nothing_is_decoded_twice_and_labels_change_the_digest_alone(root, cache, monkeypatch):
    first = load(read_folder(root), 8, cache=cache)
    seen: list[str] = []
    original = module.cut_colour

    def spy(path: Path, *rest):
        seen.append(path.name)
        return original(path, *rest)

    monkeypatch.setattr(module, "cut_colour", spy)
    assert load(read_folder(root), 8, cache=cache).digest == first.digest
    write(root, [FRAMES[0] | {"joints": [[1, 0], [7, 3]]}, *FRAMES[1:]])
    other = load(read_folder(root), 8, cache=cache)
    assert seen == []
    assert [name for name in first.files if first.files[name] != other.files[name]] == ["train/one"]
    assert other.digest != first.digest
    write(root, FRAMES)
    Image.fromarray(pixels(9)).save(root / "one.png")
    assert load(read_folder(root), 8, cache=cache).digest not in (first.digest, other.digest)
    assert seen == ["one.png"]
    seen.clear()
    write(root, [FRAMES[0], FRAMES[1] | {"box": [0, 0, 4, 4]}, FRAMES[2]])
    load(read_folder(root), 8, cache=cache)
    assert set(seen) == {"one.png", "two.png"}  # another box is another crop


def test_whoever_changes_how_joints_are_measured_has_other_data(root, cache):
    """Else cells and runs of two measures would be mixed."""
    first = load(read_folder(root), 8, cache=cache).digest
    (root / "skeleton.json").write_text(replace(SKELETON, unscored=(1,)).to_json())
    assert load(read_folder(root), 8, cache=cache).digest != first
    (root / "skeleton.json").write_text(HAND21.to_json())  # one of ours goes by the names of its joints
    hand = [{"path": f["path"], "joints": [[j % 5, j % 3] for j in range(1, 22)]} for f in FRAMES[:1]]
    write(root, hand)
    found = load(read_folder(root), 8, cache=cache)
    row = [[[float(j % 5), float(j % 3)] for j in range(1, 22)], [True] * 21, [np.nan] * 4, np.nan, [np.nan] * 3]
    image = hashlib.sha256((root / str(FRAMES[0]["path"])).read_bytes()).hexdigest()
    labels = json.dumps([*row, HAND21.names, "None"])
    assert list(found.files.values()) == [hashlib.sha256(f"{image}/{labels}".encode()).hexdigest()]


@pytest.mark.parametrize("mark", [[0, 0], [-1, -1]])
def test_marks_of_unknown_joints_are_no_places(root, cache, mark):
    """Else a third of the labels could be wrong, and nobody would see it."""
    frames = [f | {"joints": [[3, 2], mark]} for f in FRAMES]
    write(root, frames[:1] + [f | {"joints": [[3, 2], [5, 4]]} for f in FRAMES[1:]])
    load(read_folder(root), 8, cache=cache)  # once it may be true
    write(root, frames)
    knee = f"the joint '{SKELETON.names[1]}' is at {mark[0]}, {mark[1]} in"
    with pytest.raises(QueristError, match=knee) as told:
        load(read_folder(root), 8, cache=cache)
    assert "null" in told.value.fix
    write(root, [f | {"joints": [[3, 2], [-3, 5]]} for f in FRAMES])
    load(read_folder(root), 8, cache=cache)  # a limb that is cut off by one edge


def test_an_image_and_its_joints_are_turned_as_viewers_show_it(root, cache):
    """A camera that was held upright writes a lying image and says how to turn it."""
    seen = pixels(3)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(seen, 1))).save(root / "one.png", exif=exif)
    Image.fromarray(seen).save(root / "two.png")
    write(root, [{"path": name, "joints": [[1, 2], [5, 3]]} for name in ("one.png", "two.png")])
    found = load(read_folder(root), 8, cache=cache)
    np.testing.assert_array_equal(found.image(0), found.image(1))
    np.testing.assert_array_equal(found.joints[0], found.joints[1])


def test_the_digest_knows_neither_size_nor_place(root, cache):
    first = load(read_folder(root), 8, cache=cache).digest
    moved = root.rename(root.with_name("moved"))
    assert load(read_folder(moved), 4, cache=cache).digest == first


def test_depth_images_come_through_the_cache_bit_by_bit(root, cache):
    (root / "camera.json").write_text(json.dumps({"fx": 8, "fy": 8, "cx": 3.5, "cy": 3.5, "cube_mm": 1000}))
    depths = np.random.default_rng(0).integers(200, 900, (8, 8), dtype=np.uint16)
    Image.fromarray(depths).save(root / "one.png")
    write(root, [{"path": "one.png", "centre": [0, 0, 500], "joints": [[0, 0, 500], [125, -250, 750]]}])
    for _ in range(2):  # the cube is 16 pixels wide at 500 mm: a pixel of the frame is one of the file
        got = load(read_folder(root), 16, cache=cache)
        assert got.images[0].dtype == np.uint16
        assert np.allclose(got.image(0)[4:12, 4:12, 0], (depths.astype(float) - 500) / 500, atol=2e-5)
        assert (got.image(0)[:4] == 1).all()
    assert got.joints[0, 0].tolist() == [0, 0, 0]
    assert np.allclose(got.joints[0, 1], [8 * 125 / 750 / 8, -8 * 250 / 750 / 8, 0.5])
    assert np.allclose(got.in_space(np.array([0]), got.joints), [[[0, 0, 500], [125, -250, 750]]], atol=1e-3)


@pytest.mark.parametrize("flipped", [False, True])
def test_joints_in_another_space_are_found(root, cache, flipped):
    """A hand above the middle, as y leads down; who takes y to lead up looks at the wall."""
    (root / "camera.json").write_text(json.dumps({"fx": 8, "fy": 8, "cx": 3.5, "cy": 3.5, "cube_mm": 1000}))
    depths = np.zeros((8, 8), dtype=np.uint16)
    depths[:3, 2:6] = 500
    Image.fromarray(depths).save(root / "one.png")
    sign = -1 if flipped else 1
    joints = [[0, -150 * sign, 500], [60, -100 * sign, 500]]
    write(root, [{"path": "one.png", "centre": [0, 0, 500], "joints": joints}])
    if not flipped:
        assert len(load(read_folder(root), 16, cache=cache)) == 1
        return
    with pytest.raises(QueristError, match="2 of 2 joints that were looked at lie where nothing was measured"):
        load(read_folder(root), 16, cache=cache)


def test_a_damaged_image_is_named(root, cache):
    (root / "two.png").write_bytes((root / "two.png").read_bytes()[:60])
    with pytest.raises(QueristError, match=r"two\.png cannot be decoded"):
        load(read_folder(root), 8, cache=cache)


def test_absent_splits_and_sizes_are_refused(root, cache):
    with pytest.raises(QueristError, match="has no split 'val'"):
        load(read_folder(root), 8, ("val",), cache)
    with pytest.raises(ValueError, match="must be positive"):
        load(read_folder(root), 0, cache=cache)
