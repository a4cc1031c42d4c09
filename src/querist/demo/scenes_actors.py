"""Paints what is small or moves: cars, people, lamps and signs, the own car's bonnet."""

import math

import numpy as np

from querist.demo.scenes_camera import Canvas
from querist.demo.scenes_world import CAR, PERSON, POLE, ROAD, SIGN, VOID, Colour, Drive, Thing

_TYRE: Colour = (26, 26, 28)
_RIM: Colour = (120, 122, 126)


def paint_car(canvas: Canvas, car: Thing) -> None:
    """A car that stands along the street: shadow, wheels, cabin with windows, body, lights, number plate."""
    s = car.size
    x0, x1, z0, z1 = car.x - 0.88 * s, car.x + 0.88 * s, car.z, car.z + 4.2 * s
    flank = x1 if car.x < canvas.camera.x else x0  # the side that can be seen
    low, shoulder = 0.26 * s, 0.88 * s
    canvas.ground((x0 - 0.15, x1 + 0.15), (z0 - 0.1, z1), (18, 18, 20), ROAD)
    for x in (x0 + 0.02, x1 - 0.24 * s):
        canvas.board((x, x + 0.22 * s), (0.0, 0.4 * s), z0, _TYRE, CAR)
    cabin = _cabin(canvas, car, (x0, x1, flank), (z0, z1), shoulder)
    side = [(flank, low, z0), (flank, low, z1), (flank, shoulder, z1), (flank, shoulder, z0)]
    canvas.quad(side, car.colour, CAR, 0.8)
    for z in (z0 + 0.8 * s, z1 - 0.8 * s):
        _wheel(canvas, flank, z, 0.32 * s)
    _strip(canvas, (x0, x1, shoulder, z0), (x0, x1, shoulder, cabin), car.colour, CAR, 1.12)
    canvas.board((x0, x1), (low, shoulder), z0, car.colour, CAR, 0.92)
    _face(canvas, car, x0, x1, shoulder)


def _cabin(
    canvas: Canvas, car: Thing, across: tuple[float, float, float], along: tuple[float, float], shoulder: float
) -> float:
    """The upper part of a car, to be painted before the body hides its foot; returns where it begins in z."""
    s = car.size
    (x0, x1, flank), (z0, z1) = across, along
    roof, edge = 1.46 * s, 0.14 * s
    slant = 1.1 * s if car.front else 0.45 * s  # a windscreen leans more than a rear window
    foot0, foot1 = z0 + 0.25 * s + slant * 0.4, z1 - 1.0 * s
    top0, top1 = foot0 + slant * 0.7, foot1 - 0.5 * s
    inset = edge if flank == x0 else -edge
    wall = [
        (flank, shoulder, foot0),
        (flank, shoulder, foot1),
        (flank + inset, roof, top1),
        (flank + inset, roof, top0),
    ]
    canvas.quad(wall, car.colour, CAR, 0.8)
    x, pillar = flank + inset / 2, (foot0 + foot1) / 2
    low, high = shoulder + 0.04, roof - 0.1
    for a, b, c, d in (
        (foot0 + 0.2, pillar - 0.06, pillar - 0.06, top0 + 0.1),
        (pillar + 0.06, foot1 - 0.2, top1 - 0.1, pillar + 0.06),
    ):
        canvas.quad([(x, low, a), (x, low, b), (x, high, c), (x, high, d)], car.second, None)
    left, right = x0 + edge, x1 - edge
    _strip(canvas, (left, right, roof, top0), (left, right, roof, top1), car.colour, CAR, 1.15)
    _strip(canvas, (x0 + 0.04, x1 - 0.04, shoulder, foot0), (left, right, roof, top0), car.colour, CAR, 0.95)
    pane = 0.12 * s
    glass = (left + 0.08, right - 0.08, high, top0)
    _strip(canvas, (x0 + pane, x1 - pane, shoulder, foot0), glass, car.second, None, 1.2)
    return foot0


def _strip(
    canvas: Canvas,
    low: tuple[float, float, float, float],
    high: tuple[float, float, float, float],
    colour: Colour,
    class_id: int | None,
    tone: float,
) -> None:
    """A surface between two level edges, each (left x, right x, y, z)."""
    (a, b, y0, z0), (c, d, y1, z1) = low, high
    canvas.quad([(a, y0, z0), (b, y0, z0), (d, y1, z1), (c, y1, z1)], colour, class_id, tone)


def _wheel(canvas: Canvas, x: float, z: float, radius: float) -> None:
    """A wheel seen from the side of the car."""
    for r, colour in ((radius, _TYRE), (radius * 0.55, _RIM)):
        rim = [(math.cos(a) * r, math.sin(a) * r) for a in np.linspace(0, 2 * math.pi, 9)[:-1].tolist()]
        canvas.quad([(x, radius + dy, z + dz) for dz, dy in rim], colour, CAR)


def _face(canvas: Canvas, car: Thing, x0: float, x1: float, shoulder: float) -> None:
    """Lights, number plate and bumper on the end that the camera sees."""
    s = car.size
    lamp: Colour = (246, 242, 214) if car.front else (188, 26, 24)
    canvas.board((x0, x1), (0.26 * s, 0.44 * s), car.z, car.colour, None, 0.6)
    for x in (x0 + 0.05, x1 - 0.05 - 0.3 * s):
        canvas.board((x, x + 0.3 * s), (shoulder - 0.26 * s, shoulder - 0.06 * s), car.z, lamp, None, 1.25)
    canvas.board((car.x - 0.26 * s, car.x + 0.26 * s), (0.48 * s, 0.6 * s), car.z, (226, 224, 206), None)


