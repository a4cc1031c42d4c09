"""A plain CSV that lists crops: path, person, camera, and perhaps split."""

import csv
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from querist.errors import QueristError
from querist.nn.folders import require_folder
from querist.tasks.reid.listing import JUNK, SPLITS, UNKNOWN, Crop, Listing, listing

TABLE = "people.csv"
"""The table that is looked for in a folder."""

_WHOLE = re.compile(r"-?[0-9]{1,18}")


def read_csv(root: Path) -> Listing:
    """Lists the crops of a table with the columns `path`, `person`, `camera` and, where there is a test, `split`.

    Paths are relative to the table's folder and must not leave it. `person` counts from 1 (-1 is junk, 0 a distractor,
    both in the gallery only); without that column nobody is known. `camera` counts from 0. `split` is train, query or
    gallery; without that column all is train. Other columns are passed over. Names of crops are the split and the path
    without suffix.

    Args:
        root: the table, or the folder of a `people.csv`.

    Raises:
        QueristError: naming the line, if a column or a cell is missing, a number is none, a file is missing, outside
            the folder or listed twice; or if what :func:`~querist.tasks.reid.listing.listing` checks is wrong.
    """
    table = root if root.suffix.lower() == ".csv" and not root.is_dir() else root / TABLE
    require_folder(table.parent, f"{table.name} and the images that it lists")
    splits: dict[str, list[Crop]] = {split: [] for split in SPLITS}
    lines: dict[str, int] = {}
    for line, row in _rows(table):
        split, crop = _crop(table, line, row)
        stem = crop.name.removeprefix(split)  # the same image in two splits would leak
        if stem in lines:
            raise QueristError(
                f"{table}, line {line}: {row['path']} was listed in line {lines[stem]} already",
                "list every image once, and give images of one folder names that differ without their suffix",
            )
        lines[stem] = line
        splits[split].append(crop)
    return listing("csv", table.parent, splits)


def _rows(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines of a table as they are numbered in the file, each by column."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns = reader.fieldnames or []
            for column in ("path", "camera"):
                if column not in columns:
                    raise QueristError(
                        f"{table} has no column {column!r}, only {', '.join(map(repr, columns)) or 'nothing'}",
                        "its first line must name the columns: path,person,camera or path,person,camera,split",
                    )
            if len(set(columns)) < len(columns):
                raise QueristError(f"{table} names a column twice: {', '.join(columns)}", "name each once")
            for row in reader:
                if None in row or None in row.values():
                    raise QueristError(
                        f"{table}, line {reader.line_num}: the line does not have {len(columns)} cells",
                        f"its columns are {', '.join(columns)}; put commas inside a cell between quotes",
                    )
                yield reader.line_num, {name: cell.strip() for name, cell in row.items()}
    except OSError as error:
        raise QueristError(
            f"{table} cannot be read: {error.strerror}", "check that it is there and readable"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise QueristError(f"{table} is not a table in UTF-8: {error}", "save it as CSV (UTF-8)") from error


def _crop(table: Path, line: int, row: dict[str, str]) -> tuple[str, Crop]:
    """One line's split and crop."""
    split = row.get("split", "train")
    if split not in SPLITS:
        raise QueristError(f"{table}, line {line}: the split is {split!r}", f"use one of: {', '.join(SPLITS)}")
    person = _number(table, line, row, "person", JUNK) if "person" in row else UNKNOWN
    camera = _number(table, line, row, "camera", 0)
    path = PurePosixPath(row["path"])
    if not path.name or path.is_absolute() or ".." in path.parts:
        raise QueristError(
            f"{table}, line {line}: the path {row['path']!r} is not one inside {table.parent}",
            "write paths relative to the table's folder and keep the images in it",
        )
    image = table.parent / path
    if not os.path.isfile(image):  # noqa: PTH113 (pathlib raises where a name is too long)
        raise QueristError(f"{table}, line {line}: there is no file {image}", "add it or remove the line")
    return split, Crop(f"{split}/{path.with_suffix('')}", image, person, camera)


def _number(table: Path, line: int, row: dict[str, str], column: str, lowest: int) -> int:
    cell = row[column]
    if not _WHOLE.fullmatch(cell) or int(cell) < lowest:
        raise QueristError(
            f"{table}, line {line}: the {column} is {cell!r}", f"write a whole number, {lowest} or larger"
        )
    return int(cell)
