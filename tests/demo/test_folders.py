import pytest

from querist.demo.folders import writing_folder
from querist.errors import QueristError


def test_a_folder_appears_whole(tmp_path):
    root = tmp_path / "a" / "data"
    with writing_folder(root, "pictures") as partial:
        (partial / "x").write_text("1")
        assert not root.exists()
    assert [path.name for path in root.iterdir()] == ["x"]
    assert [path.name for path in root.parent.iterdir()] == ["data"]


def test_what_fails_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), writing_folder(tmp_path / "data", "pictures") as partial:
        (partial / "x").write_text(str(1 / 0))
    with pytest.raises(QueristError, match="cannot be written: No space left"), writing_folder(tmp_path / "data", "x"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with (
        pytest.raises(QueristError, match="holds something already") as caught,
        writing_folder(tmp_path, "the pictures"),
    ):
        pass
    assert "another folder for the pictures" in caught.value.fix
    assert (tmp_path / "mine.txt").read_text() == "precious"
