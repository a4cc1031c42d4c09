import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.core.pool import ColumnarPool, PairPool
from querist.core.split import Role, Split
from querist.errors import QueristError


def pool_of(subjects):
    return ColumnarPool([f"s{i}" for i in range(len(subjects))], subjects=np.array(subjects))


@settings(max_examples=40)
@given(st.lists(st.integers(0, 9), min_size=8, max_size=40), st.integers(0, 2**32 - 1))
def test_a_drawn_split_keeps_subjects_together_and_counts_them(subjects, seed):
    pool = pool_of(subjects)
    there = len(set(subjects))
    counts = {"start": there // 4, "reward": there // 3, "test": there // 4}
    split = Split.draw(pool, np.random.default_rng(seed), **counts)
    split.check(pool)
    for role, count in counts.items():
        assert len({subjects[s] for s in split.sources(Role[role.upper()])}) == count
    everyone = np.concatenate([split.sources(role) for role in Role])
    assert sorted(everyone.tolist()) == list(range(len(subjects)))
    assert len({subjects[s] for s in split.sources(Role.POOL)}) == there - sum(counts.values())


def test_the_draw_depends_on_the_generator_alone():
    pool = pool_of(range(50))
    first, again, other = (Split.draw(pool, np.random.default_rng(s), start=9, test=9) for s in (1, 1, 2))
    assert first.digest() == again.digest() != other.digest()


@pytest.mark.parametrize(
    ("counts", "words"),
    [({"start": 5}, "leave nothing"), ({"start": 3, "test": 2}, "leave nothing"), ({"tset": 1}, "no role 'tset'")],
)
def test_a_draw_that_cannot_be_is_refused(counts, words):
    with pytest.raises(QueristError, match=words):
        Split.draw(pool_of(range(5)), np.random.default_rng(0), **counts)


def test_a_subject_in_two_roles_is_named():
    pool = pool_of([0, 1, 2, 1, 0])
    Split(np.array([1, 5, 2, 5, 1])).check(pool)
    with pytest.raises(QueristError, match="'s1' is in the pool set and 's3' in the test set"):
        Split(np.array([1, 1, 2, 5, 1])).check(pool)
    with pytest.raises(QueristError, match="'s1' is in the unused set"):  # not even beside the sources that nobody uses
        Split(np.array([1, 0, 2, 5, 1])).check(pool)
    for measured in (Role.STATE, Role.REWARD, Role.TEST):
        with pytest.raises(QueristError, match="the same subject"):
            Split(np.array([measured, 5, 2, 5, 2])).check(pool)


def test_a_subject_may_be_labelled_in_part():
    pool = pool_of([0, 1, 2, 1, 0])
    split = Split(np.array([2, 5, 0, 5, 1]))
    split.check(pool)
    assert split.sources(Role.START).tolist() == [0]
    Split(np.array([0, 5, 0, 5, 1])).check(pool)
    with pytest.raises(ValueError, match="4 roles for 5 sources"):
        Split(np.array([1, 1, 1, 1])).check(pool)


def test_pairs_are_split_by_their_images_subjects():
    people = PairPool(["a1", "a2", "b1"], subjects=np.array([0, 0, 1]))
    with pytest.raises(QueristError, match="'a1'"):
        Split(np.array([1, 5, 1])).check(people)


def test_sources_ascend_and_the_digest_reads_the_roles():
    split = Split(np.array([1, 5, 1, 2], dtype=np.int8))
    assert split.sources(Role.POOL).tolist() == [0, 2]
    assert split.digest() == Split(np.array([1, 5, 1, 2], dtype=np.int64)).digest()
    assert split.digest() != Split(np.array([1, 5, 1, 3])).digest()
