import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from querist.errors import QueristError
from querist.tasks.reid import layouts
from querist.tasks.reid.cuhk03 import read_cuhk03

FILES = ("1_001_1_01.png", "1_001_2_06.png", "1_002_1_02.png", "5_001_1_01.png", "5_001_2_10.png")
PEOPLE = (1, 1, 2, 9, 9)
SPLITS = {"train": (3, 1, 2), "query": (4,), "gallery": (5,)}  # counted from 1, as in MATLAB


def pixels(boxes: str, name: str) -> np.ndarray:
    """An image of a size of its own."""
    pair, person, _, number = (int(part) for part in name[:-4].split("_"))
    rng = np.random.default_rng((pair, person, number, len(boxes)))
    return rng.integers(0, 256, (8 + number, 4, 3), dtype=np.uint8)


def protocol(root: Path, boxes: str = "detected", **changes) -> None:
    """The split, in MATLAB's older format: cells of names, columns of numbers."""
    names = np.empty((len(FILES), 1), dtype=object)
    names[:, 0] = FILES
    content = {
        "filelist": names,
        "labels": np.array(PEOPLE, dtype=np.uint16)[:, None],
        "camId": np.array([int(name[6]) for name in FILES], dtype=np.uint8)[:, None],
        **{f"{split}_idx": np.array(rows, dtype=np.uint16)[:, None] for split, rows in SPLITS.items()},
    }
    pytest.importorskip("scipy.io").savemat(root / f"cuhk03_new_protocol_config_{boxes}.mat", content | changes)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny data file: five pairs of cameras, at most two people each; what is not in FILES is an empty cell."""
    h5py = pytest.importorskip("h5py")
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "cuhk03"
    (root / "cuhk03_release").mkdir(parents=True)
    with h5py.File(root / "cuhk03_release/cuhk-03.mat", "w") as file:
        # A MATLAB matrix m x n is written as n x m; a cell is a reference to where its content lies.
        empty = file.create_dataset("#refs#/empty", data=np.zeros(2, dtype=np.uint64))
        for boxes in ("detected", "labeled"):
            tables = file.create_dataset(boxes, (1, 5), dtype=h5py.ref_dtype)
            for pair in range(1, 6):
                table = file.create_dataset(f"#refs#/{boxes}{pair}", (10, 2), dtype=h5py.ref_dtype)
                for person in (1, 2):
                    for number in range(1, 11):
                        name = f"{pair}_{person:03d}_{1 if number <= 5 else 2}_{number:02d}.png"
                        image = empty
                        if name in FILES:
                            image = file.create_dataset(f"#refs#/{boxes}/{name}", data=pixels(boxes, name).T)
                        table[number - 1, person - 1] = image.ref
                tables[0, pair - 1] = table.ref
    protocol(root)
    protocol(root, "labeled")
    return root


@pytest.mark.parametrize(("layout", "boxes"), [("auto", "detected"), ("cuhk03-labeled", "labeled")])
def test_the_new_protocol_is_read(root, layout, boxes):
    calls: list[tuple[int, int]] = []
    listing = layouts.read(root, layout, lambda *call: calls.append(call))
    assert listing.layout == {"auto": "cuhk03"}.get(layout, layout)
    crops = {split: [(c.name, c.person, c.camera) for c in own] for split, own in listing.splits.items()}
    assert crops == {
        "train": [("train/1_001_1_01", 1, 1), ("train/1_001_2_06", 1, 2), ("train/1_002_1_02", 2, 1)],
        "query": [("query/5_001_1_01", 9, 1)],
        "gallery": [("gallery/5_001_2_10", 9, 2)],
    }
    for own in listing.splits.values():
        for crop in own:
            with Image.open(crop.image) as image:
                assert np.array_equal(np.asarray(image), pixels(boxes, crop.image.name))
    assert calls == [(done, 5) for done in range(1, 6)]
    calls.clear()
    assert layouts.read(root, layout, lambda *call: calls.append(call)) == listing
    assert calls == []  # the images are there already


def test_a_damaged_data_file_is_named_and_leaves_nothing(root, tmp_path):
    mat = root / "cuhk03_release/cuhk-03.mat"
    mat.write_bytes(mat.read_bytes()[:3000])
    with pytest.raises(QueristError, match=r"cuhk-03\.mat: the detected images cannot be read"):
        layouts.read(root)
    assert not list(tmp_path.glob("cache/reid/*"))


def test_an_image_that_is_not_there_is_named(root):
    names = np.empty((5, 1), dtype=object)
    names[:, 0] = (*FILES[:4], "5_002_2_10.png")  # an empty cell
    protocol(root, filelist=names)
    with pytest.raises(QueristError, match=r"the detected image 5_002_2_10\.png cannot be read: it is uint64"):
        layouts.read(root)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"filelist": np.array([["one.png"]] * 5, dtype=object)}, r"lists 'one\.png'"),
        ({"labels": np.array([[1]])}, "do not fit each other"),
        ({"query_idx": np.array([[6]])}, "do not fit each other"),
        ({"query_idx": np.array([[5]])}, "do not fit each other"),  # also in the gallery
    ],
)
def test_a_wrong_protocol_is_named(root, changes, says):
    protocol(root, **changes)
    with pytest.raises(QueristError, match=rf"cuhk03_new_protocol_config_detected\.mat:? .*{says}"):
        layouts.read(root)


def test_what_is_missing_is_named(root):
    (root / "cuhk03_new_protocol_config_detected.mat").write_bytes(b"no MATLAB file at all" * 10)
    with pytest.raises(QueristError, match=r"config_detected\.mat cannot be understood"):
        layouts.read(root)
    (root / "cuhk03_new_protocol_config_detected.mat").unlink()
    with pytest.raises(QueristError, match=r"config_detected\.mat is missing"):
        layouts.read(root)
    (root / "cuhk03_release/cuhk-03.mat").unlink()
    with pytest.raises(QueristError, match=r"cuhk-03\.mat is missing"):
        layouts.read(root, "cuhk03")
    with pytest.raises(ValueError, match="boxes must be one of"):
        read_cuhk03(root, "drawn")


def test_without_h5py_the_message_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "cuhk-03.mat").touch()
    protocol(tmp_path)
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(QueristError, match=r"cuhk-03\.mat can only be read with h5py") as caught:
        layouts.read(tmp_path)
    assert caught.value.fix == "pip install h5py"
