"""Files that annotations name: a name out of a file can be anything."""

import os
from pathlib import Path

from querist.errors import QueristError

_SHOWN = 160
"""Characters of a name that a message repeats."""


def is_file(path: Path) -> bool:
    """Whether there is a file that can be reached; a name that no file can have, such as one too long, is none."""
    return os.path.isfile(path)  # noqa: PTH113 (pathlib raises where a name is too long, or a folder is closed)


def require_file(where: str, path: Path, fix: str) -> None:
    """Checks that there is a file.

    Args:
        where: file and line that name it, for the message.
        path: of the file; ``fix`` what to do if it is missing.

    Raises:
        QueristError: there is none.
    """
    if not is_file(path):
        text = str(path).encode(errors="backslashreplace").decode()
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"
        raise QueristError(f"{where}: there is no file {shown}", fix)