def paint_person(canvas: Canvas, person: Thing, frame: int) -> None:
    """Someone standing or walking: legs, trunk, arms, head, hair, a shadow at the feet."""
    rng = np.random.default_rng(person.seed)
    s, x, z = person.size, person.x, person.z
    stride = 0.24 * s * math.sin(rng.uniform(0, 6.28) + 0.9 * frame)
    skin: Colour = ((224, 182, 152), (176, 128, 96), (112, 78, 58))[int(rng.integers(3))]
    hair: Colour = ((38, 30, 26), (96, 66, 40), (170, 150, 110), (150, 148, 146))[int(rng.integers(4))]
    canvas.ground((x - 0.3 * s, x + 0.3 * s), (z - 0.08, z + 0.2), (30, 30, 32), None)
    for foot in (-stride, stride):
        hip = math.copysign(0.09 * s, foot)
        tone = 1.0 if foot > 0 else 0.8
        _limb(canvas, (x + hip, 0.86 * s), (x + hip + foot, 0.0), (0.1 * s, 0.08 * s), z, person.second, tone)
    _limb(canvas, (x, 1.42 * s), (x, 0.8 * s), (0.25 * s, 0.19 * s), z, person.colour, 1.0)
    for side in (-1, 1):
        shoulder = x + side * 0.25 * s
        hand = shoulder + side * (0.05 * s - 0.5 * stride)
        _limb(canvas, (shoulder, 1.4 * s), (hand, 0.82 * s), (0.06 * s, 0.05 * s), z, person.colour, 0.78)
    r = canvas.camera.pixels(0.13 * s, z)
    u, v = canvas.camera.point(x, 1.58 * s, z)
    canvas.disc((u, v), (r, r * 1.25), canvas.shade(skin, z), PERSON)
    canvas.disc((u, v - r * 0.5), (r, r * 0.75), canvas.shade(hair, z), PERSON)


def _limb(
    canvas: Canvas,
    start: tuple[float, float],
    end: tuple[float, float],
    widths: tuple[float, float],
    z: float,
    colour: Colour,
    tone: float,
) -> None:
    """A part of a body: a strip from (x, y) to (x, y) with half a width at either end."""
    (x0, y0), (x1, y1), (wide0, wide1) = start, end, widths
    corners = [(x0 - wide0, y0, z), (x0 + wide0, y0, z), (x1 + wide1, y1, z), (x1 - wide1, y1, z)]
    canvas.quad(corners, colour, PERSON, tone)


def paint_lamp(canvas: Canvas, lamp: Thing) -> None:
    """A street lamp: a thin post and an arm over the road."""
    tall, inward = 5.6 * lamp.size, -math.copysign(1.3, lamp.x)
    canvas.board((lamp.x - 0.06, lamp.x + 0.06), (0.0, tall), lamp.z, lamp.colour, POLE, 0.8)
    left, right = sorted((lamp.x, lamp.x + inward))
    canvas.board((left, right), (tall - 0.14, tall), lamp.z, lamp.colour, POLE, 0.8)
    head = lamp.x + inward
    canvas.board((head - 0.3, head + 0.3), (tall - 0.22, tall + 0.02), lamp.z, (214, 206, 176), POLE)


def paint_sign(canvas: Canvas, sign: Thing) -> None:
    """A traffic sign (round, three-cornered or square, with a figure) or a traffic light on a post."""
    rng = np.random.default_rng(sign.seed)
    s, x, z = sign.size, sign.x, sign.z
    shape = int(rng.integers(4))
    canvas.board((x - 0.05, x + 0.05), (0.0, 2.5 * s), z, sign.second, POLE, 0.8)
    at, r = canvas.camera.point(x, 2.5 * s, z), canvas.camera.pixels(0.48 * s, z)
    plate, bright = canvas.shade(sign.colour, z), canvas.shade((232, 232, 228), z)
    if shape == 0:
        canvas.disc(at, (r, r), plate, SIGN)
        canvas.disc(at, (r * 0.6, r * 0.6), bright, None)
    elif shape == 1:
        for grow, colour, class_id in ((1.15, plate, SIGN), (0.6, bright, None)):
            g = r * grow
            corners = [(at[0], at[1] - g), (at[0] + g, at[1] + g * 0.75), (at[0] - g, at[1] + g * 0.75)]
            canvas.polygon(corners, colour, class_id)
    elif shape == 2:
        canvas.board((x - 0.42 * s, x + 0.42 * s), (2.1 * s, 2.95 * s), z, sign.colour, SIGN)
        canvas.board((x - 0.22 * s, x + 0.22 * s), (2.35 * s, 2.7 * s), z, (232, 232, 228), None)
    else:
        canvas.board((x - 0.22 * s, x + 0.22 * s), (2.2 * s, 3.25 * s), z, (30, 32, 34), SIGN)
        lights: tuple[Colour, ...] = ((230, 50, 40), (240, 190, 60), (60, 210, 110))
        on = int(rng.integers(3))
        for i, colour in enumerate(lights):
            spot = canvas.camera.point(x, (3.08 - 0.34 * i) * s, z)
            canvas.disc(spot, (r * 0.3, r * 0.3), canvas.shade(colour, z, 1.2 if i == on else 0.35), None)


def paint_bonnet(canvas: Canvas, drive: Drive) -> None:
    """The bonnet of the own car along the lower edge: void."""
    if drive.bonnet is None:
        return
    width, height = canvas.picture.size
    colour = canvas.shade(drive.bonnet, canvas.camera.z)
    canvas.disc((width * 0.5, height * 1.12), (width * 0.62, height * 0.2), colour, VOID)
    shine = canvas.shade(drive.bonnet, canvas.camera.z, 1.25)
    canvas.disc((width * 0.5, height * 1.16), (width * 0.4, height * 0.2), shine, None)
