"""What lies in a data folder: image files and subfolders, with errors that say what was expected."""

import os
from collections.abc import Iterable
from pathlib import Path

from querist.errors import QueristError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
"""Suffixes (in lower case) of the files that are taken for images or masks; others are passed over."""


def require_folder(folder: Path, holds: str) -> None:
    """Checks that a folder exists; `holds` says what it should hold.

    Raises:
        QueristError: if there is no such folder, or the path is a file.
    """
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise QueristError(f"{folder} {problem}", f"it should hold {holds}; check the path of the data")


def subfolders(folder: Path) -> list[str]:
    """Sorted names of the visible folders in a folder."""
    return sorted(entry.name for entry in _visible(folder) if entry.is_dir())


def image_files(folder: Path, suffix: str = "") -> dict[str, Path]:
    """The image files directly in a folder, by stem.

    Args:
        folder: where to look; not deeper.
        suffix: only files whose name ends so, and the stem is what comes before it. Empty: any image suffix.

    Raises:
        QueristError: if two files share a stem.
    """
    files: dict[str, Path] = {}
    for entry in _visible(folder):
        path = folder / entry.name
        if not (entry.name.endswith(suffix) if suffix else path.suffix.lower() in SUFFIXES) or entry.is_dir():
            continue
        stem = entry.name.removesuffix(suffix) if suffix else path.stem
        if stem in files:
            first, second = sorted((files[stem].name, entry.name))
            raise QueristError(
                f"{folder} holds both {first} and {second}", "keep one file for each name without its suffix"
            )
        files[stem] = path
    return files


def check_inside(root: Path, files: Iterable[tuple[str, Path]]) -> None:
    """Checks that no file leads out of the data folder through a symbolic link; the root itself may be one.

    Args:
        root: the data folder.
        files: the name that each file will have, and its path.

    Raises:
        QueristError: naming the first file that does, or whose name is not UTF-8.
    """
    real_root = os.path.realpath(root)
    prefix = os.path.join(real_root, "")  # noqa: PTH118 (twice as fast as pathlib on large folders)
    for name, path in files:
        if not os.path.realpath(path).startswith(prefix):
            raise QueristError(
                f"{path} is a link that leads out of {root}", "copy the file into the data folder instead"
            )
        if any("\ud800" <= char <= "\udfff" for char in name):  # what Python makes of undecodable bytes
            raise QueristError(f"the file name {name!r} in {root} is not UTF-8", "rename the file")


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    """Entries of a folder but for the hidden ones (`.DS_Store`, `._copy.png`)."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise QueristError(f"{folder} cannot be listed: {error.strerror}", "check the path and its rights") from error
