"""Files in the forms that HRNet's and pytorch-pose's loaders read (see `mpii.py`): pixels count from 1."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from querist.errors import QueristError
from querist.tasks.pose.layouts import read
from querist.tasks.pose.mpii import read_mpii


def hrnet(image: str = "015.jpg", **changes) -> dict:
    joints = [[10.0 + j, 20.0 + j] for j in range(16)]
    joints[0], joints[1] = [-1.0, -1.0], [0.0, 0.0]
    visible = [0, 0, 0, *[1] * 13]
    person = {"image": image, "joints": joints, "joints_vis": visible, "center": [51.0, 41.0], "scale": 0.2}
    return person | changes


def pytorch_pose(image: str = "015.jpg", **changes) -> dict:
    joints = [[10.0 + j, 20.0 + j, 1.0] for j in range(16)]
    joints[0], joints[2] = [0.0, 0.0, 0.0], [12.0, 22.0, 0.0]
    person = {
        "dataset": "MPI", "isValidation": 0.0, "img_paths": image, "img_width": 80.0, "img_height": 60.0,
        "objpos": [51.0, 41.0], "joint_self": joints, "scale_provided": 0.2, "numOtherPeople": 0.0,
        "annolist_index": 5.0, "people_index": 1.0,
    }  # fmt: skip
    return person | changes


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "annot").mkdir()
    for name in ("015.jpg", "016.jpg"):
        Image.new("RGB", (80, 60)).save(tmp_path / "images" / name)
    return tmp_path


def write(root: Path, name: str, *people: object) -> Path:
    (root / name).write_text(json.dumps(people))
    return root


def test_the_form_of_hrnet(root):
    write(root, "annot/train.json", hrnet(), hrnet(), hrnet("016.jpg"))
    found = read(write(root, "annot/valid.json", hrnet("016.jpg")))
    assert found.layout == "mpii"
    assert found.names == ("train/015@0", "train/015@1", "train/016@0", "val/016@0")
    assert found.subjects.tolist() == [0, 0, 1, 1]
    assert np.isnan(found.joints[0, :2]).all()
    assert found.joints[0, 2].tolist() == [11, 21]
    assert found.visible[0].tolist() == [False] * 3 + [True] * 13
    # 200 x 1.25 x 0.2 = 50 pixels around (50, 40 + 15 x 0.2).
    assert np.allclose(found.boxes[0], [25, 18, 50, 50])
    assert np.allclose(found.heads, 2**0.5 / 0.8)  # neck and head top are a pixel apart in x and in y


def test_boxes_of_heads_lie_beside_the_validation(root):
    write(root, "annot/valid.json", hrnet(), hrnet("016.jpg"))
    boxes = np.array([[[10.0, 20], [10, 20]], [[13, 26], [14, 28]]])  # corner, axis, person
    savemat = pytest.importorskip("scipy.io").savemat
    savemat(root / "annot/gt_valid.mat", {"headboxes_src": boxes})
    assert read_mpii(root).heads.tolist() == [5, 10]
    savemat(root / "annot/gt_valid.mat", {"headboxes_src": boxes[..., :1]})
    with pytest.raises(QueristError, match=r"headboxes_src is float64 \(2, 2, 1\) for 2 people"):
        read_mpii(root)
    savemat(root / "annot/gt_valid.mat", {"headboxes_src": "none"})
    with pytest.raises(QueristError, match=r"headboxes_src is <U4 \(.*\) for 2 people"):
        read_mpii(root)


@pytest.mark.parametrize("form", ["hrnet", "pytorch_pose"])
def test_a_head_box_follows_from_the_joints_that_were_made_from_it(root, form):
    """A person of the release: box 627, 100 to 706, 198, with a diagonal of 125.88, and these two joints."""
    joints = [[600.0 + j, 300.0 + j] for j in range(16)]
    joints[8], joints[9] = [637.0201, 189.8183], [695.9799, 108.1817]
    if form == "hrnet":
        write(root, "annot/train.json", hrnet(joints=joints))
    else:
        write(root, "mpii_annotations.json", pytorch_pose(joint_self=[[*xy, 1.0] for xy in joints]))
    assert read_mpii(root).heads[0] == pytest.approx(np.hypot(706 - 627, 198 - 100), abs=0.01)


def test_without_its_joints_a_head_is_unknown(root):
    joints = [[10.0 + j, 20.0 + j] for j in range(16)]
    joints[9] = [-1.0, -1.0]
    assert np.isnan(read_mpii(write(root, "annot/train.json", hrnet(joints=joints))).heads).all()


def test_the_form_of_pytorch_pose(root):
    found = read(write(root, "mpii_annotations.json", pytorch_pose(), pytorch_pose("016.jpg", isValidation=1.0)))
    assert found.names == ("train/015@0", "val/016@0")
    assert np.isnan(found.joints[0, 0]).all()
    assert found.joints[0, 2].tolist() == [11, 21]
    assert found.visible[0].tolist() == [False, True, False, *[True] * 13]
    assert np.allclose(found.boxes[0], [25, 18, 50, 50])


@pytest.mark.parametrize(
    ("person", "says"),
    [
        ([], r"train\.json, person 0 has no entry 'image'"),
        (hrnet("none.jpg"), r"person 0: there is no file .*none\.jpg"),
        (hrnet("a" * 5000 + ".jpg"), "person 0: there is no file .*characters"),
        (hrnet("../x.jpg"), "is not one inside images"),
        (hrnet(image=3), "image is 3"),
        (hrnet(joints=[[1, 2]] * 15), "joints is .*expected 16 x 2 numbers"),
        (hrnet(joints=[[1, 2]] * 15 + [[1]]), "joints is .*expected 16 x 2 numbers"),
        (hrnet(joints_vis=["1"] * 16), "joints_vis is"),
        (hrnet(scale=None), "scale is null"),
        (hrnet(scale=-1.0), "the box of 015@0 is"),
        (hrnet(center=[1]), r"center is \[1\]"),
    ],
)
def test_wrong_people_are_named(root, person, says):
    with pytest.raises(QueristError) as caught:
        read_mpii(write(root, "annot/train.json", person))
    assert re.search(says, str(caught.value).replace("\n", " "))


def test_wrong_files_are_named(root):
    with pytest.raises(QueristError, match="has no annotations"):
        read_mpii(root)
    path = root / "annot/train.json"
    path.write_text("{}")
    with pytest.raises(QueristError, match=r"train\.json is no list of people"):
        read_mpii(root)
    path.write_text("[{")
    with pytest.raises(QueristError, match=r"train\.json is not JSON"):
        read_mpii(root)
    write(root, "mpii_annotations.json", pytorch_pose(joint_self=[[1, 2]] * 16))
    with pytest.raises(QueristError, match="person 0: joint_self is"):
        read_mpii(root)
