"""What a recipe names: the maker of a pool, a task and a split from a folder of data."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from querist.core.pool import Pool
from querist.core.split import Split
from querist.core.task import Task

Progress = Callable[[str, int, int], None]
"""Told (what is being done, how much is done, of how much)."""


@dataclass(frozen=True, eq=False)
class Setup:
    """Everything that depends on the data and the seed, and not on the strategy.

    Args:
        pool: the units.
        task: the model with its data, freshly initialised from the seed.
        split: the roles of the sources.
        data_hash: 16 hexadecimal digits over the content of the data, wherever they lie.
        labels_per_source: how many labels a fully labelled source counts as.
        files: content hash per source, so that a change can be named; may be empty.
    """

    pool: Pool
    task: Task
    split: Split
    data_hash: str
    labels_per_source: int = 1
    files: Mapping[str, str] = field(default_factory=dict)


class Problem(ABC):
    """A frozen dataclass of numbers that knows how to set up its task.

    Attributes:
        default_policy: the folder in ``querist.policies`` that ``--policy default`` means here; None: there is none.
        default_strategy: who chooses where nobody says who; ``default_learned`` what is trained where nobody says what.
        default_strategies: what is compared where neither the recipe nor anybody says what.
        asks_on_page: whether people can answer its questions with ``querist label``; None: the task itself tells it.
    """

    metric: str = "metric"
    unit: str = ""
    default_policy: ClassVar[str | None] = None
    default_strategy: ClassVar[str] = "random"
    default_learned: ClassVar[str | None] = None
    default_strategies: ClassVar[tuple[str, ...]] = ("random", "strengthened_random")
    asks_on_page: ClassVar[bool | None] = None

    @abstractmethod
    def build(
        self, data: Path, seed: int, device: str, labelled: bool = True, progress: Progress | None = None
    ) -> Setup:
        """Read the data and make the task.

        Args:
            data: the folder.
            seed: draws the split and the initial weights.
            device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
            labelled: whether true answers are needed (to simulate) or not (to select for people).
            progress: told how far reading is.
        """
