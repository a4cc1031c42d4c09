"""Paints a walking person: limbs, clothes, hair and what is carried, what is far from the camera first."""

import math

from querist.demo.people_figure import Figure
from querist.demo.people_world import Colour, Person


def paint_person(figure: Figure, person: Person, phase: float, stride: float) -> None:
    """Paints a person, what is far from the camera first.

    Args:
        figure: where.
        person: who.
        phase: of the stride.
        stride: its length.
    """
    swing = stride * math.sin(phase)
    hip = 0.052 * person.build
    legs = sorted(((-hip, -swing), (hip, swing)), key=lambda leg: figure.nearness((*leg, 0.2)))
    shoulder = (0.118 + 0.012 * person.shoulders) * person.build
    arms = sorted(((-shoulder, swing), (shoulder, -swing)), key=lambda arm: figure.nearness((*arm, 0.6)))
    behind = figure.cos > -0.1  # the back of the body is turned away
    for i, (left, forward) in enumerate(legs):
        _paint_leg(figure, person, left, forward, 0.8 if i == 0 else 1.0)
    _paint_arm(figure, person, *arms[0], 0.78)
    if behind:
        _paint_hair_fall(figure, person)
        _paint_backpack(figure, person)
    _paint_trunk(figure, person)
    if not behind:
        _paint_backpack(figure, person)
    _paint_bag(figure, person)
    _paint_head(figure, person)
    if not behind:
        _paint_hair_fall(figure, person)
    _paint_arm(figure, person, *arms[1], 0.92)


def _paint_leg(figure: Figure, person: Person, left: float, forward: float, tone: float) -> None:
    lift = max(-forward, 0.0) * 0.25  # the foot behind leaves the ground
    hip, knee = (left, 0.0, 0.5), (left, 0.55 * forward + 0.02, 0.275)
    ankle = (left, forward, 0.045 + lift)
    slim = 0.5 + 0.5 * person.build
    wide = (0.058 * slim, 0.043 * slim, 0.031 * slim)
    bare = person.legs != "trousers"
    if bare:
        figure.limb((hip, knee, ankle), (wide[0], wide[1] * 0.85, wide[2] * 0.8), person.skin, tone * 0.95)
    if person.legs == "trousers":
        cut = (wide[0], wide[1] * person.fit, wide[2] * person.fit * 1.1)
        figure.limb((hip, knee, ankle), cut, person.bottom.colour, tone)
    elif person.legs == "shorts":
        end = (left, 0.5 * forward + 0.02, 0.3)
        figure.limb((hip, end), (wide[0] * 1.05, wide[1] * 1.2 * person.fit), person.bottom.colour, tone)
    u, v = figure.point((left, forward + 0.03, 0.02 + lift))
    figure.disc((u, v), (figure.half(0.03, 0.062), 0.024 * figure.unit), person.shoes, tone)


def _paint_arm(figure: Figure, person: Person, left: float, forward: float, tone: float) -> None:
    out = math.copysign(0.02, left)
    shoulder, elbow = (left * 0.93, 0.0, 0.8), (left + out, 0.35 * forward - 0.015, 0.645)
    hand = (left + out * 1.2, forward + 0.02, 0.5)
    slim = 0.6 + 0.4 * person.build
    wide = (0.041 * slim, 0.034 * slim, 0.025 * slim)
    figure.limb((elbow, hand), (wide[1] * 0.8, wide[2] * 0.8), person.skin, tone * 0.98)
    u, v = figure.point(hand)
    figure.disc((u, v), (0.022 * figure.unit, 0.028 * figure.unit), person.skin, tone)
    if person.sleeves == "long":
        wrist = (hand[0], forward * 0.85, 0.535)
        figure.limb((shoulder, elbow, wrist), wide, person.sleeve, tone)
    else:
        half = (left + out * 0.7, 0.2 * forward, 0.69)
        figure.limb((shoulder, half), (wide[0] * 1.05, wide[1] * 1.15), person.sleeve, tone)


def _paint_trunk(figure: Figure, person: Person) -> None:
    b, lean = person.build, 0.012
    wide = (0.115 + 0.012 * person.shoulders) * b
    hips = (0.104 - 0.008 * person.shoulders) * b
    if person.legs == "skirt":
        low = 0.31
        figure.shell(
            [(0.58, 0.085 * b, 0.06 * b, 0.0), (0.5, hips, 0.075 * b, 0.0), (low, hips * 1.3, 0.105 * b, 0.0)],
            person.bottom.colour,
        )
    else:
        figure.shell([(0.56, 0.09 * b, 0.06 * b, 0.0), (0.46, hips * 0.98, 0.075 * b, 0.0)], person.bottom.colour)
    u, v = figure.point((0.0, 0.01, 0.86))
    figure.disc((u, v), (figure.half(0.036, 0.036), 0.03 * figure.unit), person.skin, 0.85)
    rings = [
        (0.85, 0.045, 0.045, lean), (0.83, 0.075 * b, 0.05, lean), (0.805, wide, 0.055 * b, lean),
        (0.72, wide * 0.97, 0.078 * b, lean), (0.6, 0.092 * b, 0.07 * b, 0.0),
        (0.5, hips * 1.02, 0.08 * b, 0.0), (person.hem, hips * (1.04 if person.hem > 0.4 else 1.15), 0.085 * b, 0.0),
    ]  # fmt: skip
    figure.shell(rings, person.top)
    if figure.cos > 0.25:  # the chest can be seen
        front = figure.unit * 0.07 * b * figure.sin
        _paint_front(figure, person, front)


