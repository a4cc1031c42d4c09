import itertools

from hypothesis import given
from hypothesis import strategies as st

from querist.report.curve_plot import _apart, _thinned, charts
from querist.report.style import looks


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8))
def test_names_keep_their_order_and_distance_and_stay_inside(values):
    values = sorted(values)
    placed = _apart(values, 10.0, 0.0, 100.0)
    assert all(b - a >= 10.0 - 1e-6 for a, b in itertools.pairwise(placed))
    assert placed[0] >= -1e-6
    assert placed[-1] <= 100.0 + 1e-6


def test_names_that_have_room_stay_where_they_are():
    assert _apart([10.0, 30.0, 80.0], 10.0, 0.0, 100.0) == [10.0, 30.0, 80.0]
    assert _apart([50.0, 50.0], 10.0, 0.0, 100.0) == [45.0, 55.0]


def test_ticks_are_thinned_between_the_first_and_the_last():
    assert _thinned([0, 10, 20, 480, 500, 1000], 0.05) == [0, 500, 1000]
    assert _thinned([120], 0.05) == [120]


def test_views_of_the_curves(large):
    _, summary = large
    bought, everything, difference = charts(summary, looks(summary))
    by_name = {line.name: line for line in bought.lines}
    assert by_name["random"].x == [0.0, 120.0, 240.0, 480.0, 960.0]
    assert by_name["random"].y[0] == summary["start"]
    shifted = {line.name: line for line in everything.lines}
    assert shifted["random"].x == [x + 5064 for x in by_name["random"].x]
    assert shifted["ralis/sound"].x[-1] == summary["strategies"]["ralis/sound"]["labels_all"] == 8904
    assert "random" not in {line.name for line in difference.lines}
    margin = next(line for line in difference.lines if line.name == "margin/global")
    assert (margin.x, margin.y[-1]) == (
        [120.0, 240.0, 480.0, 960.0],
        summary["strategies"]["margin/global"]["to_random"]["960"][0],
    )
