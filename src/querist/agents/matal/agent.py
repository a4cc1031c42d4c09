"""MATAL as an agent: from a stage to a card (Gong et al. 2022, Meta agent teaming active learning for poses)."""

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import numpy as np

from querist.agents.matal import config
from querist.agents.matal.config import Matal
from querist.agents.matal.exploring import explorer
from querist.agents.matal.features import MatalFeaturiser
from querist.agents.matal.games import moment, play, shown, team_pool
from querist.agents.matal.learner import Learner
from querist.agents.matal.network import TeamQ
from querist.agents.matal.partition import partitioned
from querist.agents.matal.policy import CALIBRATION, INITIAL, TEAM, MatalPolicy
from querist.agents.matal.retraining import LabelsBought
from querist.agents.matal.spaces import APPEARANCE, POSE, Spaces, calibrate
from querist.agents.matal.team import build_team, choose
from querist.core import rng
from querist.core.agent import Again, Agent, Control, Watcher
from querist.core.capabilities import EstimatesInfluence, HasSkeleton, Rehearses
from querist.core.card import PolicyCard
from querist.core.observation import Observation
from querist.core.policy import Policy
from querist.core.pool import ColumnarPool, Pool
from querist.core.rehearsal import Rehearsal, Stage
from querist.core.split import Role, Split
from querist.core.task import Task
from querist.errors import QueristError
from querist.nn.halved import from_tensors, to_tensors
from querist.nn.runtime import seeded
from querist.rl.check import CHECK_SEED, against_chance

Take = Callable[[Observation, int, np.random.Generator], np.ndarray]


class MatalAgent(Agent):
    """Images of hands and bodies, a team of agents that choose in turn, one value for all of them."""

    name = "matal"

    def check(self, pool: Pool, split: Split, batch: int, groups: int, games: int) -> None:
        if not isinstance(pool, ColumnarPool) or len(pool.parts) > 1:
            raise QueristError(
                f"matal asks about images, and the units here are those of a {type(pool).__name__} with several of one",
                "use it with a pose task",
            )

    def check_task(
        self, task: Task, split: Split, profile: str, changes: Mapping[str, Any], rehearsal: bool = True
    ) -> None:
        """Before anything is trained: does the task offer what a team sees, and what it is paid by?

        Args:
            task: of the deployment; ``split`` its roles.
            profile: ``sound`` or ``faithful``; ``changes`` of its settings.
            rehearsal: whether games are played in the task's stand-in, where it has one.

        Raises:
            QueristError: a field, the skeleton or the capability behind the reward is missing, or the metric cannot be
                taken of a reward set.
        """
        kind, reward = type(task).__name__, config.settings(profile, changes).reward
        if task.can(HasSkeleton) and POSE in task.fields and APPEARANCE not in task.fields:
            raise QueristError(
                f"matal compares images by what the model sees in them, and the model of this {kind} gives poses alone",
                "derive it from querist.tasks.pose.network.PoseNetwork (look() and head), so that there is a field "
                f"{APPEARANCE!r}; train.rehearsal=false does not help",
            )
        Spaces(task)
        stands_in = task.can(Rehearses) and isinstance(task, Rehearses)
        told = task.can(EstimatesInfluence) and isinstance(task, EstimatesInfluence)
        if reward == "influence" and not told and not (stands_in and rehearsal):
            metric = f"--set train.rehearsal=false --set train.settings.matal/{profile}.reward=metric"
            raise QueristError(
                f"matal/{profile} pays for the influence of each image (reward: {reward}), and a {kind} itself cannot "
                "tell it",
                f"play in its stand-in (--set train.rehearsal=true), or let the metric alone pay ({metric})"
                if stands_in
                else f"let the metric alone pay: {metric}",
            )
        task.evaluate(self.scene(profile, changes, split, task.pool, 0, 0).sources(Role.REWARD))

    def questions(self, profile: str, changes: Mapping[str, Any], batch: int) -> tuple[int, str]:
        chosen = config.settings(profile, changes)
        return chosen.steps * batch, "steps, or batch"

    def scene(self, profile: str, changes: Mapping[str, Any], split: Split, pool: Pool, seed: int, turn: int) -> Split:
        chosen = config.settings(profile, changes)
        return partitioned(split, pool, seed, turn, chosen.reward_share, chosen.labelled_share, chosen.apart)

    def policy(self, card: PolicyCard, again: Again | None = None) -> Policy:
        return MatalPolicy(card, None if again is None else LabelsBought(again))

    def episodes(self, profile: str, changes: Mapping[str, Any], control: Control | None) -> int:
        chosen = config.settings(profile, changes)
        return chosen.warm_up if control == "untrained" else chosen.games

    def train(
        self,
        profile: str,
        changes: Mapping[str, Any],
        stage: Stage,
        seed: int,
        control: Control | None = None,
        watch: Watcher | None = None,
    ) -> PolicyCard:
        settings = config.settings(profile, changes)
        eyes = _eyes(stage, settings, seed)
        images = 1 if settings.team == "single" else stage.batch
        learns = settings.alone(stage.batch)
        with seeded(int(rng.generator(seed, "policy weights").integers(2**62))):
            team = build_team(eyes.schema, settings, images)
        tensors = eyes.calibration.arrays(CALIBRATION)
        with closing(stage.rehearse(eyes, settings.steps * stage.batch)) as games:
            learner = Learner(games, len(stage.scenes), team, learns, eyes.schema, seed, control, watch)
            learner.warm_up()
            if control != "untrained":
                if settings.meta != "none":
                    learner.meta_train()
                    tensors |= to_tensors(team, INITIAL)
                learner.train(settings.episodes)
            learner.end()
        tensors |= to_tensors(team, TEAM)
        check: Mapping[str, Any] = {}
        if control is None and settings.check_games and stage.unseen is not None:
            team.load_state_dict(from_tensors(tensors, TEAM))  # what is looked at is what is kept
            with closing(stage.rehearse(eyes, settings.steps * stage.batch, unseen=True)) as games:
                check = _check(games, team, settings)
        return PolicyCard(
            self.name,
            profile,
            eyes.schema,
            dataclasses.asdict(settings),
            {},
            tuple(learner.curve),
            tensors,
            control,
            check,
        )


