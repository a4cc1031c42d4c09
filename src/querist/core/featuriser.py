"""The plain featuriser: the task's own fields, side by side."""

from collections.abc import Sequence

import numpy as np

from querist.core.observation import Groups, Observation, Schema
from querist.core.step import Featuriser, Game
from querist.core.task import Task


class FieldFeaturiser(Featuriser):
    """Each candidate's features are the named fields that the task describes; there is no state.

    Args:
        task: offers the fields.
        names: which of them, in order.
    """

    def __init__(self, task: Task, names: Sequence[str]) -> None:
        fields = tuple(task.fields[name] for name in names)
        per_class = any(f.per_class for f in fields)
        self.schema = Schema(fields, classes=task.parts if per_class else None)
        self._names = tuple(names)

    def observe(self, game: Game, groups: Groups, step: int) -> Observation:
        G, N = groups.units.shape
        candidates = np.zeros((G, N, self.schema.width), dtype=np.float32)
        if self._names and groups.mask.any():
            # Groups may overlap (neighbours of several anchors): describe every unit once.
            units, inverse = np.unique(groups.flat, return_inverse=True)
            described = game.task.describe(units, self._names, game.stream("describe", step))
            table = [described[f.name].reshape(len(units), f.size) for f in self.schema.candidates]
            candidates[groups.mask] = np.concatenate(table, axis=1)[inverse]
        sources = game.pool.sources(np.maximum(groups.units, 0).ravel())
        sources = sources.reshape(G, N, sources.shape[1])
        return Observation(groups, candidates, self.schema, sources, asked=game.view.asked_per_source())
