"""``compare``: train the missing policies and play the missing cells, side by side where there are cores."""

import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.managers import SyncManager
from multiprocessing.synchronize import Event as Signal
from pathlib import Path
from queue import Empty
from typing import Any

from querist.compare.cards import Given
from querist.compare.cells import Cell, Lesson, card_folder, play_cell
from querist.compare.evidence import FULL, START, device_kind
from querist.core.card import CARD, PolicyCard
from querist.core.loop import Event
from querist.errors import QueristError
from querist.recipes.build import prepare, set_up
from querist.recipes.learned import train
from querist.recipes.recipe import LoadedRecipe, parse_recipe
from querist.recipes.strategy_names import parse

Job = Cell | Lesson
Watcher = Callable[[Job, Event | Mapping[str, Any] | None], None]
"""Told of a cell's events and of a lesson's episodes; None when either has ended."""


def planned(loaded: LoadedRecipe, given: Sequence[Given] = ()) -> list[Cell]:
    """All cells of a recipe, the references of all seeds first (their initial weights serve the others).

    Args:
        loaded: the recipe.
        given: cards of the user: their strategies have these policies and no others.
    """
    recipe = loaded.recipe
    cells = [Cell(START, seed) for seed in recipe.seeds]
    cells += [
        Cell(name, seed, policy)
        for seed in recipe.seeds
        for name in recipe.strategies
        for policy in range(_policies(loaded, name, given))
    ]
    return cells + [Cell(FULL, seed) for seed in recipe.seeds]


def wanted(loaded: LoadedRecipe, given: Sequence[Given] = ()) -> list[Lesson]:
    """The policies that a recipe's learned strategies are played by, trained or given or still to be trained."""
    names = [name for name in loaded.recipe.strategies if parse(name)]
    return [Lesson(name, i) for name in names for i in range(_policies(loaded, name, given))]


def lessons(loaded: LoadedRecipe, out: Path, given: Sequence[Given] = ()) -> list[Lesson]:
    """The policies that a recipe's learned strategies still need."""
    own = {one.lesson for one in given}
    return [
        lesson for lesson in wanted(loaded, given) if lesson not in own and not (lesson.folder(out) / CARD).exists()
    ]


def trained_otherwise(loaded: LoadedRecipe, out: Path, given: Sequence[Given] = ()) -> list[Path]:
    """The cards there whose training was not what the recipe says now, and that nobody gave. They are played too."""
    now, found = loaded.config["train"], []
    own = {one.lesson for one in given}
    for lesson in wanted(loaded, given):
        folder = lesson.folder(out)
        if lesson in own or not (folder / CARD).exists():
            continue
        was = PolicyCard.load(folder).training.get("training")
        if was is not None and any(was.get(key) != now[key] for key in now if "policies" not in key):
            found.append(folder)
    return found


def _policies(loaded: LoadedRecipe, strategy: str, given: Sequence[Given]) -> int:
    return sum(one.lesson.strategy == strategy for one in given) or loaded.recipe.train.of(strategy)


def teach(loaded: LoadedRecipe, lesson: Lesson, data: Path, out: Path, watch: Watcher | None = None) -> None:
    """Train a policy and keep its card in the comparison's folder. Killed half-way, it is begun anew."""
    prepare(loaded)
    setup = set_up(loaded, data, loaded.recipe.seeds[0])
    train(loaded, setup, lesson.strategy, lesson.policy, lambda row: watch and watch(lesson, row)).save(
        lesson.folder(out)
    )


def missing(loaded: LoadedRecipe, cells: Sequence[Cell], out: Path, data_hash: str, device: str) -> list[Cell]:
    """Those that have no JSON yet. All JSONs there are looked at, before hours are spent on what cannot be summed up.

    Raises:
        QueristError: one of them is of another recipe, other data or another kind of device: they must not be mixed.
    """
    expected = {"recipe": loaded.hash, "data": data_hash, "device": device}
    wanted = {cell.file_name for cell in cells}
    for path in sorted((out / "cells").glob("*.json")):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            was = {"recipe": found["recipe_hash"], "data": found["data_hash"], "device": device_kind(found)}
        except (ValueError, KeyError, TypeError) as error:
            raise QueristError(f"{path} is not a cell ({error})", "remove the file; it will be played again") from error
        for what, value in expected.items():
            if was[what] != value:
                raise QueristError(
                    f"{path} was played with {what} {was[what]}, not {value}: the {what} has changed",
                    f"use the {what} of these cells, choose another --out, or remove the cells that are out of date",
                )
        _same_policy(path, found, out, path.name in wanted)
    return [cell for cell in cells if not (out / "cells" / cell.file_name).exists()]


