import json

import pytest

from slow.harness import SAMPLE, finish, start

pytestmark = pytest.mark.slow


def test_at_whatever_size_the_disk_is_full_it_is_said_and_nothing_is_lost(tmp_path):
    found = json.loads(finish(start(["-m", "slow.toy_full", str(tmp_path), "--stride", "5" if SAMPLE else "1"])))
    limits, disks = found["limits"], found["disks"]
    assert limits["wrong"] == []
    assert limits["ends"]["done"] > 0
    assert limits["ends"]["refused"] > 10
    said = "\n".join(limits["said"])
    assert "RUN/ledger.sqlite: the disk is full" in said
    assert "RUN/snapshots/" in said
    assert disks["wrong"] == []
    assert not disks["mounts"] or "No space left on device" in "\n".join(disks["said"])


def test_the_command_line_says_which_file_and_goes_on_when_there_is_space(tmp_path, monkeypatch):
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path / "cache"))
    found = json.loads(finish(start(["-m", "slow.full_cli", str(tmp_path)])).splitlines()[-1])
    files = {
        "ledger": "ledger.sqlite",
        "snapshot": "/snapshots/",
        "model": "labels-000004.safetensors",
        "cell": "_start--p0--s0.json",
    }
    assert set(found) == set(files)
    for name, told in found.items():
        assert told["code"] == 2, told["printed"]
        assert "Traceback" not in told["printed"]
        assert files[name] in told["printed"]
        assert "fix: free" in told["printed"]
        assert told["same"], name
