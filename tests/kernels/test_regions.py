import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from querist.kernels.regions import region_class_counts, region_features, region_grids, region_means


def test_means_by_hand_drop_the_remainder():
    maps = torch.arange(15.0).view(1, 3, 5)  # rows 0-4, 5-9, 10-14
    assert region_means(maps, 2, 2).tolist() == [[[3.0, 5.0]]]  # of 0 1 5 6 and of 2 3 7 8


@settings(max_examples=30)
@given(st.integers(1, 13), st.integers(1, 17), st.integers(1, 13), st.integers(1, 17))
def test_means_and_counts_equal_loops(H, W, height, width):
    height, width = min(height, H), min(width, W)
    generator = torch.Generator().manual_seed(H * 100 + W)
    maps = torch.rand(2, H, W, generator=generator)
    classes = torch.randint(0, 5, (2, H, W), generator=generator).to(torch.uint8)
    means = region_means(maps, height, width)
    counts = region_class_counts(classes, height, width, 5)
    assert means.shape == (2, H // height, W // width)
    assert counts.shape == (2, H // height, W // width, 5)
    for b in range(2):
        for r in range(H // height):
            for q in range(W // width):
                box = (b, slice(r * height, (r + 1) * height), slice(q * width, (q + 1) * width))
                assert means[b, r, q].item() == pytest.approx(maps[box].mean().item(), abs=1e-6)
                assert counts[b, r, q].tolist() == [int((classes[box] == c).sum()) for c in range(5)]


def test_counts_with_more_bins_than_a_short_integer_holds():
    classes = torch.full((1, 64, 64), 18, dtype=torch.uint8)
    counts = region_class_counts(classes, 1, 1, 19)  # 64 * 64 * 19 bins
    assert counts[..., 18].min() == 1
    assert counts.sum() == 64 * 64


def test_counts_refuse_a_class_out_of_range_but_not_in_the_remainder():
    classes = torch.zeros(1, 3, 4, dtype=torch.uint8)
    classes[0, 2, 0] = 9
    assert region_class_counts(classes, 2, 2, 2).sum() == 8
    classes[0, 0, 0] = 2
    with pytest.raises(ValueError, match="allowed are 0"):
        region_class_counts(classes, 2, 2, 2)


@pytest.mark.parametrize(("height", "width"), [(4, 1), (1, 5), (0, 1)])
def test_regions_that_do_not_fit_are_refused(height, width):
    with pytest.raises(ValueError, match="do not fit"):
        region_means(torch.zeros(1, 3, 4), height, width)


def test_maps_of_another_rank_are_refused():
    with pytest.raises(ValueError, match="B, H, W"):
        region_means(torch.zeros(3, 4), 1, 1)


def test_features_by_hand_split_a_cell_between_regions():
    maps = torch.tensor([1.0, 2.0, 3.0])[None, None, None, :]
    pooled = region_features(maps, (1, 2))
    assert pooled.shape == (1, 1, 2, 1)
    assert pooled.flatten().tolist() == pytest.approx([(1 + 0.5 * 2) / 1.5, (0.5 * 2 + 3) / 1.5])


def test_features_of_dividing_cells_are_block_averages():
    maps = torch.randn(2, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    expected = functional.avg_pool2d(maps, (4, 3)).permute(0, 2, 3, 1)
    torch.testing.assert_close(region_features(maps, (2, 4)), expected)


def test_features_of_a_coarse_map_equal_those_of_the_map_enlarged():
    """Nearest-neighbour enlargement to a common multiple makes every region a whole number of cells."""
    maps = torch.randn(1, 2, 5, 7, generator=torch.Generator().manual_seed(1))
    enlarged = maps.repeat_interleave(3, dim=2).repeat_interleave(4, dim=3)
    expected = functional.avg_pool2d(enlarged, (5, 7)).permute(0, 2, 3, 1)
    torch.testing.assert_close(region_features(maps, (3, 4)), expected)


def test_features_ignore_what_lies_beyond_the_extent():
    maps = torch.ones(1, 1, 4, 4)
    maps[:, :, 3:] = 100
    maps[:, :, :, 3:] = 100
    assert region_features(maps, (1, 1), extent=(0.75, 0.75)).item() == pytest.approx(1.0)


@pytest.mark.parametrize(("grid", "extent"), [((0, 1), (1, 1)), ((1, 1), (0, 1)), ((1, 1), (1, 1.2))])
def test_features_refuse_an_empty_grid_or_extent(grid, extent):
    with pytest.raises(ValueError, match="grid"):
        region_features(torch.ones(1, 1, 2, 2), grid, extent)


def test_grids_by_hand_drop_a_regions_remainder():
    maps = torch.arange(30.0).view(1, 5, 6)  # one region of 5 x 6: cells of 2 x 3, the last row dropped
    grids = region_grids(maps, 5, 6, cells=2)
    assert grids.shape == (1, 1, 1, 3, 2, 2)
    assert grids[0, 0, 0, 0].tolist() == [[0, 3], [12, 15]]
    assert grids[0, 0, 0, 1].tolist() == [[4, 7], [16, 19]]  # of 0 1 2 6 7 8, and so on
    assert grids[0, 0, 0, 2].tolist() == [[8, 11], [20, 23]]


@settings(max_examples=25)
@given(st.integers(1, 4), st.integers(0, 5), st.integers(0, 5), st.integers(0, 4), st.integers(0, 4))
def test_grids_equal_loops(cells, more_rows, more_columns, H_rest, W_rest):
    height, width = cells + more_rows, cells + more_columns
    maps = torch.randn(2, 2 * height + H_rest, width + W_rest, generator=torch.Generator().manual_seed(cells))
    grids = region_grids(maps, height, width, cells)
    R, Q = maps.shape[1] // height, maps.shape[2] // width
    assert grids.shape == (2, R, Q, 3, cells, cells)
    down, across = height // cells, width // cells
    for b, r, q, i, j in itertools.product(range(2), range(R), range(Q), range(cells), range(cells)):
        y, x = r * height + i * down, q * width + j * across
        cell = maps[b, y : y + down, x : x + across]
        expected = torch.stack([cell.min(), cell.mean(), cell.max()])
        torch.testing.assert_close(grids[b, r, q, :, i, j], expected)


@pytest.mark.parametrize(("height", "width", "kernel"), [(90, 80, (11, 10)), (128, 128, (16, 16))])
def test_grids_of_the_published_regions_equal_pooling(height, width, kernel):
    """8 x 8 cells for CamVid's and Cityscapes's regions; minima as pooling writes them, 5 - max(5 - H)."""
    maps = torch.rand(1, height, 2 * width, generator=torch.Generator().manual_seed(2)) * 2.9
    grids = region_grids(maps, height, width)
    assert grids.shape == (1, 1, 2, 3, 8, 8)
    for q, region in enumerate(maps.split(width, dim=2)):
        pools = (
            5 - functional.max_pool2d(5 - region, kernel),
            functional.avg_pool2d(region, kernel),
            functional.max_pool2d(region, kernel),
        )
        torch.testing.assert_close(grids[0, 0, q], torch.cat(pools), atol=1e-5, rtol=0)


@pytest.mark.parametrize("cells", [0, 4])
def test_grids_refuse_regions_with_fewer_pixels_than_cells(cells):
    with pytest.raises(ValueError, match="cells"):
        region_grids(torch.zeros(1, 6, 6), 6, 3, cells)
