"""Draws the streets of the demo at random: houses, trees, cars, people, weather."""

import numpy as np

from querist.demo.scenes_world import Colour, Drive, Facade, Light, Thing

KINDS = {"street": 0.36, "avenue": 0.26, "traffic": 0.18, "crossing": 0.10, "park": 0.10}
"""Kinds of drives and how often they occur; pedestrians live mostly in the two rare ones."""

FAR = 75.0
"""Nothing stands further away than this when a drive begins."""

_FAR_POSTS = 32.0
"""The same for lamps and signs, which would be thinner than a pixel."""

_GREYS: tuple[Colour, ...] = ((168, 166, 160), (134, 134, 136), (104, 105, 110), (196, 194, 188), (88, 84, 82))
_WALLS: tuple[Colour, ...] = (
    *_GREYS, (150, 84, 66), (176, 112, 84), (208, 190, 156), (188, 164, 124), (120, 96, 84), (222, 216, 204),
    (98, 112, 128),
)  # fmt: skip
_ASPHALT: tuple[Colour, ...] = ((72, 72, 76), (88, 88, 90), (104, 102, 98), (122, 120, 118))
_PAVING: tuple[Colour, ...] = (*_GREYS[:4], (178, 158, 130), (152, 106, 88), (128, 122, 112))
_PAINTS: tuple[Colour, ...] = (
    *_GREYS, (232, 232, 230), (36, 38, 42), (150, 40, 38), (44, 72, 128), (60, 92, 66), (176, 152, 112),
    (98, 130, 160),
)  # fmt: skip
_LEAVES: tuple[Colour, ...] = ((62, 92, 44), (84, 108, 48), (52, 76, 50), (104, 104, 52), (146, 106, 50), (98, 82, 60))
_CLOTHES: tuple[Colour, ...] = (
    *_PAINTS, (196, 60, 44), (222, 178, 60), (60, 120, 90), (110, 70, 120), (34, 34, 40), (60, 66, 92),
)  # fmt: skip
_PLATES: tuple[Colour, ...] = ((208, 32, 32), (28, 76, 196), (236, 196, 24), (206, 40, 28), (20, 120, 70))


