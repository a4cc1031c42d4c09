"""A learned policy against its controls, from images to the report, with real processes and a real kill."""

import json
import time

import pytest

from querist.core.card import TENSORS, PolicyCard
from slow.harness import cells, finish, kill, start, wait_until
from slow.segmentation import write_tiny

pytestmark = pytest.mark.slow

STRATEGIES = ("random", "ralis/sound", "ralis/untrained", "ralis/shuffled")
POLICIES = ("ralis__sound--p0", "ralis__sound--p1", "ralis__untrained--p0", "ralis__shuffled--p0")


@pytest.fixture
def compare(tmp_path, monkeypatch):
    """Starts ``querist compare`` on one seed, not the recipe's first, into a folder, with so many workers."""
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path / "cache"))
    data, recipe = write_tiny(tmp_path, pause=0.01, learned=True)

    def begin(folder, workers):
        where = [str(recipe), "--data", str(data), "--out", str(folder), "--pictures", "false"]
        what = ["--strategies", *STRATEGIES, "--seeds", "1", "--workers", str(workers)]
        return start(["-m", "querist.cli", "compare", *where, *what])

    return begin


def policies(folder):
    return {name: PolicyCard.load(folder / "policies" / name) for name in POLICIES}


def test_a_comparison_killed_while_a_policy_trains_ends_the_same(compare, tmp_path):
    """What was trained is kept, the policy under way is begun anew, and two workers find what one does."""
    finish(compare(tmp_path / "whole", workers=2))
    cut = tmp_path / "cut"
    process = compare(cut, workers=1)
    assert wait_until(lambda: (cut / "policies" / POLICIES[0] / "card.json").exists(), process)
    time.sleep(0.1)
    kill(process)
    weights = [card.with_name(TENSORS) for card in cut.glob("policies/*/card.json")]
    ended = {path: path.stat().st_mtime_ns for path in weights}  # of the cards some are told the verdict at the end
    assert 0 < len(ended) < len(POLICIES)
    finish(compare(cut, workers=2))
    assert {path: path.stat().st_mtime_ns for path in ended} == ended

    expected = policies(tmp_path / "whole")
    assert {name: card.hash for name, card in policies(cut).items()} == {n: c.hash for n, c in expected.items()}
    assert len({card.hash for card in expected.values()}) == len(POLICIES)
    assert cells(cut) == cells(tmp_path / "whole")
    for name, card in expected.items():
        assert cells(cut)[f"{name}--s1.json"]["policy_hash"] == card.hash

    summary = json.loads((cut / "summary.json").read_text())
    assert {name: entry["policies"] for name, entry in summary["strategies"].items()} == {
        "random": 1, "ralis/sound": 2, "ralis/untrained": 1, "ralis/shuffled": 1
    }  # fmt: skip
    confirmatory = {(test["a"], test["b"]) for test in summary["tests"] if test["confirmatory"]}
    assert confirmatory == {("ralis/sound", rival) for rival in STRATEGIES if rival != "ralis/sound"}
    told = " ".join(summary["verdict"]["sentences"])
    assert "ralis/sound cannot pass its four corrected tests with so few seeds" in told
    assert "ralis/sound stands for 2 policies" in told
    assert "2 policies, sd between them" in (cut / "report.html").read_text()
