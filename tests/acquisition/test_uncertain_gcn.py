import numpy as np
import pytest
import torch

import dense_graph_network
from embedded import choose, embedded
from querist.acquisition import uncertain_gcn
from querist.acquisition.labelled_graph import Nodes
from querist.acquisition.uncertain_gcn import UncertainGcn
from querist.errors import QueristError

RNG = np.random.default_rng(0)
LABELLED, OFFERED = RNG.random((9, 3)).astype(np.float32), RNG.random((12, 3)).astype(np.float32)


def test_the_chance_nearest_a_tenth_comes_first(monkeypatch):
    """0.10 + (0.02, -0.05, 0.01, 0.50, -0.09): by distance the third, first, second, fifth and fourth."""
    chance = torch.tensor([0.12, 0.05, 0.11, 0.60, 0.01])
    nodes = Nodes(torch.zeros(5, 128), chance)
    monkeypatch.setattr(uncertain_gcn, "tell_apart", lambda *_: (nodes, nodes))
    found = choose(UncertainGcn(), embedded(OFFERED[:5], LABELLED), 4)
    assert found.indices[0].tolist() == [2, 0, 1, 4]
    np.testing.assert_allclose(found.scores[0], [-0.01, -0.02, -0.05, -0.09], atol=1e-7)
    found = choose(UncertainGcn(margin=0.5), embedded(OFFERED[:5], LABELLED), 2)
    assert found.indices[0].tolist() == [3, 0]


def test_it_asks_as_the_printed_network_would():
    """With the chances of the network written out in numpy after 20 steps, whose seed is the first number drawn."""
    seed = int(np.random.default_rng(6).integers(2**62))
    (_, chance), _ = dense_graph_network.train(OFFERED, LABELLED, seed, 20)
    away = np.abs(chance - 0.1)
    found = choose(UncertainGcn(steps=20), embedded(OFFERED, LABELLED), 5, seed=6)
    assert found.indices[0].tolist() == np.argsort(away)[:5].tolist()
    np.testing.assert_allclose(found.scores[0], -np.sort(away)[:5], atol=2e-5)


def test_200_steps_are_the_default(monkeypatch):
    asked = []
    nodes = Nodes(torch.zeros(12, 128), torch.rand(12))
    monkeypatch.setattr(uncertain_gcn, "tell_apart", lambda *given: asked.append(given[3]) or (nodes, nodes))
    choose(UncertainGcn(), embedded(OFFERED, LABELLED), 1)
    assert asked == [200]


def test_a_seed_fixes_the_choice():
    policy = UncertainGcn(steps=5)
    picks = [choose(policy, embedded(OFFERED, LABELLED), 3, seed).indices[0].tolist() for seed in (1, 1)]
    assert picks[0] == picks[1]
    assert len(set(choose(policy, embedded(OFFERED, LABELLED), 12).indices[0].tolist())) == 12


def test_without_labels_and_in_global_generators():
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    assert choose(UncertainGcn(steps=5), embedded(OFFERED), 3).indices.shape == (1, 3)
    assert torch.equal(torch.rand(2), expected)


def test_refusals():
    with pytest.raises(QueristError, match="margin 2"):
        UncertainGcn(margin=2)
