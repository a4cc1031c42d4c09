"""Where decoded arrays are kept, and how files get there whole or not at all."""

import contextlib
import errno
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from querist.errors import QueristError
from querist.nn.stamps import Index

INDEX = "index.json"
"""The record of what the arrays of a cache folder were made from."""

_STALE_S = 3600.0
"""A temporary file of this age belongs to a process that was killed."""


def default_cache() -> Path:
    """The cache folder: `$QUERIST_CACHE`, else `$XDG_CACHE_HOME/querist`, else `~/.cache/querist`."""
    if own := os.environ.get("QUERIST_CACHE"):
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "querist"


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turns what can go wrong with the disk of a cache folder into an error that says what to do.

    Raises:
        QueristError: if the disk is full or the folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise QueristError(
                f"the disk is full: the cache {folder} cannot be written",
                "make room, or set QUERIST_CACHE to a folder on another disk",
            ) from error
        raise QueristError(
            f"the cache {folder} cannot be written: {error.strerror}",
            "set QUERIST_CACHE to a folder that can",
        ) from error


def sync(file: BinaryIO) -> None:
    """Brings what was written to the disk, so that a published file is whole even after a power cut."""
    file.flush()
    os.fsync(file.fileno())


def publish_index(folder: Path, index: Index) -> None:
    """Puts an index in place in one go."""
    temporary = folder / f"index-{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        with temporary.open("wb") as file:
            file.write(index.to_json().encode())
            sync(file)
        temporary.replace(folder / INDEX)
    finally:
        temporary.unlink(missing_ok=True)


def prune(folder: Path, keep: str) -> None:
    """Removes arrays of earlier contents, and temporary files that a killed process left."""
    for path in folder.iterdir():
        with contextlib.suppress(OSError):  # another process may be pruning too
            old = path.suffix == ".npy" and not path.stem.endswith(keep)
            if old or (path.suffix == ".tmp" and time.time() - path.stat().st_mtime > _STALE_S):
                path.unlink()
