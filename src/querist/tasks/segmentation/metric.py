"""Mean intersection over union in percent, over the whole set at once, and a smooth companion of it."""

import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from querist.core.evaluation import Evaluation
from querist.errors import QueristError
from querist.kernels.confusion import confusion_counts, intersection_over_union, mean_iou
from querist.tasks.segmentation.logits import logits_of
from querist.tasks.segmentation.worth import Sight


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


_MOST = 5.0  # nats: a pixel that is quite wrong counts as one that is wrong, however sure the model is of it


def pixel_losses(logits: Tensor, truth: Tensor, classes: int, void: int) -> np.ndarray:
    """What :func:`smooth_evaluation` sums: logits (B, C, H, W), truth (B, H, W) -> (B, 2 C) float64.

    First the clipped cross-entropy of the pixels of each class, then how many there are.
    """
    known = truth != void
    target = torch.where(known, truth, 0).long()
    loss = functional.cross_entropy(logits, target, reduction="none").clamp(max=_MOST)
    one_hot = functional.one_hot(target, classes) * known[..., None]
    sums = (loss[..., None] * one_hot).flatten(1, 2).double().sum(dim=1)
    return torch.cat([sums, one_hot.flatten(1, 2).double().sum(dim=1)], dim=1).cpu().numpy()


def smooth_evaluation(sources: np.ndarray, losses: np.ndarray) -> Evaluation:
    """Minus a hundred times the mean cross-entropy in which a pixel weighs its class's frequency to the power -1/2.

    Between the mean over pixels, which rare classes hardly move, and that over classes, which the rarest ones rule.

    Args:
        sources: (n,).
        losses: (n, 2 C) of :func:`pixel_losses`.
    """
    return Evaluation(sources, losses, _smooth, _smooth_parts)


def _smooth_parts(statistics: np.ndarray) -> np.ndarray:
    sums, counts = np.split(statistics, 2, axis=-1)
    with np.errstate(invalid="ignore"):
        return -100.0 * sums / np.where(counts > 0, counts, np.nan)


def _smooth(statistics: np.ndarray) -> np.ndarray:
    weights = np.sqrt(np.split(statistics, 2, axis=-1)[1])
    return np.nansum(_smooth_parts(statistics) * weights, axis=-1) / weights.sum(axis=-1)


def mean_iou_of(sight: Sight, sources: np.ndarray, classes: int) -> Evaluation:
    """:func:`evaluation` of a model on labelled images."""

    def counts(logits: Tensor, truth: Tensor) -> np.ndarray:
        return confusion_counts(logits.argmax(dim=1), truth, classes, sight.data.void_id).cpu().numpy()

    return evaluation(sources, _measured(sight, sources, counts))


def smooth_loss_of(sight: Sight, sources: np.ndarray, classes: int) -> Evaluation:
    """:func:`smooth_evaluation` of a model on labelled images."""

    def losses(logits: Tensor, truth: Tensor) -> np.ndarray:
        return pixel_losses(logits, truth, classes, sight.data.void_id)

    return smooth_evaluation(sources, _measured(sight, sources, losses))


def _measured(sight: Sight, sources: np.ndarray, statistics: Callable[[Tensor, Tensor], np.ndarray]) -> np.ndarray:
    """(n, ...) of logits (B, C, H, W) and true masks (B, H, W)."""
    found = []
    with torch.inference_mode():
        for batch, images in sight.batches(sources):
            truth = torch.from_numpy(np.stack([sight.data.mask(s) for s in batch])).to(images.device)
            found.append(statistics(logits_of(sight.model, images, len(sight.data.classes)), truth))
    if not any(part.any() for part in found):
        first = sight.data.names[sources[0]] if len(sources) else "there are none"
        raise QueristError(
            f"not one pixel of the {len(sources)} images to measure on is labelled (the first: {first})",
            "measure on a split with masks; those of Cityscapes' public test split are void",
        )
    return np.concatenate(found)
