from pathlib import Path

import numpy as np
import pytest

from querist.errors import QueristError
from querist.tasks.pose.camera import Camera
from tiny_poses import LIMB, SIZE, bodies, hands


def test_columns_of_bodies():
    data = bodies()
    assert len(data) == 3
    assert data.size == SIZE
    assert not data.is_depth
    assert data.known.tolist() == [[True] * 3, [True, False, True], [True] * 3]
    assert data.sources("train").tolist() == [0, 1]
    assert data.sources("val").tolist() == []
    assert data.source_subjects.tolist() == [0, 1, 2]
    assert bodies(subjects=np.array([4, 4, 5])).source_subjects.tolist() == [4, 4, 5]
    assert len(data.digest) == 16


def test_batches_are_copies_in_the_order_asked_for():
    data = bodies()
    batch = data.batch(np.array([2, 0]))
    assert batch.dtype == np.uint8
    assert batch[:, 0, 0, 0].tolist() == [9, 0]
    batch[:] = 1
    assert data.image(2)[0, 0].tolist() == [9, 9, 9]
    assert data.batch(np.zeros(0, np.int64)).shape == (0, SIZE, SIZE, 3)
    for wrong in (-1, 3):
        with pytest.raises(IndexError):
            data.image(wrong)


def test_depths_come_normalised():
    data = hands()
    assert data.is_depth
    batch = data.batch(np.array([0, 1]))
    assert batch.dtype == np.float32
    assert np.array_equal(batch[0, ..., 0], np.repeat([-1, 0], 4)[:, None].repeat(SIZE, 1))
    assert (batch[1] == 1).all()


def test_the_way_back_by_hand():
    data = bodies()
    assert data.in_file(np.array([1]), data.joints[[1]])[0, 0].tolist() == [12, 22]
    back = data.in_frame(np.array([1, 0]), data.in_file(np.array([1, 0]), data.joints[[1, 0]]))
    assert np.array_equal(back, data.joints[[1, 0]], equal_nan=True)
    with pytest.raises(QueristError, match="colour images have no millimetres"):
        data.in_space(np.array([0]), data.joints[[0]])
    hand = hands()
    space = hand.in_space(np.array([0]), hand.joints[[0]])[0]
    assert space.tolist() == [[0, 0, 500], [50, 0, 500], [0, 0, 600]]


NAN = float("nan")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"names": ("a", "b")}, "joints is .* for 2 names"),
        ({"joints": np.zeros((3, 2, 2), np.float32)}, r"joints is \(3, 2, 2\) for 3 names"),
        ({"heads": np.zeros(2)}, r"heads is \(2,\) for 3 names"),
        ({"images": (np.zeros((2, SIZE, SIZE, 3), np.uint8),)}, "2 images for 3 names"),
        ({"paths": (Path("a.jpg"),)}, "3 images for 3 names"),
        ({"names": ("a", "b", "a")}, "two images share a name"),
        ({"images": (np.zeros((3, SIZE, SIZE, 3), np.float32),)}, "images are float32"),
        ({"images": (np.zeros((3, SIZE, 4, 3), np.uint8),)}, r"images are uint8 \(3, 8, 4, 3\)"),
        ({"images": (np.zeros(3, np.uint8),)}, "there are no images"),
        ({"split_of": np.array(["train", "train", "query"])}, "there is no split 'query'"),
        ({"visible": np.ones((3, 3), bool)}, "'knee' of 'b' is infinite, known by half, or visible but unknown"),
        ({"joints": np.full((3, 3, 2), np.inf, np.float32)}, "'hip' of 'a' is infinite"),
        ({"joints": np.full((3, 3, 2), [1, NAN], np.float32), "visible": np.zeros((3, 3), bool)}, "known by half"),
        ({"scale": np.zeros((3, 2))}, "a scale or an offset"),
        ({"camera": Camera(1, 1, 0, 0)}, r"joints is \(3, 3, 2\)"),
    ],
)
def test_columns_that_do_not_fit_are_named(changes, says):
    with pytest.raises(QueristError, match=says):
        bodies(**changes)


def test_depth_images_are_of_their_own_kind():
    with pytest.raises(QueristError, match="images are uint8"):
        hands(images=(np.zeros((2, SIZE, SIZE, 3), np.uint8),))
    assert LIMB.part_bones == ((0, 1),)
