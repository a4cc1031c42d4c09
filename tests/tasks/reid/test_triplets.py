from collections import Counter

import numpy as np

from querist.tasks.reid.triplets import Triplets
from querist.tasks.reid.verified import Verified

NOBODY = np.zeros(0, dtype=np.int64)


def unit(angles):
    """Vectors on the circle: source s lies at s degrees."""
    return np.stack([np.cos(np.deg2rad(angles)), np.sin(np.deg2rad(angles))], axis=1).astype(np.float32)


def triplets(*answers, most=10, seed=0):
    table = np.array(answers, dtype=np.int64).reshape(-1, 3)
    verified = Verified(table[:, :2], table[:, 2].astype(bool))
    return Triplets(verified, most, unit, np.random.default_rng(seed))


def test_all_combinations_of_verified_images():
    found = triplets((1, 2, 1), (1, 3, 1), (1, 8, 0), (1, 9, 0), most=10)
    around = {tuple(t) for t in found.draw(200, NOBODY).tolist() if t[0] == 1}
    assert around == {(1, p, n) for p in (2, 3) for n in (8, 9)}


def test_a_round_takes_at_most_so_many_around_an_anchor():
    answers = [(1, p, 1) for p in range(10, 15)] + [(1, n, 0) for n in range(20, 25)]
    found = triplets(*answers, most=3)
    one_round = sum(3 for a in found.anchors if a == 1) + sum(3 for a in found.anchors if a != 1)
    drawn = found.draw(2 * one_round, NOBODY)
    counts = Counter(drawn[:, 0].tolist())
    assert set(counts.values()) == {6}
    assert len({tuple(t) for t in found.draw(one_round, NOBODY).tolist()}) == one_round


def test_without_a_positive_the_anchor_is_its_own():
    assert {tuple(t) for t in triplets((1, 8, 0), (1, 9, 0)).draw(20, NOBODY).tolist()} == {(1, 1, 8), (1, 1, 9)}


def test_without_a_negative_a_far_image_stands_in():
    # 0 and 5 are the same; of the images asked about, 90, 120 and 180 are the further half for both.
    found = triplets((0, 5, 1), (90, 120, 1), (180, 90, 0), (120, 45, 0))
    negatives = {t[2] for t in found.draw(300, NOBODY).tolist() if t[0] in (0, 5)}
    assert negatives == {90, 120, 180}


def test_an_anchor_that_nothing_can_help_is_left_out():
    found = triplets((0, 5, 1))
    assert found.anchors.tolist() == []
    assert found.draw(9, NOBODY).shape == (0, 3)


def test_new_anchors_come_first():
    answers = [(10 * i, 10 * i + 1, 0) for i in range(1, 10)]
    found = triplets(*answers)
    drawn = found.draw(4, np.array([50, 51, 80, 81]))
    assert {int(a) for a in drawn[:, 0]} == {50, 51, 80, 81}
    assert len(found.draw(100, NOBODY)) == 100
