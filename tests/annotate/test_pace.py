import pytest

from querist.annotate.pace import Pace


def paced(times, **more):
    clock = iter(times)
    pace = Pace(clock=lambda: next(clock), **more)
    for _ in times:
        pace.note()
    return pace.per_minute()


def test_too_few_to_tell():
    assert paced([]) is None
    assert paced([0.0, 1.0, 2.0, 3.0]) is None


def test_gaps_are_counted_and_not_answers():
    assert paced([0.0, 2.0, 4.0, 6.0, 8.0]) == pytest.approx(30.0)
    assert paced([0.0, 1.0, 4.0, 5.0, 8.0]) == pytest.approx(60.0 * 4 / 8)


def test_breaks_are_no_work():
    assert paced([0.0, 2.0, 4.0, 4000.0, 4002.0, 4004.0]) == pytest.approx(30.0)
    assert paced([0.0, 5.0, 10.0, 15.0, 20.0, 25.0], pause=5.0) is None


def test_only_the_latest_count():
    slow, fast = [30.0 * i for i in range(9)], [240.0 + i for i in range(1, 5)]
    assert paced(slow + fast, latest=4) == pytest.approx(60.0)


def test_many_at_the_same_instant_have_no_pace():
    assert paced([7.0] * 9) is None
