"""Double DQN on decomposed transitions: targets, loss, and the learner that holds online and target network.

A value network is a module ``network(states, candidates, mask) -> values``:

    states (B, S, Fs), or (1, S, Fs) for one state that all pools share
    candidates (B, N, F), mask (B, N) bool
    values (B, N); what stands outside the mask does not matter
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from querist.errors import QueristError
from querist.nn.optimiser import Optimiser
from querist.nn.runtime import arrays_to_state, state_to_arrays
from querist.rl.replay import Batch, Moment

Selector = Literal["online", "target", "max"]


@dataclass(frozen=True)
class DoubleDqnSettings:
    """How a value network learns (ALGORITHMS 1.5).

    Args:
        gamma: discount per step.
        selector: which network chooses the next action, the other one values it. ``online`` is double DQN (van
            Hasselt et al. 2016) and what RALIS's code does; ``target`` is what its paper says. ``max``: the target
            network does both, which is plain DQN (Mnih et al. 2015).
        loss: ``huber`` (smooth L1, quadratic up to 1) or ``squared``, the mean over the batch.
        optimiser: of constant rate.
        decay: factor on the learning rate after each gradient step; 1 keeps it.
        period: gradient steps between copies of the online network into the target network.
        reset_each_episode: count the period anew in each episode, so that the first step of an episode copies.

    Raises:
        QueristError: a number out of range.
    """

    gamma: float = 0.999
    selector: Selector = "online"
    loss: Literal["huber", "squared"] = "huber"
    optimiser: Optimiser = field(default_factory=lambda: Optimiser("sgd", 1e-3, momentum=0.95, weight_decay=1e-3))
    decay: float = 1.0
    period: int = 5
    reset_each_episode: bool = False

    def __post_init__(self) -> None:
        ranges = {
            "gamma must lie in [0, 1]": 0 <= self.gamma <= 1,
            "selector must be online, target or max": self.selector in get_args(Selector),
            "loss must be huber or squared": self.loss in ("huber", "squared"),
            "the optimiser's schedule must be constant, decay acts on its rate": self.optimiser.schedule == "constant",
            "decay must lie in (0, 1]": 0 < self.decay <= 1,
            "period must be at least 1": self.period >= 1,
        }
        for rule, kept in ranges.items():
            if not kept:
                raise QueristError(f"double DQN is {self}", rule)


def chosen_values(batch: Batch, network: nn.Module) -> Tensor:
    """What a network thinks of the actions taken: (n,), with gradients."""
    values = network(batch.states, batch.candidates, batch.mask)
    return values.gather(1, batch.actions[:, None])[:, 0]


@torch.no_grad()
def double_dqn_targets(
    batch: Batch, online: nn.Module, target: nn.Module, gamma: float, selector: Selector = "online"
) -> Tensor:
    """What the values should be: r + gamma * Q(s', argmax_a Q(s', a)), one network choosing and the other valuing.

    The networks stay in the modes they are in. Only what goes on passes through them, so batch norms never meet what
    fills up a sub-transition that ended.

    Args:
        batch: n sub-transitions.
        online: the network that learns; ``target`` its older copy.
        gamma: discount per step.
        selector: which of the two chooses; ``max``: the target network, which also judges.

    Returns:
        (n,) float32; the reward alone where the sub-transition ended. A masked candidate is never chosen.
    """
    goes_on = ~batch.ended
    targets = batch.rewards.clone()
    if not bool(goes_on.any()):
        return targets
    inputs = batch.next_states[goes_on], batch.next_candidates[goes_on], batch.next_mask[goes_on]
    chooses = online if selector == "online" else target
    judges = online if selector == "target" else target
    values = judges(*inputs)
    preferences = values if chooses is judges else chooses(*inputs)
    best = preferences.masked_fill(~inputs[2], -torch.inf).argmax(dim=1, keepdim=True)
    targets[goes_on] += gamma * values.gather(1, best)[:, 0]
    return targets


def td_loss(values: Tensor, targets: Tensor, loss: Literal["huber", "squared"] = "huber") -> Tensor:
    """Mean loss between values and targets, both (n,)."""
    measure = functional.smooth_l1_loss if loss == "huber" else functional.mse_loss
    return measure(values, targets)


@torch.inference_mode()
def action_values(network: nn.Module, moment: Moment) -> np.ndarray:
    """Values of all candidates of a step, in evaluation mode.

    Args:
        network: left in the mode it was in.
        moment: what is seen.

    Returns:
        (G, N) float32, -inf outside the mask.
    """
    device = next(network.parameters()).device
    state, candidates, mask = (
        torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in (moment.state, moment.candidates, moment.mask)
    )
    was_training = network.training
    if was_training:  # setting the mode walks over all modules, which takes as long as a small network
        network.eval()
    values = network(state.float()[None], candidates.float(), mask)
    if was_training:
        network.train()
    return np.where(moment.mask, values.cpu().numpy(), np.float32(-np.inf))


class DoubleDQN:
    """A value network, its target copy, and the rule by which they learn.

    Between updates both are in evaluation mode. In an update the online network is in training mode, also where it
    looks at the next step; the target network never is (ALGORITHMS 1.5).

    Args:
        online: the network that learns, on its device; it is kept, not copied.
        settings: see :class:`DoubleDqnSettings`.
    """

    def __init__(self, online: nn.Module, settings: DoubleDqnSettings) -> None:
        self.settings = settings
        self.online = online.eval()
        self.target = copy.deepcopy(online).requires_grad_(False).eval()
        self._optimiser, _ = settings.optimiser.build(online.parameters(), steps=0)
        self.updates = 0
        """Gradient steps taken so far."""
        self._since = 0

    def begin_episode(self) -> None:
        """To be called before each episode."""
        if self.settings.reset_each_episode:
            self._since = 0

    def copy_to_target(self) -> None:
        """Makes the target network equal to the online one, statistics and standardisers included."""
        self.target.load_state_dict(self.online.state_dict())

    def update(self, batch: Batch) -> dict[str, float]:
        """One gradient step, and the copy into the target network when it is due.

        The copy follows the first step and then every ``period``-th.

        Args:
            batch: a sample of the replay.

        Returns:
            What is worth logging: ``loss``, ``mean_value`` (of the actions taken), ``mean_target``,
            ``gradient_norm`` (before clipping) and ``learning_rate``.

        Raises:
            QueristError: the loss is not a finite number; the weights are left as they were.
        """
        settings = self.settings
        batch = batch.to(next(self.online.parameters()).device)
        self.online.train()
        values = chosen_values(batch, self.online)
        targets = double_dqn_targets(batch, self.online, self.target, settings.gamma, settings.selector)
        self.online.eval()
        loss = td_loss(values, targets, settings.loss)
        if not bool(loss.isfinite()):
            raise QueristError(
                f"the value network's loss is {loss.item()} after {self.updates} updates",
                "lower the learning rate, clip its gradients, or scale the rewards down",
            )
        self._optimiser.zero_grad()
        loss.backward()
        gradients = [p.grad for p in self.online.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        settings.optimiser.clip(self.online.parameters())
        rate = settings.optimiser.lr * settings.decay**self.updates  # from the count, so that nothing is carried
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.step()
        self.updates += 1
        if self._since % settings.period == 0:
            self.copy_to_target()
        self._since += 1
        return {
            "loss": loss.item(),
            "mean_value": values.mean().item(),
            "mean_target": targets.mean().item(),
            "gradient_norm": norm.item(),
            "learning_rate": rate,
        }

    def snapshot(self, prefix: str = "learner") -> dict[str, np.ndarray]:
        """Both networks, the optimiser and the counters as named arrays."""
        return (
            state_to_arrays(self.online, f"{prefix}/online")
            | state_to_arrays(self.target, f"{prefix}/target")
            | state_to_arrays(self._optimiser, f"{prefix}/optimiser")
            | state_to_arrays({"updates": self.updates, "since": self._since}, f"{prefix}/counters")
        )

    def restore(self, arrays: Mapping[str, np.ndarray], prefix: str = "learner") -> None:
        """Back to a snapshot; further updates give the same bits as without the interruption."""
        self.online.load_state_dict(arrays_to_state(arrays, f"{prefix}/online"))
        self.target.load_state_dict(arrays_to_state(arrays, f"{prefix}/target"))
        self._optimiser.load_state_dict(arrays_to_state(arrays, f"{prefix}/optimiser"))
        counters = arrays_to_state(arrays, f"{prefix}/counters")
        self.updates, self._since = counters["updates"], counters["since"]
