import shutil
import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from commands.conftest import interrupt_after
from querist.core.card import PolicyCard
from querist.core.lock import RunLock
from slow.harness import outcome
from slow.segmentation import change_pixel


def test_an_interrupted_run_ends_as_one_that_never_was(querist, played, tiny):
    said = querist("resume", tiny.half, "--data", played.data)
    assert said.code == 0
    assert outcome(tiny.half) == outcome(tiny.whole)


def test_a_finished_run_has_nothing_left_to_do(querist, played, tiny):
    before = outcome(tiny.whole)
    assert querist("resume", tiny.whole, "--data", played.data).code == 0
    assert outcome(tiny.whole) == before


def test_a_second_writer_is_refused_and_the_first_unharmed(querist, played, tiny):
    before = (tiny.half / "ledger.sqlite").read_bytes()
    with RunLock(tiny.half):
        said = querist("resume", tiny.half, "--data", played.data)
    assert said.code == 2
    assert f"{tiny.half} is being written by another process (process " in said.err
    assert "wait for it or stop it" in said.err
    assert (tiny.half / "ledger.sqlite").read_bytes() == before


def test_a_run_without_people_has_no_page(querist, played, tiny):
    said = querist("resume", tiny.half, "--data", played.data, "--port", 8000)
    assert said.code == 2
    assert "answers itself: there is no page" in said.err


# The data moved or changed ----------------------------------------------------------------------------------------


def test_data_that_moved_are_asked_for_by_their_old_path(querist, played, tiny, monkeypatch):
    away = played.data.with_name("away")
    played.data.rename(away)
    try:
        said = querist("resume", tiny.half)
        assert said.code == 2
        assert str(played.data) in said.err
        assert f"querist resume {tiny.half} --data NEW_FOLDER" in said.err
        assert querist("resume", tiny.half, "--data", away).code == 0
        assert outcome(tiny.half) == outcome(tiny.whole)
    finally:
        away.rename(played.data)


def test_a_folder_that_was_named_and_is_not_there(querist, tiny):
    said = querist("resume", tiny.half, "--data", "/no/such/folder")
    assert said.code == 2
    assert "/no/such/folder" in said.err


def _change(data, what):
    images, masks = data / "images" / "train", data / "masks" / "train"
    names = sorted(path.name for path in images.iterdir())
    if what == "a pixel":
        change_pixel(images / names[5])
    elif what == "masks":
        change_pixel(masks / names[3])
        change_pixel(masks / names[1])
    elif what == "gone":
        (images / names[2]).unlink()
        (masks / names[2]).unlink()
    elif what == "more":
        for folder in (images, masks):
            shutil.copy(folder / names[0], folder / "drive0007_00.png")
    elif what == "renamed":
        for folder in (images, masks):
            (folder / names[4]).rename(folder / "zebra.png")
    elif what == "classes":
        path = data / "classes.yaml"
        path.write_text(path.read_text().replace("sky", "heaven"))
    elif what == "image only":
        (images / names[2]).unlink()
    elif what == "mask only":
        (masks / names[2]).unlink()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("a pixel", "train/drive0000_05 is changed (1 changed, of 13)"),
        ("masks", "train/drive0000_01 is changed (2 changed, of 13)"),
        ("gone", "train/drive0000_02 is missing (1 missing, of 13)"),
        ("more", "train/drive0007_00 is new (1 new, of 13)"),
        ("renamed", "train/drive0000_04 is missing (1 missing, 1 new, of 13)"),
        ("classes", "the class map is changed (1 changed, of 13)"),
        ("image only", "drive0000_02.png is a mask without an image"),
        ("mask only", "drive0000_02.png has no mask (1 of 8 images have none)"),
    ],
)
def test_data_that_changed_are_named_before_anything_is_played(querist, tiny, what, words):
    before = outcome(tiny.half)
    _change(tiny.data, what)
    said = querist("resume", tiny.half, "--data", tiny.data)
    assert said.code == 2
    assert words in said.err
    assert "fix: " in said.err
    assert outcome(tiny.half) == before


def test_without_data_json_the_change_is_noticed_all_the_same(querist, tiny):
    (tiny.half / "data.json").unlink()
    _change(tiny.data, "a pixel")
    said = querist("resume", tiny.half, "--data", tiny.data)
    assert said.code == 2
    assert "the data have changed since the run began" in said.err


# The run's own files damaged ----------------------------------------------------------------------------------------


