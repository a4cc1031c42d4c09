import pytest
import torch

from querist.kernels.pose_shapes import pose_shapes


def test_by_hand():
    """Two joints at (0, 0) and (6, 8): from their middle they lie at -(3, 4) and (3, 4), of length 5 * sqrt 2."""
    (shape,) = pose_shapes(torch.tensor([[[0.0, 0.0], [6.0, 8.0]]]))
    assert shape.tolist() == pytest.approx([n / 50**0.5 for n in (-3, -4, 3, 4)])


def test_place_and_size_do_not_matter_but_the_way_it_is_turned_does():
    pose = torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(pose_shapes(7 * pose + torch.tensor([1.0, -2.0, 3.0])), pose_shapes(pose))
    assert not torch.allclose(pose_shapes(-pose), pose_shapes(pose))


def test_a_pose_without_any_extent_is_zero():
    assert pose_shapes(torch.full((1, 4, 2), 3.0)).tolist() == [[0.0] * 8]
    assert pose_shapes(torch.zeros(0, 4, 2)).shape == (0, 8)


@pytest.mark.parametrize("wrong", [torch.zeros(3, 4), torch.full((1, 2, 2), torch.nan), torch.zeros(1, 2, 2).int()])
def test_other_input_is_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        pose_shapes(wrong)
