"""Steps whose questions stand in the ledger already: what was selected in them, and what can be learned from them."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from querist.core.observation import Observation
from querist.core.policy import Selection
from querist.core.questions import Question

if TYPE_CHECKING:
    from querist.core.step import Outcome


def recorded(observation: Observation, questions: list[Question]) -> Selection:
    """The selection that questions came from; where one is not offered, nothing is selected in its place."""
    groups = observation.groups
    picks: list[list[tuple[int, float]]] = [[] for _ in groups.mask]
    for q in questions:
        own = groups.mask if groups.context is None else groups.mask & (np.array(groups.context) == q.context)[:, None]
        where = np.argwhere(own & (groups.units == q.unit))
        if len(where):
            picks[int(where[0, 0])].append((int(where[0, 1]), q.score or 0.0))
    width = max(1, *map(len, picks))
    indices = np.full((len(picks), width), -1, dtype=np.int64)
    scores = np.zeros(indices.shape)
    for g, row in enumerate(picks):
        for j, (place, score) in enumerate(row):
            indices[g, j], scores[g, j] = place, score
    return Selection(indices, None if any(q.score is None for q in questions) else scores)


def taught(outcome: "Outcome") -> "Outcome":
    """What a policy learns from: an answer about a unit that is not offered any more tells it nothing."""
    offered = outcome.observation.groups.units[outcome.observation.groups.mask]
    gone = ~np.isin([q.unit for q in outcome.questions], offered)
    if not gone.any():
        return outcome
    return replace(outcome, answers=[None if g else a for g, a in zip(gone, outcome.answers, strict=True)])
