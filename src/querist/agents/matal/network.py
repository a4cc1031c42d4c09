"""The networks of a team: N agents with parameters of their own, in one tensor each, or shared (ALGORITHMS 2.3)."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from querist.rl.standardiser import FrozenStandardiser

_CONTEXT = 16
_SCALE = 0.1  # of the last layer: an untrained team shall have preferences, as its control, but small values


class TeamQ(nn.Module, ABC):
    """q_m(s, a, h) for m = 1..N.

    Candidates and state are standardised here, once and for all; contexts are means of standardised candidates, so that
    the first agent's zero is an average image.

    Args:
        agents: N; 1 where all share their parameters, and are told apart by their contexts alone.
        state_features: Fs.
        candidate_features: F.
    """

    def __init__(self, agents: int, state_features: int, candidate_features: int) -> None:
        super().__init__()
        self.agents = agents
        self.state_standardiser = FrozenStandardiser(state_features)
        self.candidate_standardiser = FrozenStandardiser(candidate_features)
        self.last_bias = nn.Parameter(torch.zeros(agents, 1, 1))

    def set_standardiser(self, states: Tensor, candidates: Tensor) -> None:
        """Sets the standardisers, once.

        Args:
            states: (n, Fs) examples; ``candidates`` (m, F).

        Raises:
            ValueError: they were set before.
        """
        self.state_standardiser.set(states)
        self.candidate_standardiser.set(candidates)

    @abstractmethod
    def forward(self, state: Tensor, actions: Tensor, contexts: Tensor) -> Tensor:
        """What each agent thinks of the image that it took: with gradients, but none through the contexts.

        Args:
            state: (B, Fs) as observed.
            actions: (N, B, F) standardised, the m-th agent's choice in each of B steps; of the first few agents, where
                a batch is smaller than the team.
            contexts: (N, B, F), what the m-th agent knew of the earlier choices.

        Returns:
            (N, B).
        """

    def _seen(self, state: Tensor, agents: int) -> Tensor:
        """The standardised state for each of so many agents, or once for all who share their parameters."""
        return self.state_standardiser(state).expand(min(self.agents, agents), *state.shape)

    @abstractmethod
    def scorer(self, state: Tensor) -> Callable[[int, Tensor, Tensor], Tensor]:
        """A function (agent, candidates (n, F) standardised, context (F,)) -> (n,) values in one state (Fs,)."""


class LayersQ(TeamQ):
    """The paper's network.

    With ``z = ReLU(W [a; h] + c)`` in 16 dimensions, three linear layers read [z, a, s]. The first layers are split,
    ``W [a; h] = W_a a + W_h h``, so that what depends on the candidates alone is not computed again with each context,
    and the context is not copied beside every candidate.

    Args:
        agents: see :class:`TeamQ`; ``state_features`` and ``candidate_features`` likewise.
        first: hidden units; ``second`` those of the layer behind.
    """

    def __init__(
        self, agents: int, state_features: int, candidate_features: int, first: int = 128, second: int = 64
    ) -> None:
        super().__init__(agents, state_features, candidate_features)
        joint = 2 * candidate_features
        self.mix_candidate = _weights(agents, _CONTEXT, candidate_features, joint)
        self.mix_context = _weights(agents, _CONTEXT, candidate_features, joint)
        self.mix_bias = _weights(agents, 1, _CONTEXT, joint)
        joint = _CONTEXT + candidate_features + state_features
        self.first_mixed = _weights(agents, first, _CONTEXT, joint)
        self.first_candidate = _weights(agents, first, candidate_features, joint)
        self.first_state = _weights(agents, first, state_features, joint)
        self.first_bias = _weights(agents, 1, first, joint)
        self.second = _weights(agents, second, first, first)
        self.second_bias = _weights(agents, 1, second, first)
        self.last = _weights(agents, 1, second, second)
        with torch.no_grad():
            self.last.mul_(_SCALE)

    def forward(self, state: Tensor, actions: Tensor, contexts: Tensor) -> Tensor:
        """See :meth:`TeamQ.forward`."""
        few = slice(len(actions))
        seen = self._seen(state, len(actions))
        mixed = actions @ self.mix_candidate[few].mT + contexts.detach() @ self.mix_context[few].mT
        hidden = torch.relu(mixed + self.mix_bias[few]) @ self.first_mixed[few].mT
        hidden = hidden + actions @ self.first_candidate[few].mT
        hidden = torch.relu(hidden + seen @ self.first_state[few].mT + self.first_bias[few])
        hidden = torch.relu(hidden @ self.second[few].mT + self.second_bias[few])
        return (hidden @ self.last[few].mT + self.last_bias[few])[:, :, 0]

    def scorer(self, state: Tensor) -> Callable[[int, Tensor, Tensor], Tensor]:
        """See :meth:`TeamQ.scorer`."""
        seen = self.state_standardiser(state)

        def score(m: int, candidates: Tensor, context: Tensor) -> Tensor:
            m = min(m, self.agents - 1)
            mixed = torch.addmm(
                self.mix_context[m] @ context + self.mix_bias[m, 0], candidates, self.mix_candidate[m].T
            )
            hidden = torch.addmm(
                self.first_state[m] @ seen + self.first_bias[m, 0], candidates, self.first_candidate[m].T
            )
            hidden.addmm_(mixed.relu_(), self.first_mixed[m].T).relu_()
            hidden = torch.addmm(self.second_bias[m, 0], hidden, self.second[m].T).relu_()
            return hidden @ self.last[m, 0] + self.last_bias[m, 0, 0]

        return score


class LineQ(TeamQ):
    """A line through the image's features, whose slope follows the context: ``(w_m + u_m * h) . a + v_m . s + b_m``.

    A deployment offers thousands of images where games offer some dozens, and the largest of the values that layers
    give is that of an image such as they have never met. A line cannot be led astray so (docs/matal-trials.md has
    figures). The state moves all values alike: it tells what a step is worth, and changes no choice.

    Args:
        agents: see :class:`TeamQ`; ``state_features`` and ``candidate_features`` likewise.
    """

    def __init__(self, agents: int, state_features: int, candidate_features: int) -> None:
        super().__init__(agents, state_features, candidate_features)
        self.slope = _weights(agents, 1, candidate_features, candidate_features)
        self.slope_context = _weights(agents, 1, candidate_features, candidate_features)
        self.state = _weights(agents, 1, state_features, state_features)
        with torch.no_grad():
            for weights in (self.slope, self.slope_context, self.state):
                weights.mul_(_SCALE)

    def forward(self, state: Tensor, actions: Tensor, contexts: Tensor) -> Tensor:
        """See :meth:`TeamQ.forward`."""
        few = slice(len(actions))
        slope = self.slope[few] + self.slope_context[few] * contexts.detach()
        level = self._seen(state, len(actions)) @ self.state[few].mT + self.last_bias[few]
        return (slope * actions).sum(dim=2) + level[:, :, 0]

    def scorer(self, state: Tensor) -> Callable[[int, Tensor, Tensor], Tensor]:
        """See :meth:`TeamQ.scorer`."""
        level = self.state[:, 0] @ self.state_standardiser(state) + self.last_bias[:, 0, 0]

        def score(m: int, candidates: Tensor, context: Tensor) -> Tensor:
            m = min(m, self.agents - 1)
            return candidates @ (self.slope[m, 0] + self.slope_context[m, 0] * context) + level[m]

        return score


def _weights(agents: int, outputs: int, inputs: int, fan_in: int) -> nn.Parameter:
    """As torch draws a linear layer: uniform within one over the root of the inputs of the whole layer."""
    bound = 1 / math.sqrt(fan_in)
    return nn.Parameter(torch.empty(agents, outputs, inputs).uniform_(-bound, bound))
