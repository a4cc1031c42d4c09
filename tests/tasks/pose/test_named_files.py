"""Names out of files can be anything: too long, not to be written down, or of nothing."""

import json

import pytest

from querist.errors import QueristError
from querist.tasks.pose.annotations import image_inside
from querist.tasks.pose.folder import read_folder
from querist.tasks.pose.named_files import is_file, require_file
from querist.tasks.pose.skeleton import Skeleton

ODD = {"long": f"{'a' * 5000}.png", "deep": "a/" * 3000 + "a.png", "null": "a\0.png", "half": "\udc80\ud800.png"}


@pytest.mark.parametrize("name", ODD.values(), ids=ODD)
def test_odd_names_are_no_files(tmp_path, name):
    assert not is_file(tmp_path / name)
    with pytest.raises(QueristError) as caught:
        require_file("here, line 3", tmp_path / name, "add it")
    said = str(caught.value)
    assert said.startswith("here, line 3: there is no file ")
    assert len(said) < 300
    said.encode()  # a terminal can show it


def test_files_are_files(tmp_path):
    (tmp_path / "a.png").touch()
    assert is_file(tmp_path / "a.png")
    assert not is_file(tmp_path)
    require_file("here", tmp_path / "a.png", "add it")


@pytest.mark.parametrize("name", ODD.values(), ids=ODD)
def test_readers_refuse_them_in_words(tmp_path, name):
    (tmp_path / "skeleton.json").write_text(Skeleton(("hip", "knee"), ((0, 1),)).to_json())
    (tmp_path / "joints.json").write_text(json.dumps({"frames": [{"path": name}]}))
    with pytest.raises(QueristError, match=r"joints\.json, frames\[0\]: there is no file"):
        read_folder(tmp_path)
    with pytest.raises(QueristError, match=r"labels\.txt, line 1: there is no file"):
        image_inside("labels.txt, line 1", tmp_path, name)
