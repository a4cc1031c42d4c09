import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

FOLDER = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(FOLDER))  # the benchmarks are scripts, not a package

import speed  # noqa: E402
import speed_poses  # noqa: E402
import speed_ralis  # noqa: E402
from speed_cases import BENCHMARKS, Limits  # noqa: E402
from speed_measure import Case, compare, extra_memory_mb  # noqa: E402

ROW = ("name", "size", "ours_s", "reference", "reference_s", "ratio", "peak_mb")


class Clock:
    """A clock that only moves when a form is called."""

    def __init__(self, monkeypatch):
        self.now, self.log = 0.0, []
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def takes(self, name, *seconds):
        remaining = list(seconds)

        def form():
            self.log.append(name)
            self.now += remaining.pop(0) if len(remaining) > 1 else remaining[0]

        return form


def test_forms_alternate_and_the_ratio_is_the_median_of_neighbours(monkeypatch):
    clock = Clock(monkeypatch)
    # The first of each is the warm-up; the machine is ten times slower in the last pair.
    case = Case(clock.takes("ours", 9, 2, 3, 30), clock.takes("theirs", 9, 4, 4, 40))
    timing = compare(case, repeats=3)
    assert clock.log == ["ours", "theirs"] * 4
    assert (timing.ours_s, timing.reference_s) == (3, 4)
    assert timing.ratio == pytest.approx(0.75)


def test_overhead_is_subtracted_and_times_are_per_unit(monkeypatch):
    clock = Clock(monkeypatch)
    case = Case(clock.takes("a", 25), clock.takes("b", 10), units=10, overhead=clock.takes("c", 5))
    timing = compare(case, repeats=2)
    assert (timing.ours_s, timing.reference_s, timing.ratio) == (2.0, 1.0, 2.0)


def test_a_reference_on_a_part_is_scaled_up(monkeypatch):
    clock = Clock(monkeypatch)
    timing = compare(Case(clock.takes("a", 6), clock.takes("b", 3), units=2, reference_units=0.1), repeats=1)
    assert (timing.ours_s, timing.reference_s, timing.ratio) == (3.0, 30.0, 0.1)


def test_forms_that_disagree_are_not_timed():
    with pytest.raises(ValueError, match="agree"):
        compare(Case(lambda: 1, lambda: 2, agree=lambda a, b: a == b), repeats=1)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_memory_counts_what_the_call_adds_and_not_what_was_there():
    there = torch.ones(32 * 2**18)  # 32 MiB
    assert extra_memory_mb(lambda: None) < 8
    assert 60 < extra_memory_mb(lambda: torch.ones(64 * 2**18).sum()) < 80
    assert there.sum() == 32 * 2**18


# The reference gives or leaves another result.
OTHER_WORK = (
    "k-centre", "dropout-passes", "camvid-small-step", "pose-observation", "pose-millions", "ralis-episodes",
)  # fmt: skip


@pytest.mark.parametrize("benchmark", [b for b in BENCHMARKS if b.name not in OTHER_WORK], ids=lambda b: b.name)
def test_ours_and_the_reference_agree(benchmark):
    _, case = benchmark.build(True)
    assert case.agree is not None
    assert case.agree(case.ours(), case.reference())


def test_episodes_are_scaled_by_the_steps_that_were_played(monkeypatch):
    """To 100 episodes of 20 steps; of the quick games two of two steps, on the stand-in and on the model itself."""
    _, case = speed_ralis.episodes(True)
    train, played = speed_ralis.AGENT.train, []

    def noted(profile, changes, stage, seed):
        played.append((profile, type(stage.task).__name__))
        if played[-1][1] == "SegmentationTask":  # takes long
            return changes["episodes"] * changes["budget"] / stage.batch
        return sum(len(row["rewards"]) for row in train(profile, changes, stage, seed).curve)

    monkeypatch.setattr(speed_ralis.AGENT, "train", noted)
    assert case.ours() == pytest.approx(case.units * 2_000)
    assert case.reference() == pytest.approx(case.reference_units * 2_000)
    assert played == [("sound", "ReadoutTask"), ("sound", "SegmentationTask")]


