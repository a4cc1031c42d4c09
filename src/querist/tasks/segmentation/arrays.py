"""A split decoded once into uint8 memory maps, kept in a cache that notices changed files.

A cache folder belongs to (layout, sample names, height, width, class map). It holds `images-DIGEST.npy`,
`masks-DIGEST.npy` and `index.json`, which records size, modification time and SHA-256 of every source file.
The arrays are named by the digest of what they were made from and every file is put in place in one go, so
processes that build the same cache at the same time disturb nobody: they publish the same bytes under the
same names.
"""

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from querist.tasks.segmentation.cache import INDEX, default_cache, prune, publish_index, sync, writing
from querist.tasks.segmentation.classes import ClassMap
from querist.tasks.segmentation.decode import decode_image, decode_mask
from querist.tasks.segmentation.listing import Listing, Sample, require_masks
from querist.tasks.segmentation.stamps import Index, Stamp, check_file, read_file

Progress = Callable[[int, int], None]
"""Called with (files done, files in all)."""

_VERSION = 1
"""To be raised when decoding changes, so that older caches are not met again."""

_WINDOW = 32
"""Images decoded ahead of the writer; bounds the memory."""


@dataclass(frozen=True, eq=False)
class SplitArrays:
    """The decoded images of one split.

    Args:
        names: the n sample names, sorted.
        images: uint8 (n, H, W, 3), RGB, a read-only memory map.
        masks: uint8 (n, H, W) of train ids and `classes.void`, a read-only memory map; None if not asked for.
        classes: the class map.
        digest: 16 hexadecimal digits of the names and the contents of the image files, and of the mask files
            if masks were asked for. It does not depend on where the folder lies, on times, or on H and W.
        files: for each sample its name and the SHA-256 (hexadecimal) over the contents of its image and, if masks
            were asked for, its mask.
    """

    names: tuple[str, ...]
    images: np.ndarray
    masks: np.ndarray | None
    classes: ClassMap
    digest: str
    files: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Job:
    """One split at one size, and the cache folder it belongs in."""

    root: str
    samples: tuple[Sample, ...]
    classes: ClassMap
    height: int
    width: int
    masks: bool
    folder: Path

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sample.name for sample in self.samples)

    def shape(self, kind: str) -> tuple[int, ...]:
        plane = (len(self.samples), self.height, self.width)
        return (*plane, 3) if kind == "images" else plane


_Row = dict[str, tuple[np.ndarray, Stamp]]
"""One decoded sample by kind, with the stamps of its files."""

_Arrays = dict[str, np.ndarray]
"""Memory maps by kind: `images`, and `masks` if there are any."""


def load_split(
    listing: Listing,
    split: str,
    height: int,
    width: int,
    cache: Path | None = None,
    masks: bool = True,
    progress: Progress | None = None,
) -> SplitArrays:
    """Decodes a split, or opens it from the cache if no file has changed since.

    Files whose size and modification time are as recorded are trusted; others are hashed again, and those
    whose contents differ are decoded again.

    Args:
        listing: the data folder.
        split: name of the split.
        height: rows that every image is resized to, exactly.
        width: columns that every image is resized to, exactly.
        cache: the cache folder; None is `default_cache()`.
        masks: whether masks are needed; if not, images that have none are welcome.
        progress: called after every image that was checked, and again from 1 if images must be decoded.

    Raises:
        QueristError: if the split or a mask is missing, a file is damaged or of the wrong kind or size, a
            mask holds an unknown id, or the cache cannot be written (disk full, no right to).
        ValueError: if height or width is not positive.
    """
    if height < 1 or width < 1:
        raise ValueError(f"height and width must be positive, not {height} and {width}")
    samples = listing.split(split)
    if masks:
        require_masks(samples)
    names = [sample.name for sample in samples]
    key = json.dumps([_VERSION, listing.layout, names, height, width, listing.classes.fingerprint()])
    folder = (cache or default_cache()) / "segmentation" / hashlib.sha256(key.encode()).hexdigest()[:16]
    root = os.path.realpath(listing.root)
    job = _Job(root, samples, listing.classes, height, width, masks, folder)
    arrays, index = _open_or_build(job, progress or (lambda done, total: None))
    shown = arrays["masks"] if masks else None
    return SplitArrays(job.names, arrays["images"], shown, listing.classes, index.digest(masks), _files(index, masks))


