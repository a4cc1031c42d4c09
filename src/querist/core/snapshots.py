"""Snapshots on disk: whole or not there, and checked when they are read."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as decode_tensors
from safetensors.numpy import save as encode_tensors

from querist.errors import QueristError

DRAFTS = (".new", ".partial")
"""How the names of files end that are being written; a killed process leaves them."""


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, if they are not there.

    Raises:
        QueristError: the disk is full or not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"{folder}: cannot be made ({error.strerror})"
        raise QueristError(what, "free some space or check the permissions, then go on") from error


def remove_drafts(folder: Path) -> None:
    """Remove what killed processes left half written in a folder, and nothing else."""
    for path in folder.glob("*"):
        if path.suffix in DRAFTS:
            path.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file that is either complete under its name or absent, even after a power cut; makes its folder.

    Raises:
        QueristError: the disk is full or not writable; an older file under the name stays as it was.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")  # cells of one seed may share what they write
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise QueristError(
            f"{path}: cannot be written ({error.strerror})",
            "free some space or check the folder's permissions, then resume; nothing that was kept is lost",
        ) from error


def sync_folder(folder: Path) -> None:
    """Make a new name in a folder survive a power cut, where the system lets folders be opened."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def encode_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays as the bytes of a safetensors file, the same bytes for the same arrays."""
    return encode_tensors({name: np.asarray(array, order="C") for name, array in sorted(arrays.items())})


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file.

    Raises:
        QueristError: it cannot be read.
    """
    try:
        return decode_tensors(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise QueristError(f"{path}: cannot be read as safetensors ({error})", "remove it and try again") from error


def part_of(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Those whose names begin with a prefix and a slash, without it."""
    return {name[len(prefix) + 1 :]: array for name, array in arrays.items() if name.startswith(prefix + "/")}


class Later(Mapping[str, np.ndarray]):
    """Arrays that are read once they are wanted, by whoever wants them: people do not wait for a large file.

    Args:
        read: reads them.
    """

    def __init__(self, read: Callable[[], Mapping[str, np.ndarray]]) -> None:
        self._read = cache(read)

    def __getitem__(self, name: str) -> np.ndarray:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


class Snapshots:
    """The folder of a run's snapshots, each named by the SHA-256 of its bytes.

    Args:
        folder: made when the first one is saved; drafts that a killed process left there are removed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        remove_drafts(folder)

    def save(self, arrays: Mapping[str, np.ndarray]) -> str:
        """Keep arrays; returns their digest once they are safe on disk."""
        data = encode_arrays(arrays)
        digest = hashlib.sha256(data).hexdigest()
        if not self._path(digest).exists():
            write_atomically(self._path(digest), data)
        return digest

    def load(self, digest: str) -> dict[str, np.ndarray]:
        """The arrays of a digest.

        Raises:
            QueristError: the file is gone or is not what was written.
        """
        path = self._path(digest)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise QueristError(f"{path}: the run's snapshot is missing", "restore the folder from a backup") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise QueristError(f"{path}: the run's snapshot is damaged", "restore the folder from a backup")
        return decode_tensors(data)

    def keep_only(self, digests: set[str]) -> None:
        """Remove all others."""
        for path in self._folder.glob("*.safetensors"):
            if path.stem not in digests:
                path.unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.safetensors"
