import io

import numpy as np
import pytest
from PIL import Image

from querist.tasks.segmentation.data import SegmentationData
from querist.tasks.segmentation.grid import Grid
from querist.tasks.segmentation.pictures import region_picture, region_place
from tiny import CLASSES, REGION, SIZE, tiny_task

ORANGE = np.array([255, 196, 0])
TILE = (200, 150)  # width and height of one image on the sheet


def opened(data: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(data))
    assert image.format == "JPEG"
    return np.asarray(image).astype(int)


def is_outline(pixels):
    return np.abs(pixels - ORANGE).sum(axis=2) < 120


def of_colour(colour, count=8):
    images = np.tile(np.array(colour, dtype=np.uint8), (count, *SIZE, 1))
    return SegmentationData([f"i{i}" for i in range(count)], images, None, CLASSES)


def sheet(data, units, **named):
    grid = Grid.of(SIZE, REGION)
    return opened(region_picture(data, grid, grid.pool(data.names), np.array(units), **named))


def test_the_region_is_bright_and_outlined_and_the_rest_is_dim():
    pixels = sheet(of_colour([0, 0, 250]), [4])[: TILE[1], : TILE[0]]
    scale = TILE[0] / SIZE[1]
    rows, columns = (int(scale * n) for n in (8, 16)), (int(scale * n) for n in (10, 20))
    inside = np.zeros(pixels.shape[:2], dtype=bool)
    inside[slice(*rows), slice(*columns)] = True
    outline = is_outline(pixels)
    assert outline.any()
    near = np.zeros_like(inside)
    near[44:106, 56:131] = True
    assert not (outline & ~near).any()
    heart = pixels[65:85, 80:105].mean(axis=(0, 1))
    assert heart[2] > 200
    assert heart[0] < 60
    far = pixels[120:, :].mean(axis=(0, 1))  # grey
    assert np.ptp(far) < 12
    assert far.max() < 90


@pytest.mark.parametrize(("images", "shape"), [(1, (1, 3)), (3, (1, 3)), (4, (2, 3)), (8, (2, 3))])
def test_a_sheet_has_three_images_a_row_and_at_most_six(images, shape):
    pixels = sheet(of_colour([10, 10, 10]), [9 * i for i in range(images)])
    rows, columns = shape
    assert pixels.shape == (rows * 150 + (rows - 1) * 4, columns * 200 + (columns - 1) * 4, 3)
    drawn = [
        is_outline(pixels[154 * r : 154 * r + 150, 204 * c : 204 * c + 200]).any()
        for r in range(rows)
        for c in range(3)
    ]
    assert sum(drawn) == min(images, 6)


def test_images_with_most_of_the_regions_come_first():
    """Image 7 has three regions, image 2 one: with room for one image it is the seventh."""
    data = of_colour([10, 10, 10])
    np.asarray(data.images)[7] = 200
    pixels = sheet(data, [18, 63, 65, 67], most=1)
    assert pixels[20:30, 20:30].mean() > 150  # its region r0c0 in the image's own brightness


def test_a_place_is_in_the_pixels_of_the_file(tmp_path):
    """The model sees 24 x 32; the file has three times the height and twice the width."""
    paths = []
    for i in range(2):
        paths.append(tmp_path / f"{i}.png")
        Image.new("RGB", (64, 72)).save(paths[-1])
    grid = Grid.of(SIZE, REGION)
    data = SegmentationData(["a", "b"], np.zeros((2, *SIZE, 3), np.uint8), None, CLASSES, files=paths)
    assert region_place(data, grid, 1, 5) == (str(paths[1]), [40, 24, 20, 24])
    assert tiny_task().locate(np.array([14])) == [{"image": "i1", "box": [20, 8, 10, 8]}]


def test_places_of_neighbours_meet_without_gap_or_overlap(tmp_path):
    Image.new("RGB", (75, 51)).save(tmp_path / "a.png")
    grid = Grid.of(SIZE, REGION)
    data = SegmentationData(["a"], np.zeros((1, *SIZE, 3), np.uint8), None, CLASSES, files=[tmp_path / "a.png"])
    covered = np.zeros((51, 75), dtype=int)
    for part in range(9):
        left, top, width, height = region_place(data, grid, 0, part)[1]
        covered[top : top + height, left : left + width] += 1
    assert covered.max() == 1
    assert (covered[:51, : round(30 * 75 / 32)] == 1).all()


def test_the_task_draws_its_own():
    assert opened(tiny_task().picture(np.array([0, 12, 50]))).shape == (150, 608, 3)
