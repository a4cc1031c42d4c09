"""The SQLite file under the ledger: opening it safely and saying plainly what is wrong with it."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from importlib.resources import files
from pathlib import Path

from querist.core.snapshots import sync_folder
from querist.errors import QueristError

APPLICATION_ID = 0x51554552  # "QUER"
VERSION = 1

_NOWHERE = "name the folder that 'querist run' wrote (its --out); a run killed before it had a file is begun again"
_CORRUPT = "restore the file from a backup, or begin a new run in another folder; nothing was written"


def explain(error: sqlite3.Error, path: Path, begun: bool = True) -> QueristError:
    """Turn an error of SQLite into what, where and how to fix it; ``begun`` says whether there is a run to resume."""
    text = str(error)
    if "full" in text or "disk I/O" in text or "too large" in text:
        return QueristError(
            f"{path}: the disk is full or cannot be written ({text})",
            "free some space, then "
            + ("'querist resume' the run; everything answered so far is kept" if begun else "begin the run again"),
        )
    if "malformed" in text or "not a database" in text or "encrypted" in text:
        return QueristError(f"{path}: the run file is damaged ({text})", _CORRUPT)
    if "locked" in text or "busy" in text:
        return QueristError(f"{path}: the run file is in use ({text})", "wait for the other process or stop it")
    if "readonly" in text or "unable to open" in text:
        return QueristError(f"{path}: cannot be opened for writing ({text})", "check that you may write there")
    return QueristError(f"{path}: {text}", "report this with the command you ran")


def _configure(connection: sqlite3.Connection, durable: bool) -> None:
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA recursive_triggers = ON")  # so that OR REPLACE cannot slip past the delete triggers
    # FULL survives a power cut after every answer, which a person's work deserves; NORMAL survives kill -9.
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")


def create(path: Path, about: Mapping[str, str], durable: bool) -> sqlite3.Connection:
    """A new ledger file. It appears under its name only when its schema and what it is about are complete.

    Raises:
        QueristError: there is a file already, or the disk is full.
    """
    if path.exists():
        raise QueristError(f"{path} exists already", "'querist resume' goes on with it; or choose another --out")
    draft = path.with_suffix(".new")
    try:
        draft.unlink(missing_ok=True)
        with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            schema = files("querist.core").joinpath("schema.sql").read_text(encoding="utf-8")
            connection.executescript(
                f"BEGIN; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; {schema} COMMIT;"
            )
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO run VALUES (?, ?)", sorted(about.items()))
            connection.execute("COMMIT")
        draft.replace(path)
        sync_folder(path.parent)
    except sqlite3.Error as error:
        draft.unlink(missing_ok=True)
        raise explain(error, path, begun=False) from error
    except OSError as error:
        what = f"{path}: cannot be written ({error.strerror})"
        raise QueristError(what, "free some space, then begin the run again") from error
    return open_existing(path, durable)


def open_existing(path: Path, durable: bool = False, read_only: bool = False) -> sqlite3.Connection:
    """Open a ledger after checking that it is one, whole, and of this version.

    Raises:
        QueristError: missing, damaged, another program's file, or another version's.
    """
    if not path.is_file():
        raise QueristError(f"{path}: there is no run here", _NOWHERE)
    connection = None
    try:
        if path.stat().st_size == 0:
            raise QueristError(f"{path}: the run file is empty", _CORRUPT)
        mode = "mode=rw" if not read_only else "mode=ro" + ("&immutable=1" if _rests(path) else "")
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None, timeout=30)
        _identify(connection, path)
        if not read_only:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise QueristError(f"{path}: the run file is damaged ({verdict})", _CORRUPT)
            connection.execute("PRAGMA journal_mode = WAL")
        _configure(connection, durable)
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.Error):
            raise explain(error, path) from error
        raise
    return connection


def _rests(path: Path) -> bool:
    """Whether a ledger lies where SQLite can put no files of its own beside it, and none is there: nobody writes."""
    return not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()


def _identify(connection: sqlite3.Connection, path: Path) -> None:
    identity = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if identity != APPLICATION_ID:
        raise QueristError(f"{path} is an SQLite file, but not a querist run", "name the folder of a run")
    if version != VERSION:
        raise QueristError(
            f"{path} was written by a querist with ledger version {version}; this one reads {VERSION}",
            "install the querist that wrote it, or a newer one; the file is as it was",
        )


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path, lasting: bool = False) -> Iterator[None]:
    """All of a block or nothing of it, with errors of SQLite explained (violated rules pass through as they are).

    Args:
        connection: to the ledger; ``path`` its file, for the words.
        lasting: once this returns, it and all before it survive a power cut, however the file was opened.
    """
    try:
        usual = connection.execute("PRAGMA synchronous").fetchone()[0] if lasting else None
        if lasting:
            connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
        if lasting:
            connection.execute(f"PRAGMA synchronous = {usual}")
    except BaseException as error:
        if connection.in_transaction:
            with suppress(sqlite3.Error):  # what follows says more
                connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.IntegrityError):
            raise explain(error, path) from error
        raise
