"""Games on the starting set, in which a policy is trained: inner games of a ledger of their own, charged to nobody."""

from collections.abc import Mapping, Sequence
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


def halved(split: Split, pool: Pool, seed: int, turn: int = 0) -> Split:
    """The split of the games: half of the starting set begins them, the other half is their pool.

    Halved by subject, so that no person or photograph is in both. State and reward set stay what they are; pool and
    test set of the deployment take no part.

    Args:
        split: of the deployment.
        pool: knows what belongs together.
        seed: draws the halves; ``turn`` tells several ways to halve apart.
    """
    start = split.sources(Role.START)
    subjects = pool.source_subjects[start]
    order = rng.generator(seed, "halves", turn).permutation(np.unique(subjects))
    first = np.isin(subjects, order[: len(order) // 2])
    roles = np.full(len(split.roles), Role.UNUSED, dtype=np.int8)
    for role in (Role.STATE, Role.REWARD):
        roles[split.sources(role)] = role
    roles[start[first]] = Role.START
    roles[start[~first]] = Role.POOL
    return Split(roles)


@dataclass(frozen=True, eq=False)
class Scene:
    """One way to halve the starting set, and the model that its games begin with.

    Args:
        inner: the split of the games (see :func:`halved`).
        task: what plays them; several scenes may share it.
        first: its snapshot before the first step.
    """

    inner: Split
    task: Task
    first: Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Stage:
    """Where a policy is trained.

    Args:
        folder: of the games' ledgers; made if it is not there.
        pool: the units.
        outer: the deployment's split.
        scenes: games take turns in them, so that a policy does not learn one model and one pool by heart.
        labels_per_source: how many labels a given source counts as.
        batch: questions per step; ``update`` optimiser steps after each.
        unseen: a scene in which no policy is trained, to see whether it learned more than its scenes; may be missing.
        keep_given: false: nobody learns from the given sources after the start, whatever an agent would like.
    """

    folder: Path
    pool: Pool
    outer: Split
    scenes: tuple[Scene, ...]
    labels_per_source: int
    batch: int
    update: int
    unseen: Scene | None = None
    keep_given: bool = True

    @property
    def task(self) -> Task:
        """A task of the kind that all scenes have: for schemas."""
        return self.scenes[0].task

    @property
    def state_units(self) -> int:
        """Units of the state set, which is the same in all scenes."""
        return len(self.outer.sources(Role.STATE)) * self.labels_per_source

    def rehearse(
        self, featuriser: Featuriser, budget: int, keep_given: bool = True, unseen: bool = False
    ) -> "Rehearsal":
        """The games of an agent.

        Args:
            featuriser: of its policy.
            budget: questions of a game.
            keep_given: whether the games' task learns from the given half too.
            unseen: in the scene that is kept for a look at the end.

        Raises:
            QueristError: the budget is more than the pool of the games.
        """
        if unseen and self.unseen is None:
            raise ValueError("no scene was kept for a look at the end")
        scenes = (self.unseen,) if unseen and self.unseen is not None else self.scenes
        check_games(budget, self.pool, [scene.inner for scene in scenes])
        keep = keep_given and self.keep_given
        return Rehearsal(self, scenes, featuriser, budget, keep, "unseen" if unseen else "games")


def check_games(budget: int, pool: Pool, inner: Sequence[Split], lower: str = "the training's budget") -> None:
    """Raise if games of so many questions ask for more than one of their pools has; ``lower`` is what to lower."""
    worth = min(pool.worth(split.sources(Role.POOL)) for split in inner)
    if budget > worth:
        raise QueristError(
            f"games of {budget} questions, but their pool, a part of the starting set, has only {worth} units to ask "
            "about",
            f"lower {lower}, or label more images for the start (problem.start)",
        )


class Rehearsal:
    """Makes games for a :class:`~querist.core.environment.QueryEnvironment`; see :meth:`Stage.rehearse`."""

    def __init__(
        self,
        stage: Stage,
        scenes: tuple[Scene, ...],
        featuriser: Featuriser,
        budget: int,
        keep_given: bool,
        name: str,
    ) -> None:
        self._stage, self._scenes, self._featuriser, self._budget = stage, scenes, featuriser, budget
        self._keep_given = keep_given
        make_folder(stage.folder)
        self._ledger = Ledger.create(stage.folder / f"{name}.sqlite", {})
        given = {"start": (stage.outer.sources(Role.START), stage.labels_per_source)}
        self._parent = self._ledger.start_game(stage.pool, stage.outer, 0, given=given)
        self._games = 0

    def new_game(self, candidates: Candidates, seed: int, episode: int) -> Game:
        """A game from its scene's first weights; scene, pools and streams depend on (seed, episode) alone."""
        stage, scene = self._stage, self._scenes[episode % len(self._scenes)]
        scene.task.restore(scene.first)
        self._games += 1  # a seed may play an episode again; the ledger counts every game
        number = self._ledger.start_game(stage.pool, scene.inner, self._budget, "inner", self._games, self._parent)
        given = scene.inner.sources(Role.START)
        return Game(
            self._ledger,
            number,
            episode,
            seed,
            stage.pool,
            scene.inner,
            scene.task,
            SimulatedOracle(scene.task),
            candidates,
            self._featuriser,
            stage.batch,
            stage.update,
            given if self._keep_given else given[:0],
        )

    def environment(self, candidates: Candidates, reward: Reward) -> QueryEnvironment:
        """The games as a Markov decision process."""
        return QueryEnvironment(lambda seed, episode: self.new_game(candidates, seed, episode), reward)

    def close(self) -> None:
        """Let go of the ledger."""
        self._ledger.close()
