import pytest

from querist.errors import QueristError
from querist.tasks.pose.layouts import READERS, read


def test_a_folder_of_nothing_known_is_named(tmp_path):
    with pytest.raises(QueristError, match="has no layout that is known"):
        read(tmp_path)
    with pytest.raises(QueristError, match="does not exist"):
        read(tmp_path / "none")


def test_a_folder_that_looks_like_two_is_named(tmp_path):
    (tmp_path / "skeleton.json").touch()
    (tmp_path / "joints.mat").touch()
    with pytest.raises(QueristError, match="looks like lsp and folder at once"):
        read(tmp_path)


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(QueristError, match="there is no layout 'cub'") as caught:
        read(tmp_path, "cub")
    for name in READERS:
        assert name in caught.value.fix


FILES = {
    "lsp": "joints.mat", "mpii": "annot/valid.json", "mpii-release": "mpii_human_pose_v1_u12_1.mat",
    "coco": "person_keypoints_train2017.json", "icvl": "Training/labels.txt", "nyu": "joint_data.mat",
    "nyu21": "joint_data.mat", "bighand": "Training_Annotation.txt", "folder": "skeleton.json",
}  # fmt: skip


@pytest.mark.parametrize("layout", READERS)
def test_every_reader_says_what_it_looked_for(tmp_path, layout):
    with pytest.raises(QueristError) as caught:
        read(tmp_path, layout)
    assert FILES[layout] in f"{caught.value} {caught.value.fix}"