def test_what_takes_minutes_is_timed_on_request_alone(monkeypatch):
    asked = []
    monkeypatch.setattr(speed, "_in_child", lambda name, quick, threads: asked.append(name) or dict.fromkeys(ROW, 1))
    monkeypatch.setattr(speed, "_print_row", lambda row, limits: None)
    monkeypatch.setattr(sys, "argv", ["speed.py", "--quick"])
    assert speed.main() == 0
    assert "pose-observation" in asked
    assert "pose-millions" not in asked
    asked.clear()
    monkeypatch.setattr(sys, "argv", ["speed.py", "--quick", "--only", "pose-millions"])
    assert speed.main() == 0
    assert asked == ["pose-millions"]


def test_only_replaces_its_rows_and_keeps_the_others(tmp_path):
    path = tmp_path / "deep" / "speed.json"
    first = [{"name": name, "ratio": 1} for name in ("k-centre", "was once", "badge")]
    speed._write(path, first, keep_others=False)
    speed._write(path, [{"name": name, "ratio": 2} for name in ("badge", "confusion")], keep_others=True)
    found = [(row["name"], row["ratio"]) for row in json.loads(path.read_text())]
    assert found == [("k-centre", 1), ("confusion", 2), ("badge", 2)]


def test_rows_have_the_promised_fields(capsys):
    row = speed._measure("region-entropy", quick=True, threads=torch.get_num_threads())
    assert tuple(row) == ROW
    speed._print_row(row, Limits(ratio=1e-9))
    assert "(limit ratio 1e-09: exceeded)" in capsys.readouterr().out


def test_limits_are_told_one_by_one():
    row = {"ratio": 0.04, "ours_s": 9.0, "peak_mb": 100.0}
    assert Limits().told(row) == ""
    limits = Limits(ratio=0.05, seconds=8, peak_mb=100)
    assert limits.told(row) == " (limit ratio 0.05, 8 s: exceeded, 100 MiB)"


def test_what_ralis_was_asked_for():
    """25,600 candidates in 8 s and 1 GB, 20 times a loop over regions; 100 episodes in an hour; BADGE in 1 s."""
    limits = {benchmark.name: benchmark.limits for benchmark in BENCHMARKS}
    assert limits["ralis-features"] == Limits(ratio=1 / 20, seconds=8, peak_mb=1024)
    assert limits["ralis-episodes"] == Limits(seconds=3600)
    assert limits["badge"] == Limits(seconds=1, peak_mb=200)


def test_what_dral_was_asked_for():
    """A question in 2 ms, all neighbours anew in 3 s, Market-1501's CMC and mAP in 10 s."""
    limits = {benchmark.name: benchmark.limits for benchmark in BENCHMARKS}
    names = ("pair-question", "pair-refresh", "cmc-map")
    assert [limits[name] for name in names] == [Limits(seconds=seconds) for seconds in (0.002, 3, 10)]


def test_what_matal_was_asked_for():
    """100,000 images in 45 s; 2.2 million from a file in a quarter of an hour and 4 GB; a team chooses in 1 s."""
    limits = {benchmark.name: benchmark.limits for benchmark in BENCHMARKS}
    assert limits["pose-observation"] == Limits(seconds=45)
    assert limits["pose-team"] == Limits(seconds=1)
    assert limits["pose-millions"] == Limits(seconds=900, peak_mb=4096)


def test_what_matal_sees_is_read_from_files(monkeypatch, capsys):
    """Which are written in runs; every image keeps its own numbers."""
    monkeypatch.setattr(speed_poses, "ROWS", 25)
    scene = speed_poses.Scene(60, labelled=20, landmarks=10, frequencies=16)
    seen = scene.observe()
    units = seen.groups.units[0]
    assert sorted(units) == list(range(60)) == np.concatenate(list(scene.blocks())).tolist()
    assert seen.candidates.shape == (1, 60, 207)
    assert seen.state.shape == (9,)
    np.testing.assert_array_equal(seen.field("appearance")[0], scene.seen(units).looks)
    assert len(np.unique(scene.seen(np.arange(80)).poses.reshape(80, -1), axis=0)) == 80
    assert scene.near_enough()
    assert '"hands": 60' in capsys.readouterr().err
    errors = scene.errors()
    assert len(errors["discrepancies"]) == len(errors["exact"]) == 8
    scene.errors = lambda: errors | {"discrepancies": [2 * value + 1 for value in errors["discrepancies"]]}
    assert not scene.near_enough()


def test_an_unknown_name_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["speed.py", "--only", "k-centre", "nonsense"])
    assert speed.main() == 2
    assert "nonsense; there are k-centre" in capsys.readouterr().err
