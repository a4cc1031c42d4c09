"""A plain folder: images, a skeleton file, and a table of joints as CSV or JSON.

`skeleton.json` is a skeleton file (:func:`~querist.tasks.pose.skeleton.read_skeleton`). `joints.csv` has the columns
`path`, and `NAME_x` and `NAME_y` for each joint, in pixels; perhaps `NAME_visible` (1 or 0), `split` and `subject`. An
empty cell, or `nan`, is an unknown joint. `joints.json` is ``{"frames": [{"path": ..., "joints": [...]}, ...]}``
with joints ``[x, y]`` in the order of the skeleton, null where unknown, and perhaps `visible`, `split`, `subject`,
`box` (left, top, width, height), `head` (diagonal of its box) and `centre`. Several people in one image are several
frames of its path, each with a `box`. Where there is a `camera.json` (`fx`, `fy`, `cx`, `cy`, and perhaps `cube_mm`
and `unit_mm`), images are depth images of 16 bits, joints have `NAME_z` too, and all of them and the centre are
millimetres in the space of the camera (x right, y down, z away). An image that a table does not list is left out;
without a table all images count, and nothing is labelled.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from querist.errors import QueristError
from querist.nn.folders import image_files, require_folder, subfolders
from querist.tasks.pose.camera import Camera, Depth
from querist.tasks.pose.documents import load_json, numbers
from querist.tasks.pose.listing import Frame, Listing, listing
from querist.tasks.pose.named_files import require_file
from querist.tasks.pose.skeleton import Skeleton, read_skeleton

SKELETON, CAMERA = "skeleton.json", "camera.json"
TABLES = ("joints.json", "joints.csv")

_KEYS = ("path", "split", "subject", "joints", "visible", "box", "head", "centre")
_TRUE, _FALSE, _UNKNOWN = ("1", "1.0", "true"), ("0", "0.0", "false"), ("", "nan")


@dataclass(frozen=True)
class _Row:
    """One row of a table: where it stands, and what it says."""

    where: str
    path: str
    content: Mapping[str, Any]


def read_folder(root: Path) -> Listing:
    """Lists a plain folder; names of poses are the split and the path, without suffix and folder of the split.

    Raises:
        QueristError: naming the file and the line or frame, if a file, column or entry is missing, unknown or of
            another kind, there are two tables, a path leaves the folder or is listed twice, or what
            :func:`~querist.tasks.pose.listing.listing` checks is wrong.
    """
    require_folder(root, f"{SKELETON}, images, and {' or '.join(TABLES)}")
    skeleton = read_skeleton(root / SKELETON)
    depth = _read_camera(root / CAMERA) if (root / CAMERA).is_file() else None
    tables = [root / name for name in TABLES if (root / name).is_file()]
    if len(tables) > 1:
        raise QueristError(f"{root} holds both {' and '.join(TABLES)}", "keep one of them")
    if not tables:
        if depth is not None:
            raise QueristError(
                f"{root} has no {TABLES[0]}", "of depth images it must say at least where the hand is: centre"
            )
        return listing("folder", root, skeleton, list(_unlisted(root)))
    size = 2 if depth is None else 3
    rows = _csv_rows(tables[0], skeleton, size) if tables[0].suffix == ".csv" else _json_rows(tables[0])
    frames = [
        frame if depth is None else _in_pixels(frame, depth.camera, where)
        for frame, where in _told_apart([(_frame(root, row, skeleton, size), row.where) for row in rows])
    ]
    return listing("folder", root, skeleton, frames, depth)


def _unlisted(root: Path, within: str = "") -> Iterator[Frame]:
    """All images below a folder, of which nothing is known."""
    for stem, path in image_files(root / within).items():
        yield Frame("train", within + stem, path)
    for name in subfolders(root / within):
        yield from _unlisted(root, f"{within}{name}/")


def _told_apart(frames: Sequence[tuple[Frame, str]]) -> Iterator[tuple[Frame, str]]:
    """Several people in one image: each has a box and a name, and they stay together.

    Raises:
        QueristError: an image was listed twice without boxes that differ, or in two splits, which would leak; or two
            files share a name.
    """
    alike: dict[str, list[tuple[Frame, str]]] = {}
    for frame, where in frames:
        known = alike.setdefault(str(frame.image.with_suffix("")), [])
        for other, at in known:
            if other.image != frame.image:
                raise QueristError(
                    f"{where}: {frame.image.name} and {other.image.name} ({at}) share a name", "rename one of them"
                )
            if None in (frame.box, other.box) or frame.box == other.box or frame.split != other.split:
                raise QueristError(
                    f"{where}: {frame.stem} was listed at {at} already",
                    "list it once; or, of several people in one image, each with a box of its own and the same split",
                )
        known.append((frame, where))
    for several in alike.values():
        for number, (frame, where) in enumerate(several, start=1):
            if len(several) == 1:
                yield frame, where
            else:
                name = frame.stem if number == 1 else f"{frame.stem}#{number}"
                yield replace(frame, stem=name, subject=frame.subject or f"{frame.stem}, all people"), where


def _read_camera(path: Path) -> Depth:
    document = load_json(path)
    known = ("fx", "fy", "cx", "cy", "cube_mm", "unit_mm")
    if not isinstance(document, dict) or not set(document) <= set(known) or not set(known[:4]) <= set(document):
        raise QueristError(f"{path} is no camera", "write fx, fy, cx, cy in pixels, and perhaps cube_mm and unit_mm")
    values = {key: float(numbers(f"{path}: {key}", value, ())) for key, value in document.items()}
    try:
        camera = Camera(*(values.pop(key) for key in known[:4]))
        return Depth(camera, values.get("cube_mm", 300.0), values.get("unit_mm", 1.0))
    except QueristError as error:
        raise QueristError(f"{path}: {error.what}", error.fix) from error


def _json_rows(table: Path) -> Iterator[_Row]:
    document = load_json(table)
    frames = document.get("frames") if isinstance(document, dict) else None
    if not isinstance(frames, list):
        raise QueristError(f"{table} has no list of frames", 'write {"frames": [{"path": ..., "joints": ...}, ...]}')
    for i, entry in enumerate(frames):
        where = f"{table}, frames[{i}]"
        if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
            raise QueristError(f"{where} has no path", 'write {"path": "image.png", "joints": [[x, y], null, ...]}')
        if not set(entry) <= set(_KEYS):
            raise QueristError(f"{where} has the entry {min(set(entry) - set(_KEYS))!r}", f"use {', '.join(_KEYS)}")
        yield _Row(where, entry["path"], entry)


def _csv_rows(table: Path, skeleton: Skeleton, size: int) -> Iterator[_Row]:
    axes = "xyz"[:size]
    needed = ["path", *(f"{name}_{axis}" for name in skeleton.names for axis in axes)]
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns = list(reader.fieldnames or [])
            allowed = {*needed, "split", "subject", *(f"{name}_visible" for name in skeleton.names)}
            _check_separator(table, columns)
            for wrong, problem in (
                (set(needed) - set(columns), "has no column"),
                (set(columns) - allowed, "has a column"),
            ):
                if wrong:
                    raise QueristError(
                        f"{table} {problem} {min(wrong)!r}",
                        f"write path, {', '.join(f'JOINT_{axis}' for axis in axes)} for every joint of {SKELETON}, and "
                        "perhaps JOINT_visible, split and subject",
                    )
            if len(set(columns)) < len(columns):
                raise QueristError(f"{table} names a column twice", "name each once")
            for row in reader:
                where = f"{table}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise QueristError(f"{where}: the line does not have {len(columns)} cells", "fill or remove it")
                yield _Row(where, row["path"].strip(), _csv_content(where, row, skeleton, axes))
    except OSError as error:
        raise QueristError(f"{table} cannot be read: {error.strerror}", "check that it is readable") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise QueristError(f"{table} is not a table in UTF-8: {error}", "save it as CSV (UTF-8)") from error


def _check_separator(table: Path, columns: Sequence[str]) -> None:
    if not columns:
        raise QueristError(f"{table} is empty", "write a line that names the columns, path first")
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(columns) == 1 and separator in columns[0]:
            raise QueristError(f"{table} is separated by {name}", "save it with commas")


def _csv_content(where: str, row: Mapping[str, str], skeleton: Skeleton, axes: str) -> dict[str, Any]:
    """A line in the form of a frame of JSON."""
    joints: list[list[float] | None] = []
    visible: list[bool] = []
    for name in skeleton.names:
        cells = [row[f"{name}_{axis}"].strip() for axis in axes]
        flag = row.get(f"{name}_visible", "").strip().lower()
        if flag not in ("", *_TRUE, *_FALSE):
            raise QueristError(f"{where}: {name}_visible is {flag!r}", "write 1 or 0, or leave it empty")
        visible.append(flag not in _FALSE)
        if all(cell.lower() in _UNKNOWN for cell in cells):
            joints.append(None)
            continue
        try:
            joints.append([float(cell) for cell in cells])
        except ValueError as error:
            raise QueristError(
                f"{where}: the joint {name!r} is at {', '.join(map(repr, cells))}",
                "write numbers, or leave all empty",
            ) from error
    content: dict[str, Any] = {"joints": joints, "visible": visible}
    return content | {key: row[key].strip() for key in ("split", "subject") if row.get(key, "").strip()}


def _frame(root: Path, row: _Row, skeleton: Skeleton, size: int) -> Frame:
    """What a row says, coordinates as they are."""
    path = PurePosixPath(row.path)
    if not path.name or path.is_absolute() or ".." in path.parts:
        raise QueristError(
            f"{row.where}: the path {row.path!r} is not one inside {root}", "write paths relative to the data folder"
        )
    require_file(row.where, root / path, "add it or remove the entry")
    content = row.content
    joints = content.get("joints")
    if joints is not None:
        if not isinstance(joints, list) or len(joints) != len(skeleton):
            raise QueristError(f"{row.where}: joints is no list of {len(skeleton)}", f"list the joints of {SKELETON}")
        joints = np.stack([
            np.full(size, np.nan) if _is_unknown(joint) else numbers(f"{row.where}: the joint {name!r}", joint, (size,))
            for name, joint in zip(skeleton.names, joints, strict=True)
        ])  # fmt: skip
    visible = content.get("visible")
    if visible is not None and (
        not isinstance(visible, list) or len(visible) != len(skeleton) or not all(v in (True, False) for v in visible)
    ):
        raise QueristError(
            f"{row.where}: visible is no list of {len(skeleton)} truths", "give true or false for each joint"
        )
    box, head, centre = (content.get(key) for key in ("box", "head", "centre"))
    left_top = None if box is None else numbers(f"{row.where}: box", box, (4,)).tolist()
    subject, split = content.get("subject"), str(content.get("split", "train"))
    return Frame(
        split,
        str(path.with_suffix("")).removeprefix(f"{split}/"),
        root / path,
        joints,
        None if visible is None else np.array(visible, dtype=bool),
        None if left_top is None else (left_top[0], left_top[1], left_top[2], left_top[3]),
        None if head is None else float(numbers(f"{row.where}: head", head, ())),
        None if centre is None else numbers(f"{row.where}: centre", centre, (3,)),
        None if subject in (None, "") else str(subject),
    )


def _is_unknown(joint: Any) -> bool:
    """Null, or nothing but null and NaN."""
    return joint is None or (isinstance(joint, list) and all(v is None or v != v for v in joint) and bool(joint))


def _in_pixels(frame: Frame, camera: Camera, where: str) -> Frame:
    """A frame in millimetres as one in pixels and depth."""
    if frame.box is not None:
        raise QueristError(f"{where}: of a depth image no box is cut out", "give the centre of the hand instead")
    try:
        joints = None if frame.joints is None else camera.to_uvd(frame.joints)
        return replace(frame, joints=joints, centre=None if frame.centre is None else camera.to_uvd(frame.centre))
    except ValueError as error:
        raise QueristError(f"{where}: {error}", "z leads away from the camera, in millimetres") from error
