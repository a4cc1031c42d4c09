"""The demo as a newcomer plays it: the command, the table, the report."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from querist.core.card import PolicyCard


@pytest.mark.slow
@pytest.mark.skipif(bool(os.environ.get("QUERIST_SLOW_SAMPLE")), reason="minutes: in the whole slow tier only")
def test_the_demo_from_nothing(tmp_path):
    environment = os.environ | {"QUERIST_CACHE": str(tmp_path / "cache"), "COLUMNS": "120"}
    command = [sys.executable, "-m", "querist.cli", "demo", "--out", str(tmp_path / "demo")]
    played = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1500, check=False)
    assert played.returncode == 0, played.stderr
    summary = json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert set(summary["strategies"]) == {"random", "strengthened_random", "entropy/global", "ralis/sound"}
    assert summary["full_supervision"] > summary["start"] + 5  # there is something to learn from labels
    for name in summary["strategies"]:
        assert name in played.stdout
    for cell in (tmp_path / "demo" / "cells").glob("[!_]*.json"):
        ledger = json.loads(cell.read_text())["ledger"]
        assert (ledger["spent"], ledger["answers"], ledger["repeats"]) == (192, 192, 0)
    card = PolicyCard.load(tmp_path / "demo" / "policies" / "ralis__sound--p0")
    assert "First a policy learns what to ask" in played.stdout
    assert card.training["labels"] == {"start": 8 * 16, "reward": 30 * 16}
    losses = [row["loss"] for row in card.curve if row.get("loss") is not None]  # none while it warmed up
    assert len(losses) > len(card.curve) / 2
    assert np.isfinite(losses).all()
    for seed in (0, 1):
        cell = json.loads((tmp_path / "demo" / "cells" / f"ralis__sound--p0--s{seed}.json").read_text())
        assert cell["policy_hash"] == card.hash
    page = (tmp_path / "demo" / "report.html").read_text()
    assert "ralis/sound stands for a single trained policy" in page
    assert not re.search(r'(src|href)="https?:', page)
    assert page.count("data:image/jpeg;base64,") == 4 * 4  # four steps of each strategy, as pictures
    assert not list((tmp_path / "demo" / ".work").glob("*.json"))


@pytest.mark.slow
@pytest.mark.skipif(bool(os.environ.get("QUERIST_SLOW_SAMPLE")), reason="minutes: in the whole slow tier only")
def test_the_demo_about_pairs(tmp_path):
    environment = os.environ | {"QUERIST_CACHE": str(tmp_path / "cache"), "COLUMNS": "120"}
    command = [sys.executable, "-m", "querist.cli", "demo", "reid", "--out", str(tmp_path / "demo")]
    played = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1500, check=False)
    assert played.returncode == 0, played.stderr
    summary = json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert set(summary["strategies"]) == {"random", "strengthened_random", "nearest_first", "dral/sound"}
    assert summary["full_supervision"] > summary["start"] + 5
    for cell in (tmp_path / "demo" / "cells").glob("[!_]*.json"):
        ledger = json.loads(cell.read_text())["ledger"]
        assert (ledger["spent"], ledger["answers"], ledger["repeats"]) == (1000, 1000, 0)
    card = PolicyCard.load(tmp_path / "demo" / "policies" / "dral__sound--p0")
    assert (len(card.curve), card.settings["neighbours"], card.settings["per_anchor"]) == (2, 20, 5)


@pytest.mark.slow
@pytest.mark.skipif(bool(os.environ.get("QUERIST_SLOW_SAMPLE")), reason="minutes: in the whole slow tier only")
def test_the_demo_about_poses(tmp_path):
    environment = os.environ | {"QUERIST_CACHE": str(tmp_path / "cache"), "COLUMNS": "120"}
    command = [sys.executable, "-m", "querist.cli", "demo", "pose", "--out", str(tmp_path / "demo")]
    played = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1500, check=False)
    assert played.returncode == 0, played.stderr
    summary = json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert set(summary["strategies"]) == {"random", "core_set", "matal/sound"}
    assert summary["full_supervision"] > summary["start"]
    for cell in (tmp_path / "demo" / "cells").glob("[!_]*.json"):
        ledger = json.loads(cell.read_text())["ledger"]
        assert (ledger["spent"], ledger["answers"], ledger["repeats"]) == (160, 160, 0)
