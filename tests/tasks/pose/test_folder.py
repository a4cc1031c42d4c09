import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from querist.errors import QueristError
from querist.tasks.pose.folder import read_folder
from querist.tasks.pose.layouts import read
from querist.tasks.pose.skeleton import Skeleton

SKELETON = Skeleton(("hip", "knee"), ((0, 1),))
HEAD = "path,split,hip_x,hip_y,knee_x,knee_y,hip_visible\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "skeleton.json").write_text(SKELETON.to_json())
    (tmp_path / "a").mkdir()
    for name in ("a/one.png", "a/two.png", "three.png"):
        Image.new("RGB", (8, 6)).save(tmp_path / name)
    return tmp_path


def write(root: Path, *frames: dict, **more) -> Path:
    (root / "joints.json").write_text(json.dumps({"frames": list(frames), **more}))
    return root


def test_a_table_is_read(root):
    (root / "joints.csv").write_text(HEAD + "a/one.png,train,1,2,3,4,0\nthree.png,test,5.5,6,,,\n")
    found = read(root)
    assert found.layout == "folder"
    assert found.names == ("train/a/one", "test/three")
    assert found.skeleton == SKELETON
    assert np.array_equal(found.joints, [[[1, 2], [3, 4]], [[5.5, 6], [np.nan, np.nan]]], equal_nan=True)
    assert found.visible.tolist() == [[False, True], [True, False]]
    assert found.split_of.tolist() == ["train", "test"]
    assert np.isnan(found.boxes).all()
    assert np.isnan(found.heads).all()


def test_frames_are_read(root):
    one = {"path": "a/one.png", "joints": [[1, 2], None], "box": [0, 1, 4, 5], "head": 2.5, "subject": "anna"}
    two = {"path": "a/two.png", "joints": [[1, 2], [3, 4]], "visible": [True, False], "subject": "anna"}
    found = read_folder(write(root, one, two, {"path": "three.png"}))
    assert found.names == ("train/a/one", "train/a/two", "train/three")
    assert np.isnan(found.joints[[0, 2, 2], [1, 0, 1]]).all()
    assert found.visible.tolist() == [[True, False], [True, False], [False, False]]
    assert found.boxes[0].tolist() == [0, 1, 4, 5]
    assert found.heads[0] == 2.5
    assert found.subjects.tolist() == [0, 0, 1]


def test_a_folder_of_the_split_is_not_named_twice(root):
    (root / "a").rename(root / "test")
    found = read_folder(write(root, {"path": "test/one.png", "split": "test"}, {"path": "test/two.png"}))
    assert found.names == ("train/test/two", "test/one")


def test_without_a_table_nothing_is_labelled(root):
    found = read_folder(root)
    assert found.names == ("train/a/one", "train/a/two", "train/three")
    assert np.isnan(found.joints).all()


def test_several_people_in_one_image_have_boxes_and_stay_together(root):
    first = {"path": "a/one.png", "box": [0, 0, 4, 6], "joints": [[1, 2], [3, 4]]}
    second = {"path": "a/one.png", "box": [4, 0, 4, 6], "joints": [[5, 2], [6, 4]]}
    found = read_folder(write(root, first, second, {"path": "three.png", "box": [0, 0, 4, 6]}))
    assert found.names == ("train/a/one", "train/a/one#2", "train/three")
    assert found.boxes[:, 0].tolist() == [0, 4, 0]
    assert found.joints[1].tolist() == [[5, 2], [6, 4]]
    assert found.subjects[0] == found.subjects[1] != found.subjects[2]
    anna, ben = {"subject": "anna"}, {"subject": "ben"}
    found = read_folder(write(root, first | anna, second | ben, {"path": "three.png"} | ben))
    assert len(set(found.subjects)) == 1  # ben's other image would show whom anna's shows
    for second in ({"box": [0, 0, 4, 6]}, {}, {"box": [4, 0, 4, 6], "split": "test"}):
        with pytest.raises(QueristError, match=r"frames\[1\]: a/one was listed at .*frames\[0\] already"):
            read_folder(write(root, first, {"path": "a/one.png", **second}))


