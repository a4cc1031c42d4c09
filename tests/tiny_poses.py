"""Pose data of a few pixels, in memory."""

import numpy as np

from querist.tasks.pose.camera import Camera
from querist.tasks.pose.crop import STEPS
from querist.tasks.pose.data import PoseData
from querist.tasks.pose.skeleton import Skeleton

LIMB = Skeleton(("hip", "knee", "foot"), ((0, 1), (1, 2)), parts={"leg": (0, 1)}, torso=(0, 1), head=(1, 2))
SIZE = 8


def bodies(**changes) -> PoseData:
    """Three images; a pixel of the frame is two of the file. Knee and hip of the second are unknown and covered."""
    joints = np.array([[[0, 0], [3, 4], [3, 6]], [[1, 1], [np.nan, np.nan], [5, 5]], [[0, 0], [0, 5], [7, 7]]])
    visible = np.isfinite(joints).all(axis=2)
    visible[1, 0] = False
    columns = {
        "names": ("a", "b", "c"),
        "images": (np.zeros((2, SIZE, SIZE, 3), np.uint8), np.full((1, SIZE, SIZE, 3), 9, np.uint8)),
        "joints": joints.astype(np.float32),
        "visible": visible,
        "skeleton": LIMB,
        "scale": np.full((3, 2), 2.0),
        "offset": np.array([[0.0, 0], [10, 20], [0, 0]]),
        "split_of": np.array(["train", "train", "test"]),
        "heads": np.array([10.0, np.nan, np.nan]),
    }
    return PoseData(**(columns | changes))


def hands(**changes) -> PoseData:
    """Two depth images, 100 mm half a cube at 500 mm; the foot of the second is unknown."""
    joints = np.array([[[0, 0, 0], [0.5, 0, 0], [0, 0, 1]], [[0, 0, 0], [0, -0.5, 0], [np.nan] * 3]], dtype=np.float32)
    columns = {
        "names": ("a", "b"),
        "images": (np.array([0, STEPS // 2, STEPS, STEPS], np.uint16).repeat(32).reshape(2, SIZE, SIZE, 1),),
        "joints": joints,
        "visible": np.isfinite(joints).all(axis=2),
        "skeleton": LIMB,
        "scale": np.tile([20.0, 20, 100], (2, 1)),
        "offset": np.tile([50.0, 60, 500], (2, 1)),
        "split_of": np.array(["train", "test"]),
        "camera": Camera(100.0, 100.0, 50.0, 60.0),
    }
    return PoseData(**(columns | changes))
