"""MATLAB files, for the readers whose data sets come in them."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from querist.errors import QueristError


def read_mat(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """Variables of a MATLAB file up to version 7.2; structures become objects with attributes, squeezed.

    Args:
        path: the file.
        names: of the variables; no others are read.

    Raises:
        QueristError: if scipy is not installed, or the file is missing, damaged, or without one of the variables.
    """
    try:
        loadmat = importlib.import_module("scipy.io").loadmat
    except ImportError as error:
        raise QueristError(
            f"{path} can only be read with scipy, which is not installed", "pip install scipy"
        ) from error
    if not path.is_file():
        raise QueristError(f"{path} is missing", "it holds the joints: put it there")
    try:
        content = loadmat(path, struct_as_record=False, squeeze_me=True, variable_names=list(names))
    except Exception as error:  # whatever a parser makes of damaged bytes
        raise QueristError(f"{path} cannot be understood: {error}", "fetch it again") from error
    for name in names:
        if name not in content:
            raise QueristError(f"{path} holds no variable {name!r}", "fetch it again, or name the layout that it is of")
    return {name: content[name] for name in names}


def as_list(value: Any) -> list[Any]:
    """A squeezed array of structures as a list: empty, one, or many."""
    return list(np.atleast_1d(np.asarray(value, dtype=object)).ravel())
