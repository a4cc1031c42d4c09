from querist.report.style import MOST, looks, ranked


def summary_of(larger=True, **areas):
    strategies = {name.replace("__", "/"): {"aubc": {"0": value}} for name, value in areas.items()}
    return {"metric": {"larger_is_better": larger}, "strategies": strategies, "tests": []}


def test_ranking_follows_the_direction_of_the_metric():
    areas = {"random": 50.0, "entropy__global": 52.0, "core_set": 49.0}
    assert ranked(summary_of(**areas)) == ["entropy/global", "random", "core_set"]
    assert ranked(summary_of(False, **areas)) == ["core_set", "random", "entropy/global"]


def test_a_strategy_of_few_seeds_stands_where_its_difference_to_random_puts_it():
    # On the one seed that both have, entropy is 2 ahead of random; core_set is 1 ahead on both.
    found = summary_of(random=50.0, entropy__global=42.0, core_set=51.0)
    found["strategies"]["random"]["aubc"] = {"0": 60.0, "1": 40.0}
    found["strategies"]["core_set"]["aubc"] = {"0": 61.0, "1": 41.0}
    found["strategies"]["entropy/global"]["aubc"] = {"1": 42.0}
    found["tests"] = [
        {"a": "core_set", "b": "random", "difference": 1.0},
        {"a": "entropy/global", "b": "random", "difference": 2.0},
        {"a": "core_set", "b": "entropy/global", "difference": -1.0},
    ]
    assert ranked(found) == ["entropy/global", "core_set", "random"]


def test_at_most_six_are_highlighted_random_and_learned_policies_among_them():
    areas = {f"s{i:02}": 60.0 - i for i in range(12)} | {"random": 1.0, "ralis__sound": 2.0, "ralis__shuffled": 3.0}
    found = looks(summary_of(**areas))
    assert list(found) == ranked(summary_of(**areas))
    highlighted = [name for name, look in found.items() if look.highlighted]
    assert highlighted == ["s00", "s01", "s02", "s03", "ralis/sound", "random"]
    assert len(highlighted) == MOST
    assert {look.slot for look in found.values() if not look.highlighted} == {"grey"}


def test_highlighted_looks_differ_in_colour_and_marker_and_line():
    found = list(looks(summary_of(random=1.0, a=2.0, b=3.0, c=4.0, d=5.0, e=6.0)).values())
    for part in ("slot", "marker", "dash"):
        assert len({getattr(look, part) for look in found}) == 6


def test_without_random_five_colours_are_all_there_is():
    found = looks(summary_of(**{f"s{i}": float(i) for i in range(9)}))
    assert sum(look.highlighted for look in found.values()) == 5
