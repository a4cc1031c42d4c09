"""MATAL as a policy: the team of a card chooses image after image, and is trained again when labels have doubled."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from querist.agents.matal.config import Matal, kept
from querist.agents.matal.features import MatalFeaturiser, schema
from querist.agents.matal.games import moment, shown, team_pool
from querist.agents.matal.network import TeamQ
from querist.agents.matal.retraining import TooFewLabelsError, due, retrained
from querist.agents.matal.spaces import FIELDS, Calibration, Spaces
from querist.agents.matal.team import build_team, choose
from querist.core.candidates import Candidates
from querist.core.capabilities import HasSkeleton
from querist.core.card import PolicyCard, fitting
from querist.core.observation import Observation
from querist.core.policy import Policy, Selection, schema_mismatch
from querist.core.rehearsal import Stage
from querist.core.rng import generator as derived
from querist.core.split import Split
from querist.core.step import Game, Outcome
from querist.core.task import Task
from querist.nn.halved import from_tensors
from querist.nn.runtime import arrays_to_state, seeded, state_to_arrays

TEAM, INITIAL, CALIBRATION = "team", "initial", "calibration"
"""Prefixes of a card's tensors: the team that plays, the initialisation from which it is trained again, what is
frozen. Without meta-learning there is no initialisation of its own."""

Rehearse = Callable[[Game, Path, Matal, int], Stage]
"""(the deployment, an empty folder, the team's settings, a seed) -> where games can be played on what was labelled."""


class MatalPolicy(Policy):
    """Plays a card (Gong et al. 2022; ALGORITHMS 2.5).

    Between trainings the team is frozen and greedy. One deployment, one instance: its weights may change.

    Args:
        card: of the agent ``matal``.
        rehearse: makes a stage of the labels bought, such as
            :class:`~querist.agents.matal.retraining.LabelsBought`; None: the team stays as the card has it.
    """

    needs = (HasSkeleton,)
    fields = FIELDS
    forms = ()  # its candidates are its own

    def __init__(self, card: PolicyCard, rehearse: Rehearse | None = None) -> None:
        self.card, self.schema, self.rehearse = card, card.schema, rehearse
        with fitting(card):
            self.settings = kept(card.settings)
            self.calibration = Calibration.of(card.tensors, CALIBRATION)
            self.team = self._built(TEAM)
        self._trained_on: int | None = None  # how many images were labelled when the team was trained again

    def _built(self, prefix: str) -> TeamQ:
        state = from_tensors(self.card.tensors, prefix)
        with seeded(0):  # fresh weights are drawn before the card's replace them
            team = build_team(self.card.schema, self.settings, len(state["last_bias"]))
        team.load_state_dict(state)
        return team

    def check(self, task: Task, split: Split | None = None) -> None:
        super().check(task, split)
        given = schema(Spaces(task), task, self.settings)
        if given.hash() != self.card.schema.hash():
            raise schema_mismatch(self.card.strategy, self.card.schema, given)

    def own_candidates(self, form: str, count: int) -> Candidates:
        """One group, whose ``per_group`` refuses a batch that is larger than a team whose agents are not alike."""
        own = self.settings.team in ("context", "no_context") and self.settings.parameters == "own"
        return team_pool(self.settings, deployed=True, agents=self.team.agents if own else 0)

    def own_featuriser(self, task: Task) -> MatalFeaturiser:
        return MatalFeaturiser(task, self.settings, self.calibration)

    def _select(self, observation: Observation, k: int, rng: np.random.Generator) -> Selection:
        places = np.flatnonzero(observation.groups.mask[0])
        found = choose(self.team, self.settings, *moment(observation), k, rng=rng, shown=shown(observation))
        indices, scores = np.full((1, k), -1, dtype=np.int64), np.zeros((1, k))
        indices[0, : len(found.places)], scores[0, : len(found.places)] = places[found.places], found.values
        return Selection(indices, scores)

    def learn(self, game: Game, outcome: Outcome, rng: np.random.Generator) -> dict[str, float]:
        """Train the team again if the labelled set has doubled since it was trained, and something is left to ask.

        Where these labels are too few for games, as of few and very uneven subjects, the team stays as it is, and it is
        tried again after the next step.
        """
        if self.rehearse is None or not self.settings.retrain or self.card.control == "untrained":
            return {}
        labels = game.view.labels()
        labelled = len(labels.units) + len(labels.given)
        if not due(labelled, self._trained_on or len(labels.given), game.view.budget - game.view.spent):
            return {}
        # Comparisons test how much trainings differ: two policies that share a seed must not share their luck here.
        own = derived(int(self.card.hash, 16), "retraining", 0, int(rng.integers(2**62)))
        luck, games = own.integers(2**62, size=2)
        present = game.task.snapshot()
        team = self._built(INITIAL if any(name.startswith(INITIAL) for name in self.card.tensors) else TEAM)
        try:
            with tempfile.TemporaryDirectory() as folder:
                stage = self.rehearse(game, Path(folder), self.settings, int(luck))
                eyes = self.own_featuriser(stage.task)
                log = retrained(team, stage, eyes, self.settings, int(games), self.card.control)
        except TooFewLabelsError:
            return {"retrained": 0.0}
        finally:
            game.task.restore(present)  # games may be played with the very task that is deployed
        self.team, self._trained_on = team, labelled
        return log

    def snapshot(self) -> dict[str, np.ndarray]:
        if self._trained_on is None:
            return {}
        return state_to_arrays(self.team, TEAM) | {"trained_on": np.array(self._trained_on)}

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        self._trained_on = int(snapshot["trained_on"]) if snapshot else None
        self.team = self._built(TEAM)
        if snapshot:
            self.team.load_state_dict(arrays_to_state(snapshot, TEAM))
