"""Joints on the scale of a network: -1..1 over the image from edge to edge, whatever its size."""

import numpy as np

from querist.tasks.pose.data import PoseData


def normalised(data: PoseData, joints: np.ndarray) -> np.ndarray:
    """Joints (..., D) of the frame of ``data`` -> -1..1 across the image; float32, NaN stays NaN.

    Pixels, whole at their middles, are rescaled. Depth images have u, v and d on this scale already.
    """
    joints = np.asarray(joints, dtype=np.float32)
    return joints if data.is_depth else (joints + np.float32(0.5)) * np.float32(2 / data.size) - np.float32(1)


def in_frame(data: PoseData, joints: np.ndarray) -> np.ndarray:
    """The inverse of :func:`normalised`; float32."""
    joints = np.asarray(joints, dtype=np.float32)
    return joints if data.is_depth else (joints + np.float32(1)) * np.float32(data.size / 2) - np.float32(0.5)
