"""JSON files of annotations, and numbers out of them, with errors that say where."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from querist.errors import QueristError


def load_json(path: Path) -> Any:
    """The contents of a JSON file.

    Raises:
        QueristError: if it is missing, cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise QueristError(f"{path} is missing", "put it there, or check the path of the data") from error
    except OSError as error:
        raise QueristError(f"{path} cannot be read: {error.strerror}", "check that it is readable") from error
    except (ValueError, RecursionError) as error:
        raise QueristError(f"{path} is not JSON in UTF-8: {error}", "fetch or save it again") from error


def numbers(where: str, value: Any, shape: tuple[int, ...], missing: bool = False) -> np.ndarray:
    """Numbers as float64 of a shape.

    Args:
        where: file and entry, for the message.
        value: what stands there.
        shape: that it must have; () for one number.
        missing: whether they may be NaN.

    Raises:
        QueristError: if it is of another shape or kind, or not finite.
    """
    try:
        array = np.asarray(value)
    except ValueError:  # lists of different lengths
        array = np.empty(0, dtype=object)
    if array.shape != shape or array.dtype.kind not in "fiu" or not (missing or np.isfinite(array).all()):
        wanted = "a number" if not shape else f"{' x '.join(map(str, shape))} numbers"
        raise QueristError(f"{where} is {_short(value)}", f"expected {wanted}")
    return array.astype(np.float64)


def entry(where: str, document: Any, key: str, kind: type | tuple[type, ...]) -> Any:
    """An entry of a mapping.

    Raises:
        QueristError: if there is no mapping, no such entry, or it is of another kind.
    """
    if not isinstance(document, dict) or key not in document:
        raise QueristError(f"{where} has no entry {key!r}", "fetch the file again, or name the layout that it is of")
    if not isinstance(document[key], kind):
        raise QueristError(f"{where}: {key} is {_short(document[key])}", "fetch the file again")
    return document[key]


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) < 60 else f"{text[:57]}..."
