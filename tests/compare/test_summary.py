import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.compare.summary import read_cells, summarise, write_summary
from querist.errors import QueristError

BUDGETS = (100, 200)


def cell(strategy, seed, tests, *, policy=0, parts=None, larger=True, **changes):
    reference = strategy.startswith("_")
    labels = {"_start": (0,), "_full": (6168,)}.get(strategy, BUDGETS)
    return {
        "format": 1,
        "recipe": "tiny",
        "recipe_hash": "0123456789abcdef",
        "data_hash": "fedcba9876543210",
        "task": "segmentation",
        "strategy": strategy,
        "profile": None,
        "policy": policy,
        "seed": seed,
        "metric": {"name": "mIoU", "unit": "%", "larger_is_better": larger},
        "parts": ["sky", "pole"],
        "accounts": {"start": 50, "reward": 30, "state": 20, "policy": 0},
        "points": [
            {"labels": n, "test": t, "reward": t, "parts": parts or [t, None]}
            for n, t in zip(labels, tests, strict=True)
        ],
        "bought": [] if reference else [{"labels": n, "amounts": [n * 10, n * policy]} for n in labels],
        "bought_unit": "pixels",
        "steps": [],
        "ledger": {"questions": 200, "answers": 200, "spent": 200, "budget": 200, "repeats": 0},
        "seconds_select": 0.5 + policy,
        "seconds": 10.0,
        "peak_mb": 100.0 + seed,
        "environment": {"python": "3.11.7", "device": "cpu", "threads": 1},
    } | changes


def references(seeds):
    return [c for s in seeds for c in (cell("_start", s, [40.0]), cell("_full", s, [60.0]))]


def test_curve_area_gap_and_labels_by_hand():
    cells = [*references([0, 1]), cell("random", 0, [44.0, 48.0]), cell("random", 1, [46.0, 50.0])]
    summary = summarise(cells)
    random = summary["strategies"]["random"]
    assert summary["budgets"] == [100, 200]
    assert (summary["start"], summary["full_supervision"], summary["seeds"]) == (40.0, 60.0, [0, 1])
    assert random["curve"] == {"100": {"0": 44.0, "1": 46.0}, "200": {"0": 48.0, "1": 50.0}}
    assert random["aubc"] == {"0": 46.0, "1": 48.0}
    assert random["gap_closed"] == {"100": pytest.approx(0.25), "200": pytest.approx(0.45)}
    assert random["labels_all"] == 300
    assert random["part_gains"]["200"] == {"sky": 9.0, "pole": None}
    assert random["bought"]["200"] == {"sky": 2000.0, "pole": 0.0}
    assert random["peak_mb"] == 101.0
    assert summary["labels_to"]["random"] == {"90": None, "95": None, "98": None}  # 54 is never reached
    assert summary["tests"] == []


def test_values_are_averaged_over_policies_before_any_test():
    learned = [cell("ralis/sound", 0, [50.0, 50.0], policy=p) for p in (0, 1)]
    learned[1]["points"] = [{**p, "test": 54.0, "parts": [54.0, 7.0]} for p in learned[1]["points"]]
    summary = summarise([*references([0]), *learned, cell("random", 0, [51.0, 51.0])])
    entry = summary["strategies"]["ralis/sound"]
    assert entry["curve"]["100"] == {"0": 52.0}
    assert (entry["policies"], entry["cells"]) == (2, 2)
    assert entry["policy_spread"] == pytest.approx(2**1.5)  # deviation of 50 and 54
    assert entry["part_gains"]["100"]["sky"] == 12.0
    assert entry["bought"]["200"] == {"sky": 2000.0, "pole": 100.0}
    (test,) = summary["tests"]
    assert (test["difference"], test["seeds"], test["p"]) == (1.0, 1, 1.0)
    assert test["interval"] == [None, None]
    assert test["effect"] is None


