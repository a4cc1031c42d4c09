import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from querist.agents.ralis.network import ClassAwareQ, ClassFreeQ
from querist.errors import QueristError
from querist.nn.runtime import seeded
from querist.rl.double_dqn import DoubleDQN, DoubleDqnSettings
from querist.rl.replay import Batch


def normal(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def class_aware(standardise=False):
    """3 state features, 5 regions; 3 + 2 candidate features, of which two feed the gate."""
    with seeded(0):
        network = ClassAwareQ(3, 5, 5, gate_features=2, standardise=standardise)
        for parameter in network.parameters():  # norms begin as the identity: nothing would be seen of their weights
            parameter.data += 0.1 * torch.randn_like(parameter)
    return network


def class_free(width=16):
    with seeded(0):
        network = ClassFreeQ(3, 5, width, initial_scale=1.0)
    network.set_standardiser(normal(1, 40, 3), normal(2, 40, 5))
    return network.eval()


def straightforward(network, state, candidates, running):
    """The released form: features before regions, and the whole state branch repeated before the head.

    Args:
        running: a copy of the network, whose running statistics are used or updated.
    """

    def norm(x, layer):
        return functional.batch_norm(
            x, layer.running_mean, layer.running_var, layer.weight, layer.bias, running.training, 0.1, 1e-5
        )

    def block(x, layers):
        bn, _, fc = layers
        x = torch.relu(norm(x, bn))
        return fc(x) if x.ndim == 2 else functional.conv1d(x, fc.weight[:, :, None], fc.bias)

    x = state.transpose(1, 2)
    for layers in running.regions:
        x = block(x, layers)
    context = block(x.flatten(1), running.pooled)
    features = candidates.transpose(1, 2)
    gate = torch.sigmoid(block(features[:, 3:], running.gate))
    x = features[:, :3]
    for layers in running.candidate:
        x = block(x, layers)
    joint = norm(torch.cat([x, context[:, :, None].expand(-1, -1, x.shape[2])], dim=1), running.head[0])
    out = functional.conv1d(joint, running.head[1].weight[:, :, None], running.head[1].bias)
    return (gate * out)[:, 0]


@pytest.mark.parametrize(
    ("shape", "count"), [((204, 268, 240), 390_356), ((212, 276, 1_280), 531_732)], ids=["camvid", "cityscapes"]
)
def test_parameter_counts_of_the_released_network(shape, count):
    for standardise in (False, True):
        assert sum(p.numel() for p in ClassAwareQ(*shape, standardise=standardise).parameters()) == count


@pytest.mark.parametrize("training", [True, False])
def test_class_aware_values_and_statistics_are_those_of_the_released_form(training):
    network = class_aware()
    network(normal(3, 4, 5, 3), normal(4, 4, 6, 5))  # so that running statistics are not their beginning
    network.train(training)
    running = copy.deepcopy(network)
    state, candidates = 2 + normal(5, 4, 5, 3), 1 + 3 * normal(6, 4, 6, 5)
    torch.testing.assert_close(
        network(state, candidates), straightforward(network, state, candidates, running), rtol=1e-4, atol=1e-5
    )
    for (name, ours), theirs in zip(network.named_buffers(), running.buffers(), strict=True):
        if "running" in name:
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6, msg=name)


