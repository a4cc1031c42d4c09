"""True gain: what a greedy choice with the answers in hand would reach. A ceiling for studies, never a strategy."""

from dataclasses import dataclass

import numpy as np

from querist.core.answers import Labels
from querist.core.capabilities import KnowsTruth
from querist.core.featuriser import sources_of
from querist.core.observation import Groups, Observation, Schema
from querist.core.policy import Policy, Selection
from querist.core.split import Role
from querist.core.step import Featuriser, Game
from querist.core.task import Task
from querist.errors import QueristError


@dataclass(frozen=True, eq=False, kw_only=True)
class GameInSight(Observation):
    """An observation that hands over the game itself: who holds it can see every answer."""

    game: Game
    step: int


class GameFeaturiser(Featuriser):
    """Describes nothing and hides nothing."""

    schema = Schema(())

    def observe(self, game: Game, groups: Groups, step: int) -> Observation:
        G, N = groups.units.shape
        sources = sources_of(game, groups)
        nothing = np.zeros((G, N, 0), dtype=np.float32)
        return GameInSight(groups, nothing, self.schema, sources, game=game, step=step)


class TrueGain(Policy):
    """Tries candidates with their true answers and takes the one whose update lifts the metric the most.

    **It looks at the answers of candidates that it does not ask for, and at the reward set.** So it costs labels that
    no ledger counts and is a ceiling to hold strategies against in studies (the oracle-greedy control of ALGORITHMS 9),
    never something to use. It is greedy over picks and steps: a choice that looks further ahead may end higher.

    Picks are made one after another. For each, every candidate tried is learned together with the picks before it: the
    task starts from its present state and does the update that the step itself will do, with the same random stream,
    then its metric is read on the reward set. (Where the task is updated after every few steps only, a step's picks are
    judged as if an update followed at once.) In groups the pools take turns. Scores are the gains over the picks
    before. The task ends as it began, bit by bit.

    A step costs up to ``limit`` times the picks from the whole pool, or from each group, updates and evaluations.

    Args:
        limit: how many candidates are tried, of the whole pool or of each group, the first in hashed order. Never fewer
            than there are picks; for many picks from one pool many times as many should be tried.
    """

    needs = (KnowsTruth,)

    def __init__(self, limit: int = 32) -> None:
        if limit < 1:
            raise QueristError(f"true_gain with a limit of {limit} candidates", "try at least one")
        self._limit = limit

    def own_featuriser(self, task: Task) -> Featuriser:
        return GameFeaturiser()

    def _select(self, observation: Observation, k: int, rng: np.random.Generator) -> Selection:
        if not isinstance(observation, GameInSight):
            raise QueristError("TrueGain needs the game itself", "let it bring its own featuriser")
        units, mask = observation.groups.units, observation.groups.mask
        each = max(self._limit, k)
        tried = [list(np.flatnonzero(row)[:each]) for row in mask]
        indices, scores = np.full((len(mask), k), -1, dtype=np.int64), np.zeros((len(mask), k))
        trial = _Trial(observation.game, observation.step)
        try:
            reached, picked = trial.metric(), np.zeros(0, dtype=np.int64)
            for j in range(k):
                for g in range(len(mask)):
                    if not tried[g]:
                        continue
                    values = [trial.value(np.append(picked, units[g, i])) for i in tried[g]]
                    best = int(np.argmax(values))  # equal gains: the earlier candidate
                    indices[g, j], scores[g, j] = tried[g][best], values[best] - reached
                    reached, picked = values[best], np.append(picked, units[g, tried[g].pop(best)])
        finally:
            trial.end()
        return Selection(indices, scores)


class _Trial:
    """Updates on true answers that are taken back."""

    def __init__(self, game: Game, step: int) -> None:
        assert isinstance(game.task, KnowsTruth), "Policy.needs is checked before"
        self._game, self._step, self._truth = game, step, game.task
        self._reward = game.split.sources(Role.REWARD)
        if not len(self._reward):
            raise QueristError("the split has no reward set to measure gains on", "give some sources the role reward")
        self._labels = game.view.labels()
        self._before = game.task.snapshot()

    def metric(self) -> float:
        """Of the task as it stands, on the reward set."""
        return self._game.task.evaluate(self._reward).value

    def value(self, units: np.ndarray) -> float:
        """The metric after the step's update, had these units been asked about."""
        game, old = self._game, self._labels
        answers = tuple(self._truth.truth(units))
        labels = Labels(np.concatenate([old.units, units]), old.answers + answers, old.given)
        game.task.restore(self._before)
        game.task.fit(
            labels,
            new=Labels(units, answers, old.given[:0]),
            unlabelled=game.view.unlabelled(),
            steps=game.update,
            phase="step",
            rng=game.stream("fit", self._step),
        )
        return self.metric()

    def end(self) -> None:
        """Back to the state before the first trial."""
        self._game.task.restore(self._before)
