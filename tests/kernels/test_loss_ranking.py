import math

import pytest
import torch

from querist.kernels.loss_ranking import hinge_ranking, share_ranking


def test_hinge_by_hand():
    """Pairs (0, 2) and (1, 3): in the right order by 3, and in the wrong one by 2."""
    predicted = torch.tensor([4.0, 1.0, 1.0, 3.0], requires_grad=True)
    found = hinge_ranking(predicted, torch.tensor([0.9, 0.8, 0.1, 0.2]))
    assert found.item() == pytest.approx((0 + 3) / 2)
    found.backward()
    assert predicted.grad.tolist() == [0, -0.5, 0, 0.5]
    assert hinge_ranking(predicted, torch.ones(4), margin=2.0).item() == 2


def test_shares_by_hand():
    """Losses 3 and 1, predictions equal: 3/4 ln(3/4 / 1/2) + 1/4 ln(1/4 / 1/2)."""
    found = share_ranking(torch.zeros(2), torch.tensor([3.0, 1.0]))
    assert found.item() == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    right = torch.tensor([math.log(3.0), 0.0])
    assert share_ranking(right, torch.tensor([3.0, 1.0])).item() == pytest.approx(0, abs=1e-6)
    assert share_ranking(torch.zeros(2), torch.zeros(2)).item() == pytest.approx(0, abs=1e-6)
    assert share_ranking(torch.zeros(2), torch.tensor([1.0, 0.0])).item() == pytest.approx(math.log(2))


def test_losses_get_no_gradient():
    losses = torch.rand(4, requires_grad=True)
    (share_ranking(torch.zeros(4, requires_grad=True), losses)).backward()
    assert losses.grad is None


@pytest.mark.parametrize("measure", [hinge_ranking, share_ranking])
def test_refusals(measure):
    for predicted, losses in ((torch.zeros(3), torch.zeros(3)), (torch.zeros(0), torch.zeros(0)),
                              (torch.zeros(2), torch.zeros(4)), (torch.zeros(2, 2), torch.zeros(2, 2))):  # fmt: skip
        with pytest.raises(ValueError, match="B even"):
            measure(predicted, losses)
    with pytest.raises(ValueError, match="negative"):
        share_ranking(torch.zeros(2), torch.tensor([1.0, -1.0]))
