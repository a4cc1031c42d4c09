"""What a task may be able to do besides what every task must: one protocol each.

A strategy or a command names those that it needs, and :meth:`querist.core.task.Task.can` says whether a task has them.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from querist.core.evaluation import Evaluation
from querist.core.task import Task

Scope = Literal["head", "all"]
"""By which parameters a gradient is taken: see :class:`ExpectsGradients`."""


@runtime_checkable
class KnowsTruth(Protocol):
    """A task whose data hold the answers: what the simulated oracle reveals."""

    def truth(self, units: np.ndarray) -> list[np.ndarray]:
        """The true answer of each unit."""
        ...


@runtime_checkable
class CountsAnswers(Protocol):
    """A task that can say what was bought, part by part (pixels by class, joints by name)."""

    amount_unit: str

    def amounts(self, units: np.ndarray, answers: Sequence[np.ndarray]) -> np.ndarray:
        """(n, parts) how much of each part each answer holds."""
        ...


@runtime_checkable
class LocatesUnits(Protocol):
    """A task that can tell a labeller where its units are."""

    def locate(self, units: np.ndarray) -> list[dict[str, Any]]:
        """Per unit plain values, such as ``{"image": path, "box": [left, top, width, height]}``, in pixels."""
        ...


@runtime_checkable
class DrawsPictures(Protocol):
    """A task that can show the units of a step to a person."""

    def picture(self, units: np.ndarray) -> bytes:
        """A JPEG that shows where the units are."""
        ...


@runtime_checkable
class ShowsSources(Protocol):
    """A task that can show single sources to people, who are not told more of them than they shall see."""

    prompt: str
    """What people are asked, in words."""

    def source_picture(self, source: int) -> bytes:
        """A source as a JPEG or PNG file, without anything that its file says besides."""
        ...

    def source_words(self, source: int) -> str:
        """What may be said of a source, such as its camera; empty if nothing may. Never its name or its file's."""
        ...


@runtime_checkable
class Embeds(Protocol):
    """A task whose model gives one vector per unit.

    Its :meth:`Task.describe` knows one field more, ``"embedding"``, so that vectors and other fields come from the same
    forward pass. It is not among :attr:`Task.fields`, because its width may take a forward pass to know.
    """

    def embedding_width(self) -> int:
        """d, the length of the vectors; the same for every unit and all the time."""
        ...

    def embed(self, units: np.ndarray) -> np.ndarray:
        """(n,) -> (n, d) float32."""
        ...


@runtime_checkable
class EmbedsSources(Protocol):
    """A task whose model gives one vector per source, so that whom a unit is about can be chosen by nearness."""

    @property
    def embedding_version(self) -> int:
        """Grows whenever the vectors may have changed, so that they can be kept until then. Not part of a snapshot.

        Two tasks of one process never have the same: one may take the other's place in a game.
        """
        ...

    def embed_sources(self, sources: np.ndarray) -> np.ndarray:
        """(n,) -> (n, d) float32 of unit length, a function of the model and of these sources in their order alone."""
        ...


@runtime_checkable
class EstimatesInfluence(Protocol):
    """A task that can tell what single labels are worth, to first order or exactly, without learning them."""

    def influence(self, units: np.ndarray, answers: Sequence[np.ndarray] | None, sources: np.ndarray) -> np.ndarray:
        """How much the loss on labelled sources would fall if the present model learned from each unit alone.

        Args:
            units: (n,).
            answers: theirs; None: the expectation under what the model believes of them.
            sources: labelled ones, by which it is measured.

        Returns:
            (n,) float32 on a scale of the model's own; larger is better.
        """
        ...


@runtime_checkable
class EstimatesDeepInfluence(Protocol):
    """A task that can tell what single labels are worth to more of its model than the last layer."""

    def deep_influence(
        self, units: np.ndarray, answers: Sequence[np.ndarray] | None, sources: np.ndarray
    ) -> np.ndarray:
        """As :meth:`EstimatesInfluence.influence`, to all that learns from a label."""
        ...


