import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.compare import curves


def test_aubc_by_hand():
    # Trapezoids over 120-240 and 240-480: 120*(40+50)/2 + 240*(50+60)/2 = 5400 + 13200, over 360.
    assert curves.aubc([120, 240, 480], [40.0, 50.0, 60.0]) == pytest.approx(18600 / 360)


def test_aubc_of_one_budget_is_its_value():
    assert curves.aubc([24], [41.5]) == 41.5


@pytest.mark.parametrize("labels", [[1, 2, 3], [2, 1], [1, 1]])
def test_aubc_refuses_what_is_no_curve(labels):
    with pytest.raises(ValueError, match=r"ascend|length"):
        curves.aubc(labels, [1.0, 2.0])


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=6))
def test_aubc_lies_between_the_extremes_and_shifts_with_the_curve(values):
    labels = np.cumsum(np.arange(1, len(values) + 1))
    area = curves.aubc(labels, values)
    assert min(values) - 1e-9 <= area <= max(values) + 1e-9
    assert curves.aubc(labels, np.add(values, 3.0)) == pytest.approx(area + 3.0, abs=1e-9)


def test_gap_closed_is_the_mean_of_the_shares_of_the_seeds():
    # seed one: (50-40)/(60-40) = 0.5; seed two: (45-44)/(48-44) = 0.25
    assert curves.gap_closed([50, 45], [40, 44], [60, 48]) == pytest.approx(0.375)


def test_gap_closed_of_an_error_metric():
    assert curves.gap_closed([7.5], [10.0], [5.0], larger_is_better=False) == pytest.approx(0.5)


def test_gap_closed_is_unknown_where_full_supervision_does_not_help():
    assert curves.gap_closed([50, 45], [40, 44], [60, 44]) is None


def test_target_of_a_success_and_of_an_error():
    assert curves.target([80.0], 90) == pytest.approx([72.0])
    assert curves.target([-9.0], 90) == pytest.approx([-10.0])  # an error of 9 mm: 90 % is 10 mm


def test_labels_to_reach_interpolates():
    # 90 % of 50 is 45, halfway between 40 at 100 and 50 at 200 labels.
    assert curves.labels_to_reach([0, 100, 200], [[20, 40, 50]], [50.0], 90) == [150.0, None, None]


def test_labels_to_reach_takes_the_first_crossing_of_a_curve_that_falls_again():
    assert curves.labels_to_reach([0, 100, 200, 300], [[0, 50, 0, 50]], [50.0], 90)[0] == 90.0


def test_the_start_counts_as_a_point():
    assert curves.labels_to_reach([0, 100], [[46, 40]], [50.0], 90) == [0.0, None, None]


def test_labels_to_reach_is_none_where_the_mean_curve_never_gets_there():
    assert curves.labels_to_reach([0, 100], [[0, 44], [0, 45.5]], [50.0, 50.0], 90) is None


def test_interval_over_seeds_is_open_where_resamples_never_get_there():
    reached, low, high = curves.labels_to_reach([0, 100], [[0, 60], [0, 40]], [50.0, 50.0], 90)
    assert (reached, low, high) == (90.0, 75.0, None)  # 45 of a mean of 50; of 60 alone; of 40 alone never


def test_interval_over_seeds_where_all_get_there():
    # Targets are 45. Slopes 0.6 and 0.5 and their mean 0.55.
    found = curves.labels_to_reach([0, 100], [[0, 60], [0, 50]], [50.0, 50.0], 90)
    assert found == [pytest.approx(45 / 0.55, abs=0.05), 75.0, 90.0]


def test_full_supervision_is_resampled_with_its_seed():
    # Every seed reaches 90 % of its *own* full supervision at 90 labels: no spread at all.
    assert curves.labels_to_reach([0, 100], [[0, 60], [0, 40]], [60.0, 40.0], 90) == [90.0, 90.0, 90.0]


def test_labels_to_reach_of_an_error_metric():
    # 90 % of an error of 9 is 10, reached halfway between 12 and 8.
    found = curves.labels_to_reach([0, 100], [[12.0, 8.0]], [9.0], 90, larger_is_better=False)
    assert found == [50.0, None, None]


@given(st.lists(st.floats(0, 60), min_size=2, max_size=6), st.floats(1, 60))
def test_the_curve_is_at_its_target_where_it_first_crosses(values, goal):
    labels = np.arange(len(values)) * 10.0
    found = curves.first_crossing(labels, [values], [goal])[0]
    if np.isinf(found):
        assert max(values) < goal
    else:
        assert np.interp(found, labels, values) >= goal - 1e-6
        assert all(v < goal for v in np.array(values)[labels < found - 1e-9])


def test_part_gains_skip_what_has_no_pixels():
    values = [[50.0, None, 9.0], [60.0, 20.0, 9.0]]
    start = [[40.0, 10.0, None], [40.0, 15.0, None]]
    assert curves.part_gains(values, start) == [15.0, 5.0, None]
    assert curves.part_gains(values, start, larger_is_better=False) == [-15.0, -5.0, None]


def test_part_gains_without_a_start():
    assert curves.part_gains([[50.0]], [None]) == [None]


def test_mean_of_parts():
    assert curves.mean_of_parts([[1.0, None, None], [3.0, 4.0, None]]) == [2.0, 4.0, None]


def test_policy_spread_uses_the_seeds_that_all_policies_have():
    # Means over seeds 0 and 1: 2 and 4; seed 2 is in one only.
    assert curves.policy_spread([{"0": 1, "1": 3}, {"0": 4, "1": 4, "2": 99}]) == pytest.approx(np.sqrt(2))
    assert curves.policy_spread([{"0": 1.0}]) is None
    assert curves.policy_spread([{"0": 1.0}, {"1": 1.0}]) is None
