import pytest
import torch

from querist.errors import QueristError
from querist.tasks.segmentation.unet import UNet


@pytest.mark.parametrize("size", [(96, 128), (45, 70)])
def test_logits_have_the_size_of_the_image(size):
    net = UNet(5, width=4).eval()
    images = torch.randn(2, 3, *size)
    features = net.features(images)
    assert features.shape == (2, 8, -(-size[0] // 2), -(-size[1] // 2))
    assert net(images).shape == (2, 5, *size)
    torch.testing.assert_close(net.classify(features, size), net(images))


def test_monte_carlo_passes_differ_and_training_has_no_dropout():
    net = UNet(3, width=4).eval()
    features = net.features(torch.randn(1, 3, 32, 32))
    first, second = net.classify_dropout(features, (32, 32), 2, torch.Generator().manual_seed(0))
    assert first.shape == (1, 3, 32, 32)
    assert not torch.equal(first, second)
    assert not any(isinstance(module, torch.nn.Dropout) for module in net.modules())


def test_a_rate_out_of_range():
    with pytest.raises(QueristError, match="dropout of the UNet"):
        UNet(3, dropout=1.0)
