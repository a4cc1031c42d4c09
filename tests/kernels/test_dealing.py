import numpy as np
import pytest
import torch

from querist.kernels.dealing import Shown, at_random, everything, fewest_labels


@pytest.mark.parametrize(("hand", "held"), [(2, [2, 2, 2]), (12, [4, 3, 3]), (0, [4, 3, 3])])
def test_hands_share_nothing_and_hold_only_what_is_free(hand, held):
    deal, free = at_random(10, 3, hand, np.random.default_rng(5)), torch.ones(10, dtype=torch.bool)
    hands = torch.stack([deal(m, free) for m in range(3)])
    assert sorted(hands.sum(dim=1).tolist(), reverse=True) == held
    assert hands.sum(dim=0).max() == 1
    free[hands[1].nonzero()[0]] = False
    assert int(deal(1, free).sum()) == int(hands[1].sum()) - 1
    assert everything(1, free).tolist() == free.tolist()


def test_subjects_with_the_fewest_labels_come_first():
    """Subject 4 is known well, 9 a little, 7 and 8 not at all; of each a hand holds one image."""
    subjects = np.array([4, 4, 4, 9, 9, 7, 7, 8])
    people = Shown(subjects, np.array([5, 5, 5, 1, 1, 0, 0, 0]))
    for seed in range(8):
        free = torch.ones(8, dtype=torch.bool)
        deal = fewest_labels(people, 2, np.random.default_rng(seed))
        first = deal(0, free)
        assert sorted(subjects[first.numpy()]) == [7, 8]
        free[7] = False  # the one image of 8 is taken
        assert sorted(subjects[deal(1, free).numpy()]) == [7, 9]
        free[5] = False  # 7 now has one label, as 9 has
        assert sorted(subjects[deal(2, free).numpy()]) == [7, 9]
        free[6] = False
        assert sorted(subjects[deal(3, free).numpy()]) == [4, 9]
    everyone = fewest_labels(people, 0, np.random.default_rng(0))(0, torch.ones(8, dtype=torch.bool))
    assert sorted(subjects[everyone.numpy()]) == [4, 7, 8, 9]
