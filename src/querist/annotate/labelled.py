"""What people have labelled before a batch is selected: which files name it, and what the data folder says of it."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from querist.annotate.batch_files import BATCHES, Named, read_names
from querist.core.capabilities import CountsAnswers, KnowsTruth
from querist.core.pool import ColumnarPool, Pool
from querist.core.problem import Setup
from querist.errors import QueristError, UnlabelledError
from querist.nn.folders import SUFFIXES

KNOWN = "known"
"""In the place of a file: every source of which the data folder holds labels, but for those of which files name units:
of these the units are labelled, and no more."""

_OPTION = "--labelled"
_LOOKED_AT = 10_000


@dataclass(frozen=True, eq=False)
class Labelled:
    """What is labelled.

    Args:
        given: (m,) sources that count as labelled from the start, ascending.
        units: (n,) units that earlier batches bought, in the order of the files; none of a given source.
        answers: their n answers.
    """

    given: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    units: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    answers: tuple[np.ndarray, ...] = ()

    def __len__(self) -> int:
        """Sources and units."""
        return len(self.given) + len(self.units)


def find_labelled(words: Sequence[str], setup: Setup) -> Labelled:
    """Look up what files name, with its answers in the data folder.

    A unit of a batch was bought. A list names sources, which were there from the start, or units of them.

    Args:
        words: files, as :func:`~querist.annotate.batch_files.read_names` takes them, or :data:`KNOWN`.
        setup: the data.

    Raises:
        QueristError: a name that the data do not have, or that nobody labelled; or units that are pairs.
    """
    if not words:
        return Labelled()
    pool, task = setup.pool, setup.task
    if not isinstance(pool, ColumnarPool) or not isinstance(task, KnowsTruth):
        raise QueristError(
            f"{_OPTION}: a {type(task).__name__} does not take its answers from files in a data folder",
            "let people answer with 'querist label', which remembers what was answered",
        )
    given, bought = _places(words, pool, task)
    units = {u: where for u, where in bought.items() if int(pool.sources(np.array([u]))[0, 0]) not in given}
    for source, where in given.items():
        _require(task, pool.units_of(np.array([source])), pool.source_name(source), where)
    for unit, where in units.items():  # a region may show nothing but void, and that is an answer
        _require(task, np.array([unit]), pool.name(unit), where, void=len(pool.parts) > 1)
    order = np.array(list(units), dtype=np.int64)
    answers = tuple(task.truth(order)) if len(order) else ()
    return Labelled(np.array(sorted(given), dtype=np.int64), order, answers)


def one_with_labels(setup: Setup) -> str | None:
    """The name of an image of which the data folder holds labels, among the first; None where units are parts of one.

    Parts are not looked at: what they show is read from files of masks.
    """
    pool, task = setup.pool, setup.task
    if not isinstance(pool, ColumnarPool) or len(pool.parts) > 1 or not isinstance(task, KnowsTruth):
        return None
    units = range(min(len(pool), _LOOKED_AT))
    return next((pool.name(unit) for unit in units if _is_labelled(task, np.array([unit]))), None)


def named_units(files: Sequence[str], pool: Pool, option: str) -> np.ndarray:
    """The units that files name, ascending; a source stands for all of its units.

    Raises:
        QueristError: naming the file and the line, if a name is not one of the data.
    """
    found: set[int] = set()
    for file in files:
        for named in read_names(Path(file), option):
            place, whole = _look_up(pool, named)
            if whole and isinstance(pool, ColumnarPool):
                found.update(pool.units_of(np.array([place])).tolist())
            else:
                found.add(place)
    return np.array(sorted(found), dtype=np.int64)


def _places(words: Sequence[str], pool: ColumnarPool, task: KnowsTruth) -> tuple[dict[int, str], dict[int, str]]:
    """Sources that are given and units that were bought, each with where it is named first."""
    given: dict[int, str] = {}
    bought: dict[int, str] = {}
    known: list[int] = []
    for word in words:
        if word == KNOWN:
            known = [s for s in range(pool.source_count) if _is_labelled(task, pool.units_of(np.array([s])))]
            if not known:
                raise QueristError(
                    f"{_OPTION} {KNOWN}: the data folder holds no labels at all", "label some images, or leave it out"
                )
            continue
        batch = Path(word).suffix in BATCHES
        for named in read_names(Path(word), _OPTION):
            place, whole = _look_up(pool, named)
            was_asked = batch and len(pool.parts) == 1
            (given if whole and not was_asked else bought).setdefault(place, named.where)
    asked = set(pool.sources(np.array(list(bought), dtype=np.int64))[:, 0].tolist())
    return dict.fromkeys((s for s in known if s not in asked), f"{_OPTION} {KNOWN}") | given, bought


def _look_up(pool: Pool, named: Named) -> tuple[int, bool]:
    """The source of a name, or else its unit; and whether it is a source."""
    if isinstance(pool, ColumnarPool):
        for name in _meant(named.name):
            with suppress(QueristError):
                return pool.source(name), True
    try:
        return pool.unit(named.name), False
    except QueristError as error:
        raise QueristError(
            f"{named.where}: {error.what}",
            f"names are such as {pool.source_name(0)!r}, or those of a batch of these data",
        ) from error


def _meant(name: str) -> Iterator[str]:
    """A source as it is named, or by its file: what splits and suffixes of files add to names is ours."""
    yield name
    path = PurePosixPath(name)
    if path.suffix.lower() in SUFFIXES:
        yield str(path.with_suffix(""))
        yield f"train/{path.with_suffix('')}"


def _require(task: KnowsTruth, units: np.ndarray, name: str, where: str, void: bool = False) -> None:
    if not _is_labelled(task, units, void):
        raise QueristError(
            f"{where}: nobody has labelled {name}", "put its label into the data folder, or take the name out"
        )


def _is_labelled(task: KnowsTruth, units: np.ndarray, void: bool = False) -> bool:
    """Whether the data hold labels of some units; ``void``: an answer that there is nothing to see will do."""
    try:
        answers = task.truth(units)
    except UnlabelledError:
        return False
    return void or not isinstance(task, CountsAnswers) or bool(task.amounts(units, answers).any())
