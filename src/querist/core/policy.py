"""Policies: who is asked next. Learned or not, every strategy is one."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from querist.core.observation import Observation, Schema
from querist.core.task import Task
from querist.errors import QueristError

if TYPE_CHECKING:
    from querist.core.candidates import Candidates
    from querist.core.split import Split
    from querist.core.step import Featuriser, Game, Outcome


@dataclass(frozen=True, eq=False)
class Selection:
    """What a policy chose.

    Args:
        indices: (G, k) int64, positions within each group; -1 where a group has too few candidates.
        scores: (G, k) why, larger is better; None if the policy does not score.
    """

    indices: np.ndarray
    scores: np.ndarray | None = None


class Policy(ABC):
    """Chooses k candidates of every group. Subclasses fill :meth:`_select` (or derive from :class:`Acquisition`)."""

    fields: tuple[str, ...] = ()
    """What it must know of every candidate, by the task's field names."""
    needs: tuple[type, ...] = ()
    """Capabilities (protocols of :mod:`querist.core.task`) that the task must have."""
    forms: tuple[str, ...] = ("global", "group")
    """How candidates may be offered to it: the whole pool, or K random pools."""
    keep_given: bool = True
    """Whether the task goes on learning from the starting set while this policy asks."""
    schema: Schema | None = None
    """A trained policy's schema: an observation of any other is refused."""

    def check(self, task: Task, split: "Split | None" = None) -> None:
        """Before a run starts: can this task feed this policy?

        Args:
            task: the task; ``split`` the roles of its sources, where they are known.

        Raises:
            QueristError: names the missing field or capability.
        """
        name = type(self).__name__
        for capability in self.needs:
            if not task.can(capability):
                raise QueristError(
                    f"{name} needs a task that {capability.__name__}, and {type(task).__name__} does not",
                    f"{task.way_to(capability)}; or choose another strategy",
                )
        for field in self.fields:
            if field not in task.fields:
                have = ", ".join(task.fields) or "none"
                raise QueristError(
                    f"{name} needs the field {field!r}; {type(task).__name__} offers {have}",
                    "choose a strategy whose fields the task offers, or a model that shows it (docs/own-model.md)",
                )

    def select(self, observation: Observation, k: int, rng: np.random.Generator) -> Selection:
        """Choose k of every group.

        Args:
            observation: who is offered and what is known of them.
            k: picks per group.
            rng: the policy's own stream.

        Returns:
            A selection without repeats, inside the mask.

        Raises:
            QueristError: the observation has another schema than the policy was trained on.
            ValueError: the policy chose outside the mask or twice: a defect of the policy.
        """
        if self.schema is not None and observation.schema.hash() != self.schema.hash():
            raise schema_mismatch(type(self).__name__, self.schema, observation.schema)
        if not observation.groups.mask.any():
            return Selection(np.full((len(observation.groups.mask), k), -1, dtype=np.int64))
        selection = self._select(observation, k, rng)
        check_selection(selection, observation, k)
        return selection

    @abstractmethod
    def _select(self, observation: Observation, k: int, rng: np.random.Generator) -> Selection:
        """The hook of :meth:`select`."""

    def learn(self, game: "Game", outcome: "Outcome", rng: np.random.Generator) -> dict[str, float]:
        """After each step of a deployment: for policies that learn while they are used; returns what to log."""
        return {}

    def own_candidates(self, form: str, count: int) -> "Candidates | None":
        """The groups of a policy that brings its own; None: those of the form it is named with.

        Args:
            form: ``global``, ``group`` or a profile; ``count`` how many are asked per step.
        """
        return None

    def own_featuriser(self, task: Task) -> "Featuriser | None":
        """The featuriser of a policy that brings its own; None: its fields, side by side."""
        return None

    def snapshot(self) -> dict[str, np.ndarray]:
        """What a policy that learns while it is deployed must keep; nothing for all others."""
        return {}

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        """Back to a snapshot."""
        if snapshot:
            raise ValueError(f"{type(self).__name__} keeps no state, but the snapshot has some")


class Acquisition(Policy):
    """A policy without learning: score every candidate, take the k best of each group."""

    @abstractmethod
    def score(self, observation: Observation, rng: np.random.Generator) -> np.ndarray:
        """(G, N) scores, larger is asked first; values outside the mask do not matter."""

    def _select(self, observation: Observation, k: int, rng: np.random.Generator) -> Selection:
        return top_k(self.score(observation, rng), observation.groups.mask, k)


def top_k(scores: np.ndarray, mask: np.ndarray, k: int) -> Selection:
    """The k largest of each row inside the mask; ties go to the earlier candidate (their order is random by hash).

    Args:
        scores: (G, N); ``mask`` (G, N).
        k: how many per row.
    """
    ranked = np.where(mask, scores, -np.inf)
    if np.isnan(ranked).any():
        raise ValueError("a score is not a number")
    indices = np.lexsort((-ranked, ~mask), axis=1)[:, :k]  # the mask first: a score may be -inf inside it
    if indices.shape[1] < k:
        indices = np.pad(indices, ((0, 0), (0, k - indices.shape[1])), constant_values=-1)
    places = np.arange(len(indices))[:, None], np.maximum(indices, 0)
    inside = (indices >= 0) & mask[places]
    return Selection(np.where(inside, indices, -1), np.where(inside, ranked[places], 0.0))


def check_selection(selection: Selection, observation: Observation, k: int) -> None:
    """A selection lies inside the mask, has no repeats, and is as large as the groups allow.

    Raises:
        ValueError: it does not.
    """
    mask = observation.groups.mask
    if selection.indices.shape != (mask.shape[0], k):
        raise ValueError(f"a selection must be {(mask.shape[0], k)}, not {selection.indices.shape}")
    for row, inside in zip(selection.indices, mask, strict=True):
        picks = row[row >= 0]
        if len(set(picks.tolist())) != len(picks) or (picks >= len(inside)).any() or not inside[picks].all():
            raise ValueError("a selection repeats a candidate or leaves the mask")
        if len(picks) < min(k, int(inside.sum())):
            raise ValueError(f"a selection takes {len(picks)} where {min(k, int(inside.sum()))} are to be had")


def schema_mismatch(who: str, trained: Schema, given: Schema) -> QueristError:
    """The error of a policy that is given another observation than it was trained on; names both schemas."""
    return QueristError(
        f"{who} was trained on schema {trained.hash()} {_words(trained)}, but this task gives schema {given.hash()} "
        f"{_words(given)}{_apart(trained, given)}",
        "use a policy card trained for these features and classes, or a class-free one",
    )


def _apart(trained: Schema, given: Schema) -> str:
    """What tells two schemas apart that are worded alike."""
    if _words(trained) != _words(given):
        return ""
    theirs, ours = trained.classes or (), given.classes or ()
    if theirs == ours:
        return ": their values have other ranges"
    gone, came = ([name for name in a if name not in b][:5] for a, b in ((theirs, ours), (ours, theirs)))
    return f": {', '.join(gone)} there, {', '.join(came)} here" if gone else ": the classes are in another order"


def _words(schema: Schema) -> str:
    candidates, state = (
        ", ".join(f"{f.name}{list(f.shape) or ''}" for f in fields) or "nothing"
        for fields in (schema.candidates, schema.state)
    )
    classes = f"{len(schema.classes)} classes" if schema.classes else "class-free"
    return f"(candidates: {candidates}; state: {state}; {classes})"
