import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from querist.nn.runtime import seeded
from querist.tasks.reid.batches import Batch
from querist.tasks.reid.losses import Objective, hardest_triplets, pairwise_distances
from querist.tasks.reid.training import Training


def test_distances_are_euclidean_and_smooth_where_two_vectors_meet():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    distances = pairwise_distances(vectors)
    root = math.sqrt(2)
    expected = torch.tensor([[0, root, 2, 0], [root, 0, root, root], [2, root, 0, 2], [0, root, 2, 0]])
    torch.testing.assert_close(distances.detach(), expected, rtol=1e-6, atol=1e-5)
    distances.sum().backward()
    assert torch.isfinite(vectors.grad).all()


def test_the_hardest_triplet_by_hand():
    distances = torch.tensor([[0.0, 0.4, 0.9, 0.6], [0.4, 0.0, 0.2, 0.8], [0.9, 0.2, 0.0, 0.1], [0.6, 0.8, 0.1, 0.0]])
    same = torch.zeros(4, 4, dtype=torch.bool)
    different = same.clone()
    same[0, [0, 1, 2]] = True  # itself does not count
    different[0, 3] = True
    same[1, 0] = True  # no negative: no anchor
    different[2, 3] = True  # no positive
    same[3, 2], different[3, [0, 1]] = True, True
    loss, anchors = hardest_triplets(distances, same, different, 0.3)
    assert anchors.tolist() == [True, False, False, True]
    # Row 0: 0.3 + 0.9 - 0.6; row 3: 0.3 + 0.1 - 0.6 is below zero.
    torch.testing.assert_close(loss, torch.tensor([0.6, 0.0, 0.0, 0.0]))


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(2, 7))
def test_the_hardest_of_all_triplets_is_found(seed, size):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(size, 3))
    vectors[rng.integers(size)] = vectors[0]
    known = rng.integers(0, 3, (size, size))
    tensor = torch.tensor(vectors, requires_grad=True)
    distances = pairwise_distances(functional.normalize(tensor))
    loss, anchors = hardest_triplets(distances, torch.tensor(known == 1), torch.tensor(known == 2), 0.3)
    plain = distances.detach().numpy()
    for i in range(size):
        triplets = [
            max(0.0, 0.3 + plain[i, p] - plain[i, n])
            for p in range(size)
            for n in range(size)
            if p != i and known[i, p] == 1 and known[i, n] == 2
        ]
        assert bool(anchors[i]) == bool(triplets)
        assert float(loss[i].detach()) == pytest.approx(max(triplets, default=0.0))
    loss.sum().backward()
    assert torch.isfinite(tensor.grad).all()


def test_shapes_must_fit():
    with pytest.raises(ValueError, match=r"\(B, B\)"):
        hardest_triplets(torch.zeros(3, 3), torch.zeros(3, 2, dtype=torch.bool), torch.zeros(3, 3, dtype=torch.bool), 1)


def batch_of(groups, people, same=(), different=()):
    size = len(groups)
    matrices = [np.zeros((size, size), dtype=bool) for _ in range(2)]
    for matrix, places in zip(matrices, (same, different), strict=True):
        for place in places:
            matrix[place] = True
    return Batch(np.arange(size), *matrices, np.array(groups), np.array(people))


VECTORS = torch.tensor([[3.0, 0.0], [0.0, 2.0], [1.0, 0.0], [0.0, 1.0]])


def test_triplets_of_both_kinds_weigh_as_their_images_do():
    # Image 0 (of a triplet) has the positive 1 at distance sqrt 2 and the negative 2 at 0. Of the given image 3 the
    # positive is 1 at 0, the negative 0 at sqrt 2.
    batch = batch_of([-1] * 4, [-1, -1, -1, 0], same=[(0, 1), (3, 1)], different=[(0, 2), (3, 0)])
    objective = Objective(Training(margin=0.3, identity=0), 2, 0, 5)
    loss, violated, triplets = objective(VECTORS, batch)
    assert float(loss) == pytest.approx(0.75 * (0.3 + math.sqrt(2)) + 0.25 * 0.0, abs=1e-5)
    assert (int(violated), int(triplets)) == (1, 2)
    assert not list(objective.parameters())


def test_groups_and_given_people_are_told_apart_among_themselves():
    batch = batch_of([-1, 1, -1, -1], [-1, -1, 2, 0])
    with seeded(0):
        objective = Objective(Training(identity=0.5, smoothing=0), 2, 3, 4)
    groups, people = (layer.weight.detach() for layer in objective.classifiers)
    expected = 0.0
    for row, weights, number in ((1, groups, 1), (2, people, 2), (3, people, 0)):
        expected -= float(functional.log_softmax(weights @ VECTORS[row], dim=0)[number])
    loss, violated, triplets = objective(VECTORS, batch)
    assert float(loss.detach()) == pytest.approx(0.5 * expected / 4)
    assert (int(violated), int(triplets)) == (0, 0)


def test_a_batch_that_teaches_nothing_still_has_a_gradient():
    vectors = VECTORS.clone().requires_grad_()
    loss, _, _ = Objective(Training(), 2, 0, 0)(vectors, batch_of([-1] * 4, [-1] * 4))
    loss.backward()
    assert float(loss.detach()) == 0
    assert torch.equal(vectors.grad, torch.zeros(4, 2))
