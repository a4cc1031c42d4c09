"""Person re-identification as a task: any embedding network, asked whether two images show the same person."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from querist.core.answers import Labels
from querist.core.evaluation import Evaluation
from querist.core.observation import Field
from querist.core.pool import PairPool
from querist.core.task import Phase, Task
from querist.errors import QueristError
from querist.nn.runtime import resolve_device, seeded
from querist.nn.trainer import Trainer, finite
from querist.tasks.reid.batches import Batches
from querist.tasks.reid.data import ReidData
from querist.tasks.reid.listing import DISTRACTOR, UNKNOWN
from querist.tasks.reid.losses import Objective
from querist.tasks.reid.metric import PARTS, retrieval
from querist.tasks.reid.pictures import pair_picture, source_picture
from querist.tasks.reid.training import Schedule, Training

_VERSIONS = itertools.count(1)
"""Of the vectors of all tasks of this process, so that no two share a number."""
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


class ReidTask(Task):
    """Buys answers "same person or not?" for an embedding network (ALGORITHMS 5).

    An answer is a boolean scalar array, true for the same person. Given images are those of whom it is known who they
    show: the labelled source.

    Args:
        data: crops of people.
        model: maps (B, 3, H, W) float, normalised with ImageNet statistics, to (B, d); the task brings the vectors to
            unit length.
        schedule: the training of each phase.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        inference_batch: images per forward pass.
    """

    parts = PARTS
    prompt = "Is this the same person?"
    fields: Mapping[str, Field] = {
        "similarity": Field("similarity", (), -1.0, 1.0),
        "other_camera": Field("other_camera", (), 0.0, 1.0),
    }

    def __init__(
        self,
        data: ReidData,
        model: nn.Module,
        schedule: Schedule | None = None,
        device: str = "auto",
        inference_batch: int = 64,
    ) -> None:
        self.data = data
        self.pairs = PairPool(data.names, subjects(data.persons))
        self.pool = self.pairs
        self._device = resolve_device(device)
        self._schedule = schedule or Schedule()
        self._trainer = Trainer(model.to(self._device), self._schedule.step.optimiser)
        self._inference_batch = inference_batch
        self._mean = torch.tensor(_MEAN, device=self._device).view(1, 3, 1, 1) * 255
        self._deviation = torch.tensor(_DEVIATION, device=self._device).view(1, 3, 1, 1) * 255
        self._version = next(_VERSIONS)

    @property
    def model(self) -> nn.Module:
        """What learns."""
        return self._trainer.model

    # Training -----------------------------------------------------------------------------------------------------

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
        """See :meth:`Task.fit`.

        The log also tells which share of the triplets still taught something (``active``), and how many answers
        contradict others (``contradictions``; :func:`querist.tasks.reid.verified.contradictions` names them).
        """
        if steps <= 0:
            return {}
        training: Training = getattr(self._schedule, phase)
        batches = Batches(self.data, self.pairs, labels, new, training, phase, steps, self.embed_sources, rng)
        log = {"contradictions": float(batches.verified.contradicted)} if len(labels.units) else {}
        if batches.empty:
            return log
        with seeded(int(rng.integers(2**62))):
            losses = self._train(batches, training, phase, steps, rng)
        total = finite(float(losses[:, 0].sum()), phase)
        active = losses[:, 1].sum() / max(1.0, losses[:, 2].sum())
        return {"loss": total / steps, "active": float(active)} | log

    def _train(
        self, batches: Batches, training: Training, phase: Phase, steps: int, rng: np.random.Generator
    ) -> np.ndarray:
        """The loss, the violated and all triplets of each step, (steps, 3)."""
        self._version = next(_VERSIONS)
        width = self.embed_sources(np.array([0])).shape[1]  # any image will do
        objective = Objective(training, width, len(batches.groups), len(batches.people)).to(self._device)
        seen = []
        with self._trainer.training(
            training.optimiser, steps, update=phase == "step", beside=objective.parameters()
        ) as descend:
            for step in range(steps):
                batch = batches[step]
                images = training.augmentation.apply(self.data.batch(batch.sources), rng)
                loss, *counts = objective(self.model(self._tensor(images)), batch)
                seen.append([descend(loss), *(float(number) for number in counts)])
        return np.array(seen)

    def _tensor(self, images: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(images).to(self._device).permute(0, 3, 1, 2).float()
        return (tensor - self._mean) / self._deviation

    # Prediction ---------------------------------------------------------------------------------------------------

    @property
    def embedding_version(self) -> int:
        """Grows whenever the vectors may have changed: vectors of one version can be kept, others cannot."""
        return self._version

    def predict(self, sources: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Per batch: its sources, and their vectors (b, d) float32 of unit length."""
        self.model.eval()
        for start in range(0, len(sources), self._inference_batch):
            batch = np.asarray(sources[start : start + self._inference_batch])
            with torch.inference_mode():
                vectors = functional.normalize(self.model(self._tensor(self.data.batch(batch))).float())
            yield batch, vectors.cpu().numpy()

    def embed_sources(self, sources: np.ndarray) -> np.ndarray:
        """(n,) -> (n, d) float32 of unit length; the same bits for the same sources in the same order."""
        found = [vectors for _, vectors in self.predict(sources)]
        return np.concatenate(found) if found else np.zeros((0, 0), dtype=np.float32)

    def describe(self, units: np.ndarray, fields: Sequence[str], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """``similarity``: the cosine of the two vectors; ``other_camera``: 1 where two cameras are known to differ."""
        sources = self.pairs.sources(units)
        found = {}
        if "similarity" in fields:
            images, ends = np.unique(sources, return_inverse=True)
            vectors = self.embed_sources(images)[ends.reshape(-1, 2)] if len(images) else np.zeros((0, 2, 1))
            cosine = np.einsum("nd,nd->n", vectors[:, 0], vectors[:, 1])
            found["similarity"] = np.clip(cosine, -1, 1).astype(np.float32)
        if "other_camera" in fields:
            cameras = self.data.cameras[sources]
            known = (cameras != UNKNOWN).all(axis=1)
            found["other_camera"] = (known & (cameras[:, 0] != cameras[:, 1])).astype(np.float32)
        return found

    @property
    def data_hash(self) -> str:
        return self.data.digest

    def evaluate(self, sources: np.ndarray) -> Evaluation:
        """Mean average precision of the queries among the sources over the rest of them, the gallery."""
        sources = np.asarray(sources)
        asked = self.data.split_of[sources] == "query"
        queries, gallery = sources[asked], sources[~asked]
        if not len(queries) or not len(gallery):
            raise QueristError(
                f"{len(queries)} queries and {len(gallery)} other images to measure on",
                "retrieval is measured with the splits query and gallery, and nothing else",
            )
        persons, cameras = self.data.persons, self.data.cameras
        return retrieval(
            queries,
            self.embed_sources(queries),
            self.embed_sources(gallery),
            persons[queries],
            persons[gallery],
            cameras[queries],
            cameras[gallery],
        )

    # Capabilities -------------------------------------------------------------------------------------------------

    def truth(self, units: np.ndarray) -> list[np.ndarray]:
        """Whether the two images of each pair show the same person, scalar arrays of bool.

        Raises:
            QueristError: nobody knows who one of them shows.
        """
        sources = self.pairs.sources(units)
        persons = self.data.persons[sources]
        hidden = sources[persons == UNKNOWN]
        if len(hidden):
            raise QueristError(
                f"nobody knows who {self.data.names[int(hidden[0])]} shows",
                "to simulate answers the data must name the people; otherwise let people answer",
            )
        same = (persons[:, 0] == persons[:, 1]) & (persons[:, 0] > DISTRACTOR)
        return [np.array(answer) for answer in same]

    def locate(self, units: np.ndarray) -> list[dict[str, Any]]:
        """The two images of each pair: their files, or their names where there are none."""
        places = self.data.names if self.data.paths is None else self.data.paths
        return [{"image": str(places[a]), "other": str(places[b])} for a, b in self.pairs.sources(units)]

    def picture(self, units: np.ndarray) -> bytes:
        """A JPEG of the pairs side by side, framed green (same person), red (different) or grey (not known)."""
        pairs = self.pairs.sources(units)
        known = (self.data.persons[pairs] != UNKNOWN).all(axis=1)
        told: list[np.ndarray | None] = [None] * len(units)
        for row, answer in zip(np.flatnonzero(known).tolist(), self.truth(units[known]), strict=True):
            told[row] = answer
        return pair_picture(self.data, pairs, told)

    def source_picture(self, source: int) -> bytes:
        """A JPEG of one crop, as large as its file has it, if the file is there."""
        return source_picture(self.data, int(source))

    def source_words(self, source: int) -> str:
        """Its camera, if that is known, numbered as its data set does; its name would tell who it is."""
        camera = int(self.data.cameras[source])
        return "" if camera == UNKNOWN else f"camera {camera}"

    def snapshot(self) -> dict[str, np.ndarray]:
        return self._trainer.snapshot()

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        try:
            self._trainer.restore(snapshot)
        finally:
            self._version = next(_VERSIONS)

    def save(self, path: Path) -> None:
        self._trainer.save(path)

    def load(self, path: Path) -> None:
        self._trainer.load(path)
        self._version = next(_VERSIONS)


def subjects(persons: np.ndarray) -> np.ndarray:
    """What a split keeps together: all images of a person; junk, distractors and unknown people each by themselves.

    Args:
        persons: (n,).

    Returns:
        (n,) int64.
    """
    somebody = persons > DISTRACTOR
    alone = -1 - np.arange(len(persons))
    return np.where(somebody, persons, alone).astype(np.int64)
