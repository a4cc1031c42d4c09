"""Files as the READMEs of LSP and LSPET describe them, and as the numbers in them are (see `lsp.py`)."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from querist.errors import QueristError
from querist.tasks.pose.layouts import read
from querist.tasks.pose.lsp import read_lsp

N = 3


def matrix(extended: bool, count: int = N) -> np.ndarray:
    """(3, 14, N), or (14, 3, N): joint j of image i at (10 i + j, 20 i + j), joint 2 of image 1 flagged differently."""
    joints = np.zeros((14, 3, count))
    for i in range(count):
        joints[:, 0, i], joints[:, 1, i] = 10 * i + np.arange(14), 20 * i + np.arange(14)
    joints[:, 2] = 1 if extended else 0
    joints[2, 2, count // 2] = 0 if extended else 1
    return joints if extended else joints.transpose(1, 0, 2)


def write(root: Path, joints: np.ndarray, digits: int, count: int = N) -> Path:
    pytest.importorskip("scipy.io").savemat(root / "joints.mat", {"joints": joints})
    (root / "images").mkdir()
    for i in range(1, count + 1):
        Image.new("RGB", (40, 30)).save(root / f"images/im{i:0{digits}d}.jpg")
    return root


def test_hidden_joints_of_lsp_are_known_and_not_visible(tmp_path):
    found = read(write(tmp_path, matrix(False), 4))
    assert found.layout == "lsp"
    assert found.names == ("train/im0001", "train/im0002", "train/im0003")
    assert found.joints.shape == (N, 14, 2)
    assert found.joints[1, 2].tolist() == [12, 22]
    assert np.isfinite(found.joints).all()
    assert np.argwhere(~found.visible).tolist() == [[1, 2]]


def test_joints_of_the_extension_that_were_not_labelled_are_unknown(tmp_path):
    found = read(write(tmp_path, matrix(True), 5))
    assert found.names[0] == "train/im00001"
    assert found.joints[2, 13].tolist() == [33, 53]
    assert np.argwhere(np.isnan(found.joints).any(axis=2)).tolist() == [[1, 2]]
    assert np.argwhere(~found.visible).tolist() == [[1, 2]]


def test_the_second_half_of_lsp_is_for_the_test(tmp_path, monkeypatch):
    monkeypatch.setattr("querist.tasks.pose.lsp._TRAIN", 2)
    found = read_lsp(write(tmp_path, matrix(False), 4))
    assert found.names == ("train/im0001", "train/im0002", "test/im0003")
    assert found.splits == ("train", "test")
    assert found.rows("test").tolist() == [2]
    with pytest.raises(QueristError, match="has no split 'val'"):
        found.rows("val")


def test_a_single_image_will_do(tmp_path):
    assert len(read_lsp(write(tmp_path, matrix(True, 1), 5, 1))) == 1


@pytest.mark.parametrize(
    ("joints", "says"),
    [
        (np.zeros((14, 2, N)), r"joints are float64 \(14, 2, 3\)"),
        (np.zeros((15, 3, N)), r"joints are float64 \(15, 3, 3\)"),
        (np.full((14, 3, N), 2.0), "a flag of image 1 is neither 0 nor 1"),
        (np.where(np.arange(3)[None, :, None] == 0, np.inf, np.ones((14, 3, N))), "'right ankle' is infinite"),
    ],
)
def test_other_matrices_are_named(tmp_path, joints, says):
    with pytest.raises(QueristError, match=says):
        read_lsp(write(tmp_path, joints, 5))


def test_images_and_joints_must_pair_up(tmp_path):
    write(tmp_path, matrix(True), 5)
    (tmp_path / "images/im00002.jpg").rename(tmp_path / "images/im00004.jpg")
    with pytest.raises(QueristError, match=r"lacks image 2 of the 3 in joints\.mat"):
        read_lsp(tmp_path)
    (tmp_path / "images/im00002.jpg").touch()
    with pytest.raises(QueristError, match=r"im00004\.jpg has no joints"):
        read_lsp(tmp_path)
    (tmp_path / "images/im0002.jpg").touch()
    with pytest.raises(QueristError, match="holds image 2 twice"):
        read_lsp(tmp_path)
    (tmp_path / "images/cover.jpg").touch()
    with pytest.raises(QueristError, match=r"cover\.jpg has no number"):
        read_lsp(tmp_path)


def test_what_is_missing_or_damaged_is_named(tmp_path):
    with pytest.raises(QueristError, match="does not exist"):
        read_lsp(tmp_path / "none")
    with pytest.raises(QueristError, match=r"joints\.mat is missing"):
        read_lsp(tmp_path)
    (tmp_path / "joints.mat").write_bytes(b"no MATLAB file" * 20)
    with pytest.raises(QueristError, match=r"joints\.mat cannot be understood"):
        read_lsp(tmp_path)
    pytest.importorskip("scipy.io").savemat(tmp_path / "joints.mat", {"poses": np.zeros(3)})
    with pytest.raises(QueristError, match=r"joints\.mat holds no variable 'joints'"):
        read_lsp(tmp_path)
    pytest.importorskip("scipy.io").savemat(tmp_path / "joints.mat", {"joints": matrix(True)})
    with pytest.raises(QueristError, match="images does not exist"):
        read_lsp(tmp_path)


def test_without_scipy_the_message_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "joints.mat").touch()
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(QueristError, match=r"joints\.mat can only be read with scipy") as caught:
        read_lsp(tmp_path)
    assert "pip install scipy" in caught.value.fix
