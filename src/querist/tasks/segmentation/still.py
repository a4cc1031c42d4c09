"""A rehearsal of a segmentation task in which the model does not learn.

For rewards that single answers have, and that need no learning to be known. What the model says of an image, and what
labels there are worth, is worked out once: hundreds of games take as long as one look at every image. Policies see in
such games what they will see in a deployment, the beliefs of a whole network and not those of a stand-in.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from querist.core.answers import Labels
from querist.core.evaluation import Evaluation
from querist.core.task import Phase, Task
from querist.kernels.uncertainty import PixelUncertainty
from querist.tasks.segmentation.influence import Looks
from querist.tasks.segmentation.worth import LookAt, behind_the_backbone, to_the_last_layer

if TYPE_CHECKING:
    from querist.tasks.segmentation.task import SegmentationTask


class StillTask(Task):
    """A segmentation task as it stands.

    Args:
        of: its model is nobody else's, and stays as it is.
    """

    amount_unit = "pixels"

    def __init__(self, of: "SegmentationTask") -> None:
        self._of = of
        self.pool, self.parts, self.data, self.grid = of.pool, of.parts, of.data, of.grid
        self.fields = {name: field for name, field in of.fields.items() if name != "mutual_information"}
        self._tables: dict[int, dict[str, np.ndarray]] = {}  # by image, every field of all of its regions
        self._measured: dict[bytes, Evaluation] = {}
        self._looks: dict[tuple[str, bytes], LookAt] = {}

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
        """Nothing is learned."""
        return {}

    def predict(self, sources: np.ndarray) -> Iterator[tuple[np.ndarray, PixelUncertainty]]:
        """See :meth:`SegmentationTask.predict`."""
        return self._of.predict(sources)

    def describe(self, units: np.ndarray, fields: Sequence[str], rng: np.random.Generator) -> dict[str, np.ndarray]:
        source, part = self.pool.sources(units)[:, 0], self._of.regions.part(units)
        new = np.array([s for s in np.unique(source) if int(s) not in self._tables], dtype=np.int64)
        if len(new):
            regions = len(self.grid)
            found = self._of.describe(self._of.regions.units_of(new), tuple(self.fields), np.random.default_rng(0))
            for i, s in enumerate(new):
                self._tables[int(s)] = {n: t[i * regions : (i + 1) * regions] for n, t in found.items()}
        empty = {name: np.zeros((0, *self.fields[name].shape), dtype=np.float32) for name in fields}
        return {
            name: np.stack([self._tables[int(s)][name][p] for s, p in zip(source, part, strict=True)])
            if len(units)
            else empty[name]
            for name in fields
        }

    def evaluate(self, sources: np.ndarray) -> Evaluation:
        key = sources.tobytes()
        if key not in self._measured:
            self._measured[key] = self._of.evaluate(sources)
        return self._measured[key]

    def truth(self, units: np.ndarray) -> list[np.ndarray]:
        """The true mask of each region."""
        return self._of.truth(units)

    def amounts(self, units: np.ndarray, answers: Sequence[np.ndarray]) -> np.ndarray:
        """(n, C) pixels of each class in each answer."""
        return self._of.amounts(units, answers)

    def influence(self, units: np.ndarray, answers: Sequence[np.ndarray] | None, sources: np.ndarray) -> np.ndarray:
        """See :class:`~querist.core.capabilities.EstimatesInfluence`: of the last layer alone."""
        return self._of.worth(units, answers, self._kept("last", sources, to_the_last_layer))

    def deep_influence(
        self, units: np.ndarray, answers: Sequence[np.ndarray] | None, sources: np.ndarray
    ) -> np.ndarray:
        """See :class:`~querist.core.capabilities.EstimatesDeepInfluence`: of all weights behind the backbone."""
        return self._of.worth(units, answers, self._kept("deep", sources, behind_the_backbone))

    def _kept(self, what: str, reference: np.ndarray, make: Callable[..., LookAt]) -> LookAt:
        """A way to look that looks at every image once."""
        key = what, reference.tobytes()
        if key not in self._looks:
            self._looks[key] = _once(make(self._of.sight, reference))
        return self._looks[key]

    def snapshot(self) -> dict[str, np.ndarray]:
        return {}

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        return

    def save(self, path: Path) -> None:
        self._of.save(path)

    def load(self, path: Path) -> None:
        raise TypeError("the model of a still task stays as it is")


def _once(look: LookAt) -> LookAt:
    """The same, of which each image is kept."""
    seen: dict[int, Looks] = {}

    def again(sources: np.ndarray) -> Looks:
        for some, values, shares in look(np.array([s for s in sources if int(s) not in seen], dtype=np.int64)):
            for i, s in enumerate(some):
                seen[int(s)] = [(some[i : i + 1], values[i : i + 1].clone(), shares[i : i + 1].clone())]
        for s in sources:
            yield from seen[int(s)]

    return again
