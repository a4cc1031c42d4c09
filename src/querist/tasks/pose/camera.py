"""A depth camera: from pixels and depth to millimetres in space, and back."""

from dataclasses import dataclass, field

import numpy as np

from querist.errors import QueristError


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without distortion.

    In space x leads right, y down and z away from the camera, in millimetres; u is the column and v the row, in pixels,
    whole at the middles of pixels; d is z.

    Args:
        fx: focal length in pixels, across; likewise ``fy``, down.
        cx: column of the principal point; likewise ``cy``, its row.
    """

    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        numbers = (self.fx, self.fy, self.cx, self.cy)
        if not np.isfinite(numbers).all() or min(self.fx, self.fy) <= 0:
            raise QueristError(f"a camera cannot have fx, fy, cx, cy = {numbers}", "focal lengths are positive pixels")

    def to_xyz(self, uvd: np.ndarray) -> np.ndarray:
        """(..., 3) columns, rows and depths in mm -> (..., 3) mm, float64; NaN stays NaN."""
        uvd = np.asarray(uvd, dtype=np.float64)
        d = uvd[..., 2]
        return np.stack([(uvd[..., 0] - self.cx) * d / self.fx, (uvd[..., 1] - self.cy) * d / self.fy, d], axis=-1)

    def to_uvd(self, xyz: np.ndarray) -> np.ndarray:
        """(..., 3) mm -> (..., 3) columns, rows and depths in mm, float64; the inverse of :meth:`to_xyz`.

        Raises:
            ValueError: if a point does not lie before the camera.
        """
        xyz = np.asarray(xyz, dtype=np.float64)
        d = xyz[..., 2]
        if (d <= 0).any():
            raise ValueError(f"a point at a depth of {np.nanmin(d):.1f} mm does not lie before the camera")
        return np.stack([xyz[..., 0] * self.fx / d + self.cx, xyz[..., 1] * self.fy / d + self.cy, d], axis=-1)


@dataclass(frozen=True)
class Depth:
    """How depth images of a data set are to be read, and how much of them around a hand is kept.

    Args:
        camera: that took them.
        cube_mm: side of the cube around the hand that is cut out, mm.
        unit_mm: what a step of the images' values is worth, mm.
        green_blue: the value is 256 times the green and once the blue channel of an RGB image, as in NYU.
        size: width and height of the images that the camera is for; None: not known.
    """

    camera: Camera
    cube_mm: float = 300.0
    unit_mm: float = 1.0
    green_blue: bool = False
    size: tuple[int, int] | None = field(default=None, repr=False)  # checks, and changes nothing of what is read

    def __post_init__(self) -> None:
        if not (0 < self.cube_mm < np.inf and 0 < self.unit_mm < np.inf):
            raise QueristError(
                f"a cube of {self.cube_mm} mm and a unit of {self.unit_mm} mm", "both are positive lengths in mm"
            )