def _damage(ledger, how):
    whole = ledger.read_bytes()
    if how == "cut short":
        ledger.write_bytes(whole[: len(whole) // 2])
    elif how == "empty":
        ledger.write_bytes(b"")
    elif how == "garbage":
        ledger.write_bytes(np.random.default_rng(0).bytes(len(whole)))
    elif how == "garbage inside":
        ledger.write_bytes(whole[:8192] + b"\xff" * 8192 + whole[16384:])
    elif how == "gone":
        ledger.unlink()
    else:
        if how == "foreign":
            ledger.unlink()
        db = sqlite3.connect(ledger)
        db.execute("CREATE TABLE shopping (item TEXT)" if how == "foreign" else "PRAGMA user_version = 7")
        db.commit()
        db.close()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("cut short", "the run file is damaged"),
        ("empty", "the run file is empty"),
        ("garbage", "the run file is damaged"),
        ("garbage inside", "the run file is damaged"),
        ("gone", "there is no run here"),
        ("foreign", "is an SQLite file, but not a querist run"),
        ("future", "was written by a querist with ledger version 7; this one reads 1"),
    ],
)
def test_a_run_file_that_is_not_one_is_refused_and_left_as_it_is(querist, played, tiny, how, words):
    ledger = tiny.half / "ledger.sqlite"
    _damage(ledger, how)
    before = ledger.read_bytes() if ledger.exists() else None
    said = querist("resume", tiny.half, "--data", played.data)
    assert said.code == 2
    assert f"{ledger}" in said.err
    assert words in said.err
    assert "fix: " in said.err
    assert before == (ledger.read_bytes() if ledger.exists() else None)


def _last_snapshot(folder):
    db = sqlite3.connect(folder / "ledger.sqlite")
    digest = db.execute("SELECT snapshot FROM closings ORDER BY step DESC").fetchone()[0]
    db.close()
    return folder / "snapshots" / f"{digest}.safetensors"


def change_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_a_snapshot_that_is_not_what_was_written_is_named(querist, played, tiny, how):
    snapshot = _last_snapshot(tiny.half)
    snapshot.unlink() if how == "missing" else change_byte(snapshot)
    said = querist("resume", tiny.half, "--data", played.data)
    assert said.code == 2
    assert f"{snapshot}: the run's snapshot is {how}" in said.err
    assert "restore" in said.err


def test_an_answer_that_was_tampered_with_is_noticed(querist, played, tiny):
    db = sqlite3.connect(tiny.half / "ledger.sqlite")
    db.execute("DROP TRIGGER keep_blobs_update")
    db.execute("UPDATE blobs SET data = zeroblob(20)")
    db.commit()
    db.close()
    said = querist("resume", tiny.half, "--data", played.data)
    assert said.code == 2
    assert "in the run file is damaged" in said.err


# Learned policies ---------------------------------------------------------------------------------------------------


@pytest.fixture
def half(querist, taught, tmp_path, monkeypatch):
    """A run of a policy that was interrupted after six of ten labels, and whose card is not where it was."""
    monkeypatch.setenv("QUERIST_CACHE", str(taught.data.parent / "cache"))
    shutil.copytree(taught.card, tmp_path / "card")
    with monkeypatch.context() as patch:
        interrupt_after(patch, labels=6)
        arguments = ["--data", taught.data, "--policy", tmp_path / "card", "--out", tmp_path / "half"]
        assert querist("run", taught.recipe, *arguments).code == 130
    shutil.rmtree(tmp_path / "card")
    return tmp_path / "half"


def test_a_run_goes_on_with_its_own_copy_of_the_policy(querist, taught, half, tmp_path):
    whole = ["--data", taught.data, "--policy", taught.card, "--out", tmp_path / "whole"]
    assert querist("run", taught.recipe, *whole).code == 0
    said = querist("resume", half)
    assert said.code == 0, said.err
    assert outcome(half) == outcome(tmp_path / "whole")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("gone", "half/policy: not a policy card"),
        ("damaged", "half/policy: not a policy card (policy.safetensors is not the one"),
        ("another", "this run has policy "),
        ("another strategy", "the policy card is of ralis/faithful, not of ralis/sound"),
    ],
)
def test_a_policy_that_is_not_the_runs_own_is_refused(querist, taught, half, tmp_path, how, words):
    before = outcome(half)
    if how == "damaged":
        change_byte(half / "policy" / "policy.safetensors")
    else:
        shutil.rmtree(half / "policy")
    if how == "another":
        card = PolicyCard.load(taught.card)
        others = {name: array * 2 if array.dtype == np.float16 else array for name, array in card.tensors.items()}
        replace(card, tensors=others).save(half / "policy")
    elif how == "another strategy":
        shutil.copytree(taught.faithful, half / "policy")
    said = querist("resume", half)
    assert said.code == 2, said.flat
    assert words in said.err
    assert "fix: " in said.err
    assert outcome(half) == before