def _files(index: Index, masks: bool) -> tuple[tuple[str, str], ...]:
    """Each sample's name and the hash of its contents."""
    stamps = zip(index.images, index.masks or (), strict=True) if masks else ((image,) for image in index.images)
    hashes = (hashlib.sha256("/".join(stamp.sha256 for stamp in row).encode()).hexdigest() for row in stamps)
    return tuple(zip(index.names, hashes, strict=True))


def _open_or_build(job: _Job, progress: Progress) -> tuple[_Arrays, Index]:
    cached = _open_cache(job)
    if cached is None or (job.masks and cached[1].masks is None):
        return _build(job, None, progress)
    arrays, old = cached
    now = _check(job, old, progress)
    if now.digest(job.masks) != old.digest(job.masks):
        return _build(job, (arrays, old, now), progress)
    looked_at_all = job.masks or old.masks is None
    if now != old and looked_at_all:
        with contextlib.suppress(OSError):  # a cache that cannot be written is still good to read
            publish_index(job.folder, now)
    return arrays, now


def _open_cache(job: _Job) -> tuple[_Arrays, Index] | None:
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


def _check(job: _Job, old: Index, progress: Progress) -> Index:
    """The index as it would be now; stamps of masks that are not asked for stay as they are."""
    trust = old.root == job.root
    images, masks = list(old.images), list(old.masks or ())
    for i, sample in enumerate(job.samples):
        images[i] = check_file(sample.image, images[i], trust)
        if job.masks and sample.mask is not None:
            masks[i] = check_file(sample.mask, masks[i], trust)
        progress(i + 1, len(images))
    return Index(job.root, old.names, tuple(images), None if old.masks is None else tuple(masks))


def _build(job: _Job, reuse: tuple[_Arrays, Index, Index] | None, progress: Progress) -> tuple[_Arrays, Index]:
    """Decodes and publishes a split; `reuse`: earlier arrays, their index, and the index as files are now."""
    kinds = ("images", "masks") if job.masks else ("images",)
    tag = f"{os.getpid()}-{secrets.token_hex(4)}.tmp"
    temporary = {kind: job.folder / f"{kind}-{tag}" for kind in kinds}
    stamps: dict[str, list[Stamp]] = {kind: [] for kind in kinds}
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
            progress(done, len(job.samples))
        masks = tuple(stamps["masks"]) if job.masks else None
        index = Index(job.root, job.names, tuple(stamps["images"]), masks)
        arrays: _Arrays = {}
        for kind, path in temporary.items():
            sync(files[kind])
            arrays[kind] = np.load(path, mmap_mode="r")  # mapped before it can be replaced by another process
            path.replace(job.folder / f"{kind}-{index.digest(job.masks)}.npy")
        publish_index(job.folder, index)
        prune(job.folder, keep=index.digest(job.masks))
    return arrays, index


def _rows(job: _Job, reuse: tuple[_Arrays, Index, Index] | None) -> Iterator[_Row]:
    """The rows in order, decoded by a few threads (Pillow works outside the interpreter lock)."""

    def row(i: int) -> _Row:
        kept = None if reuse is None else _kept(i, job.masks, *reuse)
        return kept or _decode(job, job.samples[i])

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for start in range(0, len(job.samples), _WINDOW):
            yield from pool.map(row, range(start, min(start + _WINDOW, len(job.samples))))


def _kept(i: int, masks: bool, arrays: _Arrays, old: Index, now: Index) -> _Row | None:
    """Row i of the old arrays, or None if one of its files has changed."""
    row = {"images": (arrays["images"][i], now.images[i])}
    same = old.images[i].sha256 == now.images[i].sha256
    if masks and old.masks is not None and now.masks is not None:
        row["masks"] = (arrays["masks"][i], now.masks[i])
        same = same and old.masks[i].sha256 == now.masks[i].sha256
    return row if same else None


def _decode(job: _Job, sample: Sample) -> _Row:
    data, stamp = read_file(sample.image)
    image, size = decode_image(sample.image, data, job.height, job.width)
    row = {"images": (image, stamp)}
    if job.masks and sample.mask is not None:
        data, stamp = read_file(sample.mask)
        mask = decode_mask(sample.mask, data, sample.image, size, job.height, job.width, job.classes)
        row["masks"] = (mask, stamp)
    return row
