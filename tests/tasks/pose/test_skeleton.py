import json
from pathlib import Path

import numpy as np
import pytest

from querist.errors import QueristError
from querist.tasks.pose.skeleton import Skeleton, read_skeleton
from querist.tasks.pose.skeletons import COCO, HAND21, LSP, MPII, SKELETONS

ARM = Skeleton(("body", "left hand", "right hand"), ((0, 1), (0, 2)), ((1, 2),), {"arms": (0, 1)}, head=(0, 1))


def topology(skeleton: Skeleton) -> int:
    """How many numbers the kinematic chain space has: upper triangles of all bones and of each part."""
    return sum(m * (m + 1) // 2 for m in (len(skeleton.bones), *map(len, skeleton.part_bones)))


def test_hand_and_body_have_the_sizes_of_the_specification():
    assert topology(HAND21) == 275
    assert topology(MPII) == 150
    assert [len(skeleton) for skeleton in SKELETONS.values()] == [14, 16, 17, 21, 16, 14]
    assert [len(part) for part in HAND21.part_bones] == [5, 4, 4, 4, 4, 4]
    assert [len(part) for part in MPII.part_bones] == [5, 2, 2, 2, 2, 2]


def test_every_bone_of_the_body_is_in_one_part():
    for skeleton in (MPII, LSP, COCO):
        assert min(map(len, skeleton.part_bones)) > 1
        assert sorted(bone for part in skeleton.part_bones for bone in part) == list(range(len(skeleton.bones)))


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_mirroring_twice_changes_nothing_and_bones_stay_bones(skeleton):
    order = skeleton.mirrored
    assert np.array_equal(order[order], np.arange(len(skeleton)))
    bones = set(skeleton.bones)
    assert {(order[parent], order[child]) for parent, child in bones} == bones
    for joint, other in enumerate(order):
        assert skeleton.names[joint].replace("left", "right") == skeleton.names[other].replace("left", "right")


def test_the_torso_is_measured_across():
    for skeleton in (LSP, MPII, COCO):
        assert skeleton.torso is not None
        assert [skeleton.names[joint] for joint in skeleton.torso] == ["left shoulder", "right hip"]
    assert [MPII.names[joint] for joint in MPII.unscored] == ["pelvis", "thorax"]


@pytest.mark.parametrize("skeleton", [*SKELETONS.values(), ARM])
def test_a_skeleton_survives_its_file(tmp_path, skeleton):
    path = tmp_path / "skeleton.json"
    path.write_text(skeleton.to_json())
    assert read_skeleton(path) == skeleton


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"names": ("body",)}, "1 joints has no bone"),
        ({"names": ("body", "body", "tail")}, "'body' is empty or occurs twice"),
        ({"bones": ((0, 1), (1, 1))}, "bone 1 leads from joint 1 to 1"),
        ({"bones": ((0, 1), (0, 3))}, "bone 1 leads from joint 0 to 3"),
        ({"bones": ((0, 1), (2, 1))}, "two bones end in the joint 'left hand'"),
        ({"bones": ((0, 1),), "parts": {}}, "no bones lead from 'body' to 'right hand'"),
        ({"bones": ((1, 2), (2, 1))}, "no bones lead from 'body' to 'left hand'"),  # a circle
        ({"bones": ((0, 1), (1, 2), (2, 0))}, "no bones lead from any joint to 'body'"),
        ({"swaps": ((1, 2), (2, 0))}, "pairs of left and right"),
        ({"swaps": ((1, 1),)}, "pairs of left and right"),
        ({"parts": {"arms": ()}}, "'arms' has no bone"),
        ({"parts": {"arms": (0, 0)}}, r"'arms' has the bones \[0, 0\]"),
        ({"parts": {"arms": (2,)}}, r"'arms' has the bones \[2\]"),
        ({"head": (1, 1)}, "the head is measured between"),
        ({"torso": (0, 7)}, "the torso is measured between"),
        ({"unscored": (0, 1, 2)}, "shall not be scored"),
    ],
)
def test_wrong_skeletons_are_named(changes, says):
    whole = {"names": ARM.names, "bones": ARM.bones, "parts": dict(ARM.parts)}
    with pytest.raises(QueristError, match=says):
        Skeleton(**(whole | changes))