def test_a_seed_without_all_policies_is_in_no_number_and_told():
    seeds = range(4)
    learned = [cell("ralis/sound", s, [50.0 + p, 52.0 + p], policy=p) for s in seeds for p in range(3)]
    learned = [c for c in learned if c["seed"] < 2 or c["policy"] == 0]  # seeds 2 and 3: the worst policy alone
    learned[-1]["peak_mb"] = 9999.0
    summary = summarise([*learned, *(cell("random", s, [51.0, 51.0]) for s in seeds)])
    entry = summary["strategies"]["ralis/sound"]
    assert summary["missing"] == {"ralis/sound": {"2": [1, 2], "3": [1, 2]}}
    assert entry["curve"] == {"100": {"0": 51.0, "1": 51.0}, "200": {"0": 53.0, "1": 53.0}}
    assert (entry["aubc"], entry["policies"], entry["cells"]) == ({"0": 52.0, "1": 52.0}, 3, 6)
    assert entry["peak_mb"] == 101.0
    (test,) = [t for t in summary["tests"] if t["a"] == "ralis/sound"]
    assert (test["difference"], test["seeds"]) == (1.0, 2)
    assert summary["seeds"] == [0, 1, 2, 3]
    assert "ralis/sound (policies 1 and 2 on seeds 2 and 3)" in " ".join(summary["verdict"]["sentences"])


def test_a_strategy_without_any_whole_seed_is_left_out_and_told():
    learned = [cell("ralis/sound", s, [50.0, 52.0], policy=s) for s in (0, 1)]
    summary = summarise([*learned, cell("random", 0, [51.0, 51.0])])
    assert list(summary["strategies"]) == ["random"]
    assert summary["missing"] == {"ralis/sound": {"0": [1], "1": [0]}, "random": {"1": None}}
    alone = summarise(learned)
    assert (alone["strategies"], alone["budgets"], alone["seeds"]) == ({}, [], [])


PLAYED = [("random", s, 0) for s in range(3)] + [("dral/sound", s, p) for s in range(3) for p in range(2)]


@settings(max_examples=20)
@given(st.sets(st.sampled_from(PLAYED), min_size=1))
def test_numbers_are_those_of_the_whole_seeds_alone(played):
    def whole(name, seed):
        return {p for n, s, p in played if (n, s) == (name, seed)} == {p for n, _, p in played if n == name}

    def summed(kept):
        rows = [cell(n, s, [40.0 + 3 * s, 50.0 + 7 * p + s * s], policy=p) for n, s, p in sorted(kept)]
        return summarise([*references([0]), *rows])

    found, alone = summed(played), summed({(n, s, p) for n, s, p in played if whole(n, s)})
    assert (found["strategies"], found["tests"]) == (alone["strategies"], alone["tests"])
    told = {(n, int(s), p) for n, seeds in found["missing"].items() for s, ps in seeds.items() for p in ps or ["all"]}
    lacking = set()
    for name in {n for n, _, _ in played}:
        for seed in {s for _, s, _ in played}:
            gone = {(name, seed, p) for n, _, p in played if n == name} - played
            here = any((n, s) == (name, seed) for n, s, _ in played)
            lacking |= gone if here else {(name, seed, "all")}
    assert told == lacking


def ralis(seeds):
    levels = {"sound": 53, "untrained": 50, "shuffled": 50.5, "faithful": 52}
    return [cell(f"ralis/{n}", s, [v + 0.1 * s, v + 1]) for n, v in levels.items() for s in seeds]


