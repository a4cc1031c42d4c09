import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.annotate.leases import Leases


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_a_browser_keeps_what_it_holds_and_another_gets_something_else():
    clock = Clock()
    leases = Leases(10.0, clock)
    assert leases.take("a", [1, 2, 3]) == 1
    assert leases.take("b", [1, 2, 3]) == 2
    assert leases.take("a", [3, 2, 1]) == 1  # sticks to it, whatever comes first
    assert leases.take("c", [1, 2]) is None
    assert leases.holder(1) == "a"
    assert leases.holder(3) is None


def test_what_is_no_longer_wanted_is_given_up():
    leases = Leases(10.0, Clock())
    leases.take("a", [1])
    assert leases.take("a", [2]) == 2
    assert leases.take("b", [1]) == 1


def test_a_lease_runs_out_unless_its_browser_comes_back():
    clock = Clock()
    leases = Leases(10.0, clock)
    assert leases.take("a", [1]) == 1
    clock.now = 9.0
    assert leases.take("b", [1]) is None
    assert leases.take("a", [1]) == 1  # renewed: until 19
    clock.now = 18.9
    assert leases.take("b", [1]) is None
    clock.now = 19.0
    assert leases.holder(1) is None
    assert leases.take("b", [1]) == 1
    assert leases.take("a", [1]) is None


def test_one_that_ran_out_is_kept_by_who_comes_back_first():
    clock = Clock()
    leases = Leases(10.0, clock)
    leases.take("a", [1, 2])
    clock.now = 50.0
    assert leases.take("a", [2, 1]) == 1


def test_what_a_browser_holds_is_known_until_somebody_takes_it():
    clock = Clock()
    leases = Leases(10.0, clock)
    assert leases.held("a") is None
    leases.take("a", [1])
    clock.now = 11.0
    assert leases.held("a") == 1
    leases.take("b", [1])
    assert (leases.held("a"), leases.held("b")) == (None, 1)


def test_release():
    leases = Leases(10.0, Clock())
    leases.take("a", [1])
    leases.release("a")
    leases.release("nobody")
    assert leases.take("b", [1]) == 1


def test_a_lease_that_lasts_no_time_is_an_error():
    with pytest.raises(ValueError, match="must last"):
        Leases(0.0)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sets(st.integers(0, 3)), st.sampled_from([0.0, 4.0, 11.0])), max_size=30
    )
)
def test_no_two_browsers_ever_hold_the_same(calls):
    """Against bookkeeping of another form: for each browser, what it was given last and until when."""
    clock, given_to = Clock(), {}
    leases = Leases(10.0, clock)
    for browser, wanted, pause in calls:
        clock.now += pause
        found = leases.take(browser, sorted(wanted))
        others = {key for other, (key, until) in given_to.items() if other != browser and until > clock.now}
        assert found not in others
        assert (found is None) == (wanted <= others)
        if found is None:
            given_to.pop(browser, None)
        else:
            assert found in wanted
            given_to = {b: held for b, held in given_to.items() if held[0] != found}
            given_to[browser] = (found, clock.now + 10.0)
