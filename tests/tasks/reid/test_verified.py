import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.tasks.reid.verified import Contradiction, Verified, contradictions


def asked(*answers):
    """Answers as (source, source, same)."""
    table = np.array(answers, dtype=np.int64).reshape(-1, 3)
    return table[:, :2], table[:, 2].astype(bool)


def known(verified):
    return {int(i): (verified.positives(i).tolist(), verified.negatives(i).tolist()) for i in verified.images}


SOUND = asked((4, 2, 1), (2, 7, 1), (9, 4, 0), (9, 5, 1), (11, 5, 0))
TORN = asked((1, 2, 1), (2, 3, 1), (1, 3, 0), (3, 9, 0), (9, 8, 1), (5, 6, 1))


def test_without_closure_only_the_answers_count():
    assert known(Verified(*SOUND)) == {
        2: ([4, 7], []), 4: ([2], [9]), 5: ([9], [11]), 7: ([2], []), 9: ([5], [4]), 11: ([], [5])
    }  # fmt: skip


def test_with_closure_what_follows_counts_too():
    verified = Verified(*SOUND, closure=True)
    one, two = [2, 4, 7], [5, 9]
    assert known(verified) == {
        2: ([4, 7], two), 4: ([2, 7], two), 7: ([2, 4], two), 5: ([9], [*one, 11]), 9: ([5], [*one, 11]), 11: ([], two)
    }  # fmt: skip
    assert [group.tolist() for group in verified.groups()] == [one, two, [11]]
    assert [others.tolist() for others in verified.apart()] == [[1], [0, 2], [1]]


def test_a_contradiction_is_found_with_its_chain():
    assert contradictions(*TORN) == [Contradiction((1, 3), (1, 2, 3))]
    assert contradictions(*SOUND) == []
    assert contradictions(*asked()) == []


def test_the_chain_is_a_shortest_one():
    around = [(1, 2, 1), (2, 3, 1), (3, 4, 1), (4, 5, 1), (1, 6, 1), (6, 5, 1), (5, 1, 0)]
    assert contradictions(*asked(*around)) == [Contradiction((5, 1), (5, 6, 1))]


def test_two_answers_about_one_pair_contradict_each_other():
    assert contradictions(*asked((3, 8, 1), (8, 3, 0))) == [Contradiction((8, 3), (8, 3))]


def test_closure_leaves_out_what_a_contradiction_touches():
    verified = Verified(*TORN, closure=True)
    assert verified.contradicted == 1
    assert known(verified) == {
        1: ([2], [3]), 2: ([1, 3], []), 3: ([2], [1, 8, 9]), 5: ([6], []), 6: ([5], []), 8: ([9], [3]), 9: ([8], [3])
    }  # fmt: skip
    assert sorted(g.tolist() for g in verified.groups()) == [[1], [2], [3], [5, 6], [8, 9]]


def test_relations_say_the_same_of_a_batch():
    sources = np.array([9, 4, 4, 11, 2])
    same, different = Verified(*SOUND, closure=True).relations(sources)
    one = np.array([0, 1, 1, 0, 1], dtype=bool)
    np.testing.assert_array_equal(same, (one[:, None] & one) | np.eye(5, dtype=bool))
    expected = np.zeros((5, 5), dtype=bool)
    expected[0, 1:] = expected[1:, 0] = True  # 9 differs from 4, 4 and 2, and from 11
    np.testing.assert_array_equal(different, expected)
    same, different = Verified(*SOUND).relations(sources)
    assert (same.sum(), different.sum()) == (5 + 2 + 4, 4)


def test_anchors_are_who_has_a_match_or_was_asked_about_most():
    # 1 was a query: asked about three times, nobody is the same. 2, 3 and 4 were only its neighbours.
    assert Verified(*asked((1, 2, 0), (3, 1, 0), (1, 4, 0))).anchors().tolist() == [1]
    # Nobody can tell whose pair it was.
    assert Verified(*asked((1, 2, 0))).anchors().tolist() == [1, 2]
    # Whoever has a match is an anchor, however often they were asked about.
    assert Verified(*asked((1, 2, 0), (1, 3, 0), (3, 4, 1))).anchors().tolist() == [1, 3, 4]
    assert Verified(*asked()).anchors().tolist() == []


def test_who_was_never_asked_about_is_not_known():
    with pytest.raises(KeyError, match="source 3"):
        Verified(*SOUND).positives(3)


@st.composite
def graphs(draw, honest):
    size = draw(st.integers(2, 7))
    people = draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))
    pairs = draw(st.lists(st.sampled_from(list(itertools.combinations(range(size), 2))), max_size=12, unique=True))
    lies = draw(st.sets(st.integers(0, 11))) if not honest else set()
    same = [(people[a] == people[b]) != (i in lies) for i, (a, b) in enumerate(pairs)]
    return people, np.array(pairs, dtype=np.int64).reshape(-1, 2), np.array(same, dtype=bool)


@settings(max_examples=80)
@given(graphs(honest=True), st.booleans())
def test_of_true_answers_only_truth_follows(graph, closure):
    people, pairs, same = graph
    assert contradictions(pairs, same) == []
    verified = Verified(pairs, same, closure)
    for i in verified.images.tolist():
        assert all(people[j] == people[i] for j in verified.positives(i).tolist())
        assert all(people[j] != people[i] for j in verified.negatives(i).tolist())


def reach(start, pairs, same):
    """Everybody a chain of "same" leads to, by walking."""
    found = {start}
    while True:
        more = {int(x) for pair, s in zip(pairs, same, strict=True) if s and found & set(pair.tolist()) for x in pair}
        if more <= found:
            return found
        found |= more


@settings(max_examples=80)
@given(graphs(honest=False))
def test_contradictions_are_those_that_walking_finds(graph):
    _, pairs, same = graph
    torn = [
        (int(a), int(b)) for (a, b), s in zip(pairs, same, strict=True) if not s and b in reach(int(a), pairs, same)
    ]
    found = contradictions(pairs, same)
    assert [c.different for c in found] == torn
    linked = {frozenset(pair.tolist()) for pair, s in zip(pairs, same, strict=True) if s}
    for c in found:
        assert (c.chain[0], c.chain[-1]) == c.different
        assert all(frozenset(link) in linked for link in itertools.pairwise(c.chain))
    assert Verified(pairs, same).contradicted == len(torn)


@settings(max_examples=80)
@given(graphs(honest=False), st.booleans())
def test_lists_and_relations_agree_and_are_symmetric(graph, closure):
    _, pairs, same = graph
    verified = Verified(pairs, same, closure)
    alike, different = verified.relations(verified.images)
    assert np.array_equal(alike, alike.T)
    assert np.array_equal(different, different.T)
    for row, i in enumerate(verified.images.tolist()):
        assert verified.positives(i).tolist() == [j for j in verified.images[alike[row]].tolist() if j != i]
        assert verified.negatives(i).tolist() == verified.images[different[row]].tolist()
