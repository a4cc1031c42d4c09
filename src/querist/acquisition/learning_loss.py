"""Learning Loss: ask about images on which the model's loss is expected to be largest (ALGORITHMS 2.6)."""

import numpy as np
import torch

from querist.acquisition.loss_prediction import Ranking, learn_losses
from querist.core.capabilities import TellsLosses
from querist.core.featuriser import labelled_answers, sources_of
from querist.core.observation import Field, Groups, Observation, Schema
from querist.core.policy import Acquisition
from querist.core.step import Featuriser, Game
from querist.core.task import Task
from querist.errors import QueristError, UnlabelledError
from querist.nn.runtime import seeded

_FIELD = Field("predicted_loss")


class PredictedLosses(Featuriser):
    """One number for each candidate, larger where the model is expected to do worse; its scale means nothing.

    Before each question a predictor is learned anew from the present model's losses on what is labelled, as it sees
    these images and without touching it.

    Args:
        ranking: what the predictor learns from.
        steps: of its training.
    """

    schema = Schema((_FIELD,))

    def __init__(self, ranking: Ranking, steps: int) -> None:
        self._ranking: Ranking = ranking
        self._steps = steps

    def observe(self, game: Game, groups: Groups, step: int) -> Observation:
        candidates = np.zeros((*groups.units.shape, 1), dtype=np.float32)
        if groups.mask.any():
            candidates[groups.mask, 0] = self._predicted(game, groups.flat, step)
        sources = sources_of(game, groups)
        return Observation(groups, candidates, self.schema, sources)

    def _predicted(self, game: Game, offered: np.ndarray, step: int) -> np.ndarray:
        """(n,) float32."""
        task = game.task
        assert isinstance(task, TellsLosses), "Policy.needs is checked before"
        labelled, answers = labelled_answers(game)
        losses = task.losses(labelled, answers)
        known = np.isfinite(losses)
        if known.sum() < 2:
            raise UnlabelledError(
                f"a loss is learned from pairs of labelled images, and there are {int(known.sum())} images",
                "begin with some labels",
            )
        units, inverse = np.unique(np.concatenate([offered, labelled]), return_inverse=True)
        found = task.describe(units, ("levels",), game.stream("describe", step))["levels"]
        levels = torch.from_numpy(found.reshape(len(units), -1)[inverse])
        stream = game.stream("loss prediction", step)
        generator = torch.Generator().manual_seed(int(stream.integers(2**62)))
        with seeded(int(stream.integers(2**62))):
            predictor = learn_losses(
                levels[len(offered) :][torch.from_numpy(known)],
                torch.from_numpy(losses[known]),
                task.level_widths,
                self._ranking,
                self._steps,
                generator,
            )
        with torch.inference_mode():
            return predictor(levels[: len(offered)]).numpy()


class LearningLoss(Acquisition):
    """The largest predicted loss first (Yoo and Kweon 2019).

    The papers train the predictor together with the model, and let its gradient shape the model at first. Here it
    watches: it is learned from the finished model, so that every strategy trains the same model from the same labels,
    and what is compared is the choice of images alone. It sees the means of the maps of several depths, and the
    appearance of an image: a narrow network's means alone say little.

    Args:
        steps: of the predictor's training before each question.

    Raises:
        QueristError: no steps.
    """

    needs = (TellsLosses,)
    ranking: Ranking = "hinge"

    def __init__(self, steps: int = 1000) -> None:
        if steps < 1:
            raise QueristError(f"{type(self).__name__} with {steps} steps", "let its predictor learn for at least one")
        self._steps = steps

    def own_featuriser(self, task: Task) -> Featuriser:
        return PredictedLosses(self.ranking, self._steps)

    def score(self, observation: Observation, rng: np.random.Generator) -> np.ndarray:
        return observation.field("predicted_loss")