def test_two_files_of_one_name_are_told(root):
    Image.new("RGB", (8, 6)).save(root / "three.jpg")
    with pytest.raises(QueristError, match=r"frames\[1\]: three\.jpg and three\.png \(.*frames\[0\]\) share a name"):
        read_folder(write(root, {"path": "three.png"}, {"path": "three.jpg"}))


@pytest.mark.parametrize("cells", ["1,2,,,", "1,2,nan,NaN,1.0", "1,2,nan,nan,TRUE"])
def test_tables_of_other_programs_are_understood(root, cells):
    (root / "joints.csv").write_text(HEAD + f"three.png,,{cells}\n")
    found = read_folder(root)
    assert np.array_equal(found.joints[0], [[1, 2], [np.nan, np.nan]], equal_nan=True)
    assert found.visible.tolist() == [[True, False]]


def test_what_is_null_or_empty_is_unknown(root):
    frames = [{"path": name, "joints": [[1, 2], [None, None]], "subject": ""} for name in ("a/one.png", "a/two.png")]
    found = read_folder(write(root, *frames))
    assert np.isnan(found.joints[:, 1]).all()
    assert found.subjects[0] != found.subjects[1]


def test_millimetres_become_pixels_and_depth(root):
    (root / "camera.json").write_text(json.dumps({"fx": 100, "fy": 50, "cx": 4, "cy": 3, "cube_mm": 200}))
    one = {"path": "three.png", "joints": [[10, 20, 500], [0, 0, 400]]}
    two = {"path": "a/one.png", "centre": [0, 10, 500]}
    found = read_folder(write(root, one, two))
    assert found.depth is not None
    assert (found.depth.cube_mm, found.depth.unit_mm) == (200, 1)
    assert found.joints[1].tolist() == [[6, 5, 500], [4, 3, 400]]
    assert found.centres.tolist() == [[4, 4, 500], [5, 4, 450]]  # the mean of the joints where none is given
    (root / "joints.json").unlink()
    (root / "joints.csv").write_text("path,hip_x,hip_y,hip_z,knee_x,knee_y,knee_z\nthree.png,10,20,500,,,\n")
    assert read_folder(root).joints[0, 0].tolist() == [6, 5, 500]


