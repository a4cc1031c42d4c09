"""The optimiser as configuration."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from querist.errors import QueristError


@dataclass(frozen=True)
class Optimiser:
    """How a task model is trained, apart from its loss and data.

    Args:
        name: ``sgd`` with momentum, or ``adamw``.
        lr: learning rate; with ``one_cycle`` the highest one.
        momentum: of SGD, or the first decay rate of AdamW; constant also under ``one_cycle``.
        weight_decay: coupled in SGD, decoupled in AdamW.
        clip_norm: largest norm of the whole gradient, see :meth:`clip`; None leaves gradients alone.
        schedule: ``constant``, or ``one_cycle``: up to ``lr`` over the first 30 % of the steps, then down to
            almost nothing along a cosine (Smith and Topin 2018).

    Raises:
        QueristError: a number out of range.
    """

    name: Literal["sgd", "adamw"] = "adamw"
    lr: float = 3e-3
    momentum: float = 0.9
    weight_decay: float = 1e-4
    clip_norm: float | None = None
    schedule: Literal["constant", "one_cycle"] = "constant"

    def __post_init__(self) -> None:
        ranges = {
            "name must be sgd or adamw": self.name in ("sgd", "adamw"),
            "schedule must be constant or one_cycle": self.schedule in ("constant", "one_cycle"),
            "lr must be positive": self.lr > 0,
            "momentum must lie in [0, 1)": 0 <= self.momentum < 1,
            "weight_decay must not be negative": self.weight_decay >= 0,
            "clip_norm must be positive or None": self.clip_norm is None or self.clip_norm > 0,
        }
        for rule, kept in ranges.items():
            if not kept:
                raise QueristError(f"the optimiser is {self}", rule)

    def build(self, parameters: Iterable[nn.Parameter], steps: int) -> tuple[torch.optim.Optimizer, LRScheduler | None]:
        """Builds the optimiser and, unless the learning rate is constant, its schedule.

        Args:
            parameters: what to train.
            steps: how many steps will be taken; only ``one_cycle`` reads it, and refuses to go beyond.

        Returns:
            The optimiser, and the scheduler to be stepped after each of its steps, or None. Both restore
            bit-exactly through ``load_state_dict``.

        Raises:
            QueristError: ``one_cycle`` over fewer than one step.
        """
        # Fused: one pass over all tensors, for a small network five times faster than a loop over them.
        if self.name == "sgd":
            optimiser: torch.optim.Optimizer = torch.optim.SGD(
                parameters, self.lr, self.momentum, weight_decay=self.weight_decay, fused=True
            )
        else:
            optimiser = torch.optim.AdamW(
                parameters, self.lr, (self.momentum, 0.999), weight_decay=self.weight_decay, fused=True
            )
        optimiser.register_load_state_dict_post_hook(_align_with_parameters)
        if self.schedule == "constant":
            return optimiser, None
        if steps < 1:
            raise QueristError(f"one_cycle over {steps} steps", "train for at least one step")
        return optimiser, OneCycleLR(optimiser, self.lr, total_steps=steps, cycle_momentum=False)

    def clip(self, parameters: Iterable[nn.Parameter]) -> None:
        """Scales the gradients down to ``clip_norm`` if together they are longer; call before each step."""
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(parameters, self.clip_norm)


def _align_with_parameters(optimiser: torch.optim.Optimizer) -> None:
    """Lays restored state out in memory as its parameter is.

    Fused kernels walk parameter, gradient and state side by side in the order of memory. State that comes back
    row-major beside a channels-last parameter would pair the wrong numbers, without an error.
    """
    for parameter, state in optimiser.state.items():
        for name, value in state.items():
            if torch.is_tensor(value) and value.shape == parameter.shape and value.ndim > 0:
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