def _same_policy(path: Path, found: Mapping[str, Any], out: Path, wanted: bool) -> None:
    """A learned strategy's cell was played by the very policy that lies beside it.

    It need not lie there for one that is not wanted now: such a cell is told of, and nothing is added to it.
    """
    if not found.get("policy_hash"):
        return
    folder = card_folder(out, found["strategy"], found["policy"])
    if not (folder / CARD).exists():
        if not wanted:
            return
        raise QueristError(f"{path} was played with a policy that is not in {folder}", _PUT_BACK)
    if PolicyCard.load(folder).hash != found["policy_hash"]:
        raise QueristError(f"{path} was played with another policy than {folder}", _PUT_BACK)


_PUT_BACK = "put its policy back, or remove the cell: it will be played again"


def expected_seconds(cells: Sequence[Cell], out: Path) -> float | None:
    """How long cells will take by themselves, from those that have ended; None if there is nothing to go by."""
    known: dict[bool, list[float]] = {}
    for path in (out / "cells").glob("*.json"):
        cell = json.loads(path.read_text(encoding="utf-8"))
        if cell.get("seconds") is not None:
            known.setdefault(cell["strategy"] in (START, FULL), []).append(cell["seconds"])
    if not known:
        return None
    every = [s for times in known.values() for s in times]
    means = {kind: sum(times) / len(times) for kind, times in known.items()}
    return sum(means.get(c.strategy in (START, FULL), max(every)) for c in cells)


def play_cells(loaded: LoadedRecipe, jobs: Sequence[Job], data: Path, out: Path, workers: int, watch: Watcher) -> None:
    """Work in processes: references and lessons first. What has ended is kept whatever happens to the others.

    Raises:
        QueristError: of the first cell that failed, after the ones under way have ended.
    """
    if workers <= 1:
        for job in sorted(jobs, key=_before_the_rest):
            _do(loaded, job, data, out, watch)
            watch(job, None)
        return
    with _pool(loaded, workers) as (pool, events):
        for first in (False, True):
            group = [job for job in jobs if _before_the_rest(job) == first]
            arguments = (loaded.name, loaded.text, str(data), str(out), events)
            _follow({pool.submit(_worker, job, *arguments): job for job in group}, events, watch)


def _before_the_rest(job: Job) -> bool:
    """False (which sorts first) for what other cells wait for."""
    return isinstance(job, Cell) and job.strategy != START


def _do(loaded: LoadedRecipe, job: Job, data: Path, out: Path, watch: Watcher) -> None:
    if isinstance(job, Lesson):
        teach(loaded, job, data, out, watch)
    else:
        play_cell(loaded, job, data, out, watch)


@contextmanager
def _pool(loaded: LoadedRecipe, workers: int) -> Iterator[tuple[ProcessPoolExecutor, Any]]:
    context = multiprocessing.get_context("spawn")
    manager = SyncManager(ctx=context)
    manager.start(initializer=_end_with_parent)
    stop = context.Event()
    with manager, ProcessPoolExecutor(workers, context, initializer=_end_with_parent, initargs=(stop,)) as pool:
        # The maths libraries read these when a worker starts; the recipe's threads hold for all of them.
        for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[variable] = str(loaded.recipe.threads)
        try:
            yield pool, manager.Queue()
        except KeyboardInterrupt:
            stop.set()  # at once: what is under way is taken up again next time
            raise


def _end_with_parent(stop: Signal | None = None) -> None:
    """Have this process end as soon as the one that started it is gone, even by ``kill -9``, or says so.

    Otherwise workers would play on unseen, hold the locks of their cells and never end. Ending at any instant does no
    harm.
    """

    def end_after(wait_for_it: Callable[[], object]) -> None:
        wait_for_it()
        os._exit(1)

    parent = multiprocessing.parent_process()
    for wait_for_it in (parent and parent.join, stop and stop.wait):
        if wait_for_it is not None:
            threading.Thread(target=end_after, args=(wait_for_it,), daemon=True).start()


def _worker(job: Job, name: str, text: str, data: str, out: str, events: Any) -> None:
    loaded = parse_recipe(name, text)
    _do(loaded, job, Path(data), Path(out), lambda which, event: events.put((which, event)))


def _follow(jobs: dict["Future[None]", Job], events: Any, watch: Watcher) -> None:
    failure: BaseException | None = None
    open_jobs = set(jobs)
    while open_jobs:
        done, open_jobs = wait(open_jobs, timeout=0.2)
        while True:
            try:
                watch(*events.get_nowait())
            except Empty:
                break
        for job in done:
            error = None if job.cancelled() else job.exception()
            if isinstance(error, BrokenProcessPool):
                error = QueristError(
                    f"a worker was killed while it played {jobs[job].label}, or a cell beside it",
                    "if the memory was short, give --workers 1; the same command goes on where it was",
                )
            if error is not None and failure is None:
                failure = error
                for other in open_jobs:
                    other.cancel()
            if error is None and not job.cancelled():
                watch(jobs[job], None)
    if failure is not None:
        raise failure
