import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from querist.errors import QueristError
from querist.tasks.pose.camera import Camera, Depth
from querist.tasks.pose.crop import (
    PAPER,
    STEPS,
    colour_frame,
    colour_square,
    cut_colour,
    cut_depth,
    depth_frame,
    read_depth,
)

FILE = Path("a.png")
WHOLE = np.full(4, np.nan)
DEPTH = Depth(Camera(100.0, 100.0, 10.0, 8.0), cube_mm=100.0)


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def test_squares_by_hand():
    assert colour_square(WHOLE, 30, 20) == (0, -5, 30)
    assert colour_square(np.array([10.0, 20, 4, 8]), 0, 0) == (8, 20, 8)


def test_a_whole_image_is_framed_by_paper():
    pixels = np.random.default_rng(0).integers(0, 255, (2, 4, 3), dtype=np.uint8)
    cut = cut_colour(FILE, png(pixels), WHOLE, 4)
    assert np.array_equal(cut[1:3], pixels)
    assert (cut[[0, 3]] == PAPER).all()


def test_a_box_over_the_edge_is_cut_and_filled():
    pixels = np.random.default_rng(1).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    cut = cut_colour(FILE, png(pixels), np.array([-1.0, 3, 4, 4]), 4)
    assert np.array_equal(cut[:3, 1:], pixels[3:6, :3])
    assert (cut[3] == PAPER).all()
    assert (cut[:, 0] == PAPER).all()


def test_a_spot_lies_where_the_frame_says():
    pixels = np.zeros((60, 80, 3), dtype=np.uint8)
    pixels[20:24, 50:54] = 255  # its middle is at (51.5, 21.5)
    box, size = np.array([30.0, 0, 40, 40]), 20
    cut = cut_colour(FILE, png(pixels), box, size).astype(float).mean(axis=2)
    spot = np.array([(cut * axis).sum() for axis in np.meshgrid(np.arange(size), np.arange(size))]) / cut.sum()
    scale, offset = colour_frame(colour_square(box, 80, 60), size)
    assert np.allclose(spot * scale + offset, [51.5, 21.5], atol=0.05)


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 400), st.integers(1, 300))
def test_the_corners_of_a_square_are_the_corners_of_the_frame(left, top, side, size):
    scale, offset = colour_frame((left, top, side), size)
    assert np.allclose(-0.5 * scale + offset, [left - 0.5, top - 0.5])
    assert np.allclose((size - 0.5) * scale + offset, [left + side - 0.5, top + side - 0.5])


@pytest.mark.parametrize(
    ("array", "box", "says"),
    [
        (np.zeros((4, 4, 3), np.uint8), np.array([9.0, 0, 2, 2]), "lies outside of the image"),
        (np.zeros((4, 4, 3), np.uint8), np.array([0, 0, 1e6, 2]), "1000000 pixels wide"),
        (np.zeros((4, 4), np.uint16), WHOLE, "image of mode I;16"),
    ],
)
def test_wrong_colour_images_are_named(array, box, says):
    with pytest.raises(QueristError, match=rf"a\.png.*{says}"):
        cut_colour(FILE, png(array), box, 4)


def test_a_cube_is_cut_out_of_a_depth_image():
    image = np.full((16, 20), 900, dtype=np.uint16)  # far behind the cube
    image[8, 10], image[8, 11], image[9, 10], image[9, 11] = 500, 475, 100, 0  # middle, half before, too near, nothing
    centre = np.array([10.5, 8.5, 500.0])  # half a cube is 10 pixels wide there
    cut = cut_depth(FILE, png(image), centre, DEPTH, 20)  # a pixel of the cut is one of the file
    normal = cut / (STEPS / 2) - 1
    assert np.allclose(normal[9:11, 9:11], [[0, -0.5], [-1, 1]], atol=1 / STEPS)
    normal[9:11, 9:11] = 1
    assert (normal == 1).all()


def test_what_lies_outside_of_the_image_is_as_far_as_the_cube():
    image = np.full((16, 20), 500, dtype=np.uint16)
    cut = cut_depth(FILE, png(image), np.array([0.5, 0.5, 500.0]), DEPTH, 20)
    assert (cut[:9] == STEPS).all()
    assert (cut[:, :9] == STEPS).all()
    assert (cut[10:, 10:] == STEPS // 2).all()


@given(
    st.tuples(st.floats(-100, 500), st.floats(-100, 500), st.floats(100, 2000)),
    st.lists(st.tuples(*3 * [st.floats(-1.5, 1.5)]), min_size=1, max_size=5),
)
def test_normalised_points_come_back(centre, points):
    scale, offset = depth_frame(np.array(centre), DEPTH)
    uvd = np.array(points) * scale + offset
    assert np.allclose((uvd - offset) / scale, points, atol=1e-9)
    # At the depth of the middle, 1 is half a cube in space, along every axis.
    xyz = DEPTH.camera.to_xyz(np.eye(3)[:2] * scale + offset) - DEPTH.camera.to_xyz(offset)
    assert np.allclose(xyz, 50 * np.eye(3)[:2], atol=1e-6)


def test_depth_in_green_and_blue():
    pixels = np.zeros((2, 3, 3), dtype=np.uint8)
    pixels[0, 1] = 99, 2, 5
    depth = Depth(DEPTH.camera, green_blue=True)
    assert read_depth(FILE, png(pixels), depth)[0].tolist() == [0, 517, 0]
    with pytest.raises(QueristError, match=r"a\.png is an image of mode I;16"):
        read_depth(FILE, png(np.zeros((2, 2), np.uint16)), depth)
    with pytest.raises(QueristError, match=r"a\.png is an image of mode L"):
        read_depth(FILE, png(np.zeros((2, 2), np.uint8)), DEPTH)
    halves = Depth(DEPTH.camera, unit_mm=0.5)
    assert read_depth(FILE, png(np.full((1, 1), 7, np.uint16)), halves).tolist() == [[3.5]]
