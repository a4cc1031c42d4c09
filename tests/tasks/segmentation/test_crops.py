import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.core.answers import Labels
from querist.errors import QueristError
from querist.tasks.segmentation.crops import Canvas, CropSampler, anchors, draw_by_image, draw_in_rounds
from querist.tasks.segmentation.data import SegmentationData
from querist.tasks.segmentation.grid import Grid
from tiny import REGION, SIZE, VOID, labels_of, tiny_data, tiny_task

GRID = Grid.of(SIZE, REGION)


@settings(max_examples=80)
@given(
    image=st.tuples(st.integers(8, 40), st.integers(8, 40)),
    region=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    crop=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    part=st.integers(0, 10_000),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_crop_holds_the_centre_of_its_anchor_and_stays_in_the_image(image, region, crop, part, seed):
    grid = Grid.of(image, region)
    left, top, width, height = grid.box(part % len(grid))
    rows, columns = CropSampler(crop).window(grid, part % len(grid), image, np.random.default_rng(seed))
    for span, start, extent, size, limit in (
        (rows, top, height, crop[0], image[0]),
        (columns, left, width, crop[1], image[1]),
    ):
        assert 0 <= span.start <= start + extent // 2 < span.stop <= limit
        assert span.stop - span.start == min(size, limit)


def test_every_place_that_holds_the_centre_is_drawn_equally_often():
    """A region in the middle: crops of 6 around row 12 may begin at 7..12."""
    rng, sampler = np.random.default_rng(0), CropSampler((6, 32))
    starts = np.bincount([sampler.window(GRID, 4, SIZE, rng)[0].start for _ in range(1800)], minlength=24)
    assert np.flatnonzero(starts).tolist() == [7, 8, 9, 10, 11, 12]
    assert np.abs(starts[7:13] - 300).max() < 5 * np.sqrt(300)


def test_without_a_size_a_crop_is_the_image():
    assert CropSampler(None).window(GRID, 3, SIZE, np.random.default_rng(0)) == (slice(0, 24), slice(0, 32))


class Guarded:
    """Masks that tell who looked."""

    def __init__(self, masks):
        self.masks, self.looked = masks, set()

    def __len__(self):
        return len(self.masks)

    def __getitem__(self, index):
        self.looked.add(int(index))
        return self.masks[index]


@settings(max_examples=40)
@given(st.sets(st.integers(0, 53), min_size=1, max_size=20), st.sets(st.integers(0, 5), max_size=2))
def test_a_canvas_shows_nothing_that_was_not_bought(units, given_sources):
    task = tiny_task()
    labels = labels_of(task, sorted(units), sorted(given_sources))
    guard = Guarded(np.asarray(task.data.masks))
    data = SegmentationData(task.data.names, task.data.images, guard, task.data.classes)
    canvas = Canvas(data, task.grid, task.regions, labels)
    for source in {u // 9 for u in units} | given_sources:
        bought = np.zeros(SIZE, dtype=bool)
        for unit in units:
            if unit // 9 == source:
                bought[task.grid.window(unit % 9)] = True
        truth = tiny_data().mask(source)
        expected = truth if source in given_sources else np.where(bought, truth, VOID)
        np.testing.assert_array_equal(canvas.mask(source), expected)
    assert guard.looked <= given_sources  # the truth of no other image was even read
    for source in set(range(6)) - {u // 9 for u in units} - given_sources:
        with pytest.raises(KeyError):
            canvas.mask(source)


def test_a_canvas_paints_what_was_answered_and_not_what_is_true():
    task = tiny_task()
    wrong = np.full(REGION, 2, dtype=np.uint8)
    canvas = Canvas(task.data, task.grid, task.regions, Labels(np.array([4]), (wrong,), np.array([], dtype=np.int64)))
    assert (canvas.mask(0)[8:16, 10:20] == 2).all()
    assert (canvas.mask(0) != VOID).sum() == 80


def test_anchors_are_the_answered_regions_and_all_of_given_images():
    task = tiny_task()
    table = anchors(labels_of(task, [13, 2], [4]), task.regions, task.grid)
    assert table.tolist() == [[1, 4], [0, 2]] + [[4, part] for part in range(9)]
    assert anchors(labels_of(task, []), task.regions, task.grid).shape == (0, 2)


TABLE = np.array([[7, 0], [3, 5], [7, 1], [7, 2], [9, 0], [3, 6]])  # three, two and one region of three images


def test_images_come_equally_often_whatever_was_bought_of_them():
    drawn = draw_by_image(TABLE, 3000, np.random.default_rng(0))
    assert {source: int((drawn[:, 0] == source).sum()) for source in (3, 7, 9)} == {3: 1000, 7: 1000, 9: 1000}
    for row in range(0, 3000, 3):
        assert set(drawn[row : row + 3, 0]) == {3, 7, 9}  # each once before any twice
    known = {tuple(row) for row in TABLE.tolist()}
    counts = {row: int((drawn == row).all(axis=1).sum()) for row in known}
    assert sum(counts.values()) == 3000
    for (source, _), count in counts.items():
        share = {3: 500, 7: 1000 / 3, 9: 1000}[source]
        assert abs(count - share) < 5 * np.sqrt(share)


def test_rounds_go_through_all_anchors():
    drawn = draw_in_rounds(TABLE, 15, np.random.default_rng(0))
    for row in (0, 6):
        assert sorted(drawn[row : row + 6].tolist()) == sorted(TABLE.tolist())
    assert len({tuple(row) for row in drawn[12:].tolist()}) == 3


@pytest.mark.parametrize("draw", [draw_by_image, draw_in_rounds])
def test_no_anchors_can_be_wanted(draw):
    assert draw(TABLE, 0, np.random.default_rng(0)).shape == (0, 2)


def test_an_answer_of_another_shape_is_named():
    task = tiny_task()
    labels = Labels(np.array([4]), (np.zeros((2, 2), dtype=np.uint8),), np.zeros(0, dtype=np.int64))
    with pytest.raises(QueristError, match=r"region 4, is a mask of \(2, 2\)"):
        Canvas(task.data, task.grid, task.regions, labels)
