"""The fixed grid of regions: units of a segmentation pool (ALGORITHMS 1.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

from querist.core.pool import ColumnarPool
from querist.errors import QueristError


@dataclass(frozen=True)
class Grid:
    """Regions of ``height`` x ``width`` pixels, not overlapping, from the top left; what is left over is dropped.

    Args:
        rows: regions from top to bottom; ``columns`` from left to right.
        height: of a region, in pixels; ``width`` likewise.
    """

    rows: int
    columns: int
    height: int
    width: int

    @classmethod
    def of(cls, size: tuple[int, int], region: tuple[int, int]) -> "Grid":
        """The grid of regions of a size on images of a size, both (height, width).

        Raises:
            QueristError: not one region fits.
        """
        if not all(1 <= part <= whole for part, whole in zip(region, size, strict=True)):
            raise QueristError(f"regions of {region} do not fit into images of {size}", "choose other regions")
        return cls(size[0] // region[0], size[1] // region[1], *region)

    def __len__(self) -> int:
        return self.rows * self.columns

    def box(self, part: int) -> tuple[int, int, int, int]:
        """(left, top, width, height) of a region in pixels."""
        row, column = divmod(int(part), self.columns)
        return column * self.width, row * self.height, self.width, self.height

    def window(self, part: int) -> tuple[slice, slice]:
        """Where a region lies in an image's rows and columns."""
        left, top, width, height = self.box(part)
        return slice(top, top + height), slice(left, left + width)

    def pool(self, names: Sequence[str]) -> ColumnarPool:
        """The pool of all regions of images with these names."""
        parts = [f"@r{row}c{column}" for row in range(self.rows) for column in range(self.columns)]
        return ColumnarPool(names, parts)