def _eyes(stage: Stage, settings: Matal, seed: int) -> MatalFeaturiser:
    """The featuriser, its numbers frozen from what the first scene's model makes of the starting set."""
    scene = stage.scenes[0]
    if not isinstance(stage.pool, ColumnarPool):
        raise QueristError(
            f"matal asks about images, and the units here are those of a {type(stage.pool).__name__}",
            "use it with a pose task",
        )
    if any(not len(each.inner.sources(Role.REWARD)) for each in stage.scenes):
        raise QueristError(
            "the games of matal have no reward set", "divide the starting set with agents.matal.partition.partitioned"
        )
    scene.task.restore(scene.first)
    units = stage.pool.units_of(stage.outer.sources(Role.START))
    calibration = calibrate(Spaces(scene.task), scene.task, units, settings, seed)
    return MatalFeaturiser(scene.task, settings, calibration)


def _check(games: Rehearsal, team: TeamQ, settings: Matal) -> Mapping[str, Any]:
    """The sum of gains of the team and of chance, in the same games, in a partition that it was not trained in.

    Chance is dealt hands in the same way, so that the difference is what was learned and not the deal. Only a first
    look: the partition has the images of the others, divided in another way. What counts is a comparison.
    """
    uniform = dataclasses.replace(settings, exploration="uniform")

    def greedy(seen: Observation, k: int, stream: np.random.Generator) -> np.ndarray:
        return choose(team, settings, *moment(seen), k, rng=stream, shown=shown(seen)).places

    def chance(seen: Observation, k: int, stream: np.random.Generator) -> np.ndarray:
        rows = moment(seen)[1]
        draw = explorer(rows, uniform, 1.0, stream, np.ones(rows.shape[1]))
        return choose(team, settings, *moment(seen), k, draw, stream, shown(seen)).places

    found = {name: _sums(games, take, settings) for name, take in (("policy", greedy), ("random", chance))}
    return against_chance(**found)


def _sums(games: Rehearsal, take: Take, settings: Matal) -> list[float]:
    plain, sums = dataclasses.replace(settings, reward="metric"), []
    for number in range(1, settings.check_games + 1):
        game = games.new_game(team_pool(settings, deployed=False), CHECK_SEED, number)

        def pick(seen: Observation, k: int, step: int, number: int = number) -> np.ndarray:
            return take(seen, k, rng.generator(CHECK_SEED, "play", number, step))

        sums.append(float(np.sum(play(game, plain, pick).rewards)))
    return sums


AGENT = MatalAgent()
