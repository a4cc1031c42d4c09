import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from querist.errors import QueristError
from querist.tasks.segmentation import arrays
from querist.tasks.segmentation.layouts import read

CLASSES = "classes: [{name: road, colour: [1, 2, 3]}, {name: car, colour: [4, 5, 6]}]"
HEIGHT, WIDTH = 6, 8


def save(root: Path, stem: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Writes one image and its mask, and returns them."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    mask = rng.integers(0, 2, (HEIGHT, WIDTH), dtype=np.uint8)
    Image.fromarray(image).save(root / "images" / f"{stem}.bmp")
    Image.fromarray(mask).save(root / "masks" / f"{stem}.bmp")
    return image, mask


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A plain folder of three pairs; bmp files keep their size whatever they hold."""
    root = tmp_path / "data"
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    (root / "classes.yaml").write_text(CLASSES)
    for i, stem in enumerate("abc"):
        save(root, stem, i)
    return root


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def load(root: Path, cache: Path, height: int = HEIGHT, width: int = WIDTH, **options) -> arrays.SplitArrays:
    return arrays.load_split(read(root), "train", height, width, cache, **options)


def files(cache: Path) -> dict[str, int]:
    """Every file of the cache with its inode: a rewritten file has another one."""
    return {p.relative_to(cache).as_posix(): p.stat().st_ino for p in cache.rglob("*") if p.is_file()}


def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Records the stems of the images that are decoded from now on."""
    stems: list[str] = []
    original = arrays.decode_image

    def spy(path: Path, *rest):
        stems.append(path.stem)
        return original(path, *rest)

    monkeypatch.setattr(arrays, "decode_image", spy)
    return stems


def test_arrays_hold_the_pixels_in_name_order(root, cache):
    got = load(root, cache)
    expected = [save(root, stem, i) for i, stem in enumerate("abc")]
    assert got.names == ("train/a", "train/b", "train/c")
    assert np.array_equal(got.images, [image for image, _ in expected])
    assert got.masks is not None
    assert np.array_equal(got.masks, [mask for _, mask in expected])
    assert got.images.dtype == got.masks.dtype == np.uint8
    assert got.classes.names == ("road", "car")
    assert len(got.digest) == 16


def test_arrays_are_read_only_memory_maps(root, cache):
    for got in (load(root, cache), load(root, cache)):  # built, then opened
        for array in (got.images, got.masks):
            assert isinstance(array, np.memmap)
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0


def test_images_are_resized_to_exactly_height_and_width(root, cache):
    got = load(root, cache, 3, 5)
    assert got.images.shape == (3, 3, 5, 3)
    assert got.masks is not None
    assert got.masks.shape == (3, 3, 5)


def test_a_second_load_decodes_nothing_and_writes_nothing(root, cache, monkeypatch):
    first, before = load(root, cache), files(cache)
    stems = decoded(monkeypatch)
    second = load(root, cache)
    assert stems == []
    assert files(cache) == before
    assert second.digest == first.digest
    assert np.array_equal(second.images, first.images)


def test_a_change_is_decoded_again_and_the_rest_is_kept(root, cache, monkeypatch):
    first = load(root, cache)
    image, mask = save(root, "b", 99)
    stems = decoded(monkeypatch)
    second = load(root, cache)
    assert stems == ["b"]
    assert second.digest != first.digest
    assert second.masks is not None
    assert np.array_equal(second.images[1], image)
    assert np.array_equal(second.masks[1], mask)
    assert np.array_equal(second.images[2], first.images[2])
    assert len(files(cache)) == 3  # the arrays of the earlier contents are gone
    assert np.array_equal(first.images[0], second.images[0])  # and yet whoever holds them can read on


def test_a_changed_mask_alone_is_noticed(root, cache):
    first = load(root, cache)
    mask = np.ones((HEIGHT, WIDTH), dtype=np.uint8)
    Image.fromarray(mask).save(root / "masks" / "c.bmp")
    second = load(root, cache)
    assert second.masks is not None
    assert np.array_equal(second.masks[2], mask)
    assert second.digest != first.digest


def test_a_touched_file_is_hashed_once_and_not_decoded(root, cache, monkeypatch):
    load(root, cache)
    os.utime(root / "images" / "a.bmp", ns=(1, 1))
    stems = decoded(monkeypatch)
    load(root, cache)
    after = files(cache)
    load(root, cache)
    assert stems == []
    assert files(cache) == after  # the new time was recorded


def test_size_and_time_are_trusted_where_they_were_taken_and_only_there(root, cache, tmp_path):
    first = load(root, cache)
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)  # keeps the times
    for folder in (root, copy):
        path = folder / "images" / "a.bmp"
        times = path.stat()
        path.write_bytes(path.read_bytes()[:-1] + b"\x07")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert load(root, cache).digest == first.digest
    assert load(copy, cache).digest != first.digest


