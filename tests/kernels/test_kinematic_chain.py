import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.kernels.kinematic_chain import chain_features, space_columns

HAND = torch.tensor([[0 if i % 4 == 0 else i, i + 1] for i in range(20)])
FINGERS = [[0, 4, 8, 12, 16], *([4 * f + i for i in range(4)] for f in range(5))]
# pelvis 0, thorax 1, neck 2, head 3, arms 4-9, legs 10-15
BODY = torch.tensor(
    [[0, 1], [1, 2], [2, 3], [1, 4], [4, 5], [5, 6], [1, 7], [7, 8], [8, 9],
     [0, 10], [10, 11], [11, 12], [0, 13], [13, 14], [14, 15]]
)  # fmt: skip
LIMBS = [[0, 3, 6, 9, 12], [1, 2], [4, 5], [7, 8], [10, 11], [13, 14]]


def test_sizes_for_hand_and_body():
    """ALGORITHMS 10: 275 numbers for 21 joints in space, 150 for 16 in the plane."""
    assert chain_features(torch.randn(2, 21, 3), HAND, FINGERS).shape == (2, 275)
    assert chain_features(torch.randn(2, 16, 2), BODY, LIMBS).shape == (2, 150)
    assert space_columns(20, FINGERS)[:3] == (slice(0, 210), slice(210, 225), slice(225, 235))
    assert space_columns(20, FINGERS)[-1] == slice(265, 275)
    assert space_columns(15, LIMBS)[1:3] == (slice(120, 135), slice(135, 138))


def test_by_hand():
    """Bones (3, 0) and (0, 4): squared lengths 9 and 16, and a right angle between them."""
    joints = torch.tensor([[[1.0, 1.0], [4.0, 1.0], [1.0, 5.0]]])
    bones = torch.tensor([[0, 1], [0, 2]])
    assert chain_features(joints, bones, [[1]]).tolist() == [[9.0, 0.0, 16.0, 16.0]]
    bent = torch.tensor([[[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]]])
    assert chain_features(bent, torch.tensor([[0, 1], [1, 2]]), []).tolist() == [[9.0, 0.0, 16.0]]


def test_against_loops_over_bones():
    joints = torch.randn(3, 21, 3, dtype=torch.float64)
    found = chain_features(joints, HAND, FINGERS)
    for pose, row in zip(joints, found, strict=True):
        V = np.array([(pose[child] - pose[parent]).numpy() for parent, child in HAND])
        expected = []
        for space in [range(20), *FINGERS]:
            expected += [V[space[i]] @ V[space[j]] for i in range(len(space)) for j in range(i, len(space))]
        np.testing.assert_allclose(row.numpy(), expected, rtol=1e-12)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_where_and_how_the_hand_stands_does_not_matter(seed):
    generator = torch.Generator().manual_seed(seed)
    joints = torch.randn(2, 21, 3, generator=generator, dtype=torch.float64)
    rotation, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    moved = joints @ rotation + torch.randn(3, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(chain_features(joints, HAND, FINGERS), chain_features(moved, HAND, FINGERS))


@pytest.mark.parametrize(
    ("joints", "bones", "parts", "match"),
    [
        (torch.zeros(2, 3), HAND, [], "joints must be"),
        (torch.zeros(1, 21, 3, dtype=torch.int64), HAND, [], "joints must be"),
        (torch.zeros(1, 20, 3), HAND, [], "bones join joints 0..20, but poses have 20"),
        (torch.zeros(1, 21, 3), HAND.int(), [], "bones must be"),
        (torch.zeros(1, 21, 3), HAND[:0], [], "at least one bone"),
        (torch.zeros(1, 21, 3), HAND, [[1], []], "part 1 is"),
        (torch.zeros(1, 21, 3), HAND, [[20]], "part 0 is"),
        (torch.zeros(1, 21, 3), HAND, [[3, 3]], "part 0 is"),
        (torch.full((2, 21, 3), torch.nan), HAND, [], "2 poses have joints that are not finite, first pose 0"),
    ],
)
def test_refusals(joints, bones, parts, match):
    with pytest.raises(ValueError, match=match):
        chain_features(joints, bones, parts)
