"""The camera of the demo: from metres to pixels, onto a picture and a map of class ids at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from querist.demo.scenes_world import Colour, Drive

SCALE = 2
"""Everything is drawn at this multiple of the final size and averaged down."""

NEAR = 0.7
"""Metres before the camera at which things are cut off."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Camera:
    """A pinhole that looks straight ahead.

    Args:
        focal: focal length, pixels of the canvas.
        centre: (column, row) of the vanishing point on the canvas.
        x: its place across.
        height: over the ground.
        z: its place along.
    """

    focal: float
    centre: Point
    x: float
    height: float
    z: float

    @classmethod
    def of(cls, drive: Drive, frame: int, height: int, width: int) -> "Camera":
        """The camera of one frame: a bit further along the street, shaken a little."""
        rng = np.random.default_rng((drive.seed, frame, 1))
        x, above, pace = drive.camera
        shake_x, shake_y = rng.normal(0, 0.004, 2).tolist()
        centre = (SCALE * width * (0.5 + shake_x), SCALE * height * (drive.horizon + shake_y))
        return cls(SCALE * width * drive.focal, centre, x + 0.02 * frame, above, pace * frame)

    def ahead(self, z: float) -> float:
        """Distance along the street, never nearer than the near plane."""
        return max(z - self.z, NEAR)

    def point(self, x: float, y: float, z: float) -> Point:
        """Where a point of the world falls on the canvas."""
        scale = self.focal / self.ahead(z)
        return self.centre[0] + (x - self.x) * scale, self.centre[1] - (y - self.height) * scale

    def pixels(self, metres: float, z: float) -> float:
        """How long a length appears at a distance."""
        return metres * self.focal / self.ahead(z)


class Canvas:
    """A picture and its class ids, painted from far to near.

    Args:
        camera: where it is seen from.
        drive: whose light and haze colour it.
        sky: uint8 (rows, columns, 3) to begin with; its size is the canvas's.
        blank: the class id to begin with.
    """

    def __init__(self, camera: Camera, drive: Drive, sky: np.ndarray, blank: int) -> None:
        self.camera = camera
        self.light = drive.light
        self.picture = Image.fromarray(sky)
        self.ids = Image.new("L", self.picture.size, blank)
        self._picture = ImageDraw.Draw(self.picture)
        self._ids = ImageDraw.Draw(self.ids)

    def shade(self, colour: Colour, z: float, factor: float = 1.0) -> Colour:
        """A colour as it looks from the camera: lit by the weather, faded into the haze."""
        kept = (1 - self.light.fading) ** self.camera.ahead(z)
        lost = 1 - kept
        (red, green, blue), (r, g, b), haze = colour, self.light.tint, self.light.haze
        return (
            int(min(red * r * factor, 255) * kept + haze[0] * lost),
            int(min(green * g * factor, 255) * kept + haze[1] * lost),
            int(min(blue * b * factor, 255) * kept + haze[2] * lost),
        )

    def polygon(self, points: Sequence[Point], colour: Colour, class_id: int | None) -> None:
        """Fills a polygon of the canvas; without a class id it is a detail of what lies under it."""
        self._picture.polygon(points, fill=colour)
        if class_id is not None:
            self._ids.polygon(points, fill=class_id)

    def disc(self, centre: Point, radii: Point, colour: Colour, class_id: int | None) -> None:
        """Fills an ellipse of the canvas."""
        (u, v), (a, b) = centre, radii
        box = (u - a, v - b, u + a, v + b)
        self._picture.ellipse(box, fill=colour)
        if class_id is not None:
            self._ids.ellipse(box, fill=class_id)

    def quad(
        self, corners: Sequence[tuple[float, float, float]], colour: Colour, class_id: int | None, factor: float = 1.0
    ) -> None:
        """Fills a polygon given by its corners in the world; its first corner decides the haze."""
        points = [self.camera.point(*corner) for corner in corners]
        self.polygon(points, self.shade(colour, corners[0][2], factor), class_id)

    def board(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        z: float,
        colour: Colour,
        class_id: int | None,
        factor: float = 1.0,
    ) -> None:
        """Fills an upright rectangle that faces the camera."""
        left, top = self.camera.point(x[0], y[1], z)
        right, bottom = self.camera.point(x[1], y[0], z)
        points = ((left, top), (right, top), (right, bottom), (left, bottom))
        self.polygon(points, self.shade(colour, z, factor), class_id)

    def ground(
        self, x: tuple[float, float], z: tuple[float, float], colour: Colour, class_id: int | None, factor: float = 1.0
    ) -> None:
        """Fills a rectangle of the ground."""
        corners = [(x[0], 0.0, z[1]), (x[1], 0.0, z[1]), (x[1], 0.0, z[0]), (x[0], 0.0, z[0])]
        points = [self.camera.point(*corner) for corner in corners]
        self.polygon(points, self.shade(colour, (z[0] + z[1]) / 2 if z[1] - z[0] < 20 else z[0] + 8, factor), class_id)
