"""Mean intersection over union in percent, over the whole set at once."""

import functools

import numpy as np

from querist.core.evaluation import Evaluation
from querist.kernels.confusion import intersection_over_union, mean_iou


def _square(statistics: np.ndarray, classes: int) -> np.ndarray:
    return statistics.reshape(*statistics.shape[:-1], classes, classes)


def _metric(statistics: np.ndarray, classes: int) -> np.ndarray:
    return 100.0 * mean_iou(_square(statistics, classes))


def _parts(statistics: np.ndarray, classes: int) -> np.ndarray:
    return 100.0 * intersection_over_union(_square(statistics, classes))


def evaluation(sources: np.ndarray, confusion: np.ndarray) -> Evaluation:
    """The mIoU of per-image confusion counts.

    IoU_c = TP / (TP + FP + FN) over the summed counts; a class without a pixel in truth or prediction is left out of
    the mean (the report says which). This is not the mean of per-image values: see ALGORITHMS 1.7.

    Args:
        sources: (n,).
        confusion: (n, C, C) rows truth, columns prediction, void left out.
    """
    classes = confusion.shape[-1]
    return Evaluation(
        sources,
        confusion.reshape(len(confusion), -1),
        functools.partial(_metric, classes=classes),
        functools.partial(_parts, classes=classes),
    )
