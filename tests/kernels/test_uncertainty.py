import math

import pytest
import torch

from querist.kernels.uncertainty import (
    entropy,
    margin,
    mutual_information,
    pixel_uncertainty,
    probability_and_entropy,
)


def logits_of(*probabilities):
    """One image of one pixel for each given distribution, in a row."""
    return torch.tensor(probabilities).log().T[None, :, None, :]


def test_by_hand():
    maps = pixel_uncertainty(logits_of([0.5, 0.25, 0.25], [0.1, 0.1, 0.8]))
    assert maps.classes.tolist() == [[[0, 2]]]
    assert maps.classes.dtype == torch.uint8
    assert maps.entropy[0, 0, 0].item() == pytest.approx(1.5 * math.log(2))
    assert maps.entropy[0, 0, 1].item() == pytest.approx(-0.2 * math.log(0.1) - 0.8 * math.log(0.8))
    assert maps.margin[0, 0].tolist() == pytest.approx([0.25, 0.7])


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(5, 7), (300, 250)])  # 300 x 250 pixels are more than one piece
def test_equals_the_straightforward_form(memory_format, size):
    logits = 4 * torch.randn(2, 6, *size, generator=torch.Generator().manual_seed(1))
    maps = pixel_uncertainty(logits.contiguous(memory_format=memory_format))
    p = logits.double().softmax(dim=1)
    best = p.topk(2, dim=1).values
    assert torch.equal(maps.classes.long(), p.argmax(dim=1))
    torch.testing.assert_close(maps.entropy.double(), -(p * p.log()).sum(dim=1), atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(maps.margin.double(), best[:, 0] - best[:, 1], atol=1e-6, rtol=1e-5)


def test_the_single_maps_are_those_of_the_one_pass():
    logits = torch.randn(1, 4, 3, 3)
    maps = pixel_uncertainty(logits)
    assert torch.equal(entropy(logits), maps.entropy)
    assert torch.equal(margin(logits), maps.margin)


def test_uniform_tied_certain_and_single_class():
    uniform = pixel_uncertainty(torch.zeros(1, 11, 2, 2))
    assert uniform.entropy.unique().item() == pytest.approx(math.log(11))
    assert uniform.margin.abs().max() == 0
    assert uniform.classes.max() == 0  # the lowest id wins the tie
    certain = pixel_uncertainty(torch.tensor([1e4, 0.0, -1e4])[None, :, None, None])
    assert certain.entropy.item() < 1e-30
    assert certain.margin.item() == 1
    alone = pixel_uncertainty(torch.randn(1, 1, 2, 2))
    assert alone.entropy.abs().max() == 0
    assert alone.margin.min() == 1


def test_a_class_ruled_out_by_minus_infinity_adds_nothing():
    logits = torch.tensor([0.0, 0.0, -torch.inf])[None, :, None, None]
    maps = pixel_uncertainty(logits)
    assert maps.entropy.item() == pytest.approx(math.log(2))
    assert maps.margin.item() == 0


def test_half_precision_is_computed_in_single():
    logits = torch.randn(1, 5, 4, 4)
    maps = pixel_uncertainty(logits.bfloat16())
    assert maps.entropy.dtype == torch.float32
    assert torch.equal(maps.entropy, pixel_uncertainty(logits.bfloat16().float()).entropy)


def test_leaves_the_logits_alone():
    logits = torch.randn(1, 3, 4, 4)
    before = logits.clone()
    pixel_uncertainty(logits)
    assert torch.equal(logits, before)


@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 257, 2, 2), (1, 0, 2, 2)])
def test_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match="logits"):
        pixel_uncertainty(torch.zeros(shape))


def mutual_information_of(passes):
    sums = [probability_and_entropy(logits) for logits in passes]
    return mutual_information(sum(p for p, _ in sums), sum(h for _, h in sums), len(sums))


def test_mutual_information_of_two_certain_passes_that_disagree_is_one_bit():
    certain = torch.tensor([[100.0, 0.0], [0.0, 100.0]])
    assert mutual_information_of([row[None, :, None, None] for row in certain]).item() == pytest.approx(math.log(2))


def test_mutual_information_of_equal_passes_is_zero():
    logits = torch.randn(2, 5, 3, 3)
    assert mutual_information_of([logits] * 4).max() < 1e-6


def test_mutual_information_is_the_mean_divergence_from_the_mean():
    """An independent form of BALD: the mean Kullback-Leibler divergence of the passes from their mean."""
    passes = torch.randn(7, 2, 5, 3, 3, generator=torch.Generator().manual_seed(2)) * 2
    p = passes.double().softmax(dim=2)
    expected = (p * (p / p.mean(dim=0)).log()).sum(dim=2).mean(dim=0)
    torch.testing.assert_close(mutual_information_of(list(passes)).double(), expected, atol=2e-6, rtol=1e-5)


def test_mutual_information_needs_a_pass():
    with pytest.raises(ValueError, match="passes"):
        mutual_information(torch.zeros(1, 2, 1, 1), torch.zeros(1, 1, 1), 0)
