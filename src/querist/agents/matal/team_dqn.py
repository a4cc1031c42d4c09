"""The team's temporal-difference learning: one value for all agents together (Gong et al. 2022, Eq. 4; ALGORITHMS 2.4).

A value decomposition (Sunehag et al. 2018): the value of a step is the sum of what each agent thinks of its own image,
and one error teaches them all. The next images are chosen by one team, agent after agent, and judged by its older copy.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from querist.agents.matal.config import Matal
from querist.agents.matal.network import TeamQ
from querist.agents.matal.team import choose, contexts
from querist.errors import QueristError
from querist.nn.optimiser import Optimiser


@dataclass(frozen=True, eq=False)
class TeamStep:
    """What a team did in one step, and what came of it.

    Args:
        state: (Fs,) as observed.
        actions: (N, F) features of the images taken, as observed, in the order of choosing.
        reward: of the step; or (N,), of each agent's own image.
        after: the next (Fs,) state and (n, F) candidates; None where the game ended or nobody looks ahead.
        place: which partition it was played in, and which step of the game it was.
    """

    state: np.ndarray
    actions: np.ndarray
    reward: float | np.ndarray
    after: tuple[np.ndarray, np.ndarray] | None
    place: tuple[int, int] = (0, 0)


class TeamDQN:
    """A team, its older copy, and the rule by which they learn.

    Args:
        online: the team that learns; it is kept, not copied. Its standardisers may be set later.
        settings: the numbers.
    """

    def __init__(self, online: TeamQ, settings: Matal) -> None:
        self._settings = settings
        self.online = online
        self.target = copy.deepcopy(online).requires_grad_(False)
        self._optimiser = Optimiser(
            "adamw", settings.learning_rate, weight_decay=settings.weight_decay, clip_norm=settings.clip
        )
        self._steps, _ = self._optimiser.build(online.parameters(), steps=0)

    def copy_to_target(self) -> None:
        """Makes the older copy equal to the team, standardisers included."""
        self.target.load_state_dict(self.online.state_dict())

    def values(self, team: TeamQ, steps: Sequence[TeamStep]) -> Tensor:
        """What a team thinks of steps as a whole: (B,), with gradients to every agent.

        Where agents are paid by themselves it is (B, N), what each of them thinks of its own image.
        """
        states = torch.from_numpy(np.stack([s.state for s in steps]))
        actions = torch.from_numpy(np.stack([s.actions for s in steps], axis=1))
        return self._value(team, states, team.candidate_standardiser(actions))

    def _value(self, team: TeamQ, states: Tensor, actions: Tensor) -> Tensor:
        """(B, Fs) and standardised (N, B, F) -> (B,)."""
        each = team(states, actions, contexts(actions, self._settings))
        if self._settings.reward != "metric":
            return each.T
        return each.sum(dim=0) if self._settings.reduction == "sum" else each.mean(dim=0)

    @torch.no_grad()
    def targets(self, steps: Sequence[TeamStep], rewards: np.ndarray, team: TeamQ | None = None) -> Tensor:
        """What the values should be: (B,) float32; the reward alone where the game ended.

        Args:
            steps: B of them.
            rewards: (B,), theirs on whatever scale is learned; or (B, N).
            team: whose values they are; None: the team's as it is.
        """
        team = team or self.online
        chooser = team if self._settings.selector == "online" else self.target
        found = torch.from_numpy(np.asarray(rewards, dtype=np.float32)).clone()
        for row, step in enumerate(steps):
            if step.after is None or self._settings.gamma == 0:
                continue
            state, candidates = step.after
            taken = choose(chooser, self._settings, state, candidates, len(step.actions)).places
            if len(taken) < len(step.actions):
                continue  # not enough are left for a step: nothing follows
            actions = self.target.candidate_standardiser(torch.from_numpy(candidates[taken]))[:, None]
            found[row] += self._settings.gamma * self._value(self.target, torch.from_numpy(state)[None], actions)[0]
        return found

    def update(self, steps: Sequence[TeamStep], rewards: np.ndarray) -> dict[str, float]:
        """One gradient step on the mean squared error of some steps.

        Returns:
            What is worth logging.

        Raises:
            QueristError: the loss is not a finite number; the weights are left as they were.
        """
        values, targets = self.values(self.online, steps), self.targets(steps, rewards)
        loss = functional.mse_loss(values, targets)
        self._steps.zero_grad()
        loss.backward()
        return self._step(loss, values)

    def adapted(self, support: Sequence[TeamStep], rewards: np.ndarray) -> TeamQ:
        """A copy of the team after ``meta_steps`` plain gradient steps on the mean error of a task's support games."""
        team = copy.deepcopy(self.online)
        for _ in range(self._settings.meta_steps):
            loss = functional.mse_loss(self.values(team, support), self.targets(support, rewards, team))
            slopes = torch.autograd.grad(loss, list(team.parameters()), allow_unused=True)
            length = nn.utils.get_total_norm([s for s in slopes if s is not None])
            rate = self._settings.meta_rate * float((self._settings.clip / length.clamp_min(1e-12)).clamp_max(1.0))
            with torch.no_grad():
                for weights, slope in zip(team.parameters(), slopes, strict=True):
                    if slope is not None:
                        weights -= rate * slope
        return team

    def meta_update(
        self,
        support: tuple[Sequence[TeamStep], np.ndarray],
        query: tuple[Sequence[TeamStep], np.ndarray],
    ) -> dict[str, float]:
        """One outer step of first-order MAML: the adapted team's gradient on the query moves the initialisation.

        Args:
            support: steps and rewards to adapt to; ``query`` those by which the adaptation is judged.

        Returns:
            What is worth logging.

        Raises:
            QueristError: see :meth:`update`.
        """
        team = self.adapted(*support)
        steps, rewards = query
        values, targets = self.values(team, steps), self.targets(steps, rewards, team)
        loss = functional.mse_loss(values, targets)
        slopes = torch.autograd.grad(loss, list(team.parameters()), allow_unused=True)
        for weights, slope in zip(self.online.parameters(), slopes, strict=True):
            # Fused Adam walks weights and gradient in the order of memory, and a transposed gradient would pair the
            # wrong numbers.
            weights.grad = None if slope is None else slope.contiguous()
        return self._step(loss, values)

    def _step(self, loss: Tensor, values: Tensor) -> dict[str, float]:
        if not bool(loss.isfinite()):
            raise QueristError(
                f"the team's loss is {loss.item()}", "lower its learning rate, or scale the rewards down"
            )
        gradients = [p.grad for p in self.online.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        self._optimiser.clip(self.online.parameters())
        self._steps.step()
        return {"loss": loss.item(), "mean_value": values.mean().item(), "gradient_norm": norm.item()}
