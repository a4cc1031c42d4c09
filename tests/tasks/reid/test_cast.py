import itertools

import numpy as np
import pytest

from querist.errors import QueristError
from querist.tasks.reid.cast import Cast, given_people, verified_groups
from querist.tasks.reid.verified import Verified
from tiny_people import tiny_people


def images(*counts):
    """Person i shows the sources 100 i, 100 i + 1, ..."""
    return [100 * i + np.arange(count) for i, count in enumerate(counts)]


def draw(cast, people, each, batches, seed=0):
    return list(itertools.islice(cast.draw(people, each, np.random.default_rng(seed)), batches))


def test_a_batch_shows_so_many_people_with_so_many_images():
    for sources, numbers in draw(Cast(images(5, 5, 5, 5, 5)), 3, 4, 10):
        people, counts = np.unique(numbers, return_counts=True)
        assert len(people) == 3
        assert counts.tolist() == [4, 4, 4]
        np.testing.assert_array_equal(sources // 100, numbers)
        assert len(np.unique(sources)) == 12


def test_everybody_has_a_turn_before_anybody_has_a_second():
    shown = np.concatenate([np.unique(n) for _, n in draw(Cast(images(*[3] * 7)), 3, 2, 7)])
    turns = np.zeros(7, dtype=int)
    for person in shown:
        turns[person] += 1
        assert np.ptp(turns) <= 2  # within a batch a new round may begin before the old one ends
    assert turns.tolist() == [3] * 7


def test_few_images_are_shown_twice_at_most():
    for sources, _ in draw(Cast(images(1, 3)), 2, 4, 5):
        counts = dict(zip(*np.unique(sources, return_counts=True), strict=True))
        assert counts[0] == 2
        assert sorted(counts[s] for s in (100, 101, 102)) == [1, 1, 2]


def test_fewer_people_than_wanted_are_all_shown_and_nobody_is_no_error():
    assert [len(n) for _, n in draw(Cast(images(2, 2)), 5, 2, 3)] == [4, 4, 4]
    assert [len(n) for _, n in draw(Cast([]), 5, 2, 2)] == [0, 0]
    sources, numbers = draw(Cast(images(2)), 0, 2, 1)[0]
    assert sources.dtype == numbers.dtype == np.int64
    assert len(sources) == 0


def test_the_first_come_first():
    cast = Cast(images(*[2] * 9), first=np.array([7, 2, 4]))
    assert set(draw(cast, 3, 2, 1)[0][1]) == {2, 4, 7}


def test_a_rival_comes_along():
    alone = np.array([999])
    cast = Cast(images(4, 4, 4), [[(1, 100 + np.arange(4)), (-1, alone)], [(0, np.arange(4))], []])
    company = set()
    for sources, numbers in draw(cast, 2, 4, 40):
        shown = set(numbers.tolist())
        if -1 in shown:
            assert sources[numbers == -1].tolist() == [999, 999]
        company.add(frozenset(shown))
    # Person 2 has no rivals, so whoever is next comes with them; a rival for whom there is no place stays away.
    assert company == {frozenset(s) for s in ({0, 1}, {0, -1}, {2, 0}, {2, 1})}


def test_given_people_are_those_of_the_data():
    data = tiny_people()
    cast = given_people(data, np.array([9, 0, 8, 3]))
    assert [i.tolist() for i in cast.images] == [[0, 3], [9, 8]]
    with pytest.raises(QueristError, match="gallery/036 is given, but nobody knows"):
        given_people(tiny_people(extra=True), np.array([3, 36]))


def test_groups_of_answers_have_those_told_apart_as_rivals():
    pairs = np.array([[1, 2], [3, 4], [2, 3], [4, 9], [7, 8]])
    cast = verified_groups(Verified(pairs, np.array([1, 1, 0, 0, 1], dtype=bool), closure=True), np.array([8]))
    assert [i.tolist() for i in cast.images] == [[1, 2], [3, 4], [7, 8]]
    assert set(draw(cast, 1, 2, 1)[0][1]) == {2}  # 8 is new
    together = {tuple(np.unique(sources)) for sources, _ in draw(cast, 2, 2, 40)}
    assert {(1, 2, 3, 4), (3, 4, 9)} <= together
    assert all(batch in {(1, 2, 3, 4), (3, 4, 9), (1, 2, 7, 8), (3, 4, 7, 8)} for batch in together)
