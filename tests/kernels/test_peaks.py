import math

import pytest
import torch

from querist.kernels.peaks import multi_peak_entropy


def maps(*peaks, size=20):
    found = torch.zeros(1, 1, size, size)
    for row, column, value in peaks:
        found[0, 0, row, column] = value
    return found


def entropy(*values):
    weights = [math.exp(v) for v in values]
    return -sum(w / sum(weights) * math.log(w / sum(weights)) for w in weights)


def test_by_hand():
    assert multi_peak_entropy(maps((3, 3, 2.0))).item() == 0
    assert multi_peak_entropy(maps((3, 3, 2.0), (3, 10, 2.0))).item() == pytest.approx(math.log(2))
    assert multi_peak_entropy(maps((3, 3, 2.0), (12, 3, 0.5))).item() == pytest.approx(entropy(2, 0.5))


def test_what_lies_near_a_peak_is_none():
    assert multi_peak_entropy(maps((3, 3, 2.0), (8, 8, 1.0))).item() == 0
    assert multi_peak_entropy(maps((3, 3, 2.0), (9, 3, 1.0))).item() == pytest.approx(entropy(2, 1))
    assert multi_peak_entropy(maps((3, 3, 2.0), (3, 4, 2.0))).item() == 0  # a plateau is one peak


def test_a_shoulder_outside_the_window_is_no_peak():
    slope = torch.linspace(1, 0, 20).repeat(20, 1)[None, None]
    ridge = maps((0, 0, 1.0)) + slope  # falls steadily from its left edge
    assert multi_peak_entropy(ridge).item() < math.log(4)
    column = torch.zeros(1, 1, 1, 20)
    column[0, 0, 0] = torch.linspace(1, 0, 20)
    assert multi_peak_entropy(column).item() == 0


def test_at_most_so_many_peaks_the_highest():
    many = maps(*((r, c, 1.0 + r) for r in (0, 7, 14) for c in (0, 7, 14)))
    assert multi_peak_entropy(many, peaks=3).item() == pytest.approx(entropy(15, 15, 15))
    assert multi_peak_entropy(many, peaks=1).item() == 0


def test_joints_add_up_and_a_flat_map_knows_nothing():
    three = torch.cat([maps((3, 3, 2.0)), maps((3, 3, 1.0), (3, 12, 1.0)), torch.full((1, 1, 20, 20), 4.0)], dim=1)
    both = torch.cat([three, three.flip(3)])
    expected = math.log(2) + math.log(5)
    assert multi_peak_entropy(both).tolist() == pytest.approx([expected, expected])


@pytest.mark.parametrize(
    ("heat_maps", "options", "match"),
    [
        (torch.zeros(2, 3, 4), {}, "must be"),
        (torch.zeros(1, 1, 4, 4), {"peaks": 0}, "0 peaks"),
        (torch.full((1, 1, 4, 4), torch.nan), {}, "not finite"),
    ],
)
def test_refusals(heat_maps, options, match):
    with pytest.raises(ValueError, match=match):
        multi_peak_entropy(heat_maps, **options)