def test_a_box_is_for_colour_images(root):
    (root / "camera.json").write_text(json.dumps({"fx": 100, "fy": 50, "cx": 4, "cy": 3}))
    with pytest.raises(QueristError, match=r"frames\[0\]: of a depth image no box is cut out"):
        read_folder(write(root, {"path": "three.png", "centre": [0, 0, 500], "box": [0, 0, 4, 4]}))


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("path,hip_x,hip_y,knee_x\n", "has no column 'knee_y'"),
        (HEAD.replace("split", "colour"), "has a column 'colour'"),
        (HEAD.replace("split", "path"), "names a column twice"),
        (HEAD + "a/one.png,train,1,2,3\n", "line 2: the line does not have 7 cells"),
        (HEAD + "a/one.png,train,1,two,3,4,\n", "line 2: the joint 'hip' is at '1', 'two'"),
        (HEAD + "a/one.png,train,1,,3,4,\n", "line 2: the joint 'hip' is at '1', ''"),
        (HEAD + "a/one.png,train,1,2,3,4,maybe\n", "line 2: hip_visible is 'maybe'"),
        (HEAD + "a/one.png,nan,1,2,3,4,\n", "the split of a/one is 'nan'"),
        (HEAD + "a/one.png,,1,nan,3,4,\n", "line 2: the joint 'hip' is "),
        (HEAD + "a/none.png,,1,2,3,4,\n", r"line 2: there is no file .*none\.png"),
        (HEAD + "../one.png,,1,2,3,4,\n", r"line 2: the path '\.\./one\.png' is not one inside"),
        (HEAD + "three.png,,1,2,3,4,\nthree.png,test,1,2,3,4,\n", "line 3: three was listed at .*line 2 already"),
        (HEAD.replace(",", ";") + "three.png;;1;2;3;4;\n", "is separated by semicolons"),
        (HEAD.replace(",", "\t"), "is separated by tabs"),
        ("", "is empty"),
        (HEAD, "holds no poses"),
        (b"path\xff", "is not a table in UTF-8"),
    ],
)
def test_wrong_tables_are_named(root, table, says):
    (root / "joints.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    with pytest.raises(QueristError, match=says):
        read_folder(root)


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ({}, r"frames\[0\] has no path"),
        ({"path": "three.png", "pose": []}, r"frames\[0\] has the entry 'pose'"),
        ({"path": "three.png", "joints": [[1, 2]]}, r"frames\[0\]: joints is no list of 2"),
        ({"path": "three.png", "joints": [[1, 2], [3]]}, r"frames\[0\]: the joint 'knee' is \[3\]"),
        ({"path": "three.png", "joints": [[1, 2], [3, "4"]]}, r"the joint 'knee' is \[3, \"4\"\]"),
        ({"path": "three.png", "joints": [[1, 2], [3, float("inf")]]}, r"the joint 'knee' is \[3, Infinity\]"),
        ({"path": "three.png", "visible": [1]}, "visible is no list of 2 truths"),
        ({"path": "three.png", "box": [1, 2, 3]}, r"box is \[1, 2, 3\]"),
        ({"path": "three.png", "box": [1, 2, 0, 4]}, "the box of three is"),
        ({"path": "three.png", "head": -1}, "the head of three measures -1"),
        ({"path": "three.png", "head": "big"}, 'head is "big"'),
    ],
)
def test_wrong_frames_are_named(root, frame, says):
    with pytest.raises(QueristError, match=says):
        read_folder(write(root, frame))


def test_hands_must_be_found_before_the_camera(root):
    camera = root / "camera.json"
    camera.write_text(json.dumps({"fx": 100, "fy": 50, "cx": 4, "cy": 3}))
    with pytest.raises(QueristError, match=r"has no joints\.json"):
        read_folder(root)
    for frame, says in (
        ({"path": "three.png"}, "it is not known where the hand of three is"),
        ({"path": "three.png", "joints": [[1, 2, -3], None]}, r"frames\[0\]: a point at a depth of -3\.0 mm"),
        ({"path": "three.png", "joints": [[1, 2], None]}, "the joint 'hip' is"),
    ):
        with pytest.raises(QueristError, match=says):
            read_folder(write(root, frame))
    for wrong in ({"fx": 100}, {"fx": 1, "fy": 1, "cx": 1, "cy": 1, "f": 1}, []):
        camera.write_text(json.dumps(wrong))
        with pytest.raises(QueristError, match=r"camera\.json is no camera"):
            read_folder(root)
    camera.write_text(json.dumps({"fx": -1, "fy": 1, "cx": 1, "cy": 1}))
    with pytest.raises(QueristError, match=r"camera\.json: a camera cannot have"):
        read_folder(root)


def test_what_is_missing_or_too_much_is_named(root):
    (root / "joints.json").write_text("[]")
    with pytest.raises(QueristError, match="has no list of frames"):
        read_folder(root)
    (root / "joints.csv").touch()
    with pytest.raises(QueristError, match=r"holds both joints\.json and joints\.csv"):
        read_folder(root)
    (root / "skeleton.json").unlink()
    with pytest.raises(QueristError, match=r"skeleton\.json is missing"):
        read_folder(root)


def test_a_link_out_of_the_folder_is_refused(root, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "x.png"
    (root / "three.png").rename(outside)
    (root / "three.png").symlink_to(outside)
    with pytest.raises(QueristError, match="a link that leads out of"):
        read_folder(write(root, {"path": "three.png"}))
