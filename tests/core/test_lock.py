import signal
import subprocess
import sys

import pytest

from querist.core.lock import RunLock
from querist.errors import QueristError

HOLD = """
import sys
from pathlib import Path
from querist.core.lock import RunLock
lock = RunLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_holder_is_refused_until_the_first_lets_go(tmp_path):
    with RunLock(tmp_path):
        with pytest.raises(QueristError, match="being written by another process"):
            RunLock(tmp_path)
        with pytest.raises(QueristError, match="querist status"):  # nor did the refusal free it
            RunLock(tmp_path)
    with RunLock(tmp_path) as again:
        again.close()
        again.close()  # twice does no harm
        RunLock(tmp_path).close()


def test_other_runs_are_free(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with RunLock(tmp_path / "a"), RunLock(tmp_path / "b"):
        for folder in ("a", "b"):  # both are really held
            with pytest.raises(QueristError, match=f"{folder} is being written"):
                RunLock(tmp_path / folder)


def test_an_exception_frees_it(tmp_path):
    with pytest.raises(RuntimeError), RunLock(tmp_path):
        raise RuntimeError
    RunLock(tmp_path).close()


def test_a_killed_process_cannot_keep_it_and_a_living_one_is_named(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(QueristError, match=f"process {holder.pid}"):
            RunLock(tmp_path)
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
        RunLock(tmp_path).close()
