"""How an embedding network is trained in each phase, as configuration."""

from dataclasses import dataclass, field

from querist.errors import QueristError
from querist.nn.optimiser import Optimiser
from querist.tasks.reid.augmentation import Augmentation

_ONE_CYCLE = Optimiser("adamw", 7e-4, weight_decay=5e-4, schedule="one_cycle")
_CAREFUL = Optimiser("adamw", 1e-4, weight_decay=5e-4)


@dataclass(frozen=True)
class Training:
    """One phase's training.

    Args:
        optimiser: its kind, rate and schedule.
        batch: images per optimiser step; rounded down to whole people.
        margin: of the triplet loss, in units of Euclidean distance between vectors of unit length.
        per_person: images of each given person in a batch (the K of P x K sampling).
        identity: weight of the cross-entropy over known people, beside the triplet loss with weight 1.
        smoothing: share of the target that the cross-entropy spreads over all people.
        replay: the share of a batch that shows given people. 0 learns from answers alone, as the paper does; where
            there are no answers, or nobody is given, a batch is all of the one kind.
        triplets_per_anchor: at most so many triplets around one anchor before its turn comes again; without
            ``closure``.
        closure: whether answers also teach what follows from them together, and images that are the same by all of
            them are trained on as people are: P x K and cross-entropy, with ``identity``. See
            :class:`querist.tasks.reid.verified.Verified` for what contradictions do.
        augmentation: what is done to the images.

    Raises:
        QueristError: a number out of range.
    """

    optimiser: Optimiser = _ONE_CYCLE
    batch: int = 64
    margin: float = 0.3
    per_person: int = 4
    identity: float = 1.0
    smoothing: float = 0.1
    replay: float = 0.0
    triplets_per_anchor: int = 10
    closure: bool = False
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        most = self.people if self.per_person >= 2 else 0
        others = most - round(most * self.replay) if 0 <= self.replay <= 1 else 0  # as batches share them out
        ranges = {
            "per_person must be at least 2 and fit into a batch": 2 <= self.per_person <= self.batch,
            "a batch must hold 3 images or more, per_person of each person": most * self.per_person >= 3,
            "margin must not be negative": self.margin >= 0,
            "identity must not be negative": self.identity >= 0,
            "smoothing must lie in [0, 1)": 0 <= self.smoothing < 1,
            "replay must lie in [0, 1]": 0 <= self.replay <= 1,
            "replay must leave answers room for a triplet, or with closure for a person; or be 1": self.replay == 1
            or others * self.per_person >= (1 if self.closure else 3),
            "triplets_per_anchor must be at least 1": self.triplets_per_anchor >= 1,
        }
        for rule, kept in ranges.items():
            if not kept:
                raise QueristError(f"the training is {self}", rule)

    @property
    def people(self) -> int:
        """Given people in a batch that is theirs alone (the P of P x K sampling)."""
        return self.batch // self.per_person


@dataclass(frozen=True)
class Schedule:
    """The training of each phase.

    Args:
        start: on the given people alone.
        step: after questions, from all answers so far. Triplets only: its ``identity`` must be 0, because the
            classifier does not live on from one update to the next.
        final: from the weights before the first question, for a budget's number.

    Raises:
        QueristError: a cross-entropy in the step phase.
    """

    start: Training = field(default_factory=Training)
    step: Training = field(default_factory=lambda: Training(_CAREFUL, identity=0.0))
    final: Training = field(default_factory=lambda: Training(replay=0.5))

    def __post_init__(self) -> None:
        if self.step.identity:
            raise QueristError(
                f"the step training has an identity loss of weight {self.step.identity}",
                "set problem.schedule.step.identity to 0: answers are about pairs and name nobody",
            )
