"""Answers that people gave in an earlier run, given again in a new one: nobody pays twice for a recipe that failed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from querist.annotate.oracle import PeopleOracle
from querist.core.ledger import Ledger
from querist.core.oracle import Oracle
from querist.core.pool import Pool
from querist.core.problem import Setup
from querist.core.questions import Question
from querist.core.snapshots import write_atomically
from querist.errors import QueristError

EARLIER = "earlier.json"
"""In a run's folder: what is answered at once, by the names of the units. A copy: the earlier run may go on, or go."""

Answers = Mapping[str, np.ndarray | None]


class EarlierAnswers(Oracle):
    """Answers at once what was answered before, and leaves everything else to people.

    To the ledger these are answers like all others: they are paid for, and can be corrected.

    Args:
        known: by the name of a unit, its answer; None: nobody could tell.
        pool: the units.
        people: are asked the rest, and learn which questions have an answer by now.
    """

    def __init__(self, known: Answers, pool: Pool, people: PeopleOracle) -> None:
        self._known, self._pool, self._people = known, pool, people
        self._due: dict[int, np.ndarray | None] = {}

    def submit(self, questions: Sequence[Question]) -> None:
        names = {q.id: self._pool.name(q.unit) for q in questions}
        self._due = {
            q: self._known[name] for q, name in names.items() if name in self._known and not self._people.revisions(q)
        }
        self._people.submit([q for q in questions if names[q.id] not in self._known])

    def collect(self) -> Iterator[tuple[int, np.ndarray | None]]:
        for question, answer in list(self._due.items()):
            yield question, answer
            self._people.remember([(question, answer)])  # who came back for the next one has kept it
            del self._due[question]
        yield from self._people.collect()

    def corrections(self) -> Iterator[tuple[int, np.ndarray | None, int]]:
        return self._people.corrections()


def answers_of(run: Path, setup: Setup) -> Answers:
    """The latest answer to every question of a run that people answered.

    Args:
        run: its folder.
        setup: what they are wanted for.

    Raises:
        QueristError: there is no such run, it answers itself, or it is about other data.
    """
    with closing(Ledger.read(run / "ledger.sqlite")) as ledger:
        about, game = ledger.about, ledger.game()
        if about.get("answers") != "people":
            raise QueristError(f"{run} holds a run that answers itself", "name one that people answered")
        if about.get("data_hash") != setup.data_hash:
            raise QueristError(
                f"{run}: the answers are about other data (hash {about.get('data_hash')}, not {setup.data_hash})",
                "name the folder of its data with --data, or leave --answers-from away",
            )
        said = {unit: blob for _, _, unit, blob in ledger.answers(game["id"])} if game is not None else {}
        told = {blob: ledger.decode(blob) for blob in set(said.values()) if blob is not None}
    return {unit: None if blob is None else told[blob] for unit, blob in said.items()}


def keep_answers(folder: Path, known: Answers) -> None:
    """Write what is answered at once into a run's folder."""
    document = {unit: None if answer is None else answer.tolist() for unit, answer in known.items()}
    write_atomically(folder / EARLIER, json.dumps(document, indent=0).encode())


def kept_answers(folder: Path) -> Answers:
    """What :func:`keep_answers` wrote.

    Raises:
        QueristError: the file is not there or is damaged.
    """
    file = folder / EARLIER
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        return {unit: None if answer is None else np.array(answer) for unit, answer in document.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise QueristError(
            f"{file}: the answers of an earlier run cannot be read ({error})",
            "restore the file, or begin a new run with --answers-from in another --out",
        ) from error
