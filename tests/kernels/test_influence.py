import pytest
import torch
from torch.nn import functional

from querist.kernels.influence import WhiteSlope, class_weights, error_slope, expected_value, label_values

D, C = 5, 3


def drawn(seed=0, cells=20, reference=30):
    g = torch.Generator().manual_seed(seed)
    double = {"generator": g, "dtype": torch.float64}
    weight = torch.randn(D, C, **double)
    features, measured = torch.randn(cells, D, **double), torch.randn(reference, D, **double)
    target = torch.randint(0, C, (reference,), generator=g)
    target[0] = 2
    return weight, features, measured, target


def loss(weight, measured, target, balance):
    """The mean cross-entropy over the reference, a class of frequency f weighing f ** -balance."""
    weights = (torch.bincount(target, minlength=C) / len(target)).clamp_min(1e-3).double() ** -balance
    return functional.cross_entropy(measured @ weight, target, weight=weights)


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_a_value_is_what_a_small_step_on_the_label_gains(balance):
    weight, features, measured, target = drawn()
    slope, weights = error_slope(measured, (measured @ weight).softmax(1), target, balance)
    values = label_values(features, (features @ weight).softmax(1), slope, weights)
    rate = 1e-5
    for cell in range(4):
        for label in range(C):
            moved = weight.clone().requires_grad_()
            one = functional.cross_entropy(features[cell : cell + 1] @ moved, torch.tensor([label])) * weights[label]
            one.backward()
            after = weight - rate * moved.grad
            gained = loss(weight, measured, target, balance) - loss(after, measured, target, balance)
            assert float(gained) / rate == pytest.approx(float(values[cell, label]), rel=1e-3, abs=1e-6)


def test_by_hand():
    """One feature, two classes, shares a half: a reference cell of class 0 has residual (-1/2, 1/2)."""
    half = torch.tensor([[0.5, 0.5]])
    slope, weights = error_slope(torch.tensor([[2.0]]), half, torch.tensor([0]), balance=0.0)
    torch.testing.assert_close(slope, torch.tensor([[-1.0, 1.0]]))
    values = label_values(torch.tensor([[3.0]]), half, slope, weights)
    torch.testing.assert_close(values, torch.tensor([[3.0, -3.0]]))  # a label of class 0 helps where features agree
    torch.testing.assert_close(expected_value(values, torch.tensor([[0.75, 0.25]])), torch.tensor([1.5]))


def test_without_weights_nothing_is_expected_of_what_the_model_believes():
    """Under its own shares the mean gradient is zero; what remains of the expectation is the weights of the classes."""
    weight, features, measured, target = drawn(1)
    shares = (features @ weight).softmax(1)
    slope, weights = error_slope(measured, (measured @ weight).softmax(1), target, balance=0.0)
    expected = expected_value(label_values(features, shares, slope, weights), shares)
    torch.testing.assert_close(expected, torch.zeros(len(features), dtype=torch.float64))


def test_leading_dimensions_do_not_matter():
    weight, features, measured, target = drawn(2)
    slope, weights = error_slope(measured, (measured @ weight).softmax(1), target)
    shares = (features @ weight).softmax(1)
    flat = label_values(features, shares, slope, weights)
    torch.testing.assert_close(
        label_values(features.view(4, 5, D), shares.view(4, 5, C), slope, weights).view(20, C), flat
    )


def test_a_rare_class_weighs_more_but_not_without_bound():
    target = torch.zeros(10_000, dtype=torch.int64)
    target[:1] = 1
    _, weights = error_slope(torch.ones(10_000, 1), torch.full((10_000, 3), 1 / 3), target, balance=0.5)
    assert weights[1] == weights[2] == pytest.approx(1000**0.5)  # one in 10,000 and none count as one in 1,000
    assert weights[0] == pytest.approx(1.0, abs=1e-3)


def whitened(features, shrinkage):
    """Mean 0, covariance 1, and a constant beside: written out, on all cells at once."""
    centred = features - features.mean(0)
    covariance = centred.T @ centred / len(features)
    scale, eye = covariance.diagonal().mean(), torch.eye(features.shape[1], dtype=torch.float64)
    values, vectors = torch.linalg.eigh((1 - shrinkage) * covariance + shrinkage * scale * eye)
    white = centred @ (vectors / values.sqrt())
    return torch.cat([white, torch.ones(len(white), 1, dtype=torch.float64)], dim=1)


@pytest.mark.parametrize(("shrinkage", "rows"), [(0.0, 7), (1e-3, 100), (0.5, 1)])
def test_batches_of_raw_features_give_the_values_of_white_ones(shrinkage, rows):
    weight, _, measured, target = drawn(3, reference=60)
    measured = measured @ torch.randn(D, D, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 4
    shares, known = (measured @ weight).softmax(1), torch.arange(60) % 4 > 0
    white = whitened(measured, shrinkage)
    slope, weights = error_slope(white[known], shares[known], target[known])
    wanted = label_values(white, shares, slope, weights)
    found = WhiteSlope(D, weights, shrinkage)
    for start in (0, 25):
        part = slice(start, 25 if start == 0 else 60)
        found.add(measured[part], shares[part], target[part], known[part], rows)
    mean, slope, constant = found.solved()
    values = label_values((measured - mean).float(), shares.float(), slope, weights.float(), constant)
    torch.testing.assert_close(values.double(), wanted, rtol=2e-4, atol=2e-4)


def test_a_feature_that_never_changes_and_no_label_at_all():
    found = WhiteSlope(2, torch.ones(C))
    features, shares = torch.ones(10, 2), torch.full((10, C), 1 / C)
    found.add(features, shares, torch.zeros(10, dtype=torch.int64), torch.zeros(10, dtype=torch.bool))
    with pytest.raises(ValueError, match="no labelled cell"):
        found.solved()
    found.add(features, shares, torch.zeros(10, dtype=torch.int64), torch.ones(10, dtype=torch.bool))
    assert all(torch.isfinite(part).all() for part in found.solved())


def test_bad_input():
    with pytest.raises(ValueError, match="0 features"):
        error_slope(torch.zeros(0, 2), torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))
    with pytest.raises(ValueError, match="2 labels"):
        error_slope(torch.zeros(3, 2), torch.zeros(3, 3), torch.zeros(2, dtype=torch.int64))


def test_what_a_label_of_each_class_weighs():
    """Frequencies 1/4 and 3/4; a class that was not met counts as one in a thousand."""
    found = class_weights(torch.tensor([0, 1, 1, 1]), 3)
    torch.testing.assert_close(found, torch.tensor([2.0, (4 / 3) ** 0.5, 1000**0.5]))
    assert class_weights(torch.tensor([0, 1, 1, 1]), 3, balance=0.0).tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="no label"):
        class_weights(torch.tensor([], dtype=torch.int64), 3)
