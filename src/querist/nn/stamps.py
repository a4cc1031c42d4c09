"""What a cache remembers of the files it was made from, and whether they have changed since."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from querist.errors import QueristError


@dataclass(frozen=True)
class Stamp:
    """Size in bytes, modification time in nanoseconds and SHA-256 (hexadecimal) of one file."""

    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True)
class Index:
    """The record that lies beside cached arrays.

    Args:
        root: the resolved data folder in which the stamps were taken; sizes and times are trusted only there.
        names: the sample names.
        images: one stamp an image.
        masks: one stamp a mask, or None if the cache has no masks.
    """

    root: str
    names: tuple[str, ...]
    images: tuple[Stamp, ...]
    masks: tuple[Stamp, ...] | None

    def digest(self, masks: bool) -> str:
        """16 hexadecimal digits of the names and the contents of the images, with or without the masks."""
        hashes = [[stamp.sha256 for stamp in self.images]]
        if masks:
            hashes.append([stamp.sha256 for stamp in self.masks or ()])
        text = json.dumps([self.names, *hashes])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """The index as JSON: `files` and `masks` are lists of [name, size, mtime_ns, sha256]."""
        document = {"root": self.root, "files": self._rows(self.images)}
        if self.masks is not None:
            document["masks"] = self._rows(self.masks)
        return json.dumps(document, indent=0)

    def _rows(self, stamps: Sequence[Stamp]) -> list[list[str | int]]:
        return [[name, *astuple(stamp)] for name, stamp in zip(self.names, stamps, strict=True)]

    @classmethod
    def from_json(cls, text: str) -> "Index":
        """Reads what `to_json` wrote.

        Raises:
            ValueError, KeyError, TypeError: if the text is anything else.
        """
        document = json.loads(text)
        names = tuple(row[0] for row in document["files"])
        images, masks = (
            None if rows is None else tuple(Stamp(int(row[1]), int(row[2]), str(row[3])) for row in rows)
            for rows in (document["files"], document.get("masks"))
        )
        if images is None or (masks is not None and len(masks) != len(names)):
            raise ValueError("the index is incomplete")
        return cls(str(document["root"]), names, images, masks)


def read_file(path: Path) -> tuple[bytes, Stamp]:
    """The contents and the stamp of a file, from one reading.

    Raises:
        QueristError: if the file cannot be read.
    """
    try:
        # The time is taken first: a change during the reading then shows up as a newer time at the next
        # check.
        stat = path.stat()
        data = path.read_bytes()
    except OSError as error:
        raise QueristError(f"{path} cannot be read: {error.strerror}", "check that it is there and readable") from error
    return data, Stamp(stat.st_size, stat.st_mtime_ns, hashlib.sha256(data).hexdigest())


def check_file(path: Path, known: Stamp, trust: bool) -> Stamp:
    """The stamp of a file now; `known` itself if `trust` is set and size and modification time are unchanged.

    Raises:
        QueristError: if the file cannot be read.
    """
    if trust:
        try:
            stat = path.stat()
        except OSError:
            return read_file(path)[1]  # raises with the right words
        if (stat.st_size, stat.st_mtime_ns) == (known.size, known.mtime_ns):
            return known
    return read_file(path)[1]
