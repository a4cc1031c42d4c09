"""Text files of annotations: a line is the path of an image, and numbers."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from querist.errors import QueristError
from querist.tasks.pose.named_files import require_file


def annotation_lines(path: Path, count: int, tabs: bool = False) -> Iterator[tuple[str, str, np.ndarray]]:
    """The lines of a file that are not empty.

    Args:
        path: the file.
        count: how many numbers a line has.
        tabs: whether paths may hold spaces, because tabs divide the columns; else any white space does.

    Yields:
        file and line for messages, the path as it stands, and (count,) float64.

    Raises:
        QueristError: if the file cannot be read, or a line has another form.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                cells = [cell.strip() for cell in (line.split("\t") if tabs and "\t" in line else line.split())]
                cells = [cell for cell in cells if cell]
                if not cells:
                    continue
                where = f"{path}, line {number}"
                if len(cells) != count + 1:
                    raise QueristError(
                        f"{where} has {len(cells) - 1} numbers behind a path, expected {count}", "fetch the file again"
                    )
                yield where, cells[0], _numbers(where, cells[1:])
    except OSError as error:
        raise QueristError(f"{path} cannot be read: {error.strerror}", "check that it is readable") from error
    except UnicodeDecodeError as error:
        raise QueristError(f"{path} is not text in UTF-8: {error}", "fetch it again") from error


def image_inside(where: str, folder: Path, name: str) -> tuple[Path, str]:
    """The path of an image in a folder, and its name without suffix.

    Raises:
        QueristError: if it is not inside, or not there.
    """
    path = relative_path(where, folder, name)
    require_file(where, folder / path, "unpack the images there")
    return folder / path, str(path.with_suffix(""))


def relative_path(where: str, folder: Path, name: str) -> PurePosixPath:
    """The path of a line, whichever way its slashes lean; it has a name and stays inside the folder.

    Raises:
        QueristError: if it has none or does not.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if not path.name or path.is_absolute() or ".." in path.parts:
        raise QueristError(f"{where}: the path {name!r} is not one inside {folder}", "fetch the file again")
    return path


def _numbers(where: str, cells: list[str]) -> np.ndarray:
    try:
        values = np.array(cells, dtype=np.float64)
    except ValueError as error:
        raise QueristError(f"{where}: {error}", "expected numbers behind the path") from error
    if not np.isfinite(values).all():
        raise QueristError(f"{where} holds a number that is not finite", "correct or remove the line")
    return values