def test_confirmatory_family_and_descriptions():
    seeds = range(8)
    cells = [
        *references(seeds),
        *(cell("random", s, [49.0, 50.0]) for s in seeds),
        *(cell("strengthened_random", s, [49.5, 50.0 + 0.01 * s]) for s in seeds),
        *ralis(seeds),
    ]
    tests = summarise(cells)["tests"]
    confirmatory = [(t["a"], t["b"]) for t in tests if t["confirmatory"]]
    rivals = ["random", "strengthened_random", "ralis/untrained", "ralis/shuffled"]
    assert confirmatory == [("ralis/sound", rival) for rival in rivals]
    assert all(t["p_holm"] == pytest.approx(4 / 128) for t in tests if t["confirmatory"])
    described = {(t["a"], t["b"]) for t in tests if not t["confirmatory"]}
    others = {"ralis/faithful", "ralis/untrained", "ralis/shuffled", "strengthened_random"}
    assert described == {(name, "random") for name in others}
    assert all(t["p_holm"] is None for t in tests if not t["confirmatory"])
    assert all((t["p_family"] is not None) == (t["b"] == "random") for t in tests)


def test_a_missing_rival_does_not_make_the_others_look_better():
    seeds = range(8)
    cells = [*(cell("random", s, [49.0, 50.0]) for s in seeds), *ralis(seeds)]
    family = [t for t in summarise(cells)["tests"] if t["confirmatory"]]
    assert len(family) == 3
    assert all(t["p_holm"] == pytest.approx(4 / 128) for t in family)


def test_tests_use_common_seeds_only():
    cells = [cell("random", s, [40.0, 40.0]) for s in (0, 1, 2)]
    cells += [cell("entropy/global", s, [41.0, 43.0]) for s in (1, 2, 3)]
    summary = summarise(cells)
    (test,) = summary["tests"]
    assert (test["seeds"], test["difference"], test["final"]["difference"]) == (2, 2.0, 3.0)
    assert summary["missing"] == {"entropy/global": {"0": None}, "random": {"3": None}}
    assert summary["start"] is None
    assert summary["labels_to"]["random"]["90"] is None
    assert summary["strategies"]["random"]["gap_closed"]["100"] is None
    assert "missing" in " ".join(summary["verdict"]["sentences"])


def test_a_seed_without_its_own_reference_gets_the_mean():
    cells = [*references([0]), cell("random", 0, [50.0, 60.0]), cell("random", 1, [50.0, 60.0])]
    summary = summarise(cells)
    assert summary["strategies"]["random"]["gap_closed"] == {"100": 0.5, "200": 1.0}
    # From 40 at 0 to 50 at 100 to 60 at 200: 90 % of 60 is 54.
    assert summary["labels_to"]["random"]["90"] == [140.0, 140.0, 140.0]


def test_an_error_metric_favours_the_smaller():
    cells = [cell("_start", 0, [20.0], larger=False), cell("_full", 0, [10.0], larger=False)]
    cells += [
        cell("random", 0, [16.0, 14.0], larger=False),
        cell("entropy/global", 0, [15.0, 11.0], larger=False),
    ]
    summary = summarise(cells)
    (test,) = summary["tests"]
    assert (test["difference"], test["final"]["difference"]) == (2.0, 3.0)
    entry = summary["strategies"]["entropy/global"]
    assert entry["aubc"] == {"0": 13.0}
    assert entry["gap_closed"]["200"] == pytest.approx(0.9)
    assert entry["part_gains"]["200"]["sky"] == 9.0
    assert entry["to_random"]["200"][0] == 3.0
    # 90 % of an error of 10 is 11.1: just before the end of the way from 15 to 11.
    assert summary["labels_to"]["entropy/global"]["90"][0] == pytest.approx(100 + 100 * (15 - 10 / 0.9) / 4, abs=0.05)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("recipe_hash", "ffffffffffffffff", "recipe_hash is ffffffffffffffff, expected 0123456789abcdef"),
        ("data_hash", "00", "data_hash is 00"),
        ("format", 2, "format is 2, expected 1"),
        ("task", "pose", "task is pose"),
        ("environment", {"device": "cuda:0"}, "device is cuda, expected cpu"),
        ("metric", {"name": "mIoU", "unit": "%", "larger_is_better": False}, "metric is"),
        ("points", [{"labels": 100, "test": 1.0}], r"points at \[100\] labels, expected \[100, 200\]"),
        ("strategy", "ralis/best", "'ralis/best' does not say which ralis"),
        ("strategy", "ralis/sound+games", "'ralis/sound\\+games': 'games' changes no setting"),
        ("points", [], "no points"),
        ("points", [{"labels": 100, "test": None}], "test value at 100 labels is None"),
        ("points", [{"labels": 100, "test": 1.0, "parts": [1.0]}], "1 part values at 100 labels, expected 2"),
    ],
)
def test_a_cell_that_does_not_belong_is_named(key, value, said):
    cells = [cell("random", s, [44.0, 48.0], _path=f"cells/random--p0--s{s}.json") for s in range(3)]
    cells[1] = {**cells[1], key: value}
    with pytest.raises(QueristError, match=rf"cells/random--p0--s1\.json: {said}"):
        summarise(cells)


