"""Files that name units: batches as ``querist select`` writes them, and lists of names by hand."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from querist.core.snapshots import write_atomically
from querist.errors import QueristError

BATCHES = (".json", ".csv")
"""Suffixes of batches; any other file is a list."""


@dataclass(frozen=True)
class Named:
    """A name, and where it stands.

    Args:
        name: of a unit or of a source.
        where: the option, the file and the line or row, for messages.
    """

    name: str
    where: str


def read_names(path: Path, option: str) -> list[Named]:
    """The names in a file, in its order: a batch (.json or .csv) with an entry ``unit``, or text, one name a line.

    Args:
        path: the file.
        option: of the command line, for messages.

    Raises:
        QueristError: it cannot be read, or a batch is none.
    """
    where = f"{option} {path}"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise QueristError(f"{where} cannot be read: {reason}", "name a batch, or a list of names in UTF-8") from error
    if path.suffix not in BATCHES:
        lines = enumerate(text.splitlines(), start=1)
        return [Named(line.strip(), f"{where}, line {i}") for i, line in lines if line.strip()]
    try:
        return list(_from_json(text, where) if path.suffix == ".json" else _from_csv(text, where))
    except (ValueError, KeyError, TypeError, RecursionError, csv.Error) as error:
        raise QueristError(
            f"{where}: not a batch that 'querist select' wrote ({type(error).__name__}: {error})",
            "give a .json or .csv with a column 'unit', or a text file with one name in each line",
        ) from error


def _from_json(text: str, where: str) -> Iterator[Named]:
    for i, row in enumerate(json.loads(text)["units"]):
        if not isinstance(row["unit"], str):
            raise ValueError(f"units[{i}] has a unit that is no name")
        yield Named(row["unit"], f"{where}, units[{i}]")


def _from_csv(text: str, where: str) -> Iterator[Named]:
    table = csv.DictReader(io.StringIO(text, newline=""))
    if "unit" not in (table.fieldnames or ()):
        raise ValueError("it has no column 'unit'")
    for row in table:
        if not row["unit"]:
            raise ValueError(f"line {table.line_num} has no unit")
        yield Named(row["unit"], f"{where}, line {table.line_num}")


def _in_a_cell(value: Any) -> Any:
    """Numbers are parted by spaces; words, which may hold some, by semicolons."""
    if not isinstance(value, (list, tuple)):
        return value
    return ("; " if any(isinstance(v, str) for v in value) else " ").join(str(v) for v in value)


def write_batch(rows: Sequence[Mapping[str, Any]], out: Path, about: Mapping[str, Any]) -> Path:
    """Write a batch as JSON and CSV beside each other.

    Args:
        rows: one per unit, with the same entries: ``unit`` and whatever else is told of it.
        out: the files' path; a suffix .json or .csv is taken off.
        about: where the batch comes from; only the JSON says it.

    Returns:
        The JSON's path.
    """
    if out.suffix in BATCHES:
        out = out.with_suffix("")
    path = out.with_name(out.name + ".json")
    write_atomically(path, (json.dumps({**about, "units": rows}, indent=1) + "\n").encode())
    text = io.StringIO()
    flat = [{key: _in_a_cell(value) for key, value in row.items()} for row in rows]
    writer = csv.DictWriter(text, fieldnames=list(flat[0]) if flat else ["unit"])
    writer.writeheader()
    writer.writerows(flat)
    write_atomically(out.with_name(out.name + ".csv"), text.getvalue().encode())
    return path
