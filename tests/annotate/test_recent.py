from hypothesis import given
from hypothesis import strategies as st

from querist.annotate.recent import Recent


def test_the_newest_answer_comes_first_and_a_correction_is_new():
    recent = Recent()
    for question in (1, 2, 3):
        recent.note("a", question, 0)
    recent.note("a", 2, 1)
    assert recent.of("a") == [(2, 1), (3, 0), (1, 0)]
    assert recent.of("a", before=(3, 0)) == [(1, 0)]
    assert recent.of("a", before=(2, 0)) == []  # it was corrected since
    assert recent.of("b") == []
    assert recent.knows(3)
    assert not recent.knows(4)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 6)), max_size=20))
def test_everybody_goes_back_through_his_own_answers(said):
    recent, told, times = Recent(), {"a": {}, "b": {}}, {}
    for who, question in said:
        revision = times.get(question, 0)
        times[question] = revision + 1
        recent.note(who, question, revision)
        told[who].pop((question, revision - 1), None)
        told[who][question, revision] = None
    for who in "ab":
        assert recent.of(who) == list(told[who])[::-1]


def test_nobody_goes_back_for_ever():
    recent = Recent()
    for question in range(30):
        recent.note("a", question, 0)
    assert recent.of("a") == [(question, 0) for question in range(29, 9, -1)]
