"""A split decoded once into uint8 memory maps, kept in a cache that notices changed files.

A cache folder belongs to (layout, sample names, height, width, class map); what lies in it and how it is kept up to
date is the business of `querist.nn.arrays`.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from querist.nn.arrays import Job, Progress, open_or_build
from querist.nn.cache import default_cache
from querist.nn.decode import decode_image
from querist.nn.stamps import Index
from querist.tasks.segmentation.classes import ClassMap
from querist.tasks.segmentation.decode import decode_mask
from querist.tasks.segmentation.listing import Listing, Sample, require_masks

_VERSION = 2
"""To be raised when decoding changes, so that older caches are not met again."""


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
    files = {"images": tuple(sample.image for sample in samples)}
    if masks:
        files["masks"] = tuple(sample.mask for sample in samples if sample.mask is not None)

    def decode(i: int, data: Mapping[str, bytes]) -> dict[str, np.ndarray]:
        return _decode(samples[i], data, height, width, listing.classes)

    job = Job(root, tuple(names), files, height, width, folder, decode)
    arrays, index = open_or_build(job, progress)
    shown = arrays["masks"] if masks else None
    return SplitArrays(job.names, arrays["images"], shown, listing.classes, index.digest(masks), _files(index, masks))


def _decode(
    sample: Sample, data: Mapping[str, bytes], height: int, width: int, classes: ClassMap
) -> dict[str, np.ndarray]:
    """The image and, where it was read, the mask of one sample."""
    image, size = decode_image(sample.image, data["images"], height, width)
    if "masks" not in data or sample.mask is None:
        return {"images": image}
    mask = decode_mask(sample.mask, data["masks"], sample.image, size, height, width, classes)
    return {"images": image, "masks": mask}


def _files(index: Index, masks: bool) -> tuple[tuple[str, str], ...]:
    """Each sample's name and the hash of its contents."""
    stamps = zip(index.images, index.masks or (), strict=True) if masks else ((image,) for image in index.images)
    hashes = (hashlib.sha256("/".join(stamp.sha256 for stamp in row).encode()).hexdigest() for row in stamps)
    return tuple(zip(index.names, hashes, strict=True))
