import errno
import hashlib
import os

import numpy as np
import pytest

from querist.core import snapshots
from querist.core.snapshots import Snapshots, read_arrays, write_atomically
from querist.errors import QueristError

ARRAYS = {
    "weights": np.linspace(0, 1, 7, dtype=np.float32).reshape(1, 7),
    "steps": np.array(3, dtype=np.int64),
    "nothing": np.zeros((0, 4)),
    "flags": np.array([True, False]),
    "tree": np.frombuffer(b"{}", dtype=np.uint8),
    "slice": np.arange(12.0).reshape(3, 4)[:, ::2],
}


def same(a, b):
    assert a.keys() == b.keys()
    for name, array in a.items():
        assert (array.dtype, array.shape) == (b[name].dtype, b[name].shape)
        np.testing.assert_array_equal(array, b[name])


def test_what_was_saved_is_loaded_bit_by_bit_and_named_by_its_content(tmp_path):
    folder = Snapshots(tmp_path / "deep" / "snapshots")
    digest = folder.save(ARRAYS)
    same(folder.load(digest), ARRAYS)
    (path,) = (tmp_path / "deep" / "snapshots").iterdir()
    assert path.name == f"{digest}.safetensors"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    assert folder.save(dict(reversed(ARRAYS.items()))) == digest  # the order of the names does not matter
    assert folder.save({**ARRAYS, "flags": np.array([True, True])}) != digest
    same(read_arrays(path), ARRAYS)


def test_nothing_can_be_saved(tmp_path):
    folder = Snapshots(tmp_path)
    assert folder.load(folder.save({})) == {}


def test_a_missing_or_damaged_snapshot_is_named(tmp_path):
    folder = Snapshots(tmp_path)
    digest = folder.save(ARRAYS)
    with pytest.raises(QueristError, match=r"0000\.safetensors: the run's snapshot is missing"):
        folder.load("0000")
    path = tmp_path / f"{digest}.safetensors"
    for harmed in (path.read_bytes()[:-1], path.read_bytes()[:-1] + b"\xff", b""):
        path.write_bytes(harmed)
        with pytest.raises(QueristError, match=rf"{digest}\.safetensors: the run's snapshot is damaged"):
            folder.load(digest)
    with pytest.raises(QueristError, match="cannot be read as safetensors"):
        read_arrays(path)
    with pytest.raises(QueristError, match="cannot be read"):
        read_arrays(tmp_path / "absent.safetensors")


def test_only_what_is_named_stays(tmp_path):
    folder = Snapshots(tmp_path)
    first, second, third = (folder.save({"x": np.array([i])}) for i in range(3))
    (tmp_path / f"{first}.safetensors.123.new").write_bytes(b"half")
    folder.keep_only({first, third, "not there"})
    folder = Snapshots(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {f"{first}.safetensors", f"{third}.safetensors"}
    with pytest.raises(QueristError, match="missing"):
        folder.load(second)


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_older_file_and_no_draft(tmp_path, monkeypatch, moment):
    path = tmp_path / "x.safetensors"
    write_atomically(path, b"older")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        if moment == "fsync":
            patch.setattr(os, "fsync", full)
        else:
            patch.setattr(type(path), "replace", full)
        with pytest.raises(QueristError, match=r"x\.safetensors: cannot be written \(No space left on device\)"):
            write_atomically(path, b"newer")
    assert path.read_bytes() == b"older"
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]
    write_atomically(path, b"newer")
    assert path.read_bytes() == b"newer"


def test_the_file_is_safe_before_it_gets_its_name(tmp_path, monkeypatch):
    """Data, then name, then the folder that holds the name: the order that survives a power cut."""
    events = []
    fsync, replace = os.fsync, type(tmp_path).replace
    monkeypatch.setattr(os, "fsync", lambda handle: (events.append("fsync"), fsync(handle)))
    monkeypatch.setattr(type(tmp_path), "replace", lambda a, b: (events.append("name"), replace(a, b)))
    Snapshots(tmp_path).save(ARRAYS)
    assert events == ["fsync", "name", "fsync"]


def test_a_snapshot_that_is_there_is_not_written_again(tmp_path, monkeypatch):
    folder = Snapshots(tmp_path)
    digest = folder.save(ARRAYS)
    monkeypatch.setattr(snapshots, "write_atomically", lambda *_: pytest.fail("written twice"))
    assert folder.save(ARRAYS) == digest
