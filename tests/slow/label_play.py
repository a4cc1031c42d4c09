"""A run that is answered over HTTP, as a victim of kills: serves its page until the budget is spent.

    python -m slow.label_play FOLDER PORT BUDGET

The link is printed, and ``done`` once everything is asked and trained; it ends when its standard input is closed.
"""

import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np

from annotate.people_run import PLAN, SECRET, opened
from querist.annotate.serve import Address, Server
from querist.nn.runtime import deterministic
from querist.tasks.reid.data import ReidData
from tiny_people import tiny_task

EACH = 4


def crowd(people: int, seed: int = 0) -> ReidData:
    """Two-coloured people in noise, each seen four times by two cameras."""
    rng = np.random.default_rng(seed)
    persons = np.repeat(np.arange(1, people + 1), EACH)
    clothes = rng.integers(0, 200, (people + 1, 2, 1, 3))
    images = np.stack([clothes[p].repeat(8, axis=0).repeat(8, axis=1) for p in persons])
    images = (images + rng.integers(0, 55, images.shape)).astype(np.uint8)
    names = tuple(f"train/{i:04d}" for i in range(len(persons)))
    cameras = np.arange(len(persons)) % 2
    return ReidData(names, (images,), persons.astype(np.int64), cameras, np.repeat("train", len(persons)))


def main() -> None:
    folder, port, budget = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    deterministic(1)
    crowded = max(6, budget // 16)
    plan = replace(PLAN, marks=(budget // 2, budget), update_every=20, close_every=30)
    with opened(folder, plan=plan, make=lambda: tiny_task(crowd(crowded)), people=8) as (_, desk, oracle, sitting):
        server = Server(desk, Address(port=port), secret=SECRET, told=lambda link: print(link, flush=True))
        page = threading.Thread(target=server.run, daemon=True)
        page.start()
        try:
            for _ in sitting.play():
                pass
            print("done", flush=True)
            sys.stdin.read()
        finally:
            oracle.close()
            server.stop()
            page.join(10)


if __name__ == "__main__":
    main()
