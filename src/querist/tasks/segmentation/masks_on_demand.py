"""Masks of a folder in which only some images have one, each decoded when it is asked for."""

from collections.abc import Sequence

import numpy as np

from querist.errors import UnlabelledError
from querist.nn.decode import image_size
from querist.nn.stamps import read_file
from querist.tasks.segmentation.classes import ClassMap
from querist.tasks.segmentation.decode import decode_mask
from querist.tasks.segmentation.listing import Sample


class MasksOnDemand:
    """One mask for each sample, as :class:`~querist.tasks.segmentation.data.Indexed`.

    Where people label, most images have no mask, and a choice looks at few of those that do: nothing is cached on disk.

    Args:
        samples: the images, and their masks where there are any.
        size: (height, width) of every mask.
        classes: the class map.
    """

    def __init__(self, samples: Sequence[Sample], size: tuple[int, int], classes: ClassMap) -> None:
        self._samples, self._size, self._classes = samples, size, classes
        self._last: tuple[int, np.ndarray] | None = None  # an image is asked for region by region

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int, /) -> np.ndarray:
        """(H, W) uint8 of train ids and void.

        Raises:
            UnlabelledError: the image has no mask.
            QueristError: the mask cannot be read or is none of this image and these classes.
        """
        if self._last is None or self._last[0] != index:
            self._last = (index, self._decode(self._samples[index]))
        return self._last[1]

    def _decode(self, sample: Sample) -> np.ndarray:
        if sample.mask is None:
            raise UnlabelledError(f"{sample.image} has no mask", "add it, or leave this image out")
        size = image_size(sample.image)  # of which the file's head is read: it was decoded before
        return decode_mask(sample.mask, read_file(sample.mask)[0], sample.image, size, *self._size, self._classes)


def masks_on_demand(samples: Sequence[Sample], size: tuple[int, int], classes: ClassMap) -> MasksOnDemand | None:
    """The masks of some samples; None where not one of them has a mask."""
    return MasksOnDemand(samples, size, classes) if any(sample.mask is not None for sample in samples) else None
