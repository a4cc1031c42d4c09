"""A pose task in which a Gaussian process learns what is bought, so that a deployment takes seconds and not minutes.

The network learns the starting set, and then stays as it is. What strategies see comes from it; what is measured is a
process from its appearances to poses, which learns every label exactly. Nothing of a training's noise is in such a
comparison. It puts strategies mostly, not always, in the order of the trained networks (docs/matal-trials.md has
figures): a sieve before days of training, and no evidence about networks.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from querist.core.answers import Labels
from querist.core.task import Phase
from querist.tasks.pose.batches import labelled_places
from querist.tasks.pose.description import APPEARANCE, EMBEDDING, POSE
from querist.tasks.pose.frame import in_frame, normalised
from querist.tasks.pose.process import Images, as_places, bandwidth_of, expected
from querist.tasks.pose.task import PoseTask

_KEPT = (POSE, APPEARANCE, EMBEDDING)
"""Fields in which nothing is drawn: told once of all images, since the network stays."""

_OWN = ("sources", "places", "bandwidth")
"""What a snapshot holds besides the network."""


class PoseProcessTask(PoseTask):
    """See the module; arguments are those of :class:`~querist.tasks.pose.task.PoseTask`.

    The bandwidth follows from the appearances of the starting set, or of all images where that is one, and stays. Each
    joint is learned from the images that show it; where nothing is near, the mean of the known poses is expected.

    Raises:
        QueristError: the model does not show what it sees before its head.
    """

    def __init__(self, *arguments: object, **settings: object) -> None:
        super().__init__(*arguments, **settings)  # type: ignore[arg-type]
        self.network  # noqa: B018 (raises where there are no appearances)
        self._frozen: dict[str, np.ndarray] = {}  # field -> a row for each source, of the network as it stands
        self._sources = np.zeros(0, dtype=np.int64)
        self._places = normalised(self.data, self.data.joints[:0])
        self._bandwidth = 0.0  # not known yet

    def fit(
        self,
        labels: Labels,
        *,
        new: Labels,
        unlabelled: np.ndarray | None = None,
        steps: int,
        phase: Phase,
        rng: np.random.Generator,
    ) -> dict[str, float]:
        """The network learns in the phase ``start`` alone; the process always knows all labels, if there are any."""
        log: dict[str, float] = {}
        if phase == "start":
            log = super().fit(labels, new=new, unlabelled=unlabelled, steps=steps, phase=phase, rng=rng)
            self._frozen, self._bandwidth = {}, 0.0
        sources, places = labelled_places(self.data, self.images, labels)
        if len(sources):
            self._sources, self._places = np.asarray(sources, dtype=np.int64), places
            usual = self._sources if len(sources) > 1 else np.arange(len(self.pool))  # one has no distance
            self._bandwidth = self._bandwidth or bandwidth_of(self._looks(usual))
        return log

    def predict(self, sources: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All sources in one batch, and the joints (n, J, D) float32 that the process expects, in ``data``'s frame."""
        sources = np.asarray(sources, dtype=np.int64)
        with torch.inference_mode():
            known = Images(self._looks(self._sources), as_places(self._places))
            found = expected(known, self._looks(sources), self._bandwidth or 1.0)
        yield sources, in_frame(self.data, found.numpy())

    def describe(self, units: np.ndarray, fields: Sequence[str], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """As the network of the start says; the process has no part in it."""
        sources = self.images.sources(units)[:, 0]
        found = {name: self._table(name)[sources] for name in fields if name in _KEPT}
        others = [name for name in fields if name not in _KEPT]
        return found | (super().describe(units, others, rng) if others else {})

    def _table(self, name: str) -> np.ndarray:
        """A field of every image."""
        if name not in self._frozen:
            every = np.arange(len(self.pool))
            self._frozen |= super().describe(every, (name,), np.random.default_rng(0))  # nothing is drawn
        return self._frozen[name]

    def _looks(self, sources: np.ndarray) -> Tensor:
        """(n, d) appearances."""
        return torch.from_numpy(self._table(APPEARANCE)[sources])

    def snapshot(self) -> dict[str, np.ndarray]:
        own = {"sources": self._sources.copy(), "places": self._places.copy(), "bandwidth": np.array(self._bandwidth)}
        return super().snapshot() | own

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        before = super().snapshot()
        super().restore({name: array for name, array in snapshot.items() if name not in _OWN})
        after = super().snapshot()
        if any(not np.array_equal(before[name], after[name]) for name in after if name.startswith("model")):
            self._frozen = {}
        self._sources, self._places = snapshot["sources"].copy(), snapshot["places"].copy()
        self._bandwidth = float(snapshot["bandwidth"])

    def load(self, path: Path) -> None:
        super().load(path)
        self._frozen = {}
