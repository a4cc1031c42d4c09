"""What a pose task can tell by looking into its model: embeddings, losses, gradients."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from querist.core.capabilities import Scope
from querist.core.task import Task
from querist.errors import QueristError
from querist.nn.trainer import Trainer
from querist.tasks.pose.description import EMBEDDING, PoseDescriber
from querist.tasks.pose.expected_gradients import ExpectedGradients
from querist.tasks.pose.network import PoseNetwork, Seen
from querist.tasks.pose.objectives import Objective, counting, judged_by, pose_losses
from querist.tasks.pose.units import PoseUnits


class PoseInsight(PoseUnits, Task):
    """The capabilities that need more of a model than its output; the task itself sets all attributes."""

    objective: Objective
    _sigma: float
    _trainer: Trainer
    _describer: PoseDescriber
    _device: torch.device
    _inference_batch: int
    _mean: Tensor
    _deviation: Tensor

    @property
    def model(self) -> nn.Module:
        """What learns."""
        return self._trainer.model

    @property
    def network(self) -> PoseNetwork:
        """The model, if it shows what it sees before its head.

        Raises:
            QueristError: it does not.
        """
        if not isinstance(self.model, PoseNetwork):
            raise QueristError(
                f"{type(self.model).__name__} does not show what it sees before its head",
                "derive it from querist.tasks.pose.network.PoseNetwork, and give it look() and head",
            )
        return self.model

    def _batches(self, sources: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        self.model.eval()
        for start in range(0, len(sources), self._inference_batch):
            batch = np.asarray(sources[start : start + self._inference_batch])
            images = torch.from_numpy(self.data.batch(batch)).to(self._device).permute(0, 3, 1, 2).float()
            yield batch, images if self.data.is_depth else (images - self._mean) / self._deviation

    def embedding_width(self) -> int:
        """d, the length of the model's appearances."""
        return self.network.appearance_width

    def embed(self, units: np.ndarray) -> np.ndarray:
        """(n, d) float32: the appearances."""
        return self.describe(units, (EMBEDDING,), np.random.default_rng(0))[EMBEDDING]  # nothing is drawn

    def looks(self, sources: np.ndarray) -> Iterator[tuple[np.ndarray, Seen]]:
        """Per batch: its sources, and what the model sees before its head. To be called in inference mode."""
        for batch, images in self._batches(sources):
            yield batch, self.network.look(images)

    @property
    def level_widths(self) -> Sequence[int]:
        """Channels of the maps of each depth behind the field ``levels``."""
        return self._describer.level_widths

    def losses(self, units: np.ndarray, answers: Sequence[np.ndarray]) -> np.ndarray:
        """See :class:`~querist.core.capabilities.TellsLosses`; of the images as they are, without augmentation."""
        objective = judged_by(self.objective)
        places = torch.from_numpy(self.joints(units, answers))
        found: list[Tensor] = []
        done = 0
        with torch.inference_mode():
            for batch, images in self._batches(self.images.sources(units)[:, 0]):
                wanted = places[done : done + len(batch)].to(self._device)
                losses = pose_losses(self.model(images).float(), wanted, objective, self._sigma)
                known = counting(wanted, objective).any(dim=1)
                found.append(torch.where(known, losses, torch.nan).cpu())
                done += len(batch)
        return torch.cat(found).numpy() if found else np.zeros(0, dtype=np.float32)

    def expected_gradients(
        self,
        units: np.ndarray,
        references: np.ndarray,
        answers: Sequence[np.ndarray] | None,
        nearest: np.ndarray,
        weights: np.ndarray,
        scope: Scope,
    ) -> np.ndarray:
        """See :class:`~querist.core.capabilities.ExpectsGradients` and :mod:`querist.tasks.pose.expected_gradients`."""
        sources, known = (self.images.sources(u)[:, 0] for u in (units, references))
        gradients = ExpectedGradients(self.network, self.objective, self._sigma, self._batches)
        if answers is None:
            targets = gradients.predicted(known)
        else:
            targets = gradients.true(torch.from_numpy(self.joints(references, answers)), int(known[0]))
        return gradients.expected(sources, targets, torch.from_numpy(nearest), torch.from_numpy(weights), scope)
