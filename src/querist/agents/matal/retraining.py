"""Training a team again on the labels that were bought (Gong et al. 2022, section 3.3; ALGORITHMS 2.5, RETRAIN)."""

import math
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from querist.agents.matal.config import Matal
from querist.agents.matal.features import MatalFeaturiser
from querist.agents.matal.learner import Learner
from querist.agents.matal.network import TeamQ
from querist.agents.matal.partition import partitioned
from querist.core import rng
from querist.core.agent import Again, Control
from querist.core.answers import Labels
from querist.core.capabilities import Rehearses
from querist.core.oracle import SimulatedOracle
from querist.core.rehearsal import Scene, Stage, check_games
from querist.core.split import Role, Split
from querist.core.step import Game
from querist.errors import QueristError


class TooFewLabelsError(QueristError):
    """What is labelled cannot be divided into reward sets and pools for games."""


def due(labelled: int, last: int, left: int) -> bool:
    """Whether a team is trained again after a step: the labelled set has doubled, and something is left to choose.

    Args:
        labelled: how many images are labelled by now; ``last`` how many were when the team was trained last.
        left: how much of the budget; behind the last step nobody chooses any more.
    """
    return labelled >= 2 * last and left > 0


def retrained(
    team: TeamQ, stage: Stage, eyes: MatalFeaturiser, settings: Matal, seed: int, control: Control | str | None
) -> dict[str, float]:
    """Adapt a team to a stage, with a share of the usual number of games.

    Args:
        team: stands at its initialisation; changed in place. Its standardisers stay what they are.
        stage: of all labels bought.
        eyes: of the policy.
        settings: the numbers.
        seed: of games and exploration.
        control: ``shuffled`` learns from the rewards of other steps here too.

    Returns:
        What is worth logging.
    """
    episodes = math.ceil(settings.retrain_share * settings.episodes)
    shuffled: Control | None = "shuffled" if control == "shuffled" else None
    with closing(stage.rehearse(eyes, settings.steps * stage.batch)) as games:
        learner = Learner(games, len(stage.scenes), team, settings.alone(stage.batch), eyes.schema, seed, shuffled)
        learner.train(episodes)
        learner.end()
    return {
        "retrained": float(episodes),
        "retrained_return": float(np.mean([row["return"] for row in learner.curve])),
        "seconds_retrain": float(sum(row["seconds"] for row in learner.curve)),
    }


@dataclass(frozen=True, eq=False)
class LabelsBought:
    """Makes a stage of everything labelled in a deployment: what was given and what was bought.

    Each partition begins with a model that knows nothing but its own labelled share: trained from untouched weights,
    because the deployed model has seen the answers that the games are about (ALGORITHMS 2.9-3).

    Args:
        again: how policies are trained for the recipe; each scene is a partition.
    """

    again: Again

    def __call__(self, game: Game, folder: Path, settings: Matal, seed: int) -> Stage:
        """The stage; the task is left as the last partition's model, to be restored by the caller.

        Args:
            game: the deployment; ``folder`` an empty one; ``settings`` of the team, how it divides what is labelled.
            seed: of the partitions and of the models that games begin with.

        Raises:
            QueristError: people answer, whose labels games cannot be played on yet.
            TooFewLabelsError: one of the partitions would have fewer images to ask about than a game has questions.
        """
        if not isinstance(game.oracle, SimulatedOracle):
            raise QueristError(
                "a team can be trained again on answers that the data hold, not yet on those of people",
                "set retrain: false in its settings",
            )
        labels = game.view.labels()
        roles = np.full(len(game.split.roles), Role.UNUSED, dtype=np.int8)
        roles[game.split.sources(Role.STATE)] = Role.STATE
        roles[labels.given] = Role.START
        roles[game.pool.sources(labels.units)[:, 0]] = Role.START
        outer = Split(roles)
        inners = self._partitions(game, outer, settings, seed)
        scenes = tuple(self._scene(game, labels, inner, seed, turn) for turn, inner in enumerate(inners))
        return Stage(folder, game.pool, outer, scenes, 1, game.batch, self.again.update)

    def _partitions(self, game: Game, outer: Split, settings: Matal, seed: int) -> list[Split]:
        shares, turns = (settings.reward_share, settings.labelled_share), range(self.again.scenes)
        try:
            found = [partitioned(outer, game.pool, seed, turn, *shares, settings.apart) for turn in turns]
            check_games(settings.steps * game.batch, game.pool, found)
        except QueristError as error:
            raise TooFewLabelsError(error.what, error.fix) from error
        return found

    def _scene(self, game: Game, labels: Labels, inner: Split, seed: int, turn: int) -> Scene:
        task = game.task
        known = inner.sources(Role.START)
        mine = np.isin(game.pool.sources(labels.units)[:, 0], known)
        answers = tuple(answer for answer, own in zip(labels.answers, mine, strict=True) if own)
        these = Labels(labels.units[mine], answers, labels.given[np.isin(labels.given, known)])
        stream = rng.generator(seed, "retrain", turn)
        task.restore(self.again.untouched)
        task.fit(these, new=these, steps=self.again.start, phase="start", rng=stream)
        if not self.again.rehearsal or not (task.can(Rehearses) and isinstance(task, Rehearses)):
            return Scene(inner, task, task.snapshot())
        games = task.rehearsal(np.concatenate([inner.sources(r) for r in (Role.START, Role.POOL, Role.REWARD)]))
        first = Labels(these.units[:0], (), known)
        games.fit(first, new=first, steps=self.again.first, phase="start", rng=stream)
        return Scene(inner, games, games.snapshot())
