"""What every pose task knows of its units, whatever its model: skeleton, answers, places."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from querist.core.pool import ColumnarPool
from querist.errors import UnlabelledError
from querist.tasks.pose.batches import answered_joints
from querist.tasks.pose.data import PoseData
from querist.tasks.pose.frame import normalised


class PoseUnits:
    """The capabilities that need no model; units are the images of ``data``."""

    data: PoseData
    images: ColumnarPool
    amount_unit = "joints"

    @property
    def bones(self) -> np.ndarray:
        """(M, 2) int64: parent and child joint of each bone."""
        return self.data.skeleton.bone_array

    @property
    def part_bones(self) -> Sequence[Sequence[int]]:
        """The bones of each part of the body or the hand."""
        return self.data.skeleton.part_bones

    def joints(self, units: np.ndarray, answers: Sequence[np.ndarray]) -> np.ndarray:
        """(n, J, D) what was answered, on -1..1 as the field ``pose``; NaN where a joint is not known."""
        sources = self.images.sources(units)[:, 0]
        return normalised(self.data, answered_joints(self.data, sources, answers))

    def truth(self, units: np.ndarray) -> list[np.ndarray]:
        """The true joints of each image, (J, D) float32 in pixels of the file and mm; NaN where nobody labelled them.

        Raises:
            UnlabelledError: nobody labelled any joint of an image.
        """
        sources = self.images.sources(units)[:, 0]
        blank = sources[~self.data.known[sources].any(axis=1)]
        if len(blank):
            raise UnlabelledError(
                f"nobody labelled a joint of {self.data.names[int(blank[0])]}",
                "to simulate answers the data must hold them; otherwise let people answer",
            )
        return list(self.data.in_file(sources, self.data.joints[sources]).astype(np.float32))

    def amounts(self, units: np.ndarray, answers: Sequence[np.ndarray]) -> np.ndarray:
        """(n, J) which joints each answer holds."""
        known = [np.isfinite(answer).all(axis=1) for answer in answers]
        return np.array(known, dtype=np.int64).reshape(len(answers), len(self.data.skeleton))

    def locate(self, units: np.ndarray) -> list[dict[str, Any]]:
        """The image of each pose, the box (left, top, width, height) around it in the file's pixels, and its joints."""
        sources = self.images.sources(units)[:, 0]
        places = self.data.names if self.data.paths is None else self.data.paths
        corner = np.float32(1.0 if self.data.is_depth else 0.5)
        far = corner if self.data.is_depth else self.data.size - corner
        ends = [np.full((len(sources), 1, self.data.joints.shape[2]), end, np.float32) for end in (-corner, far)]
        low, high = (self.data.in_file(sources, end)[:, 0, :2] for end in ends)
        boxes = np.rint(np.concatenate([low + 0.5, high - low], axis=1)).astype(int).tolist()
        names = list(self.data.skeleton.names)
        return [{"image": str(places[s]), "box": box, "joints": names} for s, box in zip(sources, boxes, strict=True)]
