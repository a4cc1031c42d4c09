"""Kill deployments at random instants and see whether each ends bit by bit as one that was never stopped.

    python benchmarks/kill.py --kills 200

Plays the numpy toy of the tests, slowed down so that the kills (SIGKILL to the process group) land in every phase, and
writes benchmarks/results/kills.json. A kill takes one to two seconds.
"""

import argparse
import json
import platform
import sqlite3
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from slow.harness import kill_toys  # noqa: E402 (the tests hold the victim)
from slow.toy_play import PHASES  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="draws the instants")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "kills.json")
    options = parser.parse_args()
    began = time.perf_counter()

    def told(kills: int) -> None:
        print(f"\r{kills} of {options.kills} kills", end="", flush=True)

    different = ""
    with tempfile.TemporaryDirectory() as work:
        try:
            hit = kill_toys(Path(work), options.kills, options.seed, told)
        except AssertionError as error:
            different, hit = str(error).splitlines()[0], {}
    result = {
        "kills": sum(hit.values()),
        "seed": options.seed,
        "phases": {phase: hit.get(phase, 0) for phase in PHASES},
        "identical": not different,
        "seconds": round(time.perf_counter() - began, 1),
        "environment": {
            "python": platform.python_version(),
            "platform": platform.platform(terse=True),
            "sqlite": sqlite3.sqlite_version,
            "numpy": version("numpy"),
            "querist": version("querist"),
        },
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\n{json.dumps(result)}\n{different}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
