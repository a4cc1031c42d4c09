import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.errors import QueristError
from querist.tasks.segmentation.grid import Grid


@settings(max_examples=50)
@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_regions_tile_the_image_from_the_top_left_without_overlap(height, width, data):
    region = data.draw(st.tuples(st.integers(1, height), st.integers(1, width)))
    grid = Grid.of((height, width), region)
    covered = np.zeros((height, width), dtype=int)
    for part in range(len(grid)):
        rows, columns = grid.window(part)
        assert covered[rows, columns].shape == region
        covered[rows, columns] += 1
        assert grid.box(part) == (columns.start, rows.start, region[1], region[0])
    inside = np.zeros_like(covered)
    inside[: height - height % region[0], : width - width % region[1]] = 1
    np.testing.assert_array_equal(covered, inside)


def test_the_grids_of_the_paper():
    camvid, cityscapes = Grid.of((360, 480), (90, 80)), Grid.of((1024, 2048), (128, 128))
    assert (camvid.rows, camvid.columns, len(camvid)) == (4, 6, 24)
    assert (cityscapes.rows, cityscapes.columns, len(cityscapes)) == (8, 16, 128)
    assert camvid.box(7) == (80, 90, 80, 90)  # second row, second column


def test_names_say_row_and_column():
    pool = Grid.of((24, 32), (8, 10)).pool(["train/a", "b@2"])
    assert len(pool) == 18
    assert [pool.name(u) for u in (0, 2, 3, 17)] == ["train/a@r0c0", "train/a@r0c2", "train/a@r1c0", "b@2@r2c2"]
    assert [pool.unit(pool.name(u)) for u in range(18)] == list(range(18))


def test_one_region_may_be_the_whole_image():
    pool = Grid.of((24, 32), (24, 32)).pool(["a", "b"])
    assert [pool.unit(pool.name(u)) for u in range(2)] == [0, 1]


@pytest.mark.parametrize("region", [(25, 8), (8, 33), (0, 8), (8, -1)])
def test_a_region_larger_than_the_image_is_refused(region):
    with pytest.raises(QueristError, match="do not fit into images"):
        Grid.of((24, 32), region)