def draw_drive(rng: np.random.Generator, kind: str | None = None) -> Drive:
    """Draws a street.

    Args:
        rng: where chance comes from.
        kind: one of `KINDS`, or None to draw it too.
    """
    if kind is None:
        kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    road = float(rng.uniform(2.9, 4.0) if kind != "park" else rng.uniform(2.0, 3.0))
    paving = float(rng.uniform(2.4, 4.6))
    crossing = float(rng.uniform(5.0, 8.5)) if kind == "crossing" else None
    things = [*_trees(rng, kind, road, paving), *_posts(rng, kind, road, paving)]
    things += [*_cars(rng, kind, road, crossing), *_people(rng, kind, road, paving, crossing)]
    grass, has_bonnet = kind == "park" or rng.random() < 0.6, rng.random() < 0.3
    return Drive(
        kind=kind,
        light=_light(rng),
        road=road,
        paving=paving,
        asphalt=_pick(rng, _ASPHALT, 9),
        slabs=_pick(rng, _PAVING, 14),
        ground=_pick(rng, _LEAVES if grass else _PAVING, 12),
        grass=grass,
        dashed=bool(rng.random() < 0.75) and kind != "park",
        crossing=crossing,
        facades=tuple(_facades(rng, kind, road + paving, crossing)),
        things=tuple(things),
        camera=(float(rng.uniform(-0.2, 1.6)), float(rng.uniform(1.25, 1.6)), float(rng.uniform(0.12, 0.4))),
        focal=float(rng.uniform(0.78, 0.95)),
        horizon=float(rng.uniform(0.40, 0.50)),
        bonnet=_pick(rng, _PAINTS, 6) if has_bonnet else None,
        exposure=_gains(rng, 0.10, 0.03),
        seed=_seed(rng),
    )


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _vary(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    """A colour nearby: brighter or darker by four times `spread` at most, and tinted by it."""
    shift = rng.normal(0, 2 * spread) + rng.normal(0, spread / 2, 3)
    red, green, blue = np.clip(np.add(colour, shift), 12, 244).astype(int).tolist()
    return red, green, blue


def _pick(rng: np.random.Generator, colours: tuple[Colour, ...], spread: float) -> Colour:
    return _vary(rng, colours[int(rng.integers(len(colours)))], spread)


def _gains(rng: np.random.Generator, common: float, each: float) -> tuple[float, float, float]:
    red, green, blue = np.exp(rng.normal(0, common) + rng.normal(0, each, 3)).tolist()
    return red, green, blue


def _light(rng: np.random.Generator) -> Light:
    side = int(rng.choice([-1, 1]))
    match str(rng.choice(["sun", "cloud", "dusk", "fog"], p=[0.34, 0.32, 0.19, 0.15])):
        case "sun":
            zenith, haze = _vary(rng, (92, 142, 208), 10), _vary(rng, (190, 212, 232), 8)
            return Light((1.12, 1.08, 1.0), zenith, haze, 0.006, rng.uniform(0.0, 0.9), side, 0.04, 2.0)
        case "cloud":
            zenith, haze = _vary(rng, (160, 168, 178), 14), _vary(rng, (208, 212, 214), 10)
            return Light((0.94, 0.96, 0.98), zenith, haze, 0.009, rng.uniform(0.2, 1.0), 0, 0.1, 2.5)
        case "dusk":
            zenith, haze = _vary(rng, (62, 74, 118), 10), _vary(rng, (206, 136, 104), 14)
            return Light((0.62, 0.52, 0.54), zenith, haze, 0.010, rng.uniform(0.2, 0.8), 0, 0.35, 4.0)
        case _:
            zenith = haze = _vary(rng, (186, 190, 192), 10)
            return Light((0.86, 0.87, 0.88), zenith, haze, float(rng.uniform(0.025, 0.05)), 0.1, 0, 0.15, 2.5)


def _facades(rng: np.random.Generator, kind: str, offset: float, crossing: float | None) -> list[Facade]:
    """Houses on both sides, with gaps; none where the side street of a crossing runs, few in a park."""
    gaps = {"street": 0.2, "avenue": 0.4, "traffic": 0.15, "crossing": 0.15, "park": 0.9}[kind]
    houses = []
    for side in (-1, 1):
        near = float(rng.uniform(-6, 2))
        while near < FAR:
            far = near + float(rng.uniform(6, 16))
            if crossing is not None and near < crossing + 7 and far > crossing:
                if near >= crossing - 3:
                    near = crossing + 7.5
                    continue
                far = crossing
            if rng.random() > gaps:
                house = Facade(
                    side=side,
                    offset=offset + float(rng.choice([0.0, 0.0, 1.5, 3.0])),
                    near=near,
                    far=far,
                    height=float(rng.uniform(4, 12)),
                    wall=_pick(rng, _WALLS, 12),
                    glass=_pick(rng, ((52, 58, 68), (84, 98, 112), (140, 160, 178)), 8),
                    storey=float(rng.uniform(2.7, 3.6)),
                    bay=float(rng.uniform(1.8, 3.4)),
                    shop=bool(rng.random() < 0.35),
                    seed=_seed(rng),
                )
                houses.append(house)
            near = far
    return houses


def _slots(rng: np.random.Generator, start: float, step: float, keep: float, end: float = FAR) -> list[float]:
    """Places along the street, about `step` apart, each taken with probability `keep`."""
    places = np.arange(start, end, step)
    places = places + rng.uniform(-0.25, 0.25, places.size) * step
    return places[rng.random(places.size) < keep].tolist()


def _trees(rng: np.random.Generator, kind: str, road: float, paving: float) -> list[Thing]:
    keep = {"street": 0.12, "avenue": 0.75, "traffic": 0.08, "crossing": 0.2, "park": 0.8}[kind]
    leaves = _pick(rng, _LEAVES, 6)
    trees = []
    for side in (-1, 1):
        rows = [road + paving * 0.75]
        if kind == "park":
            rows += [road + paving + 2.5, road + paving + 7.0, road + paving + 12.0]
        for row in rows:
            for z in _slots(rng, 3.0, 7.0, keep):
                x = side * (row + float(rng.uniform(-0.3, 1.2)))
                bark = _vary(rng, (78, 66, 54), 6)
                size = float(rng.uniform(0.75, 1.3))
                trees.append(Thing("tree", x, z, size, _vary(rng, leaves, 7), bark, seed=_seed(rng)))
    return trees


def _posts(rng: np.random.Generator, kind: str, road: float, paving: float) -> list[Thing]:
    """Lamps and signs."""
    metal = _pick(rng, _GREYS, 8)
    keep = 0.3 if kind == "park" else 0.4
    posts = []
    for side in (-1, 1):
        for z in _slots(rng, float(rng.uniform(5, 18)), 18.0, keep, _FAR_POSTS):
            posts.append(Thing("lamp", side * (road + 0.35), z, float(rng.uniform(0.8, 1.2)), metal, metal))
        for z in _slots(rng, float(rng.uniform(5, 12)), 11.0, 0.2 if kind == "park" else 0.42, _FAR_POSTS):
            plate = _pick(rng, _PLATES, 6)
            size = float(rng.uniform(0.85, 1.25))
            x = side * (road + float(rng.uniform(0.3, 0.7)))
            posts.append(Thing("sign", x, z, size, plate, metal, seed=_seed(rng)))
    return posts


def _cars(rng: np.random.Generator, kind: str, road: float, crossing: float | None) -> list[Thing]:
    """Parked cars on both sides, and traffic ahead and oncoming."""
    keep = {"street": 0.4, "avenue": 0.3, "traffic": 0.6, "crossing": 0.25, "park": 0.05}[kind]

    def car(x: float, z: float, front: bool = False, drive: float = 0.0) -> Thing:
        size = float(rng.uniform(0.92, 1.15))
        glass = _vary(rng, (44, 50, 58), 5)
        return Thing("car", x, z, size, _pick(rng, _PAINTS, 10), glass, front=front, drive=drive, seed=_seed(rng))

    cars = [
        car(side * (road - 1.0), z, front=side < 0)
        for side in (-1, 1)
        for z in _slots(rng, float(rng.uniform(4, 8)), 6.2, keep)
        if crossing is None or not crossing - 6 < z < crossing + 8
    ]
    moving = {"traffic": 0.9, "street": 0.35, "avenue": 0.35, "crossing": 0.15, "park": 0.05}[kind]
    if rng.random() < moving:
        cars.append(car(float(rng.uniform(0.4, 1.2)), float(rng.uniform(8, 22)), drive=float(rng.uniform(0.15, 0.4))))
    if rng.random() < moving:
        cars.append(car(float(rng.uniform(-1.6, -1.0)), float(rng.uniform(16, 40)), front=True, drive=-0.5))
    return cars


def _people(rng: np.random.Generator, kind: str, road: float, paving: float, crossing: float | None) -> list[Thing]:
    """People on the pavement, and those who cross the road."""
    few, many = {"street": (0, 2), "avenue": (0, 2), "traffic": (0, 2), "crossing": (2, 6), "park": (3, 8)}[kind]

    def person(x: float, z: float, walk: float = 0.0, drive: float = 0.0) -> Thing:
        size = float(rng.uniform(0.88, 1.1)) * (0.62 if rng.random() < 0.12 else 1.0)
        shirt, trousers = _pick(rng, _CLOTHES, 8), _pick(rng, _CLOTHES, 8)
        return Thing("person", x, z, size, shirt, trousers, walk=walk, drive=drive, seed=_seed(rng))

    people = []
    for _ in range(int(rng.integers(few, many))):
        x = float(rng.choice([-1, 1]) * (road + rng.uniform(0.5, paving)))
        people.append(person(x, float(rng.uniform(5, 24)), drive=float(rng.uniform(-0.12, 0.2))))
    if crossing is not None:
        for _ in range(int(rng.integers(4, 9))):
            walk = float(rng.choice([-0.12, 0.12]))
            people.append(person(float(rng.uniform(-road, road)), crossing + float(rng.uniform(0.3, 2.7)), walk))
    return people
