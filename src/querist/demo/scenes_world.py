"""What stands along a street of the demo, held still so that it can be filmed frame by frame.

Lengths are metres: x to the right of the road's middle, y up from the ground, z forward. Colours are RGB,
0..255.
"""

from dataclasses import dataclass, replace

Colour = tuple[int, int, int]

SKY, BUILDING, ROAD, PAVEMENT, TREE, CAR, PERSON, POLE, SIGN, VOID = range(10)
"""The class ids of the demo."""


@dataclass(frozen=True)
class Light:
    """Weather and time of day.

    Args:
        tint: factor on the colours of things, one a channel.
        zenith: colour of the sky at the top.
        haze: colour of the sky at the horizon, into which distance fades.
        fading: share of a colour lost in haze, per metre (of what is left).
        clouds: strength of the clouds, 0..1.
        sun: side that the sun stands on, -1 or 1; 0 without shadows.
        lit: share of the windows with a light on.
        noise: standard deviation of the sensor noise, grey levels.
    """

    tint: tuple[float, float, float]
    zenith: Colour
    haze: Colour
    fading: float
    clouds: float
    sun: int
    lit: float
    noise: float


@dataclass(frozen=True)
class Facade:
    """A house along the street. `side` is -1 (left) or 1; it begins `offset` from the middle of the road."""

    side: int
    offset: float
    near: float
    far: float
    height: float
    wall: Colour
    glass: Colour
    storey: float
    bay: float
    shop: bool
    seed: int


@dataclass(frozen=True)
class Thing:
    """A tree, car, pedestrian, lamp or sign standing at (x, z).

    Args:
        kind: which of them.
        x: where its middle is, across.
        z: where its nearest part is, along.
        size: scale, 1 is usual.
        colour: of paint, leaves, clothes or the plate.
        second: another colour of it.
        front: whether a car shows its front.
        walk: metres that it moves in x with each frame.
        drive: metres that it moves in z with each frame.
        seed: of its details.
    """

    kind: str
    x: float
    z: float
    size: float
    colour: Colour
    second: Colour
    front: bool = False
    walk: float = 0.0
    drive: float = 0.0
    seed: int = 0

    def at(self, frame: int) -> "Thing":
        """The thing as it stands in a later frame."""
        return replace(self, x=self.x + self.walk * frame, z=self.z + self.drive * frame)


@dataclass(frozen=True)
class Drive:
    """One street, its weather and the camera that moves through it; frames of one drive are nearly identical.

    Args:
        kind: what sort of street it is.
        light: the weather.
        road: half the width of the road.
        paving: width of the pavement on either side.
        asphalt: colour of the road.
        slabs: colour of the pavement.
        ground: colour of what lies beyond.
        grass: whether that is grass (which counts as tree), else more paving.
        dashed: whether the middle line is dashed.
        crossing: where the zebra crossing and the side street begin; None without.
        facades: the houses.
        things: all else.
        camera: (x, height over ground, metres a frame).
        focal: focal length in image widths.
        horizon: row of the horizon, in image heights.
        bonnet: colour of the own car's bonnet, if it can be seen.
        exposure: factor on all colours, one a channel.
        seed: of camera shake, textures and noise.
    """

    kind: str
    light: Light
    road: float
    paving: float
    asphalt: Colour
    slabs: Colour
    ground: Colour
    grass: bool
    dashed: bool
    crossing: float | None
    facades: tuple[Facade, ...]
    things: tuple[Thing, ...]
    camera: tuple[float, float, float]
    focal: float
    horizon: float
    bonnet: Colour | None
    exposure: tuple[float, float, float]
    seed: int
