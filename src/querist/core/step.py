"""``advance``: the one step that training and deployment share. Select, ask, answer, fit.

Who must wait for people takes it in two: :func:`open_step` asks, :func:`settle` goes on once the answers are there.
"""

import time
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from querist.core import rng
from querist.core.candidates import Candidates
from querist.core.ledger import Asking, Ledger, Question
from querist.core.observation import Groups, Observation, Schema
from querist.core.oracle import Oracle
from querist.core.policy import Selection
from querist.core.pool import Pool
from querist.core.split import Split
from querist.core.standing import recorded
from querist.core.task import Task
from querist.core.update import Updates
from querist.core.view import GameView
from querist.errors import QueristError


@dataclass(eq=False)
class Game:
    """One play: the deployment, or an episode on labels already bought.

    Args:
        id: the game's number in the ledger; ``episode`` 0 is the deployment and names its random streams.
        seed: of the run.
        batch: questions per step.
        update: optimiser steps after each step's answers; ``update_every`` steps of the game (1: after each).
        given: sources that are labelled from the start and that the task trains on.
        next_step: on resuming, the step that is played next, of which questions may stand in the ledger already; where
            ``stands`` says that people answer, the number of steps that were answered before.
        update_lag: updates take effect so many windows after the answers they learn from (0 or 1).
        updates: where the model learns.
        stands: what stands in the ledger is not chosen again, on resuming: with people the choice may go back to an
            answer that was corrected since.
    """

    ledger: Ledger
    id: int
    episode: int
    seed: int
    pool: Pool
    split: Split
    task: Task
    oracle: Oracle
    candidates: Candidates
    featuriser: "Featuriser"
    batch: int
    update: int
    given: np.ndarray
    update_every: int = 1
    next_step: int | None = None
    update_lag: int = 0
    updates: Updates = field(default_factory=Updates)
    stands: bool = False

    def __post_init__(self) -> None:
        self.view = GameView(self.ledger, self.id, self.pool, self.split, self.given, self.next_step, self.stands)

    def stream(self, name: str, step: int) -> np.random.Generator:
        """The random stream of a purpose at a step of this game."""
        return rng.generator(self.seed, name, self.episode, step)


class Featuriser(ABC):
    """Makes the observation of a step from the task's predictions and the ledger."""

    schema: Schema

    @abstractmethod
    def observe(self, game: Game, groups: Groups, step: int) -> Observation:
        """What a policy sees when these groups are offered."""

    def snapshot(self) -> dict[str, np.ndarray]:
        """What must be kept between steps, such as the statistics of a standardiser; nothing for most."""
        return {}

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        """Back to a snapshot."""
        if snapshot:
            raise ValueError(f"{type(self).__name__} keeps no state, but the snapshot has some")


@dataclass(frozen=True)
class Outcome:
    """What a step did.

    Args:
        step: its number.
        observation: what was offered; ``selection`` what was chosen.
        questions: what was asked, in order.
        answers: what came back for each; None: cannot tell.
        log: numbers worth keeping: losses, seconds.
    """

    step: int
    observation: Observation
    selection: Selection
    questions: list[Question]
    answers: list[np.ndarray | None]
    log: dict[str, float]

    @property
    def chosen(self) -> np.ndarray:
        """(G, K) units that the selection named; -1 where it named nobody."""
        picks = self.selection.indices
        units = np.take_along_axis(self.observation.groups.units, np.maximum(picks, 0), axis=1)
        return np.where(picks >= 0, units, -1)

    @property
    def asked(self) -> np.ndarray:
        """(G, K) bool: which of them were asked. The end of a budget cuts the last step short."""
        return np.isin(self.chosen, [question.unit for question in self.questions])


def offer(game: Game, step: int) -> Observation:
    """Whom a step offers, and what is known of them."""
    groups = game.candidates.build(game, step)
    return game.featuriser.observe(game, groups, step)


@dataclass(frozen=True, eq=False)
class OpenStep:
    """A step that was asked and waits for its answers.

    Args:
        step: its number.
        observation: what was offered; ``selection`` what was chosen.
        questions: what was asked, in order.
        began: when, in seconds of a clock that never goes back; ``selected`` when it was chosen.
    """

    step: int
    observation: Observation
    selection: Selection
    questions: list[Question]
    began: float
    selected: float


def advance(
    game: Game, step: int, choose: Callable[[Observation, int], Selection], seen: Observation | None = None
) -> Outcome | None:
    """One step: select, submit, collect, fit; see :func:`open_step` and :func:`settle`.

    Returns:
        What happened; None if some answers have not come yet.
    """
    return settle(game, open_step(game, step, choose, seen))


def open_step(
    game: Game, step: int, choose: Callable[[Observation, int], Selection], seen: Observation | None = None
) -> OpenStep:
    """Select and ask.

    A step that stands half done in the ledger (the process was killed, or people still answer) is taken up where it
    was: the selection is made again and must be the one that was asked; or, where :attr:`Game.stands` says so, taken
    from the ledger.

    Args:
        game: where.
        step: which; steps count from 0.
        choose: (observation, picks per group) -> selection.
        seen: the observation of this step, if the caller has made it already.

    Raises:
        QueristError: on resuming, another selection than the recorded one comes out, or other groups are offered.
    """
    began = time.perf_counter()
    observation = seen or offer(game, step)
    asked = game.ledger.questions(game.id, game.pool, step) if game.stands else []
    selection = recorded(observation, asked) if asked else choose(observation, game.candidates.per_group(game.batch))
    asking = _affordable(game, _listed(observation, selection))
    selected = time.perf_counter()
    return OpenStep(step, observation, selection, _ask(game, step, asking, observation), began, selected)


