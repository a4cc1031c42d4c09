"""EGL++: ask about images whose label would move the model the most (Shukla et al. 2022; ALGORITHMS 2.6)."""

from typing import Literal, get_args

import numpy as np
import torch

from querist.core.candidates import Candidates, GlobalPool
from querist.core.capabilities import Embeds, ExpectsGradients, Scope
from querist.core.featuriser import labelled_answers, labelled_units, sources_of
from querist.core.observation import Field, Groups, Observation, Schema
from querist.core.policy import Acquisition
from querist.core.step import Featuriser, Game
from querist.core.task import Task
from querist.errors import QueristError, UnlabelledError
from querist.kernels.perplexity import neighbour_weights

_FIELD = Field("expected_gradient", (), 0.0)

Labelling = Literal["predicted", "truth"]
"""What labelled neighbours stand for: what the model says of them, as in the paper, or what labellers said."""


class ExpectedGradientLengths(Featuriser):
    """One number for each candidate: :meth:`~querist.core.capabilities.ExpectsGradients.expected_gradients`.

    Args:
        perplexity: of the weights of labelled images, by nearness of embeddings.
        keep: how many of them count for a candidate.
        scope: by which parameters the gradient is taken.
        labelling: what the label of a labelled image is taken to be.
    """

    schema = Schema((_FIELD,))

    def __init__(self, perplexity: float, keep: int, scope: Scope, labelling: Labelling) -> None:
        self._perplexity, self._keep = perplexity, keep
        self._scope: Scope = scope
        self._labelling: Labelling = labelling

    def observe(self, game: Game, groups: Groups, step: int) -> Observation:
        candidates = np.zeros((*groups.units.shape, 1), dtype=np.float32)
        if groups.mask.any():
            candidates[groups.mask, 0] = self._expected(game, groups.flat, step)
        sources = sources_of(game, groups)
        return Observation(groups, candidates, self.schema, sources)

    def _expected(self, game: Game, offered: np.ndarray, step: int) -> np.ndarray:
        """(n,) float32."""
        task = game.task
        assert isinstance(task, ExpectsGradients), "Policy.needs is checked before"
        if self._labelling == "truth":
            labelled, answers = labelled_answers(game)
        else:
            labelled, answers = labelled_units(game), None
        if not len(labelled):
            raise UnlabelledError("egl++ looks at labelled neighbours, and there are none", "begin with some labels")
        units, inverse = np.unique(np.concatenate([offered, labelled]), return_inverse=True)
        found = game.task.describe(units, ("embedding",), game.stream("describe", step))["embedding"]
        rows = torch.from_numpy(found[inverse])
        weights, nearest = neighbour_weights(rows[: len(offered)], rows[len(offered) :], self._perplexity, self._keep)
        return task.expected_gradients(offered, labelled, answers, nearest.numpy(), weights.numpy(), self._scope)


class ExpectedGradientLength(Acquisition):
    """The largest expected squared length of the gradient first.

    The label of an image is expected to be like those of the labelled images that it resembles, so that an image counts
    whose neighbours are unlike what the model makes of it.

    Args:
        perplexity: how many labelled images are likely, about; ``keep`` how many are looked at.
        scope: ``head`` looks at the last layers alone and costs little more than a forward pass; ``all`` is the paper's
            and takes a backward pass for each image and neighbour, some thirty times as long.
        labelling: see :data:`Labelling`.
        limit: at most so many candidates are looked at in the global form, a uniform subset; None: all.

    Raises:
        QueristError: a setting out of range.
    """

    needs = (Embeds, ExpectsGradients)

    def __init__(
        self,
        perplexity: float = 20.0,
        keep: int = 30,
        scope: Scope = "head",
        labelling: Labelling = "predicted",
        limit: int | None = 10_000,
    ) -> None:
        if not perplexity > 1 or keep < 1 or (limit is not None and limit < 1):
            raise QueristError(
                f"egl++ with perplexity {perplexity}, {keep} neighbours, {limit} candidates",
                "give a perplexity above 1, and at least one of the others",
            )
        if scope not in get_args(Scope) or labelling not in get_args(Labelling):
            raise QueristError(
                f"egl++ with scope {scope!r} and labelling {labelling!r}",
                f"choose among {', '.join(get_args(Scope))}, and among {', '.join(get_args(Labelling))}",
            )
        self._limit = limit
        self._featuriser = ExpectedGradientLengths(perplexity, keep, scope, labelling)

    def own_candidates(self, form: str, count: int) -> Candidates | None:
        return GlobalPool(self._limit) if form == "global" else None

    def own_featuriser(self, task: Task) -> Featuriser:
        return self._featuriser

    def score(self, observation: Observation, rng: np.random.Generator) -> np.ndarray:
        return observation.field("expected_gradient")