def test_repeating_the_whole_state_would_change_nothing_but_the_factor_of_running_variances():
    network = class_aware()
    repeated = copy.deepcopy(network)
    state, candidates = normal(5, 4, 5, 3), normal(6, 4, 6, 5)
    # Each candidate with a copy of its state, as a pool of one.
    ours = network(state, candidates)
    theirs = repeated(state.repeat_interleave(6, dim=0), candidates.flatten(0, 1)[:, None]).view(4, 6)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    once, often = network.pooled[0], repeated.pooled[0]
    torch.testing.assert_close(once.running_mean, often.running_mean)
    biased = [(bn.running_var - 0.9) / 0.1 * (n - 1) / n for bn, n in ((once, 4), (often, 24))]
    torch.testing.assert_close(*biased, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_class_aware_norms_do_not_see_masked_candidates(training):
    network = class_aware().train(training)
    other = copy.deepcopy(network)
    state, candidates = normal(5, 3, 5, 3), normal(6, 3, 4, 5)
    mask = torch.tensor([[True, True, False, True], [True, False, False, False], [True, True, True, True]])
    spoilt = candidates.masked_fill(~mask[:, :, None], 1e6)
    values = network(state, candidates, mask)
    assert torch.equal(values, other(state, spoilt, mask))
    assert all(torch.equal(a, b) for a, b in zip(network.buffers(), other.buffers(), strict=True))
    assert not values[~mask].any()


def test_class_aware_takes_one_state_for_all_pools():
    network = class_aware().eval()
    state, candidates = normal(5, 1, 5, 3), normal(6, 7, 4, 5)
    torch.testing.assert_close(network(state, candidates), network(state.expand(7, -1, -1), candidates))


def test_a_single_state_in_training_is_normalised_by_the_running_statistics():
    network = class_aware().train()
    before = network.pooled[0].running_mean.clone()
    assert network(normal(5, 1, 5, 3), normal(6, 1, 4, 5)).isfinite().all()
    assert torch.equal(network.pooled[0].running_mean, before)
    assert network.regions[0][0].num_batches_tracked == 1  # five regions are enough for the others


def test_class_aware_is_tied_to_its_state():
    with pytest.raises(QueristError, match="5 regions, this one has 6"):
        class_aware()(normal(0, 1, 6, 3), normal(1, 1, 2, 5))


def test_class_aware_with_standardisers():
    network = class_aware(standardise=True).eval()
    state, candidates = 100 * normal(5, 2, 5, 3) + 50, 100 * normal(6, 2, 4, 5)
    with pytest.raises(QueristError, match="set_standardiser"):
        network(state, candidates)
    network.set_standardiser(state.flatten(0, 1), candidates.flatten(0, 1))
    plain = class_aware().eval()
    expected = plain(network.state_standardiser(state), network.candidate_standardiser(candidates))
    torch.testing.assert_close(network(state, candidates), expected)
    with pytest.raises(ValueError, match="without"):
        plain.set_standardiser(state.flatten(0, 1), candidates.flatten(0, 1))


NETWORKS = {"class_aware": lambda: class_aware().eval(), "class_free": class_free}


@pytest.mark.parametrize("name", NETWORKS)
@given(seed=st.integers(0, 1000), n=st.integers(1, 8))
@settings(max_examples=20)
def test_the_order_of_candidates_does_not_matter(name, seed, n):
    network = NETWORKS[name]()
    state, candidates = normal(seed, 2, 5, 3), normal(seed + 1, 2, n, 5)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(network(state, candidates)[:, order], network(state, candidates[:, order]))


@given(seed=st.integers(0, 1000), rows=st.integers(1, 12))
@settings(max_examples=20)
def test_class_free_does_not_know_the_order_of_state_rows(seed, rows):
    network = class_free()
    state, candidates = normal(seed, 2, rows, 3), normal(seed + 1, 2, 4, 5)
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))
    values = network(state, candidates)
    torch.testing.assert_close(values, network(state[:, order], candidates), rtol=1e-4, atol=1e-5)
    # Each row twice: mean and attention are averages, so the number of rows alone does not matter.
    torch.testing.assert_close(values, network(state.repeat(1, 2, 1), candidates), rtol=1e-4, atol=1e-5)


def test_class_free_sees_state_and_candidate():
    network = class_free()
    state, candidates = normal(5, 2, 6, 3), normal(6, 2, 4, 5)
    values = network(state, candidates)
    for changed in (network(state + 1, candidates), network(state, candidates + 1)):
        assert not torch.isclose(values, changed).any()
    torch.testing.assert_close(network(state[:1], candidates)[0], values[0])  # one state for all pools


def test_class_free_values_depend_neither_on_mode_nor_on_companions():
    network = class_free()
    state, candidates = normal(5, 3, 6, 3), normal(6, 3, 4, 5)
    values = network(state, candidates)
    assert torch.equal(values, network.train()(state, candidates))
    torch.testing.assert_close(network(state[1:2], candidates[1:2, 2:3])[0, 0], values[1, 2])


def test_attention_prefers_rows_like_the_query():
    network = class_free()
    rows = normal(3, 2, 6, 16)
    mean, attended = network._pool(rows).split(16, dim=1)
    torch.testing.assert_close(mean, rows.mean(dim=1))
    for b in range(2):
        likeness = [torch.dot(row, network.query).item() / 4 for row in rows[b]]
        weights = torch.tensor(likeness).exp() / torch.tensor(likeness).exp().sum()
        torch.testing.assert_close(attended[b], sum(w * row for w, row in zip(weights, rows[b], strict=True)))


def test_an_untrained_class_free_network_prefers_nobody_and_yet_learns():
    with seeded(0):
        network = ClassFreeQ(3, 5, width=16)
    network.set_standardiser(normal(1, 40, 3), normal(2, 40, 5))
    candidates = normal(6, 8, 4, 5)
    batch = Batch(
        states=normal(5, 8, 6, 3), candidates=candidates, mask=torch.ones(8, 4, dtype=torch.bool),
        actions=torch.zeros(8, dtype=torch.int64), rewards=candidates[:, 0, 0],
        next_states=normal(5, 8, 6, 3), next_candidates=candidates, next_mask=torch.zeros(8, 4, dtype=torch.bool),
        ended=torch.ones(8, dtype=torch.bool),
    )  # fmt: skip
    assert not network(batch.states, batch.candidates).any()
    before = copy.deepcopy(network)
    learner = DoubleDQN(network, DoubleDqnSettings())
    for _ in range(2):
        learner.update(batch)
    moved = [name for name, p in network.named_parameters() if not torch.equal(p, before.get_parameter(name))]
    assert len(moved) == len(list(network.parameters()))
    assert torch.equal(network.state_standardiser.mean, before.state_standardiser.mean)
