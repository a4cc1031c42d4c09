from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedded import choose, embedded
from querist.acquisition.core_set import CoreSet
from querist.acquisition.core_set_by_subject import CoreSetBySubject
from querist.core.candidates import GlobalPool
from querist.errors import QueristError


def shown(points, subjects, known, labelled=(0,)):
    """Candidates on a line, whom each shows, and how much is known of each subject."""
    seen = embedded(points, labelled)
    return replace(seen, sources=np.array(subjects)[None, :, None], asked=np.array(known))


def test_the_farthest_image_of_those_whose_turn_it_is():
    """0 is labelled, and one image of subject 0. Of the images of 1 and 2, who have fewer, that at -4 is farther than
    that at 3. Then nothing is left of 2, so it is 0's turn as well as 1's, and 9 lies farther than 3."""
    seen = shown([9, 3, -4], [0, 1, 2], [1, 0, 0])
    for seed in range(5):
        found = choose(CoreSetBySubject(hand=2), seen, 3, seed)
        assert found.indices.tolist() == [[2, 0, 1]]
        assert found.scores[0].tolist() == pytest.approx([4, 9, 3], rel=1e-4)


def test_subjects_take_turns_however_many_images_they_have():
    seen = shown([*range(100, 110), 1, 2], [0] * 10 + [1, 2], [0, 0, 0])
    for seed in range(5):
        found = choose(CoreSetBySubject(hand=1), seen, 5, seed).indices[0].tolist()
        assert sorted(max(i, 9) for i in found[:3]) == [9, 10, 11]
        assert max(found[3:]) < 10  # nobody else is left


def test_without_labels_the_middle_of_the_hand_is_first():
    found = choose(CoreSetBySubject(), shown([0, 4, 5, 11], [0, 1, 2, 3], [0] * 4, labelled=()), 3)
    assert found.indices.tolist() == [[2, 3, 0]]  # their mean is 5; 11 is 6 from 5


@settings(max_examples=40)
@given(st.data())
def test_nobody_is_asked_about_before_those_with_fewer_labels(data):
    n, hand = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 4))
    subjects = np.array(data.draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)))
    known = np.array(data.draw(st.lists(st.integers(0, 3), min_size=5, max_size=5)))
    seen = shown(np.random.default_rng(0).normal(size=n), subjects, known)
    found = choose(CoreSetBySubject(hand), seen, n).indices[0]
    assert sorted(found) == list(range(n))
    free = np.ones(n, dtype=bool)
    for taken in found:
        fewer = {s for s in subjects[free] if known[s] < known[subjects[taken]]}
        assert len(fewer) < hand
        free[taken] = False
        known[subjects[taken]] += 1


@given(st.lists(st.integers(-40, 40), min_size=1, max_size=8, unique=True))
def test_one_image_a_subject_and_whole_hands_are_core_set(points):
    moved = np.array(points) + np.random.default_rng(1).random(8)[: len(points)]
    seen = shown(moved, range(len(points)), [0] * len(points))
    expected = choose(CoreSet(), embedded(moved, [0]), 4)
    found = choose(CoreSetBySubject(hand=0), seen, 4)
    assert found.indices.tolist() == expected.indices.tolist()
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-3, atol=0.05)


@pytest.mark.parametrize("numbers", [{"hand": -1}, {"limit": 0}])
def test_numbers_out_of_range(numbers):
    with pytest.raises(QueristError, match="hand is 0 or more"):
        CoreSetBySubject(**numbers)
    assert CoreSetBySubject(limit=30).own_candidates("global", 1) == GlobalPool(30)
