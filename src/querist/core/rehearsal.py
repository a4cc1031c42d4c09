"""Games on the starting set, in which a policy is trained: inner games of a ledger of their own, charged to nobody."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from querist.core import rng
from querist.core.candidates import Candidates
from querist.core.environment import QueryEnvironment
from querist.core.ledger import Ledger
from querist.core.oracle import SimulatedOracle
from querist.core.pool import Pool
from querist.core.reward import Reward
from querist.core.snapshots import make_folder
from querist.core.split import Role, Split
from querist.core.step import Featuriser, Game
from querist.core.task import Task
from querist.errors import QueristError


def halved(split: Split, seed: int) -> Split:
    """The split of the games: half of the starting set begins them, the other half is their pool.

    State and reward set stay what they are; pool and test set of the deployment take no part.

    Args:
        split: of the deployment.
        seed: draws the halves.
    """
    start = split.sources(Role.START)
    order = rng.generator(seed, "halves").permutation(start)
    roles = np.full(len(split.roles), Role.UNUSED, dtype=np.int8)
    for role in (Role.STATE, Role.REWARD):
        roles[split.sources(role)] = role
    roles[order[: len(order) // 2]] = Role.START
    roles[order[len(order) // 2 :]] = Role.POOL
    return Split(roles)


@dataclass(frozen=True, eq=False)
class Stage:
    """Where a policy is trained.

    Args:
        folder: of the games' ledger; made if it is not there.
        pool: the units.
        outer: the deployment's split; ``inner`` that of the games (see :func:`halved`).
        labels_per_source: how many labels a given source counts as.
        task: stands at the first weights of every game.
        batch: questions per step; ``update`` optimiser steps after each.
    """

    folder: Path
    pool: Pool
    outer: Split
    inner: Split
    labels_per_source: int
    task: Task
    batch: int
    update: int

    def rehearse(self, featuriser: Featuriser, budget: int, keep_given: bool = True) -> "Rehearsal":
        """The games of an agent.

        Args:
            featuriser: of its policy.
            budget: questions of a game.
            keep_given: whether the games' task learns from the given half too.

        Raises:
            QueristError: the budget is more than the pool of the games.
        """
        units = len(self.inner.sources(Role.POOL)) * self.labels_per_source
        if budget > units:
            raise QueristError(
                f"games of {budget} questions, but half of the starting set has only {units} units to ask about",
                "lower the training's budget, or label more images for the start",
            )
        return Rehearsal(self, featuriser, budget, keep_given)


class Rehearsal:
    """Makes games for a :class:`~querist.core.environment.QueryEnvironment`; see :meth:`Stage.rehearse`."""

    def __init__(self, stage: Stage, featuriser: Featuriser, budget: int, keep_given: bool) -> None:
        self._stage, self._featuriser, self._budget = stage, featuriser, budget
        inner = stage.inner.sources(Role.START)
        self._given = inner if keep_given else inner[:0]
        self._first = stage.task.snapshot()
        make_folder(stage.folder)
        self._ledger = Ledger.create(stage.folder / "games.sqlite", {})
        given = {"start": (stage.outer.sources(Role.START), stage.labels_per_source)}
        self._parent = self._ledger.start_game(stage.pool, stage.outer, 0, given=given)
        self._games = 0

    def new_game(self, candidates: Candidates, seed: int, episode: int) -> Game:
        """A game from the first weights; its pools and streams depend on (seed, episode) alone."""
        stage = self._stage
        stage.task.restore(self._first)
        self._games += 1  # a seed may play an episode again; the ledger counts every game
        number = self._ledger.start_game(stage.pool, stage.inner, self._budget, "inner", self._games, self._parent)
        return Game(
            self._ledger,
            number,
            episode,
            seed,
            stage.pool,
            stage.inner,
            stage.task,
            SimulatedOracle(stage.task),
            candidates,
            self._featuriser,
            stage.batch,
            stage.update,
            self._given,
        )

    def environment(self, candidates: Candidates, reward: Reward) -> QueryEnvironment:
        """The games as a Markov decision process."""
        return QueryEnvironment(lambda seed, episode: self.new_game(candidates, seed, episode), reward)

    def close(self) -> None:
        """Let go of the ledger."""
        self._ledger.close()
