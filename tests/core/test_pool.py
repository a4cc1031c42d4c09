import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.core.pool import ColumnarPool, PairPool
from querist.errors import QueristError

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=12)
NAMES = st.lists(TEXT, min_size=1, max_size=6, unique=True)
PARTS = st.sampled_from([("",), ("@r0c0",), ("@r0c0", "@r0c1", "@r1c0"), tuple(f"@p{i}" for i in range(12))])


@settings(max_examples=40)
@given(NAMES, PARTS)
def test_every_unit_is_found_by_its_name(names, parts):
    pool = ColumnarPool(names, parts)
    assert len(pool) == len(names) * len(parts)
    units = np.arange(len(pool))
    assert [pool.unit(pool.name(u)) for u in units] == units.tolist()
    assert len({pool.name(u) for u in units}) == len(pool)
    np.testing.assert_array_equal(pool.sources(units)[:, 0] * len(parts) + pool.part(units), units)
    assert [pool.source(pool.source_name(s)) for s in range(len(names))] == list(range(len(names)))


def test_names_are_as_users_see_them():
    pool = ColumnarPool(["straße/日本@r9c9", "b"], ["@r0c0", "@r0c1"], cost=3)
    assert pool.name(1) == "straße/日本@r9c9@r0c1"
    assert pool.unit("straße/日本@r9c9@r0c1") == 1
    assert pool.units_of(np.array([1, 0])).tolist() == [2, 3, 0, 1]
    assert pool.costs(np.array([0, 3])).tolist() == [3, 3]
    assert ColumnarPool(["a@b"]).unit("a@b") == 0  # a unit that is a whole image has no suffix


@pytest.mark.parametrize("name", ["a", "a@r9c9", "c@r0c0", "", "@r0c0", "a@r0c0@r0c0"])
def test_a_name_that_is_not_there_is_refused(name):
    with pytest.raises(QueristError, match="the pool has no"):
        ColumnarPool(["a", "b"], ["@r0c0", "@r0c1"]).unit(name)


@pytest.mark.parametrize("make", [ColumnarPool, PairPool])
def test_duplicates_are_refused_by_name(make):
    with pytest.raises(QueristError, match="two sources share the name 'x/twin'"):
        make(["a", "x/twin", "b", "x/twin"])


def test_subjects_default_to_the_image_and_follow_the_sources():
    pool = ColumnarPool(["a", "b", "c"], ["@0", "@1"], subjects=np.array([7, 7, 9]))
    assert pool.subjects(np.array([0, 3, 5])).tolist() == [[7], [7], [9]]
    assert ColumnarPool(["a", "b"]).source_subjects.tolist() == [0, 1]
    with pytest.raises(ValueError, match="2 subjects for 3 sources"):
        ColumnarPool(["a", "b", "c"], subjects=np.array([1, 2]))


@settings(max_examples=40)
@given(st.integers(2, 40), st.data())
def test_a_pair_is_the_same_unit_whoever_is_the_anchor(n, data):
    pool = PairPool([f"i{i}" for i in range(n)], subjects=np.arange(n) // 2)
    a, b = data.draw(st.lists(st.integers(0, n - 1), min_size=2, max_size=2, unique=True))
    unit = pool.pair(np.array([a]), np.array([b]))
    np.testing.assert_array_equal(unit, pool.pair(np.array([b]), np.array([a])))
    assert pool.sources(unit).tolist() == [sorted((a, b))]
    assert pool.subjects(unit).tolist() == [[min(a, b) // 2, max(a, b) // 2]]
    assert pool.unit(pool.name(int(unit[0]))) == unit[0]
    assert pool.unit(f"i{b}~i{a}") == pool.unit(f"i{a}~i{b}") == unit[0]


def test_all_pairs_are_counted_and_distinct():
    pool = PairPool([f"i{i}" for i in range(9)])
    first, second = np.triu_indices(9, 1)
    assert len(set(pool.pair(first, second).tolist())) == len(pool) == 36
    assert pool.costs(pool.pair(first, second)).tolist() == [1] * 36
    with pytest.raises(ValueError, match="itself"):
        pool.pair(np.array([3]), np.array([3]))
    with pytest.raises(QueristError, match="'i3~i3' pairs an image with itself"):  # such a name comes from a file
        pool.unit("i3~i3")


def test_pair_names_stay_unambiguous():
    with pytest.raises(QueristError, match="'a~b' holds a ~"):
        PairPool(["a", "a~b", "b"])


def test_the_digest_changes_with_names_and_parts():
    digests = [
        ColumnarPool(names, parts).digest()
        for names in (["a", "b"], ["a", "c"], ["b", "a"], ["a", "b", "c"])
        for parts in (["@0"], ["@0", "@1"])
    ]
    assert len(set(digests)) == len(digests)
    assert ColumnarPool(["a", "b"], ["@0"]).digest() == digests[0]


def test_millions_of_sources_fit_into_200_megabytes():
    """2.2 million; a hundredth of them is made here, since every array grows in proportion."""
    pool = ColumnarPool([f"train/0001TP_{i:018d}" for i in range(22_000)], ["@r0c0", "@r0c1"])
    held = [value.nbytes for value in vars(pool).values() if isinstance(value, np.ndarray)]
    assert len(held) >= 3
    assert 100 * sum(held) < 200e6
    small = [value for value in vars(pool).values() if not isinstance(value, np.ndarray)]
    assert all(not hasattr(value, "__len__") or len(value) <= 2 for value in small)  # nothing grows beside the arrays
