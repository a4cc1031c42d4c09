"""The model learns in a second thread while people answer."""

import contextlib
import ctypes
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import torch

from querist.core.finals import FinalTraining, Measured
from querist.core.step import Game
from querist.core.task import Task
from querist.core.update import Update, Updates, due
from querist.errors import QueristError

Found = TypeVar("Found")
_GLANCE = 0.05  # seconds after which who waits for an update looks up
_PATIENCE = 5.0  # seconds that closing waits for the thread; what it computes in one piece takes less, mostly


class Background(Updates):
    """Works out the next update from the moment its answers are known until its turn comes, a window later.

    The update is fitted on a spare task; when its turn comes the two change places. Final trainings at budgets have
    a spare of their own, because one of them may outlast a window. All is done in one thread, one after another: the
    results are those of :class:`~querist.core.update.Updates`, bit by bit.

    What people are asked with must not draw from torch's global generator between updates: training does meanwhile.
    Nor may asking change the model: it is copied here, where nobody waits for that.

    Args:
        spare: makes a task on the same data, of the same model. Two are made at once, in this thread: models that are
            traced while they are made must not be while another thread uses its own.
        threads: of torch's kernels there; as many as in the thread that asks, or sums may differ in the last bits.
    """

    def __init__(self, spare: Callable[[], Task], threads: int = 1) -> None:
        self._spare, self._finalist = spare(), spare()
        self._begun: dict[int, Future[tuple[Task, dict[str, float]]]] = {}
        self._finals: dict[int, Future[Measured]] = {}
        self._closing, self._working = threading.Lock(), None
        self._closed = False
        # The number of threads of torch's kernels belongs to each thread of ours.
        self._thread = ThreadPoolExecutor(1, "background", lambda: torch.set_num_threads(threads))

    # The thread that asks -----------------------------------------------------------------------------------------

    def begin(self, game: Game, turn: int) -> None:
        coming = turn + (-turn - 1) % game.update_every
        update = due(game, coming) if game.update_lag else None
        if update is not None:
            asking = game.task
            self._begun[coming] = self._submit(lambda: self._learn(game, update, asking))

    def finish(self, game: Game, turn: int, meanwhile: Callable[[], None] = lambda: None) -> dict[str, float]:
        begun = self._begun.pop(turn, None)
        if begun is None:
            return super().finish(game, turn)  # without a lag nothing was begun
        while not wait([begun], _GLANCE).done:
            meanwhile()
        learned, log = begun.result()
        game.task, self._spare = learned, game.task
        return log

    def measure(self, game: Game, mark: int, final: Callable[[], FinalTraining], wait: bool = False) -> Measured | None:
        if mark not in self._finals:
            training = final()
            self._finals[mark] = self._submit(lambda: self._train(training))
        return self._finals[mark].result() if wait or self._finals[mark].done() else None

    def close(self) -> None:
        """Stop; what is half done is begun anew when the run is taken up again."""
        self._closed = True
        with self._closing:
            if self._working is not None:
                _interrupt(self._working)
        begun: list[Future[Any]] = [*self._begun.values(), *self._finals.values()]
        wait(begun, timeout=_PATIENCE)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _submit(self, job: Callable[[], Found]) -> Future[Found]:
        def work() -> Found:
            with self._closing:
                if self._closed:
                    raise StoppedError
                self._working = threading.get_ident()
            try:
                return job()
            finally:
                with self._closing:
                    self._working = None

        return self._thread.submit(work)

    # The second thread --------------------------------------------------------------------------------------------

    def _learn(self, game: Game, update: Update, asking: Task) -> tuple[Task, dict[str, float]]:
        spare = self._spare
        spare.restore(asking.snapshot())  # nobody changes it until they change places
        log = update.fit(spare)
        game.candidates.warm(spare, game.split)
        return spare, log

    def _train(self, training: FinalTraining) -> Measured:
        return training.run(self._finalist)


class StoppedError(QueristError):
    """The run is being closed while the model learns."""

    def __init__(self) -> None:
        super().__init__("the run was closed while the model was learning", "take it up again; nothing is lost")


def _interrupt(thread: int) -> None:
    """Raise :class:`StoppedError` in another thread, as soon as it is back in Python.

    A thread that still computes when the interpreter ends would bring it down, and no task can be asked to stop.
    """
    with contextlib.suppress(AttributeError):  # other Pythons than CPython have no such thing
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(StoppedError))
