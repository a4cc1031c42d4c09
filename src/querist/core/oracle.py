"""Who answers. The simulated oracle reveals hidden truth; people answer through the same two calls."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np

from querist.core.capabilities import KnowsTruth
from querist.core.ledger import Question
from querist.core.task import Task
from querist.errors import QueristError


class Oracle(ABC):
    """Takes questions and gives answers, whenever they come; idempotent by the question's id."""

    @abstractmethod
    def submit(self, questions: Sequence[Question]) -> None:
        """Hand over questions; one that was submitted before is not asked again."""

    @abstractmethod
    def collect(self) -> Iterator[tuple[int, np.ndarray | None]]:
        """The answers that have come: (question's id, answer); None where the labeller cannot tell."""

    def corrections(self) -> Iterator[tuple[int, np.ndarray | None, int]]:
        """Answers that replace others and have come: (question's id, answer, revision), for ``Ledger.answer``."""
        return iter(())


class SimulatedOracle(Oracle):
    """Reveals what the data already know, at once.

    Args:
        task: holds the truth.

    Raises:
        QueristError: the task has no truth to reveal.
    """

    def __init__(self, task: Task) -> None:
        if not isinstance(task, KnowsTruth):
            raise QueristError(
                f"{type(task).__name__} holds no true answers, so there is nothing to simulate an oracle with",
                "give it labelled data, or use 'querist select' and label the batch yourself",
            )
        self._task: KnowsTruth = task
        self._waiting: dict[int, int] = {}

    def submit(self, questions: Sequence[Question]) -> None:
        self._waiting.update({q.id: q.unit for q in questions})

    def collect(self) -> Iterator[tuple[int, np.ndarray | None]]:
        waiting, self._waiting = self._waiting, {}
        truths = self._task.truth(np.array(list(waiting.values()), dtype=np.int64)) if waiting else []
        yield from zip(waiting, truths, strict=True)


class SilentOracle(Oracle):
    """Takes questions and never answers: for choosing without asking."""

    def submit(self, questions: Sequence[Question]) -> None:
        return None

    def collect(self) -> Iterator[tuple[int, np.ndarray | None]]:
        return iter(())
