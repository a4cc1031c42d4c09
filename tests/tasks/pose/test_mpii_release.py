"""A structure as MPII's README describes `RELEASE`, written by scipy."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from querist.errors import QueristError
from querist.tasks.pose.layouts import read
from querist.tasks.pose.mpii_release import RELEASE, read_mpii_release


def structures(*entries: dict) -> np.ndarray:
    """A MATLAB array of structures (1, n)."""
    keys = list(dict.fromkeys(key for entry in entries for key in entry))
    array = np.empty((1, len(entries)), dtype=[(key, object) for key in keys])
    for i, entry in enumerate(entries):
        for key in keys:
            array[0, i][key] = entry.get(key, np.zeros((0, 0)))
    return array


def point(joint: int, visible: object) -> dict:
    return {"x": 10.0 + joint, "y": 20.0 + joint, "id": float(joint), "is_visible": visible}


def person(*points: dict, **changes) -> dict:
    whole = {
        "x1": 1.0, "y1": 2.0, "x2": 4.0, "y2": 6.0, "scale": 0.2, "objpos": {"x": 51.0, "y": 41.0},
        "annopoints": {"point": structures(*points)} if points else np.zeros((0, 0)),
    }  # fmt: skip
    return whole | changes


def write(root: Path, *images: tuple[str, list[dict]], train: tuple[int, ...] | None = None) -> Path:
    entries = [
        {"image": {"name": name}, "annorect": structures(*people) if people else np.zeros((0, 0))}
        for name, people in images
    ]
    flags = np.array([train or (1,) * len(images)], dtype=np.uint8)
    release = {"annolist": structures(*entries), "img_train": flags, "version": "12"}
    pytest.importorskip("scipy.io").savemat(root / RELEASE, {"RELEASE": release})
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for name in ("015.jpg", "016.jpg"):
        Image.new("RGB", (80, 60)).save(tmp_path / "images" / name)
    return tmp_path


def test_labelled_people_are_listed(root):
    two = [person(point(0, 1.0), point(9, 0.0), point(8, np.zeros((0, 0)))), person(), person(point(15, "0"))]
    test = {"scale": 1.0, "objpos": {"x": 5.0, "y": 5.0}}
    write(root, ("015.jpg", two), ("016.jpg", [person(point(6, "1"))]), ("none.jpg", [test]), train=(1, 1, 0))
    found = read(root)
    assert found.layout == "mpii-release"
    assert found.names == ("train/015@0", "train/015@2", "train/016@0")
    assert found.subjects.tolist() == [0, 0, 1]
    assert np.flatnonzero(np.isfinite(found.joints[0, :, 0])).tolist() == [0, 8, 9]
    assert found.joints[0, 9].tolist() == [18, 28]
    assert np.flatnonzero(found.visible[0]).tolist() == [0, 8]
    assert not found.visible[1].any()
    assert found.visible[2, 6]
    assert found.heads.tolist() == [5, 5, 5]
    assert np.allclose(found.boxes[0], [25, 18, 50, 50])


def test_people_without_scale_or_place_are_passed_over(root):
    rough = [person(point(0, 1.0), scale=np.zeros((0, 0))), person(point(0, 1.0), objpos=np.zeros((0, 0)))]
    write(root, ("015.jpg", [*rough, person(point(0, 1.0))]))
    assert read_mpii_release(root).names == ("train/015@2",)
    with pytest.raises(QueristError, match="holds no poses"):
        read_mpii_release(write(root, ("015.jpg", rough), ("016.jpg", [])))


@pytest.mark.parametrize(
    ("people", "says"),
    [
        ([person(point(16, 1.0))], "image 1, person 1 cannot be understood: the joint 16"),
        (
            [person(point(3, 1.0), point(3, 1.0))],
            "person 1 cannot be understood: the joint 3 is unknown or",
        ),
        ([person(point(np.inf, 1.0))], "image 1, person 1 cannot be understood: cannot convert float infinity"),
        ([person(point(3, 1.0), x1=np.zeros((0, 0)))], "person 1 cannot be understood"),
        ([person(point(3, 1.0), x2=1.0, y2=2.0)], r"the head of 015@0 measures 0\.0"),
    ],
)
def test_wrong_people_are_named(root, people, says):
    with pytest.raises(QueristError, match=says):
        read_mpii_release(write(root, ("015.jpg", people)))


def test_wrong_files_are_named(root):
    with pytest.raises(QueristError, match=rf"{RELEASE} is missing"):
        read_mpii_release(root)
    with pytest.raises(QueristError, match=r"image 1: there is no file .*none\.jpg"):
        read_mpii_release(write(root, ("none.jpg", [person(point(0, 1.0))])))
    with pytest.raises(QueristError, match="image 1 has no name of a file"):
        read_mpii_release(write(root, ("../015.jpg", [person(point(0, 1.0))])))
    with pytest.raises(QueristError, match="2 images, but 1 entries of img_train"):
        read_mpii_release(write(root, ("015.jpg", []), ("016.jpg", []), train=(1,)))
    pytest.importorskip("scipy.io").savemat(root / RELEASE, {"RELEASE": {"version": 1.0}})
    with pytest.raises(QueristError, match="RELEASE has no annolist"):
        read_mpii_release(root)
