"""Closings: where a run stood after a step, safe on disk, and the ledger's word for it."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.ledger import Ledger
from querist.core.snapshots import Snapshots

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class _Closing:
    """A step whose snapshot is being written: its number, what the ledger shall note of it, and the snapshot's hash."""

    step: int
    details: Mapping[str, Any]
    digest: Future[str]


class Closings:
    """The closed steps of one game. A closing counts once its snapshot is whole on disk and the ledger names it.

    Where people answer, a network of hundreds of megabytes must not be encoded, hashed and written before they see
    their next question: it is done *aside*, in a thread of its own. The ledger is told by the thread that owns it, at
    the next :meth:`settle` after the file is safe. Until then the closing before counts, and whoever takes the run up
    plays the steps since then again, bit by bit: a closing that comes later, or never, changes nothing else.

    Args:
        ledger: of the run; ``game`` its number there.
        folder: of the snapshots.
        aside: whether :meth:`close` returns before the snapshot is written.
    """

    def __init__(self, ledger: Ledger, game: int, folder: Path, aside: bool = False) -> None:
        self._ledger, self._game, self._snapshots = ledger, game, Snapshots(folder)
        self._writer = ThreadPoolExecutor(1, "closing") if aside else None
        self._under_way: _Closing | None = None

    def begun(self) -> bool:
        """Whether the time before the first question was closed."""
        return bool(self._ledger.closings(self._game))

    def first(self) -> Callable[[], Arrays]:
        """Reads where the run stood before the first question; from any thread, and whenever it is wanted.

        Raises:
            QueristError: when it is called: the snapshot is gone or damaged.
        """
        _, digest, _ = self._ledger.closings(self._game)[0]
        return lambda: self._snapshots.load(digest)

    def last(self) -> tuple[int, Arrays]:
        """The last closed step, and where the run stood after it.

        Raises:
            QueristError: the snapshot is gone or damaged.
        """
        step, digest, _ = self._ledger.closings(self._game)[-1]
        return step, self._snapshots.load(digest)

    def close(self, step: int, arrays: Mapping[str, np.ndarray], logs: Sequence[Mapping[str, Any]]) -> None:
        """Keep where the run stands and close a step, and with it those before it that stand open.

        Args:
            step: its number.
            arrays: where the run stands; nobody changes them any more.
            logs: what these steps logged: seconds are summed up, and other numbers averaged.

        Raises:
            QueristError: the disk is full or not writable, now or when the closing before was written.
        """
        self.settle(wait=True)  # one after another: no closing counts before an earlier one
        if self._writer is None:
            self._note(step, _account(logs), self._snapshots.save(arrays))
        else:
            self._under_way = _Closing(step, _account(logs), self._writer.submit(self._snapshots.save, arrays))

    def settle(self, wait: bool = False) -> None:
        """Have the ledger close the step whose snapshot is safe by now; with ``wait``, as soon as it is.

        Raises:
            QueristError: it could not be written.
        """
        closing = self._under_way
        if closing is None or not (wait or closing.digest.done()):
            return
        self._under_way = None
        self._note(closing.step, closing.details, closing.digest.result())

    def _note(self, step: int, details: Mapping[str, Any], digest: str) -> None:
        self._ledger.close_step(self._game, step, digest, details)
        self.tidy()

    def tidy(self) -> None:
        """Remove snapshots that nothing needs any more; not while one is written that the ledger does not know."""
        closings = self._ledger.closings(self._game)
        self._snapshots.keep_only({closings[0][1], closings[-1][1]})

    def stop(self) -> None:
        """Let go of the folder: once this returns nothing is written there any more. Safe to call twice."""
        if self._writer is not None:
            self._writer.shutdown(wait=True, cancel_futures=True)


def _account(logs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = sorted({name for log in logs for name in log})
    found = {name: [log[name] for log in logs if name in log] for name in names}
    return {
        name: values[0] if len(values) == 1 else sum(values) / (1 if name.startswith("seconds") else len(values))
        for name, values in found.items()
    }
