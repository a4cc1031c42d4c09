import json
import time

import numpy as np
import pytest

from slow.harness import SAMPLE, cells, finish, kill, kill_toys, outcome, start, wait_until
from slow.segmentation import write_tiny
from slow.toy_play import PHASES

pytestmark = pytest.mark.slow


def test_killed_at_random_instants_a_run_ends_bit_by_bit_the_same(tmp_path):
    kills = 6 if SAMPLE else 30
    hit = kill_toys(tmp_path, kills, seed=20)
    assert hit.total() == kills
    assert set(hit) <= set(PHASES)


def test_killed_at_every_point_a_run_ends_bit_by_bit_the_same(tmp_path):
    """Not at random but at each statement of SQLite, each file and each call of the task, one after another."""
    found = json.loads(finish(start(["-m", "slow.toy_sweep", str(tmp_path), "--each", "3" if SAMPLE else "0"])))
    assert found["identical"], found["different"]
    assert found["points"] > 150
    assert set(found["phases"]) == set(PHASES)


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Starts ``querist VERB ...`` on tiny data, the recipe and the data filled in where a verb needs them."""
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path / "cache"))
    data, recipe = write_tiny(tmp_path, pause=0.02)

    def begin(verb, folder):
        where = [str(folder)] if verb == "resume" else [str(recipe), "--data", str(data), "--out", str(folder)]
        more = ["--seeds", "0", "--workers", "1", "--pictures", "false"] if verb == "compare" else []
        return start(["-m", "querist.cli", verb, *where, *more])

    return begin


def test_a_killed_segmentation_run_ends_bit_by_bit_the_same(command, tmp_path):
    rng = np.random.default_rng(5)

    def playing(folder, process):
        lock = folder / "run.lock"
        return lambda: lock.exists() and lock.read_text() == f"process {process.pid}"

    whole = command("run", tmp_path / "whole")
    wait_until(playing(tmp_path / "whole", whole), whole)
    began = time.monotonic()
    finish(whole)
    lasts, expected = time.monotonic() - began, outcome(tmp_path / "whole")
    kills, number = 0, 0
    while kills < (2 if SAMPLE else 8):
        number += 1
        folder = tmp_path / f"run{number}"
        ended = False
        while not ended and kills < (2 if SAMPLE else 8):
            process = command("resume" if (folder / "ledger.sqlite").exists() else "run", folder)
            wait_until(playing(folder, process), process)
            time.sleep(rng.uniform(0.0, 0.7 * lasts))
            ended = process.poll() is not None
            if ended:
                finish(process)
            else:
                kill(process)
                kills += 1
        if not ended:
            finish(command("resume" if (folder / "ledger.sqlite").exists() else "run", folder))
        assert outcome(folder) == expected


def test_a_killed_comparison_ends_with_the_same_cells(command, tmp_path):
    """Some cells had ended when it was killed and one was under way: neither is played from its start again."""
    finish(command("compare", tmp_path / "whole"))
    cut = tmp_path / "cut"
    process = command("compare", cut)
    under_way = cut / ".work"
    wait_until(lambda: any(under_way.glob("*-entropy__global--*/ledger.sqlite")), process)
    time.sleep(0.2)
    kill(process)
    ended = {path.name: path.stat().st_mtime_ns for path in (cut / "cells").glob("*.json")}
    assert 0 < len(ended) < 4
    finish(command("compare", cut))
    assert cells(cut) == cells(tmp_path / "whole")
    assert {name: (cut / "cells" / name).stat().st_mtime_ns for name in ended} == ended
