"""The ledger: the only owner of who is labelled, and of what was spent.

One SQLite file per run, append-only; the rules (no repeats, no overspending, no unit whose role forbids it, the test
set in no game, episodes only on what was bought) are constraints and triggers of ``schema.sql``, so that no code can
break them. One process writes, under :class:`querist.core.lock.RunLock`; any number may read.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from querist.core import answers as codec
from querist.core import storage
from querist.core.pool import Pool
from querist.core.questions import Asking, LedgerRuleError, Question, broken_rule
from querist.core.split import Role, Split


class Ledger:
    """Reading and writing a run's file. Use :meth:`create`, :meth:`open` or :meth:`read`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection
        self._decoder = codec.Decoder()

    @classmethod
    def create(cls, path: Path, about: Mapping[str, str], durable: bool = False) -> "Ledger":
        """Begin a run. ``about`` (recipe, hashes, versions) is kept for ever; ``durable`` for people's answers."""
        return cls(path, storage.create(path, about, durable))

    @classmethod
    def open(cls, path: Path, durable: bool = False) -> "Ledger":
        """Go on writing a run; checks the file first."""
        return cls(path, storage.open_existing(path, durable))

    @classmethod
    def read(cls, path: Path) -> "Ledger":
        """Look at a run while another process may be writing it."""
        return cls(path, storage.open_existing(path, read_only=True))

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._db.close()

    @contextmanager
    def _transaction(self, about: str, lasting: bool = False) -> Iterator[None]:
        """All or nothing; a broken rule comes out as a LedgerRuleError that says what it was about."""
        try:
            with storage.transaction(self._db, self.path, lasting):
                yield
        except sqlite3.IntegrityError as error:
            raise broken_rule(error, self.path, about) from error

    def _rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise storage.explain(error, self.path) from error

    @property
    def about(self) -> dict[str, str]:
        """What :meth:`create` was told of the run."""
        return {row["key"]: row["value"] for row in self._rows("SELECT key, value FROM run")}

    # Games --------------------------------------------------------------------------------------------------------

    def start_game(
        self,
        pool: Pool,
        split: Split,
        budget: int,
        kind: Literal["outer", "inner"] = "outer",
        episode: int = 0,
        parent: int | None = None,
        given: Mapping[str, tuple[np.ndarray, int]] | None = None,
    ) -> int:
        """Begin the deployment (outer, charged) or an episode on labels already bought (inner, free).

        Args:
            pool: names the sources.
            split: their roles; equal splits are stored once.
            budget: what may be spent.
            kind: see above; ``episode`` counts them, ``parent`` is the deployment of an episode.
            given: labels that were there before: purpose -> (sources, labels each).

        Returns:
            The game's number in this run.

        Raises:
            LedgerRuleError: a test source in a pool, or a second deployment.
        """
        with self._transaction(f"{kind} game"):
            split_id = self._store_split(pool, split)
            cursor = self._db.execute(
                "INSERT INTO games (kind, episode, parent, split, budget) VALUES (?, ?, ?, ?, ?)",
                (kind, episode, parent, split_id, budget),
            )
            game = int(cursor.lastrowid or 0)
            for purpose, (sources, each) in (given or {}).items():
                rows = [(game, pool.source_name(s), purpose, each) for s in sources]
                self._db.executemany("INSERT INTO given VALUES (?, ?, ?, ?)", rows)
        return game

    def _store_split(self, pool: Pool, split: Split) -> int:
        digest = split.digest()
        row = self._db.execute("SELECT id FROM splits WHERE digest = ?", (digest,)).fetchone()
        if row:
            return int(row["id"])
        split_id = int(self._db.execute("INSERT INTO splits (digest) VALUES (?)", (digest,)).lastrowid or 0)
        self._db.executemany(
            "INSERT INTO roles VALUES (?, ?, ?)",
            ((split_id, pool.source_name(s), Role(r).name) for s, r in enumerate(split.roles) if r),
        )
        return split_id

    def game(self, kind: Literal["outer", "inner"] = "outer", episode: int = 0) -> sqlite3.Row | None:
        """The row (id, budget, spent, split) of a game, if it was begun."""
        return next(iter(self._rows("SELECT * FROM games WHERE kind = ? AND episode = ?", kind, episode)), None)

    def money(self, game: int) -> tuple[int, int]:
        """(spent, budget) of a game."""
        row = self._rows("SELECT spent, budget FROM games WHERE id = ?", game)[0]
        return int(row["spent"]), int(row["budget"])

    def given(self, game: int) -> dict[str, int]:
        """How many labels each purpose had before the first question."""
        rows = self._rows("SELECT purpose, SUM(labels) AS n FROM given WHERE game = ? GROUP BY purpose", game)
        return {row["purpose"]: int(row["n"]) for row in rows}

    # Steps --------------------------------------------------------------------------------------------------------

    def ask(
        self, game: int, step: int, pool: Pool, asked: Sequence[Asking], details: Mapping[str, Any]
    ) -> list[Question]:
        """Open a step: its questions, paid for, in one transaction.

        Raises:
            LedgerRuleError: a repeat, an overspent budget, or a role that forbids a unit; nothing is written then.
        """
        units = np.array([a.unit for a in asked], dtype=np.int64)
        costs, sources = pool.costs(units), pool.sources(units)
        questions: list[Question] = []
        with self._transaction(f"step {step}"):
            self._db.execute("INSERT INTO steps VALUES (?, ?, ?)", (game, step, _json(details)))
            for position, (asking, cost, source) in enumerate(zip(asked, costs, sources, strict=True)):
                names = [pool.source_name(int(s)) for s in source]
                name, why = pool.name(asking.unit), (asking.score, asking.context)
                try:
                    row = self._db.execute(
                        "INSERT INTO questions (game, step, position, unit, source, other, cost, score, context)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        (game, step, position, name, *names, *[None] * (2 - len(names)), int(cost), *why),
                    )
                except sqlite3.IntegrityError as error:
                    raise broken_rule(error, self.path, name) from error
                questions.append(Question(row.lastrowid or 0, asking.unit, step, position, int(cost), *why))
        return questions

    def questions(self, game: int, pool: Pool, step: int | None = None) -> list[Question]:
        """The questions of a game, or of one of its steps, in the order they were asked."""
        where, which = ("", ()) if step is None else (" AND step = ?", (int(step),))
        rows = self._rows(f"SELECT * FROM questions WHERE game = ?{where} ORDER BY step, position", game, *which)  # noqa: S608
        return [
            Question(r["id"], pool.unit(r["unit"]), r["step"], r["position"], r["cost"], r["score"], r["context"])
            for r in rows
        ]

    def step_details(self, game: int, step: int) -> dict[str, Any] | None:
        """What was noted when a step was opened; None if it never was."""
        rows = self._rows("SELECT details FROM steps WHERE game = ? AND step = ?", game, step)
        return json.loads(rows[0]["details"]) if rows else None

    def answer(self, question: int, answer: np.ndarray | None, revision: int = 0) -> None:
        """Keep an answer, committed when this returns. The same answer again changes nothing.

        Args:
            question: its id.
            answer: what the oracle said; None: it cannot tell.
            revision: 0 is the first answer; a correction has the next number, and both stay.

        Raises:
            LedgerRuleError: another answer has this revision already, a revision is left out, or there is no such
                question.
        """
        digest, data = (None, b"") if answer is None else codec.encode(answer)
        with self._transaction(f"question {question}"):
            known = self._db.execute(
                "SELECT blob FROM answers WHERE question = ? AND revision = ?", (question, revision)
            ).fetchone()
            if known is not None:
                if known["blob"] != digest:
                    raise LedgerRuleError(
                        f"{self.path}: question {question} was answered differently before",
                        "send a correction as the next revision",
                    )
                return
            if digest is not None:
                new = "INSERT INTO blobs SELECT ?, ? WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE sha256 = ?)"
                self._db.execute(new, (digest, data, digest))
            self._db.execute(
                "INSERT INTO answers (question, revision, blob) VALUES (?, ?, ?)", (question, revision, digest)
            )

    def turns(self, game: int) -> list[tuple[int, int]]:
        """(step, number of the answer that was its last) of all answered steps, in the order in which they were."""
        rows = self._rows(
            "SELECT q.step, MAX(a.id) AS last FROM questions q LEFT JOIN answers a ON a.question = q.id"
            " AND a.revision = 0 WHERE q.game = ? GROUP BY q.step HAVING COUNT(*) = COUNT(a.id) ORDER BY last",
            game,
        )
        return [(row["step"], row["last"]) for row in rows]

    def goes_on_from(self, game: int) -> dict[int, int]:
        """{step: the step whose line it goes on} of those for which this is not the step before; -1: a new line."""
        rows = self._rows("SELECT step, details FROM steps WHERE game = ? AND details LIKE '%\"after\"%'", game)
        return {row["step"]: json.loads(row["details"])["after"] for row in rows}

    def answers(
        self, game: int, after: int = 0, until: int | None = None
    ) -> Iterator[tuple[int, int, str, str | None]]:
        """(answer's number, question's number, unit's name, blob) of the answers newer than ``after``, oldest first.

        ``until``: none that is newer than this one.
        """
        # CROSS JOIN keeps SQLite from beginning with all questions of the game, which made a step cost what is old.
        rows = self._rows(
            "SELECT a.id, a.question, q.unit, a.blob FROM answers a CROSS JOIN questions q ON q.id = a.question"
            " WHERE q.game = ? AND a.id > ? AND a.id <= ? ORDER BY a.id",
            game,
            after,
            2**62 if until is None else until,
        )
        return ((r["id"], r["question"], r["unit"], r["blob"]) for r in rows)

    def answered(self, game: int, step: int) -> set[int]:
        """The questions of a step that have an answer."""
        rows = self._rows(
            "SELECT DISTINCT a.question FROM answers a JOIN questions q ON q.id = a.question"
            " WHERE q.game = ? AND q.step = ?",
            game,
            step,
        )
        return {row["question"] for row in rows}

    def decode(self, digest: str) -> np.ndarray:
        """The answer behind a digest that :meth:`answers` gave; a small one is shared and cannot be written to."""
        read = "SELECT data FROM blobs WHERE sha256 = ?"
        return self._decoder(digest, lambda: self._rows(read, digest)[0]["data"])

    def close_step(self, game: int, step: int, snapshot: str, details: Mapping[str, Any]) -> None:
        """End a step by naming its snapshot (SHA-256 of a file that is already safe on disk).

        Survives a power cut even where single answers need not: the snapshot of the step before may be removed then.
        """
        with self._transaction(f"the end of step {step}", lasting=True):
            self._db.execute("INSERT INTO closings VALUES (?, ?, ?, ?)", (game, step, snapshot, _json(details)))

    def closings(self, game: int) -> list[tuple[int, str, dict[str, Any]]]:
        """(step, snapshot, details) of all closed steps, in order; step -1 is the time before the first question."""
        rows = self._rows("SELECT * FROM closings WHERE game = ? ORDER BY step", game)
        return [(r["step"], r["snapshot"], json.loads(r["details"])) for r in rows]

    def counts(self, game: int) -> dict[str, int]:
        """How many questions a game has, and how many of them have an answer."""
        row = self._rows(
            "SELECT COUNT(*) AS questions, COUNT(a.question) AS answers FROM questions q"
            " LEFT JOIN (SELECT DISTINCT question FROM answers) a ON a.question = q.id WHERE q.game = ?",
            game,
        )[0]
        return {"questions": int(row["questions"]), "answers": int(row["answers"])}

    # Evaluations --------------------------------------------------------------------------------------------------

    def evaluate(
        self, game: int, labels: int, values: Mapping[tuple[str, str], tuple[float, Mapping[str, Any]]]
    ) -> None:
        """Keep what was measured at a budget: {(set, model): (value, details)}, all in one transaction."""
        with self._transaction(f"the evaluation at {labels}"):
            rows = [(game, labels, part, model, v, _json(d)) for (part, model), (v, d) in values.items()]
            self._db.executemany("INSERT INTO evaluations VALUES (?, ?, ?, ?, ?, ?)", rows)

    def evaluations(self, game: int) -> list[dict[str, Any]]:
        """All measurements of a game: labels, part (``reward`` or ``test``), model, value, details; by labels."""
        rows = self._rows("SELECT * FROM evaluations WHERE game = ? ORDER BY labels, part, model", game)
        return [{**dict(r), "details": json.loads(r["details"])} for r in rows]


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
