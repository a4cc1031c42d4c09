import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.errors import QueristError
from querist.tasks.pose.camera import Camera, Depth

FOCAL, MIDDLE = st.floats(50, 2000), st.floats(-500, 1500)
POINTS = st.lists(st.tuples(st.floats(-800, 800), st.floats(-800, 800), st.floats(20, 3000)), min_size=1, max_size=8)


def test_a_point_by_hand():
    camera = Camera(200.0, 100.0, 160.0, 120.0)
    assert camera.to_uvd(np.array([30.0, -50, 500])).tolist() == [160 + 12, 120 - 10, 500]
    assert camera.to_xyz(np.array([[172.0, 110, 500]])).tolist() == [[30, -50, 500]]


@given(FOCAL, FOCAL, MIDDLE, MIDDLE, POINTS)
def test_pixels_and_space_are_inverse(fx, fy, cx, cy, points):
    camera, xyz = Camera(fx, fy, cx, cy), np.array(points)
    assert np.allclose(camera.to_xyz(camera.to_uvd(xyz)), xyz, rtol=1e-9, atol=1e-6)
    uvd = xyz  # any pixels will do
    assert np.allclose(camera.to_uvd(camera.to_xyz(uvd)), uvd, rtol=1e-9, atol=1e-6)


def test_unknown_points_stay_unknown_and_points_behind_are_refused():
    camera = Camera(100, 100, 0, 0)
    assert np.isnan(camera.to_uvd(np.full(3, np.nan))).all()
    with pytest.raises(ValueError, match=r"-5\.0 mm does not lie before"):
        camera.to_uvd(np.array([[0, 0, 10.0], [0, 0, -5]]))


def test_impossible_cameras_are_refused():
    with pytest.raises(QueristError, match="a camera cannot have"):
        Camera(0, 100, 0, 0)
    with pytest.raises(QueristError, match="a camera cannot have"):
        Camera(100, 100, float("nan"), 0)
    with pytest.raises(QueristError, match="a cube of 0"):
        Depth(Camera(100, 100, 0, 0), cube_mm=0)
