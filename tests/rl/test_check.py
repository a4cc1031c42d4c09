import pytest

from querist.rl.check import against_chance


def test_games_are_compared_one_by_one():
    found = against_chance([1.00004, 2.0, 6.0], [0.0, 3.0, 2.0])
    assert (found["policy"], found["random"]) == ([1.0, 2.0, 6.0], [0.0, 3.0, 2.0])
    assert found["difference"] == pytest.approx(4 / 3)
    assert found["standard_error"] == pytest.approx((19 / 3 / 3) ** 0.5)  # of 1, -1 and 4: variance 19 / 3


def test_a_single_game_has_no_error():
    assert against_chance([2.0], [1.5])["standard_error"] is None
