import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.tasks.pose.heatmaps import centres, gaussians, read_places, soft_argmax, spatial_softmax


def test_places_are_on_minus_one_to_one_from_edge_to_edge():
    assert centres(4, torch.zeros(1)).tolist() == [-0.75, -0.25, 0.25, 0.75]
    chances = torch.zeros(2, 4)
    chances[1, 0] = chances[1, 1] = 0.5  # between the first two of four columns, in the lower of two rows
    assert soft_argmax(chances).tolist() == [-0.5, 0.5]


def test_softmax_sums_to_one_over_each_map():
    chances = spatial_softmax(torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(chances.sum(dim=(2, 3)), torch.ones(2, 3))


@given(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4), st.integers(10, 20))
@settings(max_examples=40)
def test_a_place_comes_back_from_its_bell(x, y, side):
    place = torch.tensor([[x, y]], dtype=torch.float64)
    bell = gaussians(place, (side, side + 3), 1.0)
    cell = 2 / side
    assert (read_places(bell, "peak") - place).abs().max() <= 0.3 * cell
    scores = bell.clamp_min(1e-30).log()
    assert (read_places(scores, "peak_mean") - place).abs().max() <= 0.25 * cell
    # Not near the edges: a bell that is cut off has its mean elsewhere.
    assert (read_places(scores, "mean") - place).abs().max() <= 0.02 * cell


def test_the_local_mean_is_that_of_the_cells_around_the_peak():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(3, 9, 7))
    found = read_places(torch.from_numpy(scores), "peak_mean").numpy()
    for maps, place in zip(scores, found, strict=True):
        row, column = np.unravel_index(maps.argmax(), maps.shape)
        near = [(r, c) for r in range(9) for c in range(7) if abs(r - row) <= 2 and abs(c - column) <= 2]
        weight = np.exp([maps[cell] for cell in near])
        y, x = (weight / weight.sum()) @ (np.array(near) + 0.5)
        np.testing.assert_allclose(place, [x * 2 / 7 - 1, y * 2 / 9 - 1], atol=1e-12)


def test_a_second_peak_draws_only_the_mean_over_all():
    maps = 10 * gaussians(torch.tensor([[[-0.5, 0.0]], [[0.5, 0.0]]]), (16, 16), 1.0).squeeze(1)
    both = maps[0] + 0.9 * maps[1]
    assert read_places(both, "peak_mean")[0] == pytest.approx(-0.5, abs=0.02)
    assert read_places(both, "mean")[0] > -0.45


def test_the_peak_moves_a_quarter_cell_towards_its_higher_neighbour():
    maps = torch.zeros(4, 4)
    maps[2, 1], maps[2, 2], maps[1, 1] = 3.0, 1.0, 2.0
    assert read_places(maps, "peak").tolist() == [(1.25 + 0.5) / 2 - 1, (1.75 + 0.5) / 2 - 1]


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 3), (3, 0), (3, 3)])
def test_a_peak_on_the_border_stays_in_its_cell(row, column):
    """Its only neighbour says nothing of the other side."""
    maps = torch.rand(4, 4, generator=torch.Generator().manual_seed(0))
    maps[row, column] = 2.0
    assert read_places(maps, "peak").tolist() == [(column + 0.5) / 2 - 1, (row + 0.5) / 2 - 1]
    maps[row, 1] = 3.0  # on one border, and between two neighbours along it
    x, _ = read_places(maps, "peak").tolist()
    assert x == (1 + 0.25 * (1 if maps[row, 2] > maps[row, 0] else -1) + 0.5) / 2 - 1


def test_a_bell_is_one_at_its_place_and_an_unknown_place_has_none():
    bells = gaussians(torch.tensor([[0.25, -0.25], [torch.nan, torch.nan]]), (4, 4), 0.5)
    assert bells[0].max() == bells[0, 1, 2] == 1
    assert bells[0, 1, 3] == pytest.approx(np.exp(-2))
    assert not bells[1].any()
