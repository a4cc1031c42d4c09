import numpy as np
import pytest
import torch

import dense_graph_network
from querist.acquisition.labelled_graph import tell_apart

UNLABELLED = np.array([[2.0, 0.0], [0.8, 0.6]], dtype=np.float32)
LABELLED = np.array([[3.0, 4.0]], dtype=np.float32)


def told(seed, steps, unlabelled=UNLABELLED, labelled=LABELLED):
    generator = torch.Generator().manual_seed(seed)
    return tell_apart(torch.from_numpy(unlabelled), torch.from_numpy(labelled), generator, steps)


def test_the_adjacency_that_is_compared_with_by_hand():
    """Unit rows (1, 0), (.8, .6), (.6, .8): cosines .8, .6 and .96; columns sum to 1.4, 1.76 and 1.56."""
    expected = [[1, 0.8 / 1.76, 0.6 / 1.56], [0.8 / 1.4, 1, 0.96 / 1.56], [0.6 / 1.4, 0.96 / 1.76, 1]]
    found = dense_graph_network.adjacency(np.concatenate([UNLABELLED, LABELLED]).astype(float))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("steps", [0, 1, 2, 10])
@pytest.mark.parametrize("seed", [2, 32])  # no slope so near zero that rounding could turn it
def test_steps_equal_those_written_out(seed, steps):
    """Three nodes. One step moves each weight by the rate up or down; later ones tell how large the slopes were."""
    for ours, (hidden, chance) in zip(
        told(seed, steps), dense_graph_network.train(UNLABELLED, LABELLED, seed, steps), strict=True
    ):
        np.testing.assert_allclose(ours.hidden.numpy(), hidden, atol=1e-5)
        np.testing.assert_allclose(ours.chance.numpy(), chance, atol=1e-5)


def test_the_network_learns_who_looks_labelled():
    drawn = np.random.default_rng(0)
    known, near, far = (
        (np.array(centre) + 0.1 * drawn.random((n, 3))).astype(np.float32)
        for centre, n in (((1, 0, 0), 12), ((1, 0, 0), 6), ((0, 1, 0), 6))
    )
    seen, given = told(0, 200, np.concatenate([near, far]), known)
    assert seen.hidden.shape == (12, 128)
    assert given.chance.shape == (12,)
    assert float(seen.chance[:6].min()) > float(seen.chance[6:].max())
