import pytest
import torch
from torch import nn

from querist.agents.dral.network import MatrixQ, NodeQ
from querist.errors import QueristError
from querist.nn.runtime import seeded

STATE, FEATURES = 3, 5


def a_network(width=16):
    with seeded(0):
        return NodeQ(STATE, FEATURES, width).eval()


def inputs(batch=4, neighbours=6, seed=0):
    draw = torch.Generator().manual_seed(seed)
    mask = torch.rand(batch, neighbours, generator=draw) < 0.7
    mask[:, 0] = True
    candidates = torch.rand(batch, neighbours, FEATURES, generator=draw) * mask[:, :, None]
    return torch.rand(batch, STATE, generator=draw), candidates, mask


def test_the_printed_layers():
    layers = [m for m in MatrixQ(30).modules() if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in layers] == [(31**2 + 30, 512), (512, 128), (128, 30)]
    assert MatrixQ(30)(torch.zeros(2, 991), torch.zeros(2, 30, 0)).shape == (2, 30)


def test_the_printed_network_is_tied_to_its_number_of_neighbours():
    with pytest.raises(QueristError, match="knows graphs of 30 neighbours, this one has 29"):
        MatrixQ(30)(torch.zeros(2, 991), torch.zeros(2, 29, 0))


def test_the_node_network_one_neighbour_at_a_time():
    """The same layers on rows that are joined by hand."""
    net, (state, candidates, mask) = a_network(), inputs()
    found = net(state, candidates, mask)
    for b in range(len(state)):
        encoded = torch.stack([net.node(torch.cat([row, state[b]])) for row in candidates[b]])
        mean = encoded[mask[b]].mean(dim=0)
        values = torch.stack([net.last(net.join(torch.cat([row, mean])))[0] for row in encoded])
        torch.testing.assert_close(found[b], values, rtol=1e-4, atol=1e-5)


def test_any_number_of_neighbours_in_any_order():
    net, (state, candidates, mask) = a_network(), inputs()
    found = net(state, candidates, mask)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(net(state, candidates[:, order], mask[:, order]), found[:, order])
    wider = torch.cat([candidates, torch.zeros(4, 3, FEATURES)], dim=1)
    longer = torch.cat([mask, torch.zeros(4, 3, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(net(state, wider, longer)[:, :6][mask], found[mask])


def test_what_is_masked_has_no_say():
    net, (state, candidates, mask) = a_network(), inputs()
    noise = torch.where(mask[:, :, None], candidates, torch.tensor(7.0))
    torch.testing.assert_close(net(state, noise, mask)[mask], net(state, candidates, mask)[mask])


def test_nobody_is_left_and_nobody_is_masked():
    net, (state, candidates, mask) = a_network(), inputs()
    assert bool(net(state, candidates, torch.zeros_like(mask)).isfinite().all())
    torch.testing.assert_close(net(state, candidates), net(state, candidates, torch.ones_like(mask)))


def test_an_untrained_network_has_small_values_and_a_preference():
    values = a_network(64)(*inputs(64, 30)).detach()
    assert float(values.abs().max()) < 0.3
    assert bool((values.std(dim=1) > 1e-4).all())