@runtime_checkable
class SamplesPredictions(Protocol):
    """A task whose model can predict at random, as with dropout."""

    def sample_predictions(
        self, sources: np.ndarray, passes: int, rng: np.random.Generator
    ) -> Iterator[tuple[np.ndarray, Iterator[Any]]]:
        """Per batch: (its sources, an iterator over ``passes`` predictions). Only what is random is repeated."""
        ...


@runtime_checkable
class ExpectsGradients(Protocol):
    """A task that can tell how far single labels would move its model, if they were like others that are known."""

    def expected_gradients(
        self,
        units: np.ndarray,
        references: np.ndarray,
        answers: Sequence[np.ndarray] | None,
        nearest: np.ndarray,
        weights: np.ndarray,
        scope: Scope,
    ) -> np.ndarray:
        """The mean over likely labels of the squared length of the gradient of the present model's loss.

        Args:
            units: (n,).
            references: (m,) labelled units, whose labels stand in for those of ``units``.
            answers: theirs; None: what the model itself says of them.
            nearest: (n, k) int64, rows of ``references``; ``weights`` (n, k) how likely each is.
            scope: by which parameters: all behind the features that are shared by everything the model gives
                (``head``), taking the features as they are, or ``all``, which takes a backward pass for each of n * k.

        Returns:
            (n,) float32, not negative.
        """
        ...


@runtime_checkable
class TellsLosses(Protocol):
    """A task that can tell how far its model is off on what is labelled, and what the model saw there.

    One of its fields is ``levels``: means of feature maps of several depths, one depth after another.
    """

    @property
    def level_widths(self) -> Sequence[int]:
        """How many numbers of the field ``levels`` belong to each depth."""
        ...

    def losses(self, units: np.ndarray, answers: Sequence[np.ndarray]) -> np.ndarray:
        """(n,) float32, not negative: the present model's loss on each unit, NaN where an answer teaches nothing."""
        ...


@runtime_checkable
class Rehearses(Protocol):
    """A task that has a cheaper stand-in, in which policies can be trained on many games."""

    def rehearsal(self, sources: np.ndarray) -> "Task":
        """A task on the same pool whose first weights come from the present model; it leaves this one alone.

        Args:
            sources: those that the games will touch.
        """
        ...


@runtime_checkable
class EvaluatesSmoothly(Protocol):
    """A task that can be measured by the beliefs of its model instead of its decisions."""

    def evaluate_smoothly(self, sources: np.ndarray) -> Evaluation:
        """A companion of the metric: larger is better, and small changes of the model change it little."""
        ...


@runtime_checkable
class RehearsesStill(Protocol):
    """A task with a stand-in that does not learn, for rewards that can be told without learning."""

    def still_rehearsal(self, sources: np.ndarray) -> "Task":
        """A task on the same pool whose model is the present one and stays so; it leaves this one alone.

        Args:
            sources: those that the games will touch.
        """
        ...


@runtime_checkable
class HasSkeleton(Protocol):
    """A task about poses.

    Its fields include ``pose``, J * D estimated coordinates in the frame of the model's input, joint by joint, and
    ``appearance``, a feature vector of the image. Units are images.
    """

    @property
    def bones(self) -> np.ndarray:
        """(M, 2) int64: parent and child joint of each bone."""
        ...

    @property
    def part_bones(self) -> Sequence[Sequence[int]]:
        """The bones of each local part, such as palm and fingers, or torso, head and limbs, by their rows.

        Two bones or more make a part: one by itself has no angle.
        """
        ...

    def joints(self, units: np.ndarray, answers: Sequence[np.ndarray]) -> np.ndarray:
        """(n, J, D) what labellers answered, in the frame of the field ``pose``; NaN where a joint is not known."""
        ...
