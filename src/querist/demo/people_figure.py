"""A figure in space: from joints of a body, seen from any side, to polygons of a canvas."""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from querist.demo.people_world import Cloth, Colour

Point = tuple[float, float]
Joint = tuple[float, float, float]
"""A place on a body: to its left, forward, and up from the ground, in heights of the person."""


class Figure:
    """A person's place on a canvas, and the means to paint there.

    Args:
        size: (columns, rows) of the canvas.
        foot: (column, row) of the point between the feet.
        unit: the person's height in pixels.
        heading: where the person walks; see `people_world`.
        pitch: how far the camera looks down.
        sun: side that the light comes from, -1..1.
    """

    def __init__(
        self, size: tuple[int, int], foot: Point, unit: float, heading: float, pitch: float, sun: float
    ) -> None:
        self.picture = Image.new("RGB", size)
        self.mask = Image.new("L", size)
        self._picture = ImageDraw.Draw(self.picture)
        self._mask = ImageDraw.Draw(self.mask)
        self.foot, self.unit, self.pitch, self.sun = foot, unit, pitch, sun
        self.cos, self.sin = math.cos(heading), math.sin(heading)
        self._textures: dict[Cloth, Image.Image] = {}

    def nearness(self, joint: Joint) -> float:
        """How far towards the camera a joint is."""
        left, forward, _ = joint
        return forward * self.cos - left * self.sin

    def point(self, joint: Joint) -> Point:
        """Where a joint falls on the canvas."""
        left, forward, up = joint
        across = left * self.cos + forward * self.sin
        grow = 1 + 0.5 * self.pitch * (up - 0.5)  # what is high up is nearer to a camera that looks down
        high = up * (1 - 0.5 * self.pitch) + 0.5 * self.pitch * up * up - 0.6 * self.pitch * self.nearness(joint)
        return self.foot[0] + across * grow * self.unit, self.foot[1] - high * self.unit

    def half(self, wide: float, deep: float) -> float:
        """Half the width, in pixels, at which an ellipse of half axes across and along the body appears."""
        return self.unit * math.hypot(wide * self.cos, deep * self.sin)

    def polygon(self, points: Sequence[Point], cloth: Cloth | Colour, tone: float = 1.0) -> None:
        """Fills a polygon of the canvas with a cloth or a colour."""
        self._mask.polygon(points, fill=255)
        if isinstance(cloth, Cloth) and cloth.pattern != "plain":
            left, top = (max(int(min(p[axis] for p in points)) - 1, 0) for axis in (0, 1))
            right, low = (min(int(max(p[axis] for p in points)) + 2, self.mask.size[axis]) for axis in (0, 1))
            if left >= right or top >= low:
                return
            cut = Image.new("L", (right - left, low - top))
            ImageDraw.Draw(cut).polygon([(x - left, y - top) for x, y in points], fill=255)
            piece = self._texture(cloth).crop((left, top, right, low)).point(_tones(round(100 * tone)))
            self.picture.paste(piece, (left, top), cut)
        else:
            self._picture.polygon(points, fill=_shade(cloth.colour if isinstance(cloth, Cloth) else cloth, tone))

    def disc(self, centre: Point, radii: Point, colour: Colour, tone: float = 1.0) -> None:
        """Fills an ellipse of the canvas."""
        (u, v), (a, b) = centre, radii
        box = (u - a, v - b, u + a, v + b)
        self._mask.ellipse(box, fill=255)
        self._picture.ellipse(box, fill=_shade(colour, tone))

    def limb(self, joints: Sequence[Joint], halves: Sequence[float], cloth: Cloth | Colour, tone: float) -> None:
        """A chain of tapered strips; `halves` are half widths at the joints, in heights of the person."""
        points = [self.point(joint) for joint in joints]
        for (u0, v0), (u1, v1), h0, h1 in zip(points, points[1:], halves, halves[1:], strict=False):
            length = math.hypot(u1 - u0, v1 - v0) or 1.0
            x, y = (v1 - v0) / length * self.unit, -(u1 - u0) / length * self.unit
            corners = [
                (u0 - x * h0, v0 - y * h0), (u0 + x * h0, v0 + y * h0),
                (u1 + x * h1, v1 + y * h1), (u1 - x * h1, v1 - y * h1),
            ]  # fmt: skip
            self.polygon(corners, cloth, tone)
            lit = 0.35 * self.sun  # a lighter streak on the side of the sun makes it round
            inner = [(u0 + x * (lit - 0.4) * h0, v0), (u0 + x * (lit + 0.4) * h0, v0),
                     (u1 + x * (lit + 0.4) * h1, v1), (u1 + x * (lit - 0.4) * h1, v1)]  # fmt: skip
            self.polygon(inner, cloth, tone * 1.09)
        if not isinstance(cloth, Cloth):
            for (u, v), h in list(zip(points, halves, strict=True))[1:-1]:
                self.disc((u, v), (h * self.unit, h * self.unit), cloth, tone)

    def shell(self, rings: Sequence[tuple[float, float, float, float]], cloth: Cloth | Colour) -> None:
        """A body of elliptical rings (height, half width, half depth, forward), round in the light."""
        rows = []
        for up, wide, deep, forward in rings:
            u, v = self.point((0.0, forward, up))
            rows.append((u, v, self.half(wide, deep)))
        tones = [0.97 + 0.13 * self.sun * t - 0.16 * t * t for t in (-0.85, -0.45, 0.0, 0.45, 0.85)]
        edges = (-1.0, -0.68, -0.25, 0.25, 0.68, 1.0)
        for tone, start, end in zip(tones, edges, edges[1:], strict=False):
            left = [(u + h * start - 0.5, v) for u, v, h in rows]
            right = [(u + h * end + 0.5, v) for u, v, h in rows]
            self.polygon([*left, *reversed(right)], cloth, tone)

    def _texture(self, cloth: Cloth) -> Image.Image:
        """A canvas full of a patterned cloth."""
        if cloth not in self._textures:
            columns, rows = self.picture.size
            up = ((self.foot[1] - np.arange(rows)) / self.unit)[:, None]
            across = ((np.arange(columns) - self.foot[0]) / self.unit)[None, :]
            if cloth.pattern == "stripes":
                other = np.broadcast_to((up * 14) % 1 < 0.42, (rows, columns))
            elif cloth.pattern == "checks":
                other = ((up * 13) % 1 < 0.4) ^ ((across * 13) % 1 < 0.4)
            else:
                other = np.broadcast_to(up < 0.66, (rows, columns))
            pair = np.array([cloth.colour, cloth.second], dtype=np.uint8)
            self._textures[cloth] = Image.fromarray(pair[other.astype(np.uint8)])
        return self._textures[cloth]


@lru_cache(maxsize=64)
def _tones(percent: int) -> list[int]:
    """Every brightness of the three channels, made lighter or darker."""
    return [min(value * percent // 100, 255) for value in range(256)] * 3


def _shade(colour: Colour, tone: float) -> Colour:
    red, green, blue = colour
    return min(int(red * tone), 255), min(int(green * tone), 255), min(int(blue * tone), 255)
