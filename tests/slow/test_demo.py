"""The demo as a newcomer plays it: the command, the table, the report."""

import json
import os
import re
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.skipif(bool(os.environ.get("QUERIST_SLOW_SAMPLE")), reason="two minutes: in the whole slow tier only")
def test_the_demo_from_nothing(tmp_path):
    environment = os.environ | {"QUERIST_CACHE": str(tmp_path / "cache"), "COLUMNS": "120"}
    command = [sys.executable, "-m", "querist.cli", "demo", "--out", str(tmp_path / "demo")]
    played = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1500, check=False)
    assert played.returncode == 0, played.stderr
    summary = json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert set(summary["strategies"]) == {"random", "strengthened_random", "entropy/global", "margin/global"}
    assert summary["full_supervision"] > summary["start"] + 5  # there is something to learn from labels
    for name in summary["strategies"]:
        assert name in played.stdout
    for cell in (tmp_path / "demo" / "cells").glob("[!_]*.json"):
        ledger = json.loads(cell.read_text())["ledger"]
        assert (ledger["spent"], ledger["answers"], ledger["repeats"]) == (192, 192, 0)
    page = (tmp_path / "demo" / "report.html").read_text()
    assert not re.search(r'(src|href)="https?:', page)
    assert page.count("data:image/jpeg;base64,") == 4 * 4  # four steps of each strategy, as pictures
    assert not list((tmp_path / "demo" / ".work").glob("*.json"))
