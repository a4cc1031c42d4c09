"""One writer per run: a lock of the operating system, which a dead process cannot keep."""

import contextlib
import os
from pathlib import Path
from types import TracebackType

from querist.errors import QueristError

try:
    import fcntl
except ImportError:  # Windows has no fcntl; its lock of one byte does the same
    fcntl = None
    import msvcrt


class RunLock:
    """Holds ``run.lock`` in a run's folder for as long as this object is open.

    Args:
        folder: the folder of the run; made if it is not there.

    Raises:
        QueristError: another process is writing to this run, or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "run.lock"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise QueristError(
                f"{folder}: cannot be written ({error.strerror})", "free some space, or name another folder"
            ) from error
        try:
            if fcntl is not None:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                msvcrt.locking(self._handle, msvcrt.LK_NBLCK, 1)  # pyright: ignore
        except OSError:
            holder = os.pread(self._handle, 64, 0).decode(errors="replace").strip() if fcntl else ""
            os.close(self._handle)
            raise QueristError(
                f"{folder} is being written by another process" + (f" ({holder})" if holder else ""),
                "wait for it or stop it; 'querist status' may read the run meanwhile",
            ) from None
        with contextlib.suppress(OSError):  # only a hint for the message above: a full disk must not matter here
            os.ftruncate(self._handle, 0)
            os.write(self._handle, f"process {os.getpid()}".encode())

    def close(self) -> None:
        """Let go of the run."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> "RunLock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
