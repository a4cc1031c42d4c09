"""The plain featurisers: the task's own fields side by side, and embeddings beside those of what is labelled."""

from collections.abc import Sequence

import numpy as np

from querist.core.capabilities import Embeds, KnowsTruth
from querist.core.observation import Field, Groups, Observation, Schema
from querist.core.pool import ColumnarPool
from querist.core.step import Featuriser, Game
from querist.core.task import Task
from querist.errors import QueristError


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
        return Observation(
            groups, candidates, self.schema, sources_of(game, groups), asked=game.view.asked_per_source()
        )


class EmbeddingFeaturiser(Featuriser):
    """Each candidate's features are its embedding (field ``embedding``) and further fields of the task.

    The state holds the embeddings of everything labelled, (n_L, d): what was bought, in the order of the answers, then
    all units of the sources that were given. Candidates and labelled units are embedded together, so an image that
    holds both goes through the model once. Embeddings are computed anew at each step: the model has changed.

    Args:
        task: one that :class:`~querist.core.capabilities.Embeds`.
        names: further fields, in order.
        labelled: whether to fill the state.
        classes: name the task's classes in the schema, for a policy that must know how many there are.
    """

    def __init__(self, task: Task, names: Sequence[str] = (), labelled: bool = True, classes: bool = False) -> None:
        assert isinstance(task, Embeds), "Policy.needs is checked before"
        embedding = Field("embedding", (task.embedding_width(),))
        fields = (embedding, *(task.fields[name] for name in names))
        named = classes or any(f.per_class for f in fields)
        self.schema = Schema(fields, (embedding,) if labelled else (), task.parts if named else None)
        self._names = ("embedding", *names)
        self._labelled = labelled

    def observe(self, game: Game, groups: Groups, step: int) -> Observation:
        G, N = groups.units.shape
        candidates = np.zeros((G, N, self.schema.width), dtype=np.float32)
        width = self.schema.candidates[0].size
        state = np.zeros((0, width) if self._labelled else 0, dtype=np.float32)
        if groups.mask.any():
            known = labelled_units(game) if self._labelled else np.zeros(0, dtype=np.int64)
            offered = groups.flat
            units, inverse = np.unique(np.concatenate([offered, known]), return_inverse=True)
            described = game.task.describe(units, self._names, game.stream("describe", step))
            for f in self.schema.candidates:
                table = described[f.name].reshape(len(units), f.size)
                candidates[groups.mask, self.schema.columns(f.name)] = table[inverse[: len(offered)]]
            if self._labelled:
                state = described["embedding"][inverse[len(offered) :]]
        sources = sources_of(game, groups)
        return Observation(groups, candidates, self.schema, sources, state, game.view.asked_per_source())


def labelled_units(game: Game) -> np.ndarray:
    """The units of everything labelled in a game: bought ones first, then all units of the given sources, int64.

    Raises:
        QueristError: whole sources were given, but the pool cannot list their units.
    """
    labels = game.view.labels()
    if not len(labels.given):
        return labels.units
    if not isinstance(game.pool, ColumnarPool):
        raise QueristError(
            f"{len(labels.given)} whole images are labelled, but a {type(game.pool).__name__} cannot list their units",
            "begin without a starting set, or choose a strategy that does not compare with what is labelled",
        )
    return np.concatenate([labels.units, game.pool.units_of(labels.given)])


def labelled_answers(
    game: Game, otherwise: str = "begin without a starting set"
) -> tuple[np.ndarray, Sequence[np.ndarray]]:
    """The m labelled units, in the order of :func:`labelled_units`, and their answers.

    Args:
        game: whose labels are meant.
        otherwise: for the error, what else helps than a task that shows the labels of its starting set.

    Raises:
        QueristError: a starting set was given, and the task cannot show its labels.
    """
    units, labels = labelled_units(game), game.view.labels()
    given = units[len(labels.units) :]
    if not len(given):
        return units, labels.answers
    if not isinstance(game.task, KnowsTruth):
        raise QueristError(
            f"{type(game.task).__name__} cannot show the labels of its starting set",
            f"give it truth(units), or {otherwise}",
        )
    return units, [*labels.answers, *game.task.truth(given)]


def sources_of(game: Game, groups: Groups) -> np.ndarray:
    """The sources of the candidates, (G, N, s); what stands outside the mask does not matter."""
    sources = game.pool.sources(np.maximum(groups.units, 0).ravel())
    return sources.reshape(*groups.units.shape, sources.shape[1])


def by_subject(game: Game, groups: Groups) -> tuple[np.ndarray, np.ndarray]:
    """Subjects in the place of sources: for strategies that spread their questions over people, photographs or clips.

    Returns:
        (G, N, s) the numbers of the candidates' subjects, and (subjects,) how much is known of each: questions that
        were asked, and sources that were labelled from the start.
    """
    subjects, number = np.unique(game.pool.source_subjects, return_inverse=True)
    known = np.bincount(number, game.view.asked_per_source(), len(subjects)).astype(np.int64)
    known += np.bincount(number[game.view.labels().given], minlength=len(subjects))
    return number[sources_of(game, groups)], known
