import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from querist.core import storage
from querist.errors import QueristError


def run_file(folder: Path) -> Path:
    path = folder / "ledger.sqlite"
    storage.create(path, {"seed": "3"}, durable=False).close()
    return path


def grown(folder: Path) -> Path:
    """A run file of many pages, so that half of it is damage and not emptiness."""
    path = run_file(folder)
    with closing(storage.open_existing(path)) as db, storage.transaction(db, path):
        db.executemany("INSERT INTO run VALUES (?, ?)", ((f"key{i}", "x" * 500) for i in range(200)))
    return path


def open_handles() -> int:
    handles = Path("/proc/self/fd")
    return sum(1 for _ in handles.iterdir()) if handles.is_dir() else 0


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE mine (x)")


def of_version(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {version}")


def test_a_new_file_is_whole_from_its_first_moment(tmp_path, monkeypatch):
    """Killed right after the file got its name, there is a run that knows what it is about."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(storage, "open_existing", killed)
        with pytest.raises(KeyboardInterrupt):
            storage.create(tmp_path / "ledger.sqlite", {"seed": "3", "recipe": "demo"}, durable=True)
    assert [p.name for p in tmp_path.iterdir()] == ["ledger.sqlite"]
    with closing(storage.open_existing(tmp_path / "ledger.sqlite")) as db:
        assert [tuple(r) for r in db.execute("SELECT * FROM run ORDER BY key")] == [("recipe", "demo"), ("seed", "3")]


def test_killed_before_it_leaves_only_a_draft_which_the_next_one_replaces(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run_file(tmp_path)
    assert not (tmp_path / "ledger.sqlite").exists()
    run_file(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["ledger.sqlite"]


def test_an_existing_run_is_never_overwritten(tmp_path):
    path = run_file(tmp_path)
    with pytest.raises(QueristError, match="exists already"):
        run_file(tmp_path)
    storage.open_existing(path).close()


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda p: p.unlink(), "there is no run here"),
        (lambda p: p.write_bytes(b""), "the run file is empty"),
        (lambda p: p.write_bytes(b"garbage" * 1000), "the run file is damaged"),
        (lambda p: p.write_bytes(b"SQLite format 3\0"), "damaged|not a querist run"),
        (lambda p: (p.unlink(), foreign(p)), "an SQLite file, but not a querist run"),
        (lambda p: of_version(p, 99), "ledger version 99; this one reads 1"),
    ],
    ids=["missing", "empty", "garbage", "stub", "foreign", "version"],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, harm, words, read_only):
    path = run_file(tmp_path)
    harm(path)
    before = path.read_bytes() if path.exists() else None
    handles = open_handles()
    with pytest.raises(QueristError, match=words) as caught:
        storage.open_existing(path, read_only=read_only)
    assert str(path) in caught.value.what
    assert caught.value.fix
    assert (path.read_bytes() if path.exists() else None) == before  # not a byte of it is touched
    assert open_handles() == handles  # and it is not kept open


@pytest.mark.parametrize("keep", [0.25, 0.5, 0.9])
def test_a_truncated_file_is_not_written_to(tmp_path, keep):
    path = grown(tmp_path)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(QueristError, match="the run file is damaged"):
        storage.open_existing(path)


def test_a_scribbled_page_is_noticed(tmp_path):
    path = grown(tmp_path)
    data = bytearray(path.read_bytes())
    data[-8192:-4096] = b"\xff" * 4096
    path.write_bytes(data)
    with pytest.raises(QueristError, match="the run file is damaged"):
        storage.open_existing(path)


def test_readers_cannot_write(tmp_path):
    path = run_file(tmp_path)
    with (
        closing(storage.open_existing(path, read_only=True)) as db,
        pytest.raises(QueristError, match="cannot be opened"),
        storage.transaction(db, path),
    ):
        db.execute("INSERT INTO run VALUES ('a', 'b')")


def test_a_run_on_a_disk_that_is_only_read_can_be_looked_at(tmp_path, monkeypatch):
    path = run_file(tmp_path)
    monkeypatch.setattr(storage.os, "access", lambda *_: False)
    opened = []
    connect = sqlite3.connect
    monkeypatch.setattr(
        storage.sqlite3, "connect", lambda where, **rest: opened.append(where) or connect(where, **rest)
    )
    with closing(storage.open_existing(path, read_only=True)) as db:
        assert db.execute("SELECT COUNT(*) FROM run").fetchone()[0] > 0
    assert opened == [f"{path.absolute().as_uri()}?mode=ro&immutable=1"]
    path.with_name(path.name + "-wal").touch()  # somebody writes it after all
    with closing(storage.open_existing(path, read_only=True)):
        assert opened[1:] == [f"{path.absolute().as_uri()}?mode=ro"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_a_transaction_that_fails_leaves_nothing(tmp_path, error):
    def begin_and_fail(db: sqlite3.Connection) -> None:
        with storage.transaction(db, path):
            db.execute("INSERT INTO run VALUES ('a', 'b')")
            raise error

    path = run_file(tmp_path)
    with closing(storage.open_existing(path)) as db:
        with pytest.raises(error):
            begin_and_fail(db)
        assert not db.in_transaction
        with storage.transaction(db, path):
            db.execute("INSERT INTO run VALUES ('c', 'd')")
    with closing(sqlite3.connect(path)) as db:
        assert {key for (key,) in db.execute("SELECT key FROM run")} == {"seed", "c"}


def test_a_full_disk_is_explained_and_nothing_is_lost(tmp_path):
    path = grown(tmp_path)
    with closing(storage.open_existing(path)) as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")  # the error that a full disk gives
        with pytest.raises(QueristError, match="the disk is full") as caught, storage.transaction(db, path):
            db.execute("INSERT INTO run VALUES ('last', ?)", ("x" * 100_000,))
        assert "querist resume" in caught.value.fix
        assert db.execute("SELECT COUNT(*) FROM run").fetchone()[0] == 201


def test_durability_is_as_ordered(tmp_path):
    path = run_file(tmp_path)
    for durable, level in ((False, 1), (True, 2)):  # NORMAL and FULL
        with closing(storage.open_existing(path, durable)) as db:
            assert db.execute("PRAGMA synchronous").fetchone()[0] == level
            assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
            assert db.execute("PRAGMA foreign_keys").fetchone()[0] == 1


def test_a_lasting_transaction_is_synchronised_at_its_commit_and_others_stay_as_ordered(tmp_path):
    path = run_file(tmp_path)
    levels = []
    with closing(storage.open_existing(path)) as db:
        for lasting in (True, False):
            with storage.transaction(db, path, lasting):
                db.execute("INSERT INTO run VALUES (?, '')", (f"lasting {lasting}",))
                levels.append(db.execute("PRAGMA synchronous").fetchone()[0])
    assert levels == [2, 1]  # FULL, NORMAL


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("database or disk is full", "the disk is full"),
        ("disk I/O error", "the disk is full or cannot be written"),
        ("database disk image is malformed", "damaged"),
        ("file is not a database", "damaged"),
        ("database is locked", "in use"),
        ("unable to open database file", "cannot be opened"),
        ("something new", "something new"),
    ],
)
def test_sqlite_is_translated(text, words):
    found = storage.explain(sqlite3.OperationalError(text), Path("/runs/a/ledger.sqlite"))
    assert words in found.what
    assert "/runs/a/ledger.sqlite" in found.what
    assert found.fix