def settle(game: Game, opened: OpenStep) -> Outcome | None:
    """Collect the answers of a step and let the model learn, if it is time.

    Returns:
        What happened; None if some answers have not come yet.
    """
    return apply(game, opened, opened.step) if _answer(game, opened.questions) else None


def apply(
    game: Game, opened: OpenStep, turn: int, until: int | None = None, meanwhile: Callable[[], None] = lambda: None
) -> Outcome:
    """Take the answers of a step into account, all of which are in the ledger, and let the model learn, if it is time.

    Args:
        game: where; ``opened`` the step.
        turn: how many steps were answered before it.
        until: the newest answer that may be known.
        meanwhile: called now and then while the model has not learned yet what is due.
    """
    questions = opened.questions
    for question in questions:
        game.view.note_asked(question)
    game.view.refresh(until)
    log = {"seconds_select": opened.selected - opened.began}
    if questions:
        log |= game.updates.finish(game, turn, meanwhile)
    answers = [game.view.answer(q.id) for q in questions]
    log["seconds_step"] = time.perf_counter() - opened.began
    return Outcome(opened.step, opened.observation, opened.selection, questions, answers, log)


def reopen(game: Game, step: int, questions: list[Question]) -> OpenStep:
    """A step whose questions stand in the ledger, seen with what is known now.

    Where the model has changed since, a question may be about a unit that is not offered any more: then nothing is
    selected in its place.

    Raises:
        QueristError: it was asked with the same things known, and yet other groups were offered.
    """
    began = time.perf_counter()
    groups = game.candidates.again(game, step, questions)
    noted = game.ledger.step_details(game.id, step) or {}
    if "after" not in noted and game.view.turns == step and noted["offer"] != groups.digest():
        raise QueristError(
            f"{game.ledger.path}: step {step} was chosen from others than would be offered now",
            "resume with the versions, device and threads of 'querist status', and the data the run began with",
        )
    observation = game.featuriser.observe(game, groups, step)
    return OpenStep(step, observation, recorded(observation, questions), questions, began, time.perf_counter())


def _listed(observation: Observation, selection: Selection) -> list[Asking]:
    groups, scores = observation.groups, selection.scores
    return [
        Asking(
            int(groups.units[g, i]),
            None if scores is None else float(scores[g, j]),
            None if groups.context is None else groups.context[g],
        )
        for g, row in enumerate(selection.indices)
        for j, i in enumerate(row)
        if i >= 0
    ]


def _affordable(game: Game, asking: list[Asking]) -> list[Asking]:
    """The head of the list that the budget still pays for (the last step may be a short one)."""
    costs = list(accumulate(game.pool.costs(np.array([a.unit for a in asking], dtype=np.int64)).tolist()))
    # What the view says is spent, because steps that are played again have been paid in the ledger.
    left = game.view.budget - game.view.spent - sum(q.cost for q in game.view.elsewhere)
    return asking[: bisect_right(costs, left)]


def _ask(game: Game, step: int, asking: list[Asking], observation: Observation) -> list[Question]:
    noted = game.ledger.step_details(game.id, step)
    if noted is None:
        return game.ledger.ask(game.id, step, game.pool, asking, _details(game, step, observation))
    questions = game.ledger.questions(game.id, game.pool, step)
    now, then = [a.unit for a in asking], [q.unit for q in questions]
    if now != then or noted["offer"] != observation.groups.digest():
        at = next((i for i, (a, b) in enumerate(zip(now, then, strict=False)) if a != b), min(len(now), len(then)))
        was = game.pool.name(then[at]) if at < len(then) else "nothing"
        would = game.pool.name(now[at]) if at < len(now) else "nothing"
        raise QueristError(
            f"{game.ledger.path}: step {step} asked about {was} in place {at}, but now {would} would be asked",
            "resume with the versions, device and threads of 'querist status', and the data the run began with",
        )
    return questions


def _details(game: Game, step: int, observation: Observation) -> dict[str, object]:
    """What the ledger notes of a step: what was offered and, if others wait beside it, whose line it goes on."""
    details: dict[str, object] = {"offer": observation.groups.digest()}
    last = game.view.last_question
    after = -1 if last is None else last.step
    return details | ({"after": after} if game.view.elsewhere or after != step - 1 else {})


def _answer(game: Game, questions: list[Question]) -> bool:
    """Bring every answer into the ledger; whether all of them are there."""
    have = game.ledger.answered(game.id, questions[0].step) if questions else set()
    game.oracle.submit([q for q in questions if q.id not in have])
    for question, answer in game.oracle.collect():
        game.ledger.answer(question, answer)
        have.add(question)
    return all(q.id in have for q in questions)
