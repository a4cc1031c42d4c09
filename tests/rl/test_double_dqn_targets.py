import pytest
import torch
from torch import nn

from querist.rl.double_dqn import chosen_values, double_dqn_targets, td_loss
from querist.rl.replay import Batch


class Table(nn.Module):
    """A candidate's value is one of its features; which one tells the networks apart."""

    def __init__(self, column):
        super().__init__()
        self.column = column
        self.seen = []

    def forward(self, state, candidates, mask):
        self.seen.append((self.training, len(candidates)))
        return candidates[:, :, self.column]


def table_batch():
    """Two sub-transitions over three candidates; the features are (online's value, target's value)."""
    following = torch.tensor(
        [
            [[1.0, 10.0], [2.0, 20.0], [9.0, 90.0]],  # the third is masked
            [[5.0, 1.0], [4.0, 2.0], [3.0, 3.0]],
            [[7.0, 7.0], [7.0, 7.0], [7.0, 7.0]],  # ended
        ]
    )
    return Batch(
        states=torch.zeros(3, 1, 1),
        candidates=torch.arange(18.0).reshape(3, 3, 2),
        mask=torch.ones(3, 3, dtype=torch.bool),
        actions=torch.tensor([2, 0, 1]),
        rewards=torch.tensor([1.0, -1.0, 0.5]),
        next_states=torch.zeros(3, 1, 1),
        next_candidates=following,
        next_mask=torch.tensor([[True, True, False], [True, True, True], [False, False, False]]),
        ended=torch.tensor([False, False, True]),
    )


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        # online chooses 1 and 0, target values 20 and 1
        ("online", [1 + 0.5 * 20, -1 + 0.5 * 1, 0.5]),
        # target chooses 1 and 2, online values 2 and 3
        ("target", [1 + 0.5 * 2, -1 + 0.5 * 3, 0.5]),
    ],
)
def test_targets_by_hand(selector, expected):
    online, target = Table(0), Table(1).eval()
    targets = double_dqn_targets(table_batch(), online, target, 0.5, selector)
    assert targets.tolist() == expected
    assert online.seen == [(True, 2)]  # modes are left alone, and what ended passes through no network
    assert target.seen == [(False, 2)]


def test_plain_dqn_takes_the_target_networks_maximum():
    online, target = Table(0), Table(1).eval()
    targets = double_dqn_targets(table_batch(), online, target, 0.5, "max")
    assert targets.tolist() == [1 + 0.5 * 20, -1 + 0.5 * 3, 0.5]  # 90 is masked
    assert (online.seen, target.seen) == ([], [(False, 2)])


def test_nothing_goes_on():
    batch = table_batch()
    batch.ended[:] = True
    online = Table(0)
    assert double_dqn_targets(batch, online, Table(1), 0.5).tolist() == [1.0, -1.0, 0.5]
    assert online.seen == []


def test_values_of_what_was_chosen():
    assert chosen_values(table_batch(), Table(1)).tolist() == [5.0, 7.0, 15.0]


def test_losses_by_hand():
    values, targets = torch.tensor([0.0, 1.0]), torch.tensor([0.5, 4.0])
    # Huber: 0.5 * 0.25 and 3 - 0.5; squared: 0.25 and 9
    assert td_loss(values, targets, "huber").item() == pytest.approx((0.125 + 2.5) / 2)
    assert td_loss(values, targets, "squared").item() == pytest.approx((0.25 + 9) / 2)
