"""What labels are worth to a segmentation model: to its last layer, or to all that learns behind its backbone.

Both are first-order influences: how much one gradient step on a label would lower the loss on reference images. The
last layer sees what its features tell apart. What lies before it can learn new features, and gains most where the model
is unsure, which the last layer by itself cannot use.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from querist.kernels.influence import WhiteSlope, class_weights, label_values
from querist.tasks.segmentation.data import SegmentationData
from querist.tasks.segmentation.description import split_model
from querist.tasks.segmentation.influence import Cells, Looks, labelled_cells

LookAt = Callable[[np.ndarray], Looks]

_REACH = 1e-2  # of a finite difference, against the norm of the weights: above rounding, and nearly linear still
_BACKBONE = "backbone."


@dataclass(frozen=True, eq=False)
class Sight:
    """A model and what it sees with.

    Args:
        model: must split at its head.
        batches: sources -> per batch: sources and normalised images (B, 3, H, W).
        data: knows the masks.
    """

    model: nn.Module
    batches: Callable[[np.ndarray], Iterator[tuple[np.ndarray, Tensor]]]
    data: SegmentationData

    def maps(self, sources: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]:
        """Per batch, on the CPU: sources, features (B, h, w, d) and class shares (B, h, w, C) of the last map."""
        with torch.inference_mode():
            for batch, images in self.batches(sources):
                features, logits = self._look(images)
                shares = logits.float().softmax(dim=1)
                yield batch, features.float().permute(0, 2, 3, 1).cpu(), shares.permute(0, 2, 3, 1).cpu()

    def chances_of(self, images: Tensor) -> Tensor:
        """Log-shares of the classes at the cells, (B, C, h, w), on the device; with gradients where these are on."""
        return self._look(images)[1].float().log_softmax(dim=1)

    def masks(self, sources: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """The true classes at the cells of a map: (n, h, w)."""
        cells = Cells.of(shape, self.data.size)
        return np.stack([cells.sampled(self.data.mask(int(s))) for s in sources])

    def _look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        model = split_model(self.model)
        features = model.features(images)
        return features, model.classify(features, (int(features.shape[2]), int(features.shape[3])))


def to_the_last_layer(sight: Sight, reference: np.ndarray) -> LookAt:
    """What labels are worth to the last layer, on white features (:mod:`querist.kernels.influence`).

    Args:
        sight: the model as it is.
        reference: labelled sources, by which it is measured.
    """
    void, found, weights = sight.data.void_id, None, torch.zeros(0)
    for batch, features, shares in sight.maps(reference):
        shape = (int(features.shape[1]), int(features.shape[2]))
        if found is None:
            weights = _class_weights(sight, reference, shape, int(shares.shape[3]))
            found = WhiteSlope(int(features.shape[3]), weights)
        target = torch.from_numpy(sight.masks(batch, shape).astype(np.int64)).flatten()
        found.add(features.flatten(0, 2), shares.flatten(0, 2), target, target != void)
    assert found is not None, "there is a reward set"
    mean, slope, constant = found.solved()

    def look(sources: np.ndarray) -> Looks:
        for some, seen, believed in sight.maps(sources):
            yield some, label_values(seen - mean, believed, slope, weights, constant), believed

    return look


def _class_weights(sight: Sight, reference: np.ndarray, shape: tuple[int, int], classes: int) -> Tensor:
    """What a label of each class weighs, by the reference's labels at the cells of a map."""
    target = torch.from_numpy(sight.masks(reference, shape)).flatten()
    return class_weights(target[labelled_cells(target, sight.data.void_id)].long(), classes)


def behind_the_backbone(sight: Sight, reference: np.ndarray) -> LookAt:
    """What labels are worth to all weights but those of ``model.backbone``; to all, where there is no such module.

    The inner product of a label's gradient and the reference loss's is the slope of the label's loss along the latter,
    so two forward passes, a little to either side, give it for all labels of all cells at once.

    Args:
        sight: the model as it is; it is moved while it looks and then put back.
        reference: labelled sources, by which it is measured.
    """
    named = [(name, p) for name, p in sight.model.named_parameters() if p.requires_grad]
    learn = [p for name, p in named if not name.startswith(_BACKBONE)] or [p for _, p in named]
    slope, weights = _reference_slope(sight, reference, learn)
    step = float(_REACH * _norm(learn) / _norm(slope).clamp_min(1e-12))

    def look(sources: np.ndarray) -> Looks:
        kept = [p.detach().clone() for p in learn]
        for start in range(0, len(sources), 64):  # few maps at a time
            some = sources[start : start + 64]
            with torch.inference_mode():
                here, above, below = (_moved(sight, some, learn, kept, slope, by) for by in (0.0, step, -step))
                values = (below - above).permute(0, 2, 3, 1) / (2 * step) * weights
            yield some, values.cpu(), here.exp().permute(0, 2, 3, 1).cpu()

    return look


def _norm(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack([t.detach().norm() for t in tensors]).norm()


def _moved(
    sight: Sight,
    sources: np.ndarray,
    learn: Sequence[nn.Parameter],
    middle: Sequence[Tensor],
    slope: Sequence[Tensor],
    by: float,
) -> Tensor:
    """Log-shares with the weights moved so far along the slope; afterwards they are in the middle again."""
    try:
        for p, m, s in zip(learn, middle, slope, strict=True):
            p.data.copy_(m + by * s)
        return torch.cat([sight.chances_of(images) for _, images in sight.batches(sources)])
    finally:
        for p, m in zip(learn, middle, strict=True):
            p.data.copy_(m)


def _reference_slope(sight: Sight, reference: np.ndarray, learn: list[nn.Parameter]) -> tuple[list[Tensor], Tensor]:
    """The gradient of the weighted mean loss on the reference's cells, and what a label of each class weighs (C,)."""
    void, device = sight.data.void_id, learn[0].device
    total, weights, counted = [torch.zeros_like(p) for p in learn], torch.zeros(0), 0.0
    for batch, images in sight.batches(reference):
        with torch.enable_grad():
            chances = sight.chances_of(images)
            shape = (int(chances.shape[2]), int(chances.shape[3]))
            if not len(weights):
                weights = _class_weights(sight, reference, shape, chances.shape[1]).to(device)
            target = torch.from_numpy(sight.masks(batch, shape).astype(np.int64)).to(device)
            # Summed here: on GPUs the sum that nll_loss takes of maps has no deterministic form.
            loss = functional.nll_loss(chances, target, weights, ignore_index=void, reduction="none").sum()
            counted += float(weights[target[target != void]].sum())
            slopes = torch.autograd.grad(loss, learn, allow_unused=True)  # such as those of another head
        for t, s in zip(total, slopes, strict=True):
            if s is not None:
                t += s
    return [t / counted for t in total], weights
