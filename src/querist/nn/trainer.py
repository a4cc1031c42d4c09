"""A model and how it is trained: from scratch, or a few steps at a time with momentum that lives between them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from querist.errors import QueristError
from querist.nn.optimiser import Optimiser
from querist.nn.runtime import arrays_to_state, state_to_arrays
from querist.nn.weights import load_model, save_model

Descend = Callable[[Tensor], float]
"""Takes one step down a loss, and returns its value."""


class Trainer:
    """The model of a task, and the optimiser that lives between its updates.

    Args:
        model: what learns; it stands in evaluation mode but for a training.
        update: the optimiser of updates; its learning rate stays constant.
    """

    def __init__(self, model: nn.Module, update: Optimiser) -> None:
        self.model, self._update = model, replace(update, schedule="constant")
        self._living = self._fresh()

    def _fresh(self) -> torch.optim.Optimizer:
        return self._update.build(self.model.parameters(), 1)[0]

    @contextmanager
    def training(
        self, optimiser: Optimiser, steps: int, update: bool, beside: Iterable[nn.Parameter] = ()
    ) -> Iterator[Descend]:
        """A training, within whose block the model is in training mode.

        Args:
            optimiser: of this training.
            steps: how many there will be.
            update: whether the optimiser that lives between updates goes on. Another training has one of its own, and
                replaces the weights, after which old momentum means nothing.
            beside: parameters of the loss, which are learned too (not in an update) and clipped with the model's.
        """
        parameters = [*self.model.parameters(), *beside]
        if update:
            taken, scheduler = self._living, None
        else:
            taken, scheduler = optimiser.build(parameters, steps)
            self._living = self._fresh()

        def descend(loss: Tensor) -> float:
            taken.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.clip(parameters)
            taken.step()
            if scheduler is not None:
                scheduler.step()
            return float(loss.detach())

        self.model.train()
        try:
            yield descend
        finally:
            self.model.eval()

    def snapshot(self) -> dict[str, np.ndarray]:
        """Weights and momentum."""
        model = state_to_arrays(self.model.state_dict(), "model")
        return model | state_to_arrays(self._living.state_dict(), "stepper")

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        """Back to a snapshot.

        Raises:
            QueristError: it is of another model.
        """
        try:
            self.model.load_state_dict(arrays_to_state(snapshot, "model"))
        except (RuntimeError, KeyError) as error:
            raise QueristError(
                f"the snapshot does not fit the model: {str(error).splitlines()[-1].strip()}",
                "use the recipe that the run began with",
            ) from error
        self._living = self._fresh()
        self._living.load_state_dict(arrays_to_state(snapshot, "stepper"))
        self.model.eval()

    def save(self, path: Path) -> None:
        """Write the weights alone."""
        save_model(self.model, path)

    def load(self, path: Path) -> None:
        """Read the weights alone; momentum stays."""
        load_model(self.model, path)
        self.model.eval()


def finite(total: float, phase: str) -> float:
    """A sum of losses.

    Raises:
        QueristError: it is no number: the training went wrong.
    """
    if not np.isfinite(total):
        raise QueristError(f"the loss became {total} in the {phase} training", "lower its learning rate")
    return total
