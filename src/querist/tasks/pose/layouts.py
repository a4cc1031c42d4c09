"""The layouts in which pose data lies on disk, by name; one reader a file."""

from collections.abc import Callable
from pathlib import Path

from querist.errors import QueristError
from querist.nn.folders import require_folder
from querist.tasks.pose import bighand, coco, folder, icvl, lsp, mpii, mpii_release, nyu
from querist.tasks.pose.folder import SKELETON
from querist.tasks.pose.listing import Frame, Listing

__all__ = ["READERS", "Frame", "Listing", "read"]

READERS: dict[str, Callable[[Path], Listing]] = {
    "lsp": lsp.read_lsp, "mpii": mpii.read_mpii, "mpii-release": mpii_release.read_mpii_release,
    "coco": coco.read_coco, "icvl": icvl.read_icvl, "nyu": nyu.read_nyu, "nyu21": nyu.read_nyu21,
    "bighand": bighand.read_bighand, "folder": folder.read_folder,
}  # fmt: skip
"""The reader of each layout."""

_MARKS: dict[str, Callable[[Path], bool]] = {
    "lsp": lambda root: (root / lsp.JOINTS).is_file(),
    "mpii": lambda root: any((root / name).is_file() for name in (*mpii.SPLIT_FILES.values(), mpii.ONE_FILE)),
    "mpii-release": lambda root: not _MARKS["mpii"](root) and mpii_release.find_release(root) is not None,
    "coco": lambda root: bool(coco.annotation_files(root)),
    "icvl": lambda root: bool(icvl.label_files(root)),
    "nyu": lambda root: any((root / split / nyu.JOINTS).is_file() for split in nyu.SPLITS),
    "bighand": lambda root: bool(bighand.label_files(root) or bighand.recordings(root)),
    "folder": lambda root: (root / folder.SKELETON).is_file(),
}
"""What each layout is recognised by. MPII's JSON is made from its release and goes before it; NYU has 14 joints."""


def read(root: Path, layout: str = "auto") -> Listing:
    """Lists a data folder.

    Args:
        root: the folder.
        layout: a name of :data:`READERS`, or `auto` to recognise which it is.

    Raises:
        QueristError: if the layout is unknown or cannot be recognised, or its reader finds something wrong.
    """
    if layout == "auto":
        layout = _recognise(root)
    if layout not in READERS:
        raise QueristError(f"there is no layout {layout!r}", f"use one of: auto, {', '.join(READERS)}")
    return READERS[layout](root)


def _recognise(root: Path) -> str:
    """The layout of a folder."""
    require_folder(root, "images and joints in one of the layouts: " + ", ".join(READERS))
    found = [name for name, mark in _MARKS.items() if mark(root)]
    if len(found) > 1:
        raise QueristError(f"{root} looks like {' and '.join(found)} at once", "name the layout that is meant")
    if not found:
        raise QueristError(
            f"{root} has no layout that is known",
            f"arrange it as one of: {', '.join(READERS)}; a plain folder is known by its {SKELETON}",
        )
    return found[0]
