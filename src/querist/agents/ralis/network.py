"""The value networks of RALIS: as released, tied to classes and state regions; and one that any data set can feed.

Both are called ``network(state, candidates, mask) -> values`` (see :mod:`querist.rl.double_dqn`).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from querist.errors import QueristError
from querist.rl.standardiser import FrozenStandardiser


class ClassAwareQ(nn.Module):
    """The query network of RALIS (Casanova et al. 2020; ALGORITHMS 1.4): Q = gate * head.

    Statistics of the batch norms, in training mode:

    - The state branch runs once per row of ``state`` and only its 128 numbers are repeated for the candidates, as in
      the released form. Repeating all of it would change neither means nor variances, all rows being repeated equally
      often, but for the n/(n-1) of the running variances.
    - The head's norm stands behind the repetition and counts a state once for each of its candidates.
    - Masked candidates are taken out before the first layer, so no norm ever sees them.
    - Where there is a single row (one state) a variance does not exist: the running statistics serve.

    Args:
        state_features: Fs, such as 204 (CamVid) or 212 (Cityscapes).
        candidate_features: F, such as 268 or 276: first what enters the candidate branch, last what enters the gate.
        state_rows: n_s, regions in the state; the network is tied to them.
        gate_features: how many of the last candidate features are similarities and feed the gate.
        standardise: put a frozen standardiser before both inputs; it must be set before the first use.
    """

    def __init__(
        self,
        state_features: int,
        candidate_features: int,
        state_rows: int,
        gate_features: int = 64,
        standardise: bool = False,
    ) -> None:
        super().__init__()
        self._rows, self._split = state_rows, candidate_features - gate_features
        self.state_standardiser = FrozenStandardiser(state_features) if standardise else nn.Identity()
        self.candidate_standardiser = FrozenStandardiser(candidate_features) if standardise else nn.Identity()
        self.regions = nn.Sequential(_block(state_features, 256), _block(256, 128), _block(128, 1))
        self.pooled = _block(state_rows, 128)
        self.candidate = nn.Sequential(_block(self._split, 512), _block(512, 256), _block(256, 128))
        self.gate = _block(gate_features, 1)
        self.head = nn.Sequential(_BatchNorm(256), nn.Linear(256, 1))
        self.unused = nn.Linear(256, 1)  # declared in the released form too; it makes the parameter counts agree

    def set_standardiser(self, state_rows: Tensor, candidates: Tensor) -> None:
        """Sets the standardisers, once.

        Args:
            state_rows: (n, Fs) examples of state rows.
            candidates: (m, F) examples of candidates.

        Raises:
            ValueError: the network was made without, or has them set.
        """
        _set(self.state_standardiser, state_rows)
        _set(self.candidate_standardiser, candidates)

    def forward(self, state: Tensor, candidates: Tensor, mask: Tensor | None = None) -> Tensor:
        """Values of candidates.

        Args:
            state: (B, n_s, Fs); or (1, n_s, Fs), one for all pools, whose branch then runs once.
            candidates: (B, N, F).
            mask: (B, N) bool; None: all are there.

        Returns:
            (B, N), zero outside the mask.

        Raises:
            QueristError: the state has another number of regions than the network was made for.
        """
        if state.shape[1] != self._rows:
            raise QueristError(
                f"this network knows states of {self._rows} regions, this one has {state.shape[1]}",
                "keep the state images and the grid of its training, or train a class-free policy",
            )
        inside = torch.ones_like(candidates[:, :, 0], dtype=torch.bool) if mask is None else mask
        rows = self.candidate_standardiser(candidates[inside])
        owner = inside.nonzero()[:, 0]
        regions = self.regions(self.state_standardiser(state).flatten(0, 1))  # (B n_s, 1)
        context = self.pooled(regions.view(len(state), self._rows)).expand(len(candidates), -1)
        gate = torch.sigmoid(self.gate(rows[:, self._split :]))
        joint = torch.cat([self.candidate(rows[:, : self._split]), context[owner]], dim=1)
        values = candidates.new_zeros(inside.shape)
        values[inside] = (gate * self.head(joint))[:, 0]
        return values


class ClassFreeQ(nn.Module):
    """A value network for features that do not name classes and states of any number of rows.

    Rows of the state are pooled by their mean and by the attention of one learned query, so their order and number do
    not matter; a candidate's value does not depend on its companions. Frozen standardisers and layer norms instead of
    batch norms: batches of one are fine and training and deployment compute the same (ALGORITHMS 1.9-4, 8.7).

    Args:
        state_features: Fs, numbers per row of the state.
        candidate_features: F.
        width: of all hidden layers.
        initial_scale: factor on the last layer's initial weights. With 0 an untrained network values all candidates
            alike, so that every preference is learned and choices are random until then, by the order of candidates.
    """

    def __init__(
        self, state_features: int, candidate_features: int, width: int = 64, initial_scale: float = 0.0
    ) -> None:
        super().__init__()
        self.state_standardiser = FrozenStandardiser(state_features)
        self.candidate_standardiser = FrozenStandardiser(candidate_features)
        self.row = _perceptron(state_features, width)
        self.query = nn.Parameter(torch.randn(width))
        self.candidate = _perceptron(candidate_features, width)
        self.join = nn.Sequential(nn.Linear(3 * width, width), nn.LayerNorm(width), nn.ReLU())
        self.last = nn.Linear(width, 1)
        with torch.no_grad():
            self.last.weight.mul_(initial_scale)
            self.last.bias.zero_()

    def set_standardiser(self, state_rows: Tensor, candidates: Tensor) -> None:
        """Sets the standardisers, once.

        Args:
            state_rows: (n, Fs) examples of state rows.
            candidates: (m, F) examples of candidates.

        Raises:
            ValueError: they were set before.
        """
        _set(self.state_standardiser, state_rows)
        _set(self.candidate_standardiser, candidates)

    def forward(self, state: Tensor, candidates: Tensor, mask: Tensor | None = None) -> Tensor:
        """Values of candidates.

        Args:
            state: (B, S, Fs), S >= 1; or (1, S, Fs), one for all pools, whose branch then runs once.
            candidates: (B, N, F).
            mask: does not matter here, as candidates do not see each other.

        Returns:
            (B, N).
        """
        context = self._pool(self.row(self.state_standardiser(state)))
        encoded = self.candidate(self.candidate_standardiser(candidates))
        context = context[:, None].expand(*encoded.shape[:2], -1)
        return self.last(self.join(torch.cat([encoded, context], dim=2)))[:, :, 0]

    def _pool(self, rows: Tensor) -> Tensor:
        """(B, S, width) -> (B, 2 width): the mean, and the rows' average weighted by their likeness to the query."""
        weights = torch.softmax(rows @ self.query / math.sqrt(rows.shape[2]), dim=1)
        return torch.cat([rows.mean(dim=1), (weights[:, None] @ rows)[:, 0]], dim=1)


class _BatchNorm(nn.BatchNorm1d):
    """Over (n, features); a single row, which has no variance, is normalised by the running statistics."""

    def forward(self, input: Tensor) -> Tensor:
        if self.training and len(input) < 2:
            return functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        return super().forward(input)


def _block(inputs: int, outputs: int) -> nn.Sequential:
    """Pre-activation: norm, ReLU, layer."""
    return nn.Sequential(_BatchNorm(inputs), nn.ReLU(), nn.Linear(inputs, outputs))


def _perceptron(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, width), nn.LayerNorm(width), nn.ReLU(),
        nn.Linear(width, width), nn.LayerNorm(width), nn.ReLU(),
    )  # fmt: skip


def _set(standardiser: nn.Module, rows: Tensor) -> None:
    if not isinstance(standardiser, FrozenStandardiser):
        raise ValueError("this network was made without standardisers")
    standardiser.set(rows)