def test_digest_ignores_place_time_and_size_of_the_result(root, cache, tmp_path):
    first = load(root, cache)
    moved = tmp_path / "elsewhere" / "renamed"
    shutil.copytree(root, moved, copy_function=shutil.copyfile)
    assert load(moved, cache).digest == first.digest
    assert load(moved, tmp_path / "other").digest == first.digest
    assert load(root, cache, 3, 5).digest == first.digest


def test_digest_follows_names_and_contents(root, cache):
    digests = [load(root, cache).digest, load(root, cache, masks=False).digest]
    for folder in ("images", "masks"):
        (root / folder / "c.bmp").rename(root / folder / "d.bmp")
    digests.append(load(root, cache).digest)
    save(root, "d", 5)
    digests.append(load(root, cache).digest)
    assert len(set(digests)) == 4


def test_every_file_has_a_hash_of_its_own(root, cache):
    (a, b, c), bare = load(root, cache).files, load(root, cache, masks=False).files
    assert [name for name, _ in (a, b, c)] == [name for name, _ in bare] == ["train/a", "train/b", "train/c"]
    assert bare[0][1] != a[1]
    Image.fromarray(np.ones((HEIGHT, WIDTH), dtype=np.uint8)).save(root / "masks" / "b.bmp")
    after = load(root, cache).files
    assert [old == new for old, new in zip((a, b, c), after, strict=True)] == [True, False, True]
    assert load(root, cache, masks=False).files == bare


def test_masks_are_optional_and_come_later(root, cache, monkeypatch):
    (root / "masks" / "b.bmp").unlink()
    bare = load(root, cache, masks=False)
    assert bare.masks is None
    with pytest.raises(QueristError, match=r"b\.bmp has no mask"):
        load(root, cache)
    save(root, "b", 1)
    full = load(root, cache)
    assert full.masks is not None
    stems = decoded(monkeypatch)
    assert load(root, cache, masks=False).digest == bare.digest
    assert load(root, cache).digest == full.digest
    assert stems == []  # arrays with masks serve both


def test_size_and_class_map_have_caches_of_their_own(root, cache):
    load(root, cache)
    load(root, cache, 3, 5)
    (root / "classes.yaml").write_text(CLASSES + "\nvoid: 9")
    load(root, cache)
    assert len(list((cache / "segmentation").iterdir())) == 3


def test_progress_counts_every_image(root, cache):
    for _ in range(2):  # built, then opened
        calls: list[tuple[int, int]] = []
        load(root, cache, progress=lambda done, total, calls=calls: calls.append((done, total)))
        assert calls == [(1, 3), (2, 3), (3, 3)]


def test_a_damaged_file_is_named_and_leaves_nothing_behind(root, cache):
    path = root / "images" / "b.bmp"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(QueristError, match=r"images/b\.bmp cannot be decoded"):
        load(root, cache)
    assert files(cache) == {}


def test_a_file_that_vanished_is_named(root, cache):
    listing = read(root)
    (root / "masks" / "c.bmp").unlink()
    with pytest.raises(QueristError, match=r"masks/c\.bmp cannot be read: No such file"):
        arrays.load_split(listing, "train", HEIGHT, WIDTH, cache)


@pytest.mark.parametrize(("height", "width"), [(0, 8), (6, -1)])
def test_sizes_must_be_positive(root, cache, height, width):
    with pytest.raises(ValueError, match="must be positive"):
        load(root, cache, height, width)


def test_camvid_on_disk_decodes_to_half_size(cache):
    data = os.environ.get("QUERIST_DATA")
    if not data or not (Path(data) / "camvid").is_dir():
        pytest.skip("QUERIST_DATA holds no camvid/")
    got = arrays.load_split(read(Path(data) / "camvid"), "val", 180, 240, cache)
    assert got.images.shape == (101, 180, 240, 3)
    assert got.masks is not None
    shares = np.bincount(got.masks.ravel(), minlength=12) / got.masks.size
    assert len(shares) == 12
    assert shares[[1, 3]].sum() > 0.4  # building and road fill most of any CamVid split
