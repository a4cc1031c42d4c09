import numpy as np
import pytest

from embedded import choose, embedded
from querist.acquisition.transductive_design import TransductiveDesign
from querist.errors import QueristError

HEAPS = [0.0, 0.1, 0.2, 0.3, 5.0, 5.1, 9.0]  # four, two and one


def test_the_larger_heap_tells_more_and_then_the_next():
    found = choose(TransductiveDesign(bandwidth=0.2), embedded(HEAPS), 3)
    first, second, third = found.indices[0]
    assert first in (1, 2)  # its middle
    assert (second in (4, 5), third) == (True, 6)
    assert (np.diff(found.scores[0]) < 0).all()


def test_what_is_labelled_tells_nothing_again():
    found = choose(TransductiveDesign(bandwidth=0.2), embedded(HEAPS, [0.15, 0.1]), 1)
    assert found.indices[0, 0] in (4, 5)


def test_numbers_of_any_scale_count_alike():
    plain = embedded([[a, a % 0.7] for a in HEAPS])
    scaled = embedded([[1000 * a, a % 0.7 - 5] for a in HEAPS])
    each = [choose(TransductiveDesign(), seen, 4).indices.tolist() for seen in (plain, scaled)]
    assert each[0] == each[1]


@pytest.mark.parametrize("apart", [0.0, 1e-4])
def test_a_number_in_which_candidates_do_not_differ_hides_no_label(apart):
    """In deviations of the candidates alone, labelled images that differ by 1e-4 would be images of another world."""
    seen = embedded([[*[a] * 20, 0.0] for a in HEAPS], [[*[b] * 20, apart] for b in (0.15, 0.1)])
    assert choose(TransductiveDesign(bandwidth=0.6), seen, 1).indices[0, 0] in (4, 5)


def test_candidates_that_are_all_the_same_can_be_asked():
    found = choose(TransductiveDesign(), embedded([1.0, 1.0, 1.0]), 2)
    assert sorted(found.indices[0].tolist()) == [0, 1]
    assert np.isfinite(found.scores).all()


def test_one_reference_is_enough_to_ask():
    """It has no other to be apart from: the bandwidth is 1."""
    found = choose(TransductiveDesign(references=1), embedded(HEAPS), 2)
    assert len(set(found.indices[0].tolist())) == 2
    assert found.scores[0, 0] > 0


def test_references_may_be_fewer_and_the_mask_is_kept():
    mask = np.array([[True, False, True, True]])
    found = choose(TransductiveDesign(references=2), embedded([[0, 1, 2, 3]], (), mask), 5).indices
    assert sorted(found[0, :3].tolist()) == [0, 2, 3]
    assert found[0, 3:].tolist() == [-1, -1]


@pytest.mark.parametrize("wrong", [{"noise": 0}, {"bandwidth": -1}, {"references": 0}, {"limit": 0}])
def test_wrong_numbers_are_refused(wrong):
    with pytest.raises(QueristError, match="noise"):
        TransductiveDesign(**wrong)
