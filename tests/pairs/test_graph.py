import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.kernels.reciprocal import keep_mutual, similarity_graph, take_answer
from querist.pairs.graph import Status
from toy_pairs import a_graph


def test_it_begins_with_nobody_asked_about():
    graph = a_graph([0.0, 1.0, 3.0, 7.0], width=6)
    assert len(graph) == 3
    assert graph.free.all()
    assert (graph.turn, graph.ended, graph.asked, graph.width) == (0, False, (), 6)
    assert graph.positives.tolist() == [0]
    assert graph.negatives.tolist() == []
    np.testing.assert_allclose(graph.similarity, [48 / 49, 40 / 49, 0.0])
    assert graph.graph is graph.start


def test_answers_act_on_a_new_graph():
    before = a_graph([0.0, 1.0, 3.0, 7.0])
    same = before.after(1, True)
    assert same.status.tolist() == [Status.UNASKED, Status.SAME, Status.UNASKED]
    assert (same.turn, same.asked) == (1, (1,))
    # Sim(q, 1) = (48/49 + 45/49) / 2, Sim(q, 3) = (0 + Sim(2, 3)) / 2 where Sim(2, 3) = 1 - 16/49
    np.testing.assert_allclose(same.similarity, [93 / 98, 1.0, 33 / 98])
    different = same.after(0, False)
    assert different.positives.tolist() == [0, 2]
    assert different.negatives.tolist() == [1]
    # Sim(q, 3) falls by Sim(1, 3) = 1 - 36/49 = 26/98; the answered ones stay
    np.testing.assert_allclose(different.similarity, [0.0, 1.0, 7 / 98])
    assert before.free.all()
    assert before.similarity[1] == pytest.approx(40 / 49)


def test_nobody_could_tell_changes_no_similarity():
    before = a_graph([0.0, 1.0, 3.0, 7.0])
    after = before.after(2, None)
    assert after.graph is before.graph
    assert after.status.tolist() == [0, 0, Status.UNTOLD]
    assert (after.turn, after.asked) == (1, (2,))
    assert after.free.tolist() == [True, True, False]
    assert after.positives.tolist() == [0]
    assert after.negatives.tolist() == []


@pytest.mark.parametrize("answer", [True, False, None])
def test_nobody_is_asked_about_twice(answer):
    graph = a_graph([0.0, 1.0, 3.0]).after(1, answer)
    with pytest.raises(ValueError, match="asked about before"):
        graph.after(1, True)


def test_a_visit_ends_with_its_last_question_or_its_last_neighbour():
    graph = a_graph([0.0, 1.0, 3.0, 7.0], limit=2).after(0, True)
    assert not graph.ended
    assert graph.after(1, None).ended
    two = a_graph([0.0, 1.0, 3.0], limit=10).after(0, None)
    assert not two.ended
    assert two.after(1, False).ended


@given(
    st.integers(2, 9),
    st.integers(1, 9),
    st.lists(st.sampled_from([True, False, None]), min_size=8, max_size=8),
    st.integers(0, 999),
)
def test_a_whole_visit_keeps_the_rules(n, mutual, answers, seed):
    """Against a chain of the kernels, in which "cannot tell" does not occur; answered entries never change again."""
    rng = np.random.default_rng(seed)
    graph = a_graph(rng.normal(size=(n, 2)), mutual)
    plain, answered = similarity_graph(graph.distances, mutual), np.zeros(n, dtype=bool)
    for place, answer in zip(rng.permutation(n - 1), answers, strict=False):
        earlier = graph
        graph = graph.after(int(place), answer)
        if answer is not None:
            moved = take_answer(plain, int(place) + 1, answer, answered)
            answered[place + 1] = True
            plain = keep_mutual(moved, mutual, answered)
            assert graph.similarity[place] == float(answer)
        np.testing.assert_array_equal(graph.graph, plain)
        np.testing.assert_array_equal(graph.start, earlier.start)
        told = answered[1:].copy()
        told[place] = False
        np.testing.assert_array_equal(graph.similarity[told], earlier.similarity[told])
        if answer is False:
            assert (graph.similarity <= earlier.similarity).all()
        assert ((graph.similarity >= 0) & (graph.similarity <= 1)).all()
        assert not graph.free[place]
    assert sorted([*graph.positives, *graph.negatives]) == [0, *np.flatnonzero(answered)]