def _paint_front(figure: Figure, person: Person, shift: float) -> None:
    """What is on the chest: a shirt under an open jacket, or a print."""

    def box(low: float, high: float, half: float, colour: Colour) -> None:
        (u, top), (_, bottom) = figure.point((0.0, 0.0, high)), figure.point((0.0, 0.0, low))
        h = half * figure.cos * figure.unit
        u += shift
        figure.polygon([(u - h, top), (u + h, top), (u + h, bottom), (u - h, bottom)], colour)

    if person.shirt is not None:
        box(person.hem + 0.01, 0.835, 0.034, person.shirt)
    if person.badge is not None:
        box(0.655, 0.755, 0.048 * person.build, person.badge)


def _paint_backpack(figure: Figure, person: Person) -> None:
    if person.bag != "backpack":
        return
    near, far, wide = -0.06, -0.155, 0.088
    corners = [(left, forward) for left in (-wide, wide) for forward in (near, far)]
    for low, high, tone in ((0.53, 0.81, 0.95), (0.53, 0.65, 0.8)):
        across = [figure.point((left, forward, high))[0] for left, forward in corners]
        (_, top), (_, bottom) = figure.point((0, far, high)), figure.point((0, far, low))
        u0, u1, cut = min(across), max(across), 0.025 * figure.unit
        outline = [(u0, top + cut), (u0 + cut, top), (u1 - cut, top), (u1, top + cut), (u1, bottom), (u0, bottom)]
        figure.polygon(outline, person.leather, tone)


def _paint_bag(figure: Figure, person: Person) -> None:
    """Straps of a backpack, a bag on a strap across the body, or one in the hand."""
    unit, b, leather = figure.unit, person.build, person.leather
    if person.bag == "backpack" and figure.cos > -0.1:
        for left in (-0.065, 0.065):
            figure.limb([(left, 0.06, 0.83), (left, 0.075, 0.66)], (0.014, 0.014), leather, 0.95)
    elif person.bag == "shoulder":
        depth = 0.07 if figure.cos > 0 else -0.07
        start, end = (-0.07 * b * person.side, depth, 0.83), (0.11 * b * person.side, depth, 0.52)
        figure.limb([start, end], (0.012, 0.012), leather, 0.9)
        if figure.nearness((0.13 * person.side, 0, 0)) > -0.08:
            (u, v), w = figure.point((0.125 * b * person.side, 0.0, 0.47)), figure.half(0.03, 0.085)
            h = 0.06 * unit
            figure.polygon([(u - w, v - h), (u + w, v - h), (u + w, v + h), (u - w, v + h)], leather)
            figure.polygon([(u - w, v - h), (u + w, v - h), (u + w, v - h * 0.2), (u - w, v - h * 0.2)], leather, 1.2)
    elif person.bag == "hand":
        (u, v), w = figure.point((0.15 * b * person.side, 0.02, 0.4)), figure.half(0.028, 0.07)
        h = 0.06 * unit
        figure.limb(
            [(0.15 * b * person.side, 0.02, 0.5), (0.15 * b * person.side, 0.02, 0.44)], (0.02, 0.02), leather, 0.8
        )
        figure.polygon([(u - w * 0.8, v - h), (u + w * 0.8, v - h), (u + w, v + h), (u - w, v + h)], leather)


def _paint_head(figure: Figure, person: Person) -> None:
    unit, skin = figure.unit, person.skin
    (u, v), r = figure.point((0.0, 0.015, 0.925)), 0.062 * unit
    hair = skin if person.style == "bald" else person.hair
    round_head = (figure.half(0.05, 0.058), r * 1.08)
    figure.disc((u - 0.006 * unit * figure.sin, v - 0.006 * unit), round_head, hair)
    if figure.cos > -0.45:  # some of the face can be seen
        open_face = 0.6 + 0.4 * max(figure.cos, 0.0)
        face = (u + 0.02 * unit * figure.sin, v + 0.014 * unit)
        figure.disc(face, (0.042 * unit * open_face, r * 0.82), skin, 1.0 + 0.06 * figure.sun)
        if figure.cos > 0.2:
            for eye in (-0.017, 0.017):
                at = (face[0] + (eye * figure.cos + 0.018 * figure.sin) * unit, face[1] - 0.012 * unit)
                figure.disc(at, (0.0045 * unit, 0.004 * unit), (70, 50, 44))
    if person.hat is not None:
        figure.disc((u, v - 0.03 * unit), (round_head[0] * 1.08, r * 0.72), person.hat)
        brim = (u + 0.045 * unit * figure.sin, v - 0.008 * unit)
        if figure.cos > -0.5:
            figure.disc(brim, (figure.half(0.045, 0.06), 0.014 * unit), person.hat, 0.75)


def _paint_hair_fall(figure: Figure, person: Person) -> None:
    """Hair that falls over the shoulders, or a pony tail."""
    if person.style == "long":
        (u, v), (_, low) = figure.point((0.0, -0.03, 0.93)), figure.point((0.0, -0.05, 0.79))
        w = figure.half(0.06, 0.045)
        figure.polygon([(u - w * 0.8, v), (u + w * 0.8, v), (u + w, low), (u - w, low)], person.hair, 0.92)
    elif person.style == "tail":
        figure.limb([(0.0, -0.05, 0.94), (0.0, -0.085, 0.82)], (0.026, 0.014), person.hair, 0.9)
