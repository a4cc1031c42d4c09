"""A folder of drawn data that appears when all of it is written, or not at all."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from querist.errors import QueristError


@contextlib.contextmanager
def writing_folder(root: Path, holds: str) -> Iterator[Path]:
    """Gives a temporary folder beside ``root`` to write to, which takes its place in the end.

    Args:
        root: the folder to make; it may exist if it is empty.
        holds: what is written, for the message.

    Raises:
        QueristError: if the folder holds something already or cannot be written.
    """
    target = root.resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise QueristError(f"{root} holds something already", f"remove it, or name another folder for {holds}")
    partial = target.with_name(f"{target.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        partial.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise QueristError(f"{root} cannot be written: {reason}", "make room or name another folder") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
