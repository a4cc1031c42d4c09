import pytest
import torch

from querist.errors import QueristError
from querist.nn.runtime import seeded
from querist.tasks.reid.network import EmbeddingNetwork


@pytest.fixture(scope="module")
def network():
    with seeded(0):
        return EmbeddingNetwork("shufflenet_v2_x0_5", width=32)


def crops(count, seed=0):
    return torch.randn(count, 3, 64, 32, generator=torch.Generator().manual_seed(seed))


def test_a_vector_for_each_crop_whatever_the_others_are(network):
    network.eval()
    with torch.no_grad():
        several = network(crops(3))
        alone = network(crops(3)[1:2])
    assert several.shape == (3, 32)
    torch.testing.assert_close(several[1:2], alone, rtol=1e-4, atol=1e-5)


def test_it_is_the_mean_of_the_last_map_reduced_and_scaled(network):
    network.eval()
    with torch.no_grad():
        last = network.backbone(crops(2))[-1]
        assert last.shape[2:] == (2, 1)
        reduced = last.flatten(2).mean(dim=2) @ network.reduction.weight.T
        neck = network.neck
        by_hand = neck.weight * (reduced - neck.running_mean) / (neck.running_var + neck.eps).sqrt()
        torch.testing.assert_close(network(crops(2)), by_hand, rtol=1e-4, atol=1e-5)


def test_without_a_width_all_channels_come_out():
    with seeded(0):
        network = EmbeddingNetwork("shufflenet_v2_x0_5", width=None).eval()
    with torch.no_grad():
        assert network(crops(1)).shape == (1, 192)


def test_training_centres_the_cloud_and_reaches_the_first_layer(network):
    network.train()
    vectors = network(crops(8))
    torch.testing.assert_close(vectors.mean(dim=0), torch.zeros(32), rtol=0, atol=1e-5)
    (vectors**2 * torch.arange(8.0)[:, None]).sum().backward()
    assert next(network.backbone.parameters()).grad.abs().sum() > 0
    assert network.neck.bias.grad is None  # it stays at zero
    network.zero_grad(set_to_none=True)


def test_a_width_below_one_is_refused():
    with pytest.raises(QueristError, match="width of the vectors is 0"):
        EmbeddingNetwork("shufflenet_v2_x0_5", width=0)
