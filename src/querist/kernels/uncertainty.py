"""What one forward pass says about the doubt at each pixel (ALGORITHMS T10, T13; 1.6 for BALD).

Entropies are in nats, at most ln C.
"""

from typing import NamedTuple

import torch
from torch import Tensor

_CACHE_PIXELS = 65_536
_LEAST_LOGIT = -80.0


class PixelUncertainty(NamedTuple):
    """Maps of one batch, each (B, H, W)."""

    classes: Tensor
    """The most likely class, uint8; the lowest id where several are equal."""
    entropy: Tensor
    """Entropy of the softmax in nats, float."""
    margin: Tensor
    """Probability of the best class minus that of the second best, float in 0..1; small is doubtful."""


def pixel_uncertainty(logits: Tensor) -> PixelUncertainty:
    """Class, entropy and margin of every pixel from one pass over the logits.

    With d = z - max z, s = Σ exp d and t = Σ d exp d: the entropy is ln s - t / s and the margin
    (1 - exp d₂) / s, so one exponential serves all three. On a CPU the work goes in pieces that stay in the
    cache.

    Args:
        logits: (B, C, H, W) floating point, 1 <= C <= 256; half precision is computed in float32.

    Returns:
        The three maps, on the device of the logits.

    Raises:
        ValueError: another shape, or more than 256 classes.
    """
    _check(logits)
    B, C, H, W = logits.shape
    scores = _at_least_single(logits).reshape(B, C, H * W)
    classes = torch.empty(B, H * W, dtype=torch.uint8, device=logits.device)
    entropy, margin = (scores.new_empty(B, H * W) for _ in range(2))
    pixels = _CACHE_PIXELS if logits.device.type == "cpu" else max(H * W, 1)
    for image in range(B):
        targets = (target[image].split(pixels) for target in (classes, entropy, margin))
        for piece, *into in zip(scores[image].split(pixels, dim=1), *targets, strict=True):
            _one_piece(piece, *into)
    return PixelUncertainty(*(m.view(B, H, W) for m in (classes, entropy, margin)))


def _one_piece(z: Tensor, into_class: Tensor, into_entropy: Tensor, into_margin: Tensor) -> None:
    best, index = z.max(dim=0)
    into_class.copy_(index)
    # Below -80 a class weighs less than 2e-35; the floor keeps -inf (a class ruled out) from giving 0 * inf.
    below = (z - best).clamp_min_(_LEAST_LOGIT)
    weight = below.exp()
    total = weight.sum(dim=0)
    second = below.scatter_(0, index[None], -torch.inf).amax(dim=0)
    torch.expm1(second, out=into_margin).neg_().div_(total)  # 1 - exp, without its cancellation near a tie
    below.scatter_(0, index[None], 0.0)
    torch.div(weight.mul_(below).sum(dim=0), total, out=into_entropy)
    into_entropy.neg_().add_(total.log_()).clamp_min_(0)


def entropy(logits: Tensor) -> Tensor:
    """Entropy of the softmax over the classes, (B, C, H, W) -> (B, H, W), in nats."""
    return pixel_uncertainty(logits).entropy


def margin(logits: Tensor) -> Tensor:
    """Best minus second-best probability, (B, C, H, W) -> (B, H, W); small is doubtful."""
    return pixel_uncertainty(logits).margin


def probability_and_entropy(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The two terms that one Monte-Carlo pass adds to the running sums of :func:`mutual_information`.

    Args:
        logits: (B, C, H, W) floating point.

    Returns:
        probabilities (B, C, H, W) and their entropy (B, H, W) in nats.
    """
    _check(logits)
    probability = _at_least_single(logits).softmax(dim=1)
    return probability, torch.special.entr(probability).sum(dim=1)


def mutual_information(sum_p: Tensor, sum_entropy: Tensor, passes: int) -> Tensor:
    """Mutual information between label and model, from running sums over Monte-Carlo passes.

    BALD (Houlsby et al. 2011, Gal et al. 2017): ``H[mean p] - mean H[p]``. The sums are all that is kept,
    however many the passes.

    Args:
        sum_p: (B, C, H, W) sum of the class probabilities over the passes.
        sum_entropy: (B, H, W) sum of the entropies of the passes, nats.
        passes: how many passes were summed, at least one.

    Returns:
        (B, H, W) in nats, never below zero (rounding is clamped); zero where all passes agree.

    Raises:
        ValueError: fewer than one pass.
    """
    if passes < 1:
        raise ValueError(f"passes must be positive, got {passes}")
    of_mean = torch.special.entr(sum_p / passes).sum(dim=1)
    return (of_mean - sum_entropy / passes).clamp_min_(0)


def _check(logits: Tensor) -> None:
    if logits.ndim != 4 or not logits.is_floating_point() or not 1 <= logits.shape[1] <= 256:
        raise ValueError(f"logits must be (B, C, H, W) floating point with 1..256 classes, got {tuple(logits.shape)}")


def _at_least_single(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()
