"""What a batch is trained for: the triplet loss over what is known of it, and the cross-entropy over known people."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from querist.tasks.reid.batches import Batch
from querist.tasks.reid.training import Training


def pairwise_distances(embeddings: Tensor) -> Tensor:
    """Euclidean distances of (B, d) vectors of unit length, (B, B) in [0, 2]; the gradient at distance 0 is 0."""
    squared = 2 - 2 * embeddings @ embeddings.T
    return squared.clamp_min(1e-12).sqrt()


def hardest_triplets(distances: Tensor, same: Tensor, different: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """The hinge of each anchor's hardest triplet (Hermans, Beyer and Leibe 2017, "batch hard").

    Row i is an anchor if it has both a positive and a negative; its loss is
    ``max(0, margin + furthest positive - nearest negative)``. Whom a row names as neither is no part of it, so pairs
    that nobody was asked about teach nothing.

    Args:
        distances: (B, B) floating point.
        same: (B, B) bool, true where j is a positive of the anchor i; the diagonal is passed over.
        different: (B, B) bool, true where j is a negative of i.
        margin: in units of the distances.

    Returns:
        The loss of each row (B,), zero where it is no anchor, and which rows are anchors, (B,) bool.

    Raises:
        ValueError: shapes that do not fit.
    """
    if distances.ndim != 2 or not (distances.shape == same.shape == different.shape):
        raise ValueError(
            f"distances {tuple(distances.shape)}, same {tuple(same.shape)} and different {tuple(different.shape)} must "
            "all be (B, B)"
        )
    same = same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)
    anchors = same.any(dim=1) & different.any(dim=1)
    furthest = distances.masked_fill(~same, 0).amax(dim=1)
    nearest = distances.masked_fill(~different, torch.inf).amin(dim=1)
    # The infinities of rows without a negative must not meet the gradient.
    gap = torch.where(anchors, margin + furthest - torch.where(anchors, nearest, 0), 0)
    return gap.clamp_min(0), anchors


class Objective(nn.Module):
    """The loss of a training (ALGORITHMS 5.1), with the classifiers that live as long as it does.

    Verified groups and given people have a classifier each: an answer never compared the ones with the others.

    Args:
        training: the margin, and the weight of the cross-entropy; with a weight of 0 there are no classifiers.
        width: d, the length of the vectors.
        groups: how many verified groups there are.
        people: how many given people there are.
    """

    def __init__(self, training: Training, width: int, groups: int, people: int) -> None:
        super().__init__()
        self._training = training
        classes = (groups, people) if training.identity else (0, 0)
        # An Identity where there is nobody, because torch warns of a layer of size zero.
        self.classifiers = nn.ModuleList(nn.Linear(width, n, bias=False) if n else nn.Identity() for n in classes)
        for weights in self.classifiers.parameters():
            nn.init.normal_(weights, std=0.001)

    def forward(self, vectors: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """The loss of a batch.

        Triplets of answers and those of given people are averaged apart and weighted by their shares of the images:
        among given people every image is an anchor, of a listed triplet one in three.

        Args:
            vectors: (B, d), as they come from the model.
            batch: what is known of them.

        Returns:
            (loss, how many triplets still violate the margin, how many there are), scalars.
        """
        same, different, groups, people = (
            torch.from_numpy(known).to(vectors.device)
            for known in (batch.same, batch.different, batch.groups, batch.people)
        )
        distances = pairwise_distances(functional.normalize(vectors))
        hinge, anchors = hardest_triplets(distances, same, different, self._training.margin)
        loss = vectors.sum() * 0  # a batch without anchors still has a gradient
        for kind in (people >= 0, people < 0):
            loss = loss + hinge[kind].sum() / (anchors & kind).sum().clamp(min=1) * kind.float().mean()
        return loss + self._identities(vectors, (groups, people)), (hinge > 0).sum(), anchors.sum()

    def _identities(self, vectors: Tensor, numbers: Sequence[Tensor]) -> Tensor:
        """The cross-entropy summed over all who have a number and divided by the images of the batch."""
        total = vectors.new_zeros(())
        for classifier, number in zip(self.classifiers, numbers, strict=True):
            rows = number >= 0
            if isinstance(classifier, nn.Linear) and bool(rows.any()):
                scores, smoothing = classifier(vectors[rows]), self._training.smoothing
                total = total + functional.cross_entropy(
                    scores, number[rows], label_smoothing=smoothing, reduction="sum"
                )
        return self._training.identity * total / len(vectors)
