import numpy as np
import pytest
import torch

from embedded import choose, embedded
from querist.acquisition.labelled_graph import tell_apart
from querist.acquisition.uncertain_gcn import UncertainGcn
from querist.errors import QueristError


def points(seed, n, centre):
    rng = np.random.default_rng(seed)
    return (np.array(centre) + 0.1 * rng.random((n, 3))).astype(np.float32)


LABELLED = points(0, 12, (1, 0, 0))
NEAR, FAR = points(1, 6, (1, 0, 0)), points(2, 6, (0, 1, 0))
OFFERED = np.concatenate([NEAR, FAR])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_network_learns_who_looks_labelled():
    seen, known = tell_apart(torch.from_numpy(OFFERED), torch.from_numpy(LABELLED), generator(), steps=200)
    assert seen.hidden.shape == (12, 128)
    assert known.chance.shape == (12,)
    assert float(seen.chance[:6].min()) > float(seen.chance[6:].max())


def test_the_loss_is_the_printed_one():
    """From the chances of a network after no step: one step lowers -mean log p_L - 1.2 mean log(1 - p_U)."""

    def loss(steps):
        seen, known = tell_apart(torch.from_numpy(OFFERED), torch.from_numpy(LABELLED), generator(), steps)
        return float(-known.chance.log().mean() - 1.2 * (1 - seen.chance).log().mean())

    assert loss(150) < loss(20) < loss(0)


def test_it_asks_about_chances_nearest_the_margin():
    policy = UncertainGcn(steps=30)
    found = choose(policy, embedded(OFFERED, LABELLED), 5, seed=3)
    stream = generator(int(np.random.default_rng(3).integers(2**62)))
    seen, _ = tell_apart(torch.from_numpy(OFFERED), torch.from_numpy(LABELLED), stream, 30)
    away = np.abs(seen.chance.numpy() - 0.1)
    assert found.indices[0].tolist() == np.argsort(away, kind="stable")[:5].tolist()
    np.testing.assert_allclose(found.scores[0], -np.sort(away)[:5])


def test_a_seed_fixes_the_choice_and_a_limit_the_candidates():
    policy = UncertainGcn(steps=5, limit=4)
    picks = [choose(policy, embedded(OFFERED, LABELLED), 3, seed).indices[0].tolist() for seed in (1, 1)]
    assert picks[0] == picks[1]
    assert max(picks[0]) < 4
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