@pytest.mark.parametrize(("points", "fix"), [([100, 150], "lower the budgets"), ([100, 300], "delete the file")])
def test_a_cell_that_ran_out_is_told_from_one_of_other_budgets(points, fix):
    cells = [cell("random", s, [44.0, 48.0], _path=f"cells/random--p0--s{s}.json") for s in range(3)]
    cells[1] = {**cells[1], "points": [{"labels": n, "test": 44.0} for n in points]}
    with pytest.raises(QueristError, match="points at") as caught:
        summarise(cells)
    assert fix in caught.value.fix


def test_device_numbers_are_no_other_kind():
    cells = [cell("random", s, [44.0, 48.0], environment={"device": f"cuda:{s}"}) for s in range(2)]
    assert summarise(cells)["environment"]["device"] == "cuda:0, cuda:1"


def test_a_cell_may_not_count_twice():
    twin = cell("random", 0, [44.0, 48.0])
    with pytest.raises(QueristError, match=r"random, policy 0, seed 0 is also in b\.json"):
        summarise([{**twin, "_path": "b.json"}, {**copy.deepcopy(twin), "_path": "a.json"}])


def test_cells_that_are_only_references_make_a_summary_without_strategies():
    summary = summarise(references([0]))
    assert (summary["strategies"], summary["budgets"]) == ({}, [])
    assert summary["verdict"]["helps"] is None


def test_reading_names_the_file(tmp_path):
    with pytest.raises(QueristError, match="no cells"):
        read_cells(tmp_path)
    (tmp_path / "a.json").write_text(json.dumps(cell("random", 0, [44.0, 48.0])))
    (read,) = read_cells(tmp_path)
    assert read["_path"] == str(tmp_path / "a.json")
    for broken in ("{", '{"test": NaN}', "[]", "{}"):
        (tmp_path / "b.json").write_text(broken)
        with pytest.raises(QueristError, match=r"b\.json"):
            summarise(read_cells(tmp_path))


def test_summary_is_strict_json_and_written_whole(tmp_path):
    summary = summarise([*references([0]), cell("random", 0, [44.0, 48.0])], {"seeds": 1})
    path = write_summary(summary, tmp_path / "out" / "summary.json")
    assert json.loads(path.read_text()) == summary
    assert summary["settings"] == {"seeds": 1}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_summary({**summary, "start": float("nan")}, path)
    assert json.loads(path.read_text()) == summary
    assert [p.name for p in path.parent.iterdir()] == ["summary.json"]


def test_seeds_without_a_reference_of_their_own_are_named():
    played = [cell("random", seed, [44.0, 48.0]) for seed in range(4)]
    assert summarise([*references(range(4)), *played])["references_missing"] == {}
    assert summarise(played)["references_missing"] == {}
    some = [*references([0, 1, 2]), *[c for c in references([3]) if c["strategy"] == "_start"], *played]
    assert summarise(some)["references_missing"] == {"full": ["3"]}
    summary = summarise([*references([1]), *played])
    assert summary["references_missing"] == {"start": ["0", "2", "3"], "full": ["0", "2", "3"]}
    said = "The value with all labels is missing on seeds 0, 2 and 3: the mean of the other seeds stands in."
    assert said in summary["verdict"]["sentences"]
