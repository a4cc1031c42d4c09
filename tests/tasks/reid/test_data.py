from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from querist.errors import QueristError
from querist.tasks.reid.data import ReidData, load
from querist.tasks.reid.layouts import read

HEIGHT, WIDTH = 8, 4
FILES = {
    "bounding_box_train/0001_c1_a.png": 0,
    "bounding_box_train/0002_c2_a.png": 1,
    "query/0003_c1_a.png": 2,
    "bounding_box_test/-1_c1_a.png": 3,
    "bounding_box_test/0003_c2_a.png": 4,
}
NAMES = ("train/0001_c1_a", "train/0002_c2_a", "query/0003_c1_a", "gallery/-1_c1_a", "gallery/0003_c2_a")


def pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for name, seed in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(seed)).save(path)
    return root


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_all_splits_lie_behind_each_other(root, cache):
    calls: list[tuple[str, int, int]] = []
    got = load(read(root), HEIGHT, WIDTH, cache=cache, progress=lambda *call: calls.append(call))
    assert got.names == NAMES
    assert got.size == (HEIGHT, WIDTH)
    assert got.persons.tolist() == [1, 2, 3, -1, 3]
    assert got.cameras.tolist() == [1, 2, 1, 1, 2]
    assert got.split_of.tolist() == ["train", "train", "query", "gallery", "gallery"]
    assert [got.sources(split).tolist() for split in ("train", "query", "gallery")] == [[0, 1], [2], [3, 4]]
    assert got.paths is not None
    assert got.paths[3] == root / "bounding_box_test/-1_c1_a.png"
    assert got.known
    assert len(got) == 5
    for source in range(5):
        assert np.array_equal(got.image(source), pixels(source))
    assert calls == [
        ("reading train", 1, 2), ("reading train", 2, 2), ("reading query", 1, 1),
        ("reading gallery", 1, 2), ("reading gallery", 2, 2),
    ]  # fmt: skip


def test_batches_come_in_the_order_asked_for(root, cache):
    got = load(read(root), HEIGHT, WIDTH, cache=cache)
    batch = got.batch(np.array([4, 0, 3, 0]))
    assert np.array_equal(batch, [pixels(seed) for seed in (4, 0, 3, 0)])
    batch[:] = 0  # a copy
    assert np.array_equal(got.image(4), pixels(4))
    assert got.batch(np.array([], dtype=np.int64)).shape == (0, HEIGHT, WIDTH, 3)
    for wrong in (-1, 5):
        with pytest.raises(IndexError):
            got.image(wrong)


def test_images_are_memory_maps_of_the_size_asked_for(root, cache):
    got = load(read(root), 16, 8, ("query", "train"), cache)
    assert [array.shape for array in got.images] == [(1, 16, 8, 3), (2, 16, 8, 3)]
    assert all(isinstance(array, np.memmap) for array in got.images)
    assert got.split_of.tolist() == ["query", "train", "train"]
    expected = Image.fromarray(pixels(2)).resize((8, 16), Image.Resampling.BILINEAR)
    assert np.array_equal(got.image(0), np.asarray(expected))


def test_nothing_is_decoded_twice_and_changes_are_noticed(root, cache, monkeypatch):
    first = load(read(root), HEIGHT, WIDTH, cache=cache)
    stems: list[str] = []

    def spy(path: Path, *rest):
        stems.append(path.stem)
        return original(path, *rest)

    from querist.tasks.reid import data

    original = data.decode_image
    monkeypatch.setattr(data, "decode_image", spy)
    assert load(read(root), HEIGHT, WIDTH, cache=cache).digest == first.digest
    assert stems == []
    Image.fromarray(pixels(9)).save(root / "query/0003_c1_a.png")
    second = load(read(root), HEIGHT, WIDTH, cache=cache)
    assert stems == ["0003_c1_a"]
    assert second.digest != first.digest
    assert [name for name in NAMES if first.files[name] != second.files[name]] == ["query/0003_c1_a"]


def test_the_digest_follows_who_is_seen_but_not_place_or_size(root, cache, tmp_path):
    def table(camera: int) -> ReidData:
        (root / "people.csv").write_text(f"path,person,camera\nquery/0003_c1_a.png,3,{camera}\n")
        return load(read(root, "csv"), HEIGHT, WIDTH, cache=cache)

    assert table(1).digest != table(2).digest
    first = load(read(root, "market"), HEIGHT, WIDTH, cache=cache)
    root.rename(tmp_path / "moved")
    assert load(read(tmp_path / "moved", "market"), 4, 4, cache=cache).digest == first.digest


def test_a_damaged_image_is_named(root, cache):
    path = root / "query/0003_c1_a.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(QueristError, match=r"query/0003_c1_a\.png cannot be decoded"):
        load(read(root), HEIGHT, WIDTH, cache=cache)


def test_absent_splits_and_sizes_are_refused(root, cache):
    with pytest.raises(QueristError, match="has no split 'test'"):
        load(read(root), HEIGHT, WIDTH, ("test",), cache)
    with pytest.raises(ValueError, match="must be positive"):
        load(read(root), 0, WIDTH, cache=cache)


def in_memory(**changes) -> ReidData:
    columns = {
        "names": ("a", "b", "c"),
        "images": (np.stack([pixels(0), pixels(1)]), pixels(2)[None]),
        "persons": np.array([1, 1, -2]),
        "cameras": np.array([1, 2, 3]),
        "split_of": np.array(["train"] * 3),
    }
    return ReidData(**(columns | changes))


def test_arrays_in_memory_will_do():
    got = in_memory()
    assert np.array_equal(got.batch(np.array([2, 1])), [pixels(2), pixels(1)])
    assert not got.known
    assert got.paths is None
    assert len(got.digest) == 16


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"names": ("a", "b")}, "3 images for 2 names"),
        ({"persons": np.array([1])}, "1 persons for 3 names"),
        ({"paths": (Path("a.jpg"),)}, "1 paths for 3 names"),
        ({"names": ("a", "b", "a")}, "two images share a name"),
        ({"images": (np.zeros((3, 8, 4, 3)),)}, r"images are float64"),
        (
            {"images": (np.zeros((2, 8, 4, 3), np.uint8), np.zeros((1, 4, 4, 3), np.uint8))},
            r"images are uint8 \(1, 4, 4, 3\), expected uint8 \(n, 8, 4, 3\)",
        ),
        ({"split_of": np.array(["train", "val", "train"])}, "there is no split 'val'"),
    ],
)
def test_columns_that_do_not_fit_are_named(changes, says):
    with pytest.raises(QueristError, match=says):
        in_memory(**changes)