def test_joints_go_by_name():
    assert MPII.joint("pelvis") == 6
    with pytest.raises(QueristError, match="no joint 'tail'"):
        MPII.joint("tail")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[", "is not JSON"),
        ("[]", "no names and bones"),
        ({"names": ["a", "b"]}, "no names and bones"),
        ({"names": ["a", 2], "bones": []}, "names is "),
        ({"names": ["a", "b"], "bones": [["a", "b"]], "color": 1}, "the entry 'color'"),
        ({"names": ["a", "b"], "bones": [["a", "c"]]}, r"bones\[0\] names the joint 'c', which is not in names"),
        ({"names": ["a", "b"], "bones": [["a"]]}, r"bones\[0\] names 1 joints"),
        ({"names": ["a", "b"], "bones": {"a": "b"}}, "bones is no list"),
        ({"names": ["a", "b"], "bones": [["a", "b"]], "parts": []}, "parts is no mapping"),
        ({"names": ["a", "b"], "bones": [["a", "b"]], "parts": {"p": ["a"]}}, "no bone ends in 'a'"),
        ({"names": ["a", "b"], "bones": [["a", "b"]], "torso": ["a"]}, "torso names 1 joints"),
        ({"names": ["a", "b", "c"], "bones": [["a", "b"]]}, "no bones lead from 'a' to 'c'"),
        ({"names": ["a", "Left_hand", "right hand"], "bones": [["a", "Left_hand"], ["a", "right hand"]]},
         "'Left_hand' and 'right hand' are not in swaps"),
    ],
)  # fmt: skip
def test_wrong_files_are_named(tmp_path: Path, content, says):
    path = tmp_path / "skeleton.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(QueristError, match=rf"skeleton\.json.*{says}"):
        read_skeleton(path)


@pytest.mark.parametrize(
    ("left", "right"),
    [("left_hip", "right_hip"), ("l_hip", "r_hip"), ("LHip", "RHip"), ("leftHip", "rightHip"), ("hip_l", "hip_r"),
     ("lefthip", "righthip"), ("hip.L", "hip.R"), ("L hip", "R hip"), ("LEFT_HIP", "RIGHT_HIP"),
     ("hipLeft", "hipRight")],
)  # fmt: skip
def test_left_and_right_are_known_by_many_names(tmp_path, left, right):
    """Else every second image would teach left as right."""
    path = tmp_path / "skeleton.json"
    document = {"names": [left, right, "pelvis"], "bones": [["pelvis", left], ["pelvis", right]]}
    path.write_text(json.dumps(document))
    with pytest.raises(QueristError, match="are not in swaps"):
        read_skeleton(path)
    path.write_text(json.dumps(document | {"swaps": [[right, left]]}))
    assert read_skeleton(path).mirrored.tolist() == [1, 0, 2]


def test_what_only_looks_like_a_side_is_none(tmp_path):
    path = tmp_path / "skeleton.json"
    names = ["lower", "rower", "l1", "leftover", "wrist"]
    path.write_text(json.dumps({"names": names, "bones": [["lower", name] for name in names[1:]]}))
    assert read_skeleton(path).mirrored.tolist() == [0, 1, 2, 3, 4]


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(QueristError, match=r"skeleton\.json is missing"):
        read_skeleton(tmp_path / "skeleton.json")


@pytest.mark.parametrize("depth", [200, 990, 100_000])
def test_a_file_of_lists_in_lists_is_refused(tmp_path, depth):
    path = tmp_path / "skeleton.json"
    path.write_text(f'{{"names": {"[" * depth}{"]" * depth}, "bones": []}}')
    with pytest.raises(QueristError, match=r"skeleton\.json"):
        read_skeleton(path)
