import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from querist.kernels.gradient_norms import outer_gradient_norms, unfolded


def test_by_hand():
    """One place: (1, 2) times (3, 0) is a gradient of squared length 45, the bias's is 9."""
    a, slope = torch.tensor([[[3.0], [0.0]]]), torch.tensor([[[1.0], [2.0]]])
    assert outer_gradient_norms(a, slope).tolist() == [45 + 5]
    assert outer_gradient_norms(a, slope, bias=False).tolist() == [45]
    # Two places of one channel each: 1 * 2 + 3 * (-1) = -1; of the bias 2 - 1 = 1.
    assert outer_gradient_norms(torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[2.0, -1.0]]])).tolist() == [1 + 1]


@settings(max_examples=40)
@given(st.integers(0, 4), st.integers(1, 6), st.integers(1, 6), st.integers(1, 9), st.integers(0, 99))
def test_it_is_the_length_of_the_products(n, c, o, s, seed):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(n, c, s, generator=generator, dtype=torch.float64)
    slope = torch.randn(n, o, s, generator=generator, dtype=torch.float64)
    products = torch.einsum("nos,ncs->noc", slope, a)
    expected = products.square().sum(dim=(1, 2)) + slope.sum(dim=2).square().sum(dim=1)
    torch.testing.assert_close(outer_gradient_norms(a, slope), expected)


@pytest.mark.parametrize(
    "layer",
    [nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False), nn.Conv2d(3, 2, 2, dilation=2)],
)
def test_a_convolution_is_a_layer_on_what_it_sees(layer):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(3, 3, 7, 6, generator=generator)
    out = layer(images)
    slopes = torch.randn(out.shape, generator=generator)
    expected = []
    for i in range(3):
        grads = torch.autograd.grad((layer(images[i : i + 1])[0] * slopes[i]).sum(), list(layer.parameters()))
        expected.append(sum(float(g.square().sum()) for g in grads))
    seen = unfolded(images, layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    found = outer_gradient_norms(seen, slopes.flatten(2), layer.bias is not None)
    assert found.tolist() == pytest.approx(expected, rel=1e-4)


def test_shapes_must_fit():
    with pytest.raises(ValueError, match="must be"):
        outer_gradient_norms(torch.zeros(2, 3, 4), torch.zeros(2, 3, 5))
