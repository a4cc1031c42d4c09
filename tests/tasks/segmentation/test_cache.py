import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from querist.errors import QueristError
from querist.tasks.segmentation import arrays
from querist.tasks.segmentation.layouts import read

CLASSES = "classes: [{name: road, colour: [1, 2, 3]}, {name: car, colour: [4, 5, 6]}]"
HEIGHT, WIDTH = 6, 8
IMAGES = np.random.default_rng(0).integers(0, 256, (3, HEIGHT, WIDTH, 3), dtype=np.uint8)


def save(root: Path, stem: str, image: np.ndarray) -> None:
    for name, pixels in (("images", image), ("masks", image[..., 0] % 2)):
        (root / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / name / f"{stem}.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A plain folder of three pairs."""
    root = tmp_path / "data"
    for stem, image in zip("abc", IMAGES, strict=True):
        save(root, stem, image)
    (root / "classes.yaml").write_text(CLASSES)
    return root


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def load(root: Path, cache: Path) -> arrays.SplitArrays:
    return arrays.load_split(read(root), "train", HEIGHT, WIDTH, cache)


def files(cache: Path) -> dict[str, int]:
    """Every file of the cache with its inode: a rewritten file has another one."""
    return {p.relative_to(cache).as_posix(): p.stat().st_ino for p in cache.rglob("*") if p.is_file()}


@pytest.mark.parametrize("harm", ["cut index", "foreign index", "cut array", "no array", "wrong shape"])
def test_a_harmed_cache_is_built_again(root, cache, harm):
    first = load(root, cache)
    (folder,) = (cache / "segmentation").iterdir()
    index, images = folder / "index.json", folder / f"images-{first.digest}.npy"
    if harm == "cut index":
        index.write_text(index.read_text()[:-40])
    elif harm == "foreign index":
        index.write_text(json.dumps([1, 2]))
    elif harm == "cut array":
        images.write_bytes(images.read_bytes()[:-1])
    elif harm == "no array":
        images.unlink()
    else:
        np.save(images, np.zeros((1, 2), dtype=np.uint8))
    second = load(root, cache)
    assert second.digest == first.digest
    assert np.array_equal(second.images, IMAGES)


def test_a_full_disk_is_an_error_that_costs_nothing(root, cache, monkeypatch):
    first, before = load(root, cache), files(cache)
    save(root, "b", 255 - IMAGES[1])

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(QueristError, match="the disk is full") as caught:
            load(root, cache)
    assert "QUERIST_CACHE" in caught.value.fix
    assert files(cache) == before
    assert load(root, cache).digest != first.digest


def test_a_cache_that_cannot_be_made_is_named(root, cache):
    cache.write_text("a file where the folder should be")
    with pytest.raises(QueristError, match=r"cache/segmentation/\w+ cannot be written") as caught:
        load(root, cache)
    assert "QUERIST_CACHE" in caught.value.fix


def test_leftovers_of_killed_processes_are_swept(root, cache):
    load(root, cache)
    (folder,) = (cache / "segmentation").iterdir()
    old, new = folder / "images-1-a.tmp", folder / "images-2-b.tmp"
    for path in (old, new):
        path.touch()
    os.utime(old, (time.time() - 7200,) * 2)
    save(root, "a", 255 - IMAGES[0])
    load(root, cache)
    assert not old.exists()
    assert new.exists()  # it may belong to a process at work


def test_two_processes_may_build_at_once(root, cache):
    code = (
        "import sys; from pathlib import Path; from querist.tasks.segmentation import arrays, layouts\n"
        "listing = layouts.read(Path(sys.argv[1])); cache = Path(sys.argv[2])\n"
        "for size in range(1, 60):\n"
        "    got = arrays.load_split(listing, 'train', size, size, cache)\n"
        "    print(got.digest, int(got.images.sum()), int(got.masks.sum()))\n"
        "assert 'torch' not in sys.modules\n"
    )
    command = [sys.executable, "-c", code, str(root), str(cache)]
    builders = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [builder.communicate(timeout=60)[0] for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0]
    assert outputs[0] == outputs[1]
    assert len(outputs[0].splitlines()) == 59
    assert not list(cache.rglob("*.tmp"))
    assert len(list(cache.rglob("*.npy"))) == 2 * 59
