"""Image files decoded once into uint8 memory maps, kept in a cache that notices changed files.

A cache folder holds `images-DIGEST.npy`, perhaps `masks-DIGEST.npy`, and `index.json`, which records size,
modification time and SHA-256 of every source file. The arrays are named by the digest of what they were made
from and every file is put in place in one go, so processes that build the same cache at the same time disturb
nobody: they publish the same bytes under the same names.
"""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from querist.nn.cache import INDEX, prune, publish_index, sync, writing
from querist.nn.stamps import Index, Stamp, check_file, read_file

Progress = Callable[[int, int], None]
"""Called with (files done, files in all)."""

Arrays = dict[str, np.ndarray]
"""Read-only memory maps by kind: `images`, and `masks` if there are any."""

_WINDOW = 32
"""Images decoded ahead of the writer; bounds the memory."""


@dataclass(frozen=True)
class Job:
    """Files to be decoded to one size, and the cache folder that belongs to them.

    Args:
        root: the resolved data folder; sizes and times of files are trusted only there.
        names: the n sample names.
        files: kind -> the n files; kinds are `images` and, where a task has them, `masks`.
        height: rows of every array.
        width: columns of every array.
        folder: the cache folder. Its name must depend on all else that decides what `decode` gives.
        decode: (sample, kind -> contents of its file) -> kind -> uint8 (height, width, 3), or (height, width)
            for masks. It is called by several threads.
    """

    root: str
    names: tuple[str, ...]
    files: Mapping[str, tuple[Path, ...]]
    height: int
    width: int
    folder: Path
    decode: Callable[[int, Mapping[str, bytes]], Mapping[str, np.ndarray]]

    @property
    def masks(self) -> bool:
        """Whether masks are among the files."""
        return "masks" in self.files

    def shape(self, kind: str) -> tuple[int, ...]:
        """The shape of a kind's array."""
        plane = (len(self.names), self.height, self.width)
        return (*plane, 3) if kind == "images" else plane


_Row = dict[str, tuple[np.ndarray, Stamp]]
"""One decoded sample by kind, with the stamps of its files."""


def open_or_build(job: Job, progress: Progress | None = None) -> tuple[Arrays, Index]:
    """Opens the arrays of a job from its cache, after decoding what is not there yet or has changed since.

    Files whose size and modification time are as recorded are trusted; others are hashed again, and those
    whose contents differ are decoded again.

    Args:
        job: what is wanted.
        progress: called after every sample that was checked, and again from 1 if samples must be decoded.

    Returns:
        the arrays, and the record of the files they were made from (which may know masks that were not asked for).

    Raises:
        QueristError: if a file cannot be read or decoded, or the cache cannot be written (disk full, no right to).
    """
    told = progress or (lambda done, total: None)
    cached = _open_cache(job)
    if cached is None or (job.masks and cached[1].masks is None):
        return _build(job, None, told)
    arrays, old = cached
    now = _check(job, old, told)
    if now.digest(job.masks) != old.digest(job.masks):
        return _build(job, (arrays, old, now), told)
    looked_at_all = job.masks or old.masks is None
    if now != old and looked_at_all:
        with contextlib.suppress(OSError):  # a cache that cannot be written is still good to read
            publish_index(job.folder, now)
    return arrays, now


def _open_cache(job: Job) -> tuple[Arrays, Index] | None:
    """The arrays and the index of a cache; None if there is none, or it is not whole."""
    try:
        index = Index.from_json((job.folder / INDEX).read_text(encoding="utf-8"))
        digest = index.digest(index.masks is not None)
        kinds = ("images",) if index.masks is None else ("images", "masks")
        arrays = {kind: np.load(job.folder / f"{kind}-{digest}.npy", mmap_mode="r") for kind in kinds}
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError):
        return None
    whole = all(array.shape == job.shape(kind) and array.dtype == np.uint8 for kind, array in arrays.items())
    return (arrays, index) if whole and index.names == job.names else None


def _check(job: Job, old: Index, progress: Progress) -> Index:
    """The index as it would be now; stamps of masks that are not asked for stay as they are."""
    trust = old.root == job.root
    stamps = {"images": list(old.images), "masks": list(old.masks or ())}
    for i in range(len(job.names)):
        for kind, files in job.files.items():
            stamps[kind][i] = check_file(files[i], stamps[kind][i], trust)
        progress(i + 1, len(job.names))
    masks = None if old.masks is None else tuple(stamps["masks"])
    return Index(job.root, old.names, tuple(stamps["images"]), masks)


def _build(job: Job, reuse: tuple[Arrays, Index, Index] | None, progress: Progress) -> tuple[Arrays, Index]:
    """Decodes and publishes; `reuse`: earlier arrays, their index, and the index as files are now."""
    tag = f"{os.getpid()}-{secrets.token_hex(4)}.tmp"
    temporary = {kind: job.folder / f"{kind}-{tag}" for kind in job.files}
    stamps: dict[str, list[Stamp]] = {kind: [] for kind in job.files}
    with writing(job.folder), contextlib.ExitStack() as stack:
        job.folder.mkdir(parents=True, exist_ok=True)
        files: dict[str, BinaryIO] = {}
        for kind, path in temporary.items():
            stack.callback(path.unlink, missing_ok=True)
            files[kind] = stack.enter_context(path.open("wb"))
            header = {"descr": "|u1", "fortran_order": False, "shape": job.shape(kind)}
            np.lib.format.write_array_header_1_0(files[kind], header)
        for done, row in enumerate(_rows(job, reuse), start=1):
            for kind, (array, stamp) in row.items():
                # Plain writes: on a full disk they raise, where a memory map would kill the process.
                files[kind].write(array.tobytes())
                stamps[kind].append(stamp)
            progress(done, len(job.names))
        masks = tuple(stamps["masks"]) if job.masks else None
        index = Index(job.root, job.names, tuple(stamps["images"]), masks)
        arrays: Arrays = {}
        for kind, path in temporary.items():
            sync(files[kind])
            arrays[kind] = np.load(path, mmap_mode="r")  # mapped before it can be replaced by another process
            path.replace(job.folder / f"{kind}-{index.digest(job.masks)}.npy")
        publish_index(job.folder, index)
        prune(job.folder, keep=index.digest(job.masks))
    return arrays, index


def _rows(job: Job, reuse: tuple[Arrays, Index, Index] | None) -> Iterator[_Row]:
    """The rows in order, decoded by a few threads (Pillow works outside the interpreter lock)."""

    def row(i: int) -> _Row:
        kept = None if reuse is None else _kept(i, job.masks, *reuse)
        return kept or _decode(job, i)

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for start in range(0, len(job.names), _WINDOW):
            yield from pool.map(row, range(start, min(start + _WINDOW, len(job.names))))


def _kept(i: int, masks: bool, arrays: Arrays, old: Index, now: Index) -> _Row | None:
    """Row i of the old arrays, or None if one of its files has changed."""
    row = {"images": (arrays["images"][i], now.images[i])}
    same = old.images[i].sha256 == now.images[i].sha256
    if masks and old.masks is not None and now.masks is not None:
        row["masks"] = (arrays["masks"][i], now.masks[i])
        same = same and old.masks[i].sha256 == now.masks[i].sha256
    return row if same else None


def _decode(job: Job, i: int) -> _Row:
    read = {kind: read_file(files[i]) for kind, files in job.files.items()}
    arrays = job.decode(i, {kind: data for kind, (data, _) in read.items()})
    return {kind: (arrays[kind], stamp) for kind, (_, stamp) in read.items()}
