"""Cells as a comparison on CamVid would leave them, invented."""

import io

import numpy as np
import pytest

from querist.compare.summary import summarise

CLASSES = (
    ("sky", 0.17, 88, 3),
    ("building", 0.24, 76, 4),
    ("pole", 0.01, 6, 14),
    ("road", 0.30, 90, 3),
    ("sidewalk", 0.08, 62, 12),
    ("tree", 0.11, 70, 6),
    ("sign", 0.012, 8, 18),
    ("fence", 0.015, 9, 16),
    ("car", 0.045, 48, 20),
    ("pedestrian", 0.008, 12, 17),
    ("bicyclist", 0.003, 4, 22),
)
BUDGETS = (120, 240, 480, 960)
POOL = 6168
# How much better than random, how strongly rare classes are sought, seconds for a selection.
STRATEGIES = {
    "random": (0.0, 0.0, 0.002),
    "strengthened_random": (0.5, 0.5, 0.31),
    "entropy/global": (1.7, 1.3, 0.43),
    "entropy/group": (1.1, 1.0, 0.12),
    "margin/global": (1.9, 1.2, 0.44),
    "margin/group": (1.2, 0.9, 0.12),
    "bald/global": (1.6, 1.2, 4.2),
    "core-set/global": (-0.6, 0.4, 2.9),
    "badge/global": (2.0, 1.3, 6.8),
    "ralis/sound": (2.5, 1.6, 0.21),
    "ralis/faithful": (1.0, 1.0, 0.22),
    "ralis/untrained": (0.2, 0.2, 0.21),
    "ralis/shuffled": (0.4, 0.5, 0.21),
    "egl/global": (-1.4, -0.4, 11.0),
}


def make_cells(strategies=tuple(STRATEGIES), seeds=8, policies=3, *, effect=1.0, gains=None):
    """Cells of `strategies` x `seeds`, with policies where a strategy learns, and the two references."""
    cells = []
    for seed in range(seeds):
        shift = np.random.default_rng([seed, 99]).normal(0, 0.9, size=3)
        start, full = 46.0 + shift[0], 64.0 + 0.4 * shift[1]
        cells.append(_cell("_start", seed, 0, [0], [start], 0, 0, 0.0))
        cells.append(_cell("_full", seed, 0, [POOL], [full], 0, 0, 0.0))
        for name in strategies:
            gain, appetite, seconds = STRATEGIES.get(name, (0.8, 0.5, 0.3))
            gain = (gains or {}).get(name, gain) * effect
            learns = name.startswith("ralis/")
            for policy in range(policies if learns else 1):
                rng = np.random.default_rng([seed, policy, *name.encode()])
                closed = 1 - np.exp(-np.array(BUDGETS) / 620)
                values = start + (full - start) * 0.8 * closed + gain * np.sqrt(closed)
                values = values + rng.normal(0, 0.28, size=len(BUDGETS)) + rng.normal(0, 0.35)
                cost = 2880 if name in ("ralis/sound", "ralis/faithful", "ralis/shuffled") else 0
                cells.append(_cell(name, seed, policy, BUDGETS, values, appetite, cost, seconds))
    return cells


def _cell(name, seed, policy, labels, values, appetite, cost, seconds):
    rng = np.random.default_rng([seed, policy, 5, *name.encode()])
    share = np.array([c[1] for c in CLASSES])
    share = share / share.sum()
    sought = share ** (1 / (1 + 0.25 * appetite))
    sought = sought / sought.sum()
    points = []
    for n, value in zip(labels, values, strict=True):
        rise = (value - 46.0) / 18.0
        parts = [round(float(c[2] + c[3] * rise + rng.normal(0, 0.8)), 2) for c in CLASSES]
        parts[-1] = None if seed == 1 else parts[-1]
        points.append({"labels": n, "test": round(float(value), 3), "reward": value + 7, "parts": parts})
    amounts = [[round(float(n * 7200 * s)) for s in sought] for n in labels]
    asked = labels[-1] if not name.startswith("_") else 0
    return {
        "format": 1,
        "recipe": "camvid-small",
        "recipe_hash": "5be1f0c2a97d4e36",
        "data_hash": "c0ffee1234567890",
        "task": "segmentation",
        "strategy": name,
        "profile": name.split("/")[1] if name.startswith("ralis/") else None,
        "policy": policy,
        "seed": seed,
        "metric": {"name": "mIoU", "unit": "%", "larger_is_better": True},
        "parts": [c[0] for c in CLASSES],
        "accounts": {"start": 2400, "reward": 2424, "state": 240, "policy": cost},
        "points": points,
        "bought": [{"labels": n, "amounts": a} for n, a in zip(labels, amounts, strict=True)] if asked else [],
        "bought_unit": "pixels",
        "steps": [],
        "ledger": {"questions": asked, "answers": asked, "spent": asked, "budget": asked, "repeats": 0},
        "seconds_select": seconds,
        "seconds": 512.0,
        "peak_mb": 1240.0 + 40 * appetite,
        "environment": {
            "python": "3.11.7",
            "torch": "2.15.0",
            "querist": "0.1.0",
            "device": "cpu",
            "threads": 1,
            "platform": "Linux-6.1-x86_64",
        },
        "_path": f"cells/{name.replace('/', '__')}--p{policy}--s{seed}.json",
    }


def make_pictures(names, steps=6):
    """Street-like pictures with outlined regions, one per step."""
    from PIL import Image, ImageDraw

    pictures = {}
    for name in names:
        rng = np.random.default_rng([7, *name.encode()])
        strip = []
        for step in range(steps):
            image = Image.new("RGB", (240, 180), (150, 190, 230))
            draw = ImageDraw.Draw(image)
            draw.polygon([(0, 180), (100, 90), (140, 90), (240, 180)], fill=(95, 95, 105))
            for x in range(0, 240, 40):
                height = int(rng.integers(30, 90))
                draw.rectangle([x, 95 - height, x + 34, 95], fill=tuple(int(v) for v in rng.integers(90, 200, 3)))
            for _ in range(3):
                x, y = int(rng.integers(0, 6)) * 40, int(rng.integers(0, 4)) * 45
                draw.rectangle([x, y, x + 40, y + 45], outline=(255, 210, 0), width=3)
            buffer = io.BytesIO()
            image.save(buffer, format="JPEG", quality=80)
            strip.append((f"step {step}: train/0001TP_{6690 + 30 * step:06d}", buffer.getvalue()))
        pictures[name] = strip
    return pictures


@pytest.fixture(scope="session")
def cells_of():
    return make_cells


@pytest.fixture(scope="session")
def pictures_of():
    return make_pictures


@pytest.fixture(scope="session")
def large():
    """All strategies on 8 seeds: the cells and their summary."""
    cells = make_cells()
    return cells, summarise(cells, {"seeds": 8, "strategies": list(STRATEGIES), "budgets": list(BUDGETS)})
