import math

import pytest
import torch

from querist.tasks.pose.heatmaps import gaussians
from querist.tasks.pose.objectives import pose_losses

NAN = float("nan")


def test_coordinates_by_hand():
    found = torch.tensor([[[0.0, 0, 0], [1, 1, 1]], [[0, 0, 0], [0, 0, 0]]])
    places = torch.tensor([[[0.3, 0, 0], [NAN, NAN, NAN]], [[0.2, 0, 0], [0, 0, 0.2]]])
    squared = pose_losses(found, places, "coordinate_mse")
    torch.testing.assert_close(squared, torch.tensor([0.03, 0.04 / 3]))
    smooth = pose_losses(found, places, "coordinate_smooth_l1")
    torch.testing.assert_close(smooth, torch.tensor([0.25 / 3, 0.15 / 3]))


def test_the_bayesian_loss_by_hand():
    """ALGORITHMS 2.6: mean of |e| exp(-v) / 2 + v / 2, and of e²."""
    found = torch.tensor([[[0.3, 0.0], [9.0, 9.0]], [[0.0, 0.5], [0.0, 0.0]]])
    places = torch.tensor([[[0.1, 0.4], [NAN, NAN]], [[0.0, 0.0], [0.0, 0.0]]])
    scale = torch.tensor([[[0.0, math.log(2)], [7.0, 7.0]], [[0.0, math.log(0.5)], [0.0, 0.0]]])
    losses = pose_losses(torch.cat([found, scale], dim=2), places, "coordinate_bayesian")
    one = (0.1 + 0.2**2 + 0.2 / 2 + 0.5 * math.log(2) + 0.4**2) / 2  # of the joint that is known
    other = (0 + 0.5 * 0.5 * 2 + 0.5 * math.log(0.5) + 0.5**2 + 0 + 0) / 4  # over both
    torch.testing.assert_close(losses, torch.tensor([one, other]))


def test_the_best_scale_is_the_error():
    """The derivative by v vanishes at v = log |e|, and errors known to be large pull less."""
    output = torch.tensor([[[0.3, -0.2, math.log(0.3), math.log(0.2)]]], requires_grad=True)
    pose_losses(output, torch.zeros(1, 1, 2), "coordinate_bayesian").sum().backward()
    assert output.grad is not None
    torch.testing.assert_close(output.grad[0, 0, 2:], torch.zeros(2))
    torch.testing.assert_close(output.grad[0, 0, :2], torch.tensor([0.25 / 0.3 + 0.3, -0.25 / 0.2 - 0.2]))


def test_unknown_coordinates_give_no_doubt():
    output = torch.randn(1, 2, 6, generator=torch.Generator().manual_seed(0), requires_grad=True)
    pose_losses(output, torch.tensor([[[0.1, 0.2, 0.3], [NAN] * 3]]), "coordinate_bayesian").sum().backward()
    assert output.grad is not None
    assert output.grad[0, 0].all()
    assert not output.grad[0, 1].any()


def test_cross_entropy_is_least_for_the_bell_itself():
    places = torch.tensor([[[0.1, -0.3]]])
    bell = gaussians(places, (8, 8), 1.0)
    entropy = torch.special.entr(bell / bell.sum()).sum()
    found = pose_losses(bell.log(), places, "cross_entropy")
    torch.testing.assert_close(found, entropy[None])
    assert pose_losses(torch.zeros(1, 1, 8, 8), places, "cross_entropy").item() == pytest.approx(math.log(64))


def test_soft_argmax_is_the_distance_of_the_mean_place():
    flat = torch.zeros(1, 1, 6, 6)  # whose mean is the middle
    assert pose_losses(flat, torch.tensor([[[0.5, 0.1]]]), "soft_argmax").item() == pytest.approx(0.3)


def test_squared_error_of_maps_sums_over_stages():
    places = torch.tensor([[[0.0, 0.0]]])
    bell = 30 * gaussians(places, (4, 4), 1.0)
    stages = torch.stack([bell, bell + 2, bell + 1], dim=1)
    assert pose_losses(bell, places, "heat_map_mse").item() == 0
    assert pose_losses(stages, places, "heat_map_mse").item() == pytest.approx(5)


@pytest.mark.parametrize("objective", ["cross_entropy", "soft_argmax", "heat_map_mse"])
def test_unknown_joints_teach_nothing_and_leave_no_nan(objective):
    maps = torch.randn(2, 2, 5, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    places = torch.tensor([[[0.1, 0.2], [NAN, NAN]], [[NAN, NAN], [NAN, NAN]]])
    losses = pose_losses(maps, places, objective)
    assert losses[0] > 0
    assert losses[1] == 0
    losses.sum().backward()
    assert maps.grad is not None
    assert torch.isfinite(maps.grad).all()
    assert maps.grad[0, 0].any()
    assert not maps.grad[0, 1].any()
    assert not maps.grad[1].any()
    alone = pose_losses(maps[:1, :1], places[:1, :1], objective)
    torch.testing.assert_close(losses[:1], alone)


def test_joints_outside_of_the_image_have_no_cell():
    places = torch.tensor([[[1.2, 0.0]]])
    assert pose_losses(torch.randn(1, 1, 4, 4), places, "cross_entropy").item() == 0
    assert pose_losses(torch.randn(1, 1, 4, 4), places, "soft_argmax").item() > 0


def test_another_kind_of_output_is_refused():
    for output, objective in ((torch.zeros(1, 2, 3), "cross_entropy"), (torch.zeros(1, 2, 4, 4), "coordinate_mse"),
                              (torch.zeros(1, 3, 4, 4), "soft_argmax"), (torch.zeros(1, 2, 3), "coordinate_bayesian"),
                              (torch.zeros(1, 2, 6), "coordinate_mse")):  # fmt: skip
        with pytest.raises(ValueError, match="does not fit"):
            pose_losses(output, torch.zeros(1, 2, 3), objective)
