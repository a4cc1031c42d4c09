"""How a pose network is trained in each phase, as configuration."""

from dataclasses import dataclass, field

from querist.errors import QueristError
from querist.nn.optimiser import Optimiser
from querist.tasks.pose.augmentation import Augmentation

_ONE_CYCLE = Optimiser("adamw", 3e-3, weight_decay=1e-2, schedule="one_cycle")
_CAREFUL = Optimiser("adamw", 3e-4, weight_decay=1e-2)


@dataclass(frozen=True)
class Training:
    """One phase's training.

    Args:
        optimiser: its kind, rate and schedule.
        batch: images per optimiser step.
        replay: in the ``step`` phase the share of a batch that was labelled before the newest answers; 0 learns from
            these alone.
        augmentation: what is done to the images.

    Raises:
        QueristError: a number out of range.
    """

    optimiser: Optimiser = _ONE_CYCLE
    batch: int = 32
    replay: float = 0.5
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        if self.batch < 2 or not 0 <= self.replay <= 1:
            raise QueristError(
                f"a batch of {self.batch} images, a share of {self.replay} from before",
                "batches hold 2 images or more, and replay lies in [0, 1]",
            )


@dataclass(frozen=True)
class Schedule:
    """The training of each phase."""

    start: Training = field(default_factory=Training)
    step: Training = field(default_factory=lambda: Training(_CAREFUL))
    final: Training = field(default_factory=Training)
