import numpy as np
import pytest
import torch

import dense_graph_network
from embedded import choose, embedded
from querist.acquisition import core_gcn
from querist.acquisition.core_gcn import CoreGcn
from querist.acquisition.labelled_graph import Nodes
from querist.errors import QueristError

RNG = np.random.default_rng(0)
LABELLED, OFFERED = RNG.random((9, 3)).astype(np.float32), RNG.random((12, 3)).astype(np.float32)


def farthest_first(points, centres, k):
    """Places and radii by the definition, anew for each pick."""
    picks, radii = [], []
    for _ in range(k):
        centre = np.concatenate([centres, points[picks]])
        away = np.linalg.norm(points[:, None] - centre, axis=2).min(axis=1)
        picks.append(int(away.argmax()))
        radii.append(away.max())
    return picks, radii


def test_a_pick_by_hand(monkeypatch):
    """Labelled at (0, 0): first (6, 1), the farthest; then (0, 4), now 4 from a centre, before (2, 0) and (5, 1)."""

    def told(unlabelled, labelled, generator, steps):
        assert steps == 200
        hidden = torch.tensor([[2.0, 0.0], [6.0, 1.0], [0.0, 4.0], [5.0, 1.0]])
        return Nodes(hidden, torch.full((4,), 0.1)), Nodes(torch.zeros(1, 2), torch.full((1,), 0.9))

    monkeypatch.setattr(core_gcn, "tell_apart", told)
    found = choose(CoreGcn(), embedded(OFFERED[:4], LABELLED), 4)
    assert found.indices[0].tolist() == [1, 2, 0, 3]
    np.testing.assert_allclose(found.scores[0], [37**0.5, 4, 2, 1], rtol=1e-6)


def test_it_is_core_set_on_the_hidden_features_of_the_printed_network():
    """Those of the network written out in numpy after 20 steps, whose seed is the first number drawn."""
    seed = int(np.random.default_rng(6).integers(2**62))
    (seen, _), (known, _) = dense_graph_network.train(OFFERED, LABELLED, seed, 20)
    picks, radii = farthest_first(seen, known, 4)
    found = choose(CoreGcn(steps=20), embedded(OFFERED, LABELLED), 4, seed=6)
    assert found.indices[0].tolist() == picks
    np.testing.assert_allclose(found.scores[0], radii, atol=2e-5)


def test_no_labels_and_as_many_picks_as_there_are():
    found = choose(CoreGcn(steps=5), embedded(OFFERED), 3)
    assert np.isfinite(found.scores).all()
    assert len(set(choose(CoreGcn(steps=5), embedded(OFFERED, LABELLED), 12).indices[0].tolist())) == 12


def test_refusals():
    with pytest.raises(QueristError, match="0 steps"):
        CoreGcn(steps=0)
