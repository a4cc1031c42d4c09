"""Who walks through the demo and what films them: people, cameras, and the moments at which one sees the other.

Lengths are of a person's height unless said otherwise. Colours are RGB, 0..255. Angles are radians: a person who
heads 0 walks towards the camera, pi/2 to the right, pi away from it.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

Colour = tuple[int, int, int]

_TOPS: tuple[tuple[Colour, float], ...] = (
    ((36, 36, 40), 0.17), ((206, 204, 198), 0.15), ((128, 130, 134), 0.11), ((42, 52, 88), 0.12), ((166, 40, 44), 0.10),
    ((62, 106, 172), 0.10), ((70, 118, 78), 0.06), ((214, 176, 62), 0.05), ((214, 138, 152), 0.05),
    ((182, 156, 120), 0.05), ((96, 62, 110), 0.04),
)  # fmt: skip
_LEGS: tuple[tuple[Colour, float], ...] = (
    ((34, 34, 40), 0.34), ((50, 62, 98), 0.26), ((92, 114, 150), 0.14), ((116, 114, 112), 0.10),
    ((168, 146, 110), 0.10), ((204, 200, 192), 0.06),
)  # fmt: skip
_BAGS: tuple[tuple[Colour, float], ...] = (
    ((32, 32, 36), 0.4), ((160, 40, 46), 0.15), ((44, 66, 120), 0.15), ((120, 84, 54), 0.15), ((96, 116, 70), 0.15),
)  # fmt: skip
_SKINS: tuple[Colour, ...] = ((206, 164, 138), (188, 142, 112), (156, 110, 80), (98, 66, 50))
_SHOES: tuple[tuple[Colour, float], ...] = (
    ((30, 30, 32), 0.5), ((206, 204, 198), 0.3), ((112, 74, 50), 0.15), ((150, 40, 44), 0.05),
)  # fmt: skip
_HAIRS: tuple[tuple[Colour, float], ...] = (
    ((32, 26, 24), 0.5), ((78, 54, 36), 0.25), ((170, 136, 86), 0.15), ((146, 144, 142), 0.1),
)  # fmt: skip
"""Colours with their shares: as in a street, a few of them dress most people."""


@dataclass(frozen=True)
class Cloth:
    """What a garment is made of; `pattern` is plain, stripes, checks or block, in the second colour."""

    colour: Colour
    second: Colour
    pattern: str = "plain"


@dataclass(frozen=True)
class Person:
    """All that makes a person the same one everywhere.

    Args:
        build: width, 1 is usual.
        shoulders: how much wider the shoulders are than the hips, -1..1.
        skin: its colour; likewise `hair`, `shoes`.
        style: of the hair: short, long, tail or bald.
        hat: its colour, if one is worn.
        top: what covers the trunk.
        sleeves: `short` or `long`.
        sleeve: cloth of the sleeves.
        hem: height at which the top ends.
        shirt: colour under an open jacket; None if it is closed.
        badge: colour of a print on the chest, if there is one.
        legs: `trousers`, `shorts` or `skirt`.
        bottom: their cloth.
        fit: width of the trousers, 1 is usual.
        bag: `backpack`, `shoulder`, `hand` or none.
        leather: colour of the bag.
        side: -1 or 1, on which the bag is carried.
    """

    build: float
    shoulders: float
    skin: Colour
    hair: Colour
    shoes: Colour
    style: str
    hat: Colour | None
    top: Cloth
    sleeves: str
    sleeve: Cloth
    hem: float
    shirt: Colour | None
    badge: Colour | None
    legs: str
    bottom: Cloth
    fit: float
    bag: str
    leather: Colour
    side: int


@dataclass(frozen=True)
class Camera:
    """A fixed camera over a place.

    Args:
        path: the direction in which people cross its view, and its reverse.
        pitch: how far it looks down, 0..0.35.
        gains: factors on red, green and blue.
        colourful: 0 is grey, 1 as painted.
        lift: brightness of black, grey levels.
        blur: standard deviation, in pixels of the crop.
        noise: standard deviation, grey levels.
        sun: side that the light comes from, -1..1.
        quality: of its JPEG files, 0..100.
        seed: of the place it looks at.
    """

    path: float
    pitch: float
    gains: tuple[float, float, float]
    colourful: float
    lift: float
    blur: float
    noise: float
    sun: float
    quality: int
    seed: int


@dataclass(frozen=True)
class Sighting:
    """One moment at which a camera sees a person, and how a detector cut it out.

    Args:
        heading: where the person walks.
        phase: of the stride.
        stride: its length; 0 stands.
        x: middle of the person across the crop, in widths of the crop.
        foot: where the feet are down the crop, in heights of the crop; likewise `tall`, the person's height.
        tall: see above.
        light: factor on the colours.
        place: where in the camera's view, 0..1.
        cover: what stands in the way: nothing, `pole`, `hedge` or `passer`.
        seed: of noise, folds and whatever stands in the way.
    """

    heading: float
    phase: float
    stride: float
    x: float
    foot: float
    tall: float
    light: float
    place: float
    cover: str
    seed: int


def draw_person(seed: int, number: int) -> Person:
    """A person by number, the same however many there are.

    Every other person may be dressed in the colours of the one before: a question that colour does not answer.
    """
    person = _draw(np.random.default_rng((seed, 1, number)))
    if number % 2 and np.random.default_rng((seed, 2, number)).random() < 0.6:
        twin = _draw(np.random.default_rng((seed, 1, number - 1)))
        plain = person.sleeve == person.top
        top = replace(twin.top, pattern=person.top.pattern)
        person = replace(person, top=top, sleeve=top if plain else person.sleeve, bottom=twin.bottom)
    return person


def _draw(rng: np.random.Generator) -> Person:
    top, second = _pick(rng, _TOPS), _pick(rng, _TOPS)
    pattern = str(rng.choice(("plain", "stripes", "checks", "block"), p=(0.64, 0.14, 0.1, 0.12)))
    cloth = Cloth(top, second, pattern)
    legs = str(rng.choice(("trousers", "shorts", "skirt"), p=(0.66, 0.18, 0.16)))
    style = str(rng.choice(("short", "long", "tail", "bald"), p=(0.5, 0.26, 0.16, 0.08)))
    jacket = pattern == "plain" and rng.random() < 0.25
    bottom = _pick(rng, _LEGS)
    return Person(
        build=float(np.clip(rng.normal(1.0, 0.13), 0.78, 1.35)),
        shoulders=float(rng.uniform(-1, 1)) if style != "long" else float(rng.uniform(-1, 0.3)),
        skin=_SKINS[int(rng.choice(4, p=(0.35, 0.35, 0.18, 0.12)))],
        hair=_pick(rng, _HAIRS),
        shoes=((30, 30, 32), (222, 220, 214), (112, 74, 50), (150, 40, 44))[
            int(rng.choice(4, p=(0.5, 0.3, 0.15, 0.05)))
        ],
        style=style,
        hat=_pick(rng, _BAGS) if rng.random() < 0.1 else None,
        top=cloth,
        sleeves="long" if jacket or rng.random() < 0.5 else "short",
        sleeve=cloth if rng.random() < 0.82 else Cloth(second, second),
        hem=float(rng.choice((0.47, 0.44, 0.36), p=(0.6, 0.28, 0.12))),
        shirt=_pick(rng, _TOPS) if jacket else None,
        badge=second if pattern == "plain" and not jacket and rng.random() < 0.3 else None,
        legs=legs,
        bottom=Cloth(bottom, bottom),
        fit=float(rng.uniform(0.8, 1.3)),
        bag=str(rng.choice(("", "backpack", "shoulder", "hand"), p=(0.42, 0.28, 0.17, 0.13))),
        leather=_pick(rng, _BAGS),
        side=int(rng.choice((-1, 1))),
    )


def _pick(rng: np.random.Generator, palette: tuple[tuple[Colour, float], ...]) -> Colour:
    """A colour of a palette, a little off."""
    red, green, blue = palette[int(rng.choice(len(palette), p=[share for _, share in palette]))][0]
    off = rng.normal(0, 9, 3) + rng.normal(0, 7)
    return _byte(red + off[0]), _byte(green + off[1]), _byte(blue + off[2])


def _byte(value: float) -> int:
    return int(min(max(value, 0), 255))


def draw_camera(seed: int, number: int) -> Camera:
    """A camera by number."""
    rng = np.random.default_rng((seed, 3, number))
    warm, green = rng.normal(0, 0.1), rng.normal(0, 0.05)
    exposure = math.exp(rng.normal(0.02, 0.16))
    return Camera(
        path=float(rng.uniform(0, 2 * math.pi)),
        pitch=float(rng.uniform(0.02, 0.32)),
        gains=(exposure * math.exp(warm), exposure * math.exp(green), exposure * math.exp(-warm)),
        colourful=float(rng.uniform(0.6, 1.1)),
        lift=float(rng.uniform(0, 22)),
        blur=float(rng.uniform(0.25, 1.0)),
        noise=float(rng.uniform(2, 6)),
        sun=float(rng.uniform(-1, 1)),
        quality=int(rng.integers(72, 93)),
        seed=int(rng.integers(2**31)),
    )


def draw_track(camera: Camera, stream: tuple[int, ...], count: int) -> list[Sighting]:
    """Successive sightings of one person by one camera: alike, as frames of a film are; more of them change none.

    Args:
        camera: sees them.
        stream: seeds the track.
        count: how many.
    """
    rng = np.random.default_rng((*stream, 4))
    heading = camera.path + (math.pi if rng.random() < 0.5 else 0.0) + rng.normal(0, 0.5)
    phase, place, light = rng.uniform(0, 2 * math.pi), rng.random(), math.exp(rng.normal(0, 0.1))
    stride = 0.0 if rng.random() < 0.15 else float(rng.uniform(0.08, 0.15))
    track = []
    for i in range(count):
        own = np.random.default_rng((*stream, 5, i))
        tall = float(np.clip(own.normal(0.9, 0.05), 0.72, 1.08))
        track.append(
            Sighting(
                heading=float(heading + own.normal(0, 0.25)),
                phase=float(phase + 1.7 * i + own.normal(0, 0.3)),
                stride=stride,
                x=float(0.5 + own.normal(0, 0.05)),
                foot=float(0.5 + tall / 2 + own.normal(0, 0.025)),
                tall=tall,
                light=float(light * math.exp(own.normal(0, 0.05))),
                place=float((place + 0.04 * i) % 1),
                cover=str(own.choice(("", "pole", "hedge", "passer"), p=(0.8, 0.05, 0.06, 0.09))),
                seed=int(own.integers(2**31)),
            )
        )
    return track
