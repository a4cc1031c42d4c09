"""Classes by their path, so that a user's own model, problem or strategy is as good as ours."""

import importlib
import inspect
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from querist.errors import QueristError


def load_class(path: str, expected: type | None = None) -> type:
    """Import ``package.module.Class``; the current folder counts, so a script beside the user works.

    Raises:
        QueristError: there is no such module or class, or it is of another kind.
    """
    module_name, _, name = path.rpartition(".")
    if not module_name or path.startswith("."):
        raise QueristError(f"{path!r} is not a class path", "write it as package.module.Class")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        found = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise QueristError(
            f"{path} cannot be imported: {error}",
            f"check the spelling and that it is installed; modules of your own are looked for in this folder, {here}",
        ) from error
    except Exception as error:  # the user's own code, whatever it does
        raise QueristError(f"{module_name} cannot be imported: {_told(error)}", "correct the module") from error
    if not inspect.isclass(found) or (expected is not None and not issubclass(found, expected)):
        kind = expected.__name__ if expected else "class"
        raise QueristError(f"{path} is not a {kind}", f"name a class derived from {kind}")
    return found


def construct(path: str, arguments: Mapping[str, Any], *positional: Any, expected: type | None = None) -> Any:
    """Import a class and make an instance, saying plainly which argument is wrong.

    Raises:
        QueristError: see :func:`load_class`; or an argument is unknown or missing.
    """
    found = load_class(path, expected)
    if inspect.isabstract(found):
        raise QueristError(f"{path} is only a base of classes", "name a class that fills in its abstract methods")
    try:
        inspect.signature(found).bind(*positional, **arguments)
    except TypeError as error:
        takes = ", ".join(inspect.signature(found).parameters)
        raise QueristError(f"{path}: {error}", f"it takes: {takes}") from error
    try:
        return found(*positional, **arguments)
    except QueristError:
        raise
    except Exception as error:  # the user's own code, whatever it does
        raise QueristError(f"{path} cannot be made: {_told(error)}", "correct its arguments or the class") from error


def _told(error: Exception) -> str:
    """The kind of an error, its words, and the line that raised it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = (error.filename, error.lineno) if isinstance(error, SyntaxError) else (last.filename, last.lineno)
    return f"{type(error).__name__}: {error} ({place[0]}, line {place[1]})"
