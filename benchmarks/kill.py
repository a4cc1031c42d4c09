"""Kill deployments at random instants and see whether each ends bit by bit as one that was never stopped.

    python benchmarks/kill.py --kills 200

Plays the numpy toy of the tests, slowed down so that the kills (SIGKILL to the process group) land in every phase, and
writes benchmarks/results/kills.json. A kill takes about a second.
"""

import argparse
import hashlib
import json
import platform
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from slow.harness import kill_toys  # noqa: E402 (the tests hold the victim)
from slow.toy_play import PHASES  # noqa: E402


def fingerprint() -> str:
    """16 hexadecimal digits over all code that is played: a verdict on two versions of it would be none."""
    files = [*(HERE.parent / "src").rglob("*.py"), *(HERE.parent / "src").rglob("*.sql")]
    files += [HERE.parent / "tests" / "toy.py", *(HERE.parent / "tests" / "slow").glob("*.py")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(files))).hexdigest()[:16]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="draws the instants")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "kills.json")
    options = parser.parse_args()
    began, code = time.perf_counter(), fingerprint()
    hit: Counter[str] = Counter()

    def told(now: Counter[str]) -> None:
        hit.update(now - hit)
        print(f"\r{hit.total()} of {options.kills} kills", end="", flush=True)

    different = ""
    with tempfile.TemporaryDirectory() as work:
        try:
            kill_toys(Path(work), options.kills, options.seed, told)
        except AssertionError as error:
            different = str(error).splitlines()[0]
    print()
    if fingerprint() != code:
        print("The code was changed meanwhile: this says nothing, and nothing is written. Run it again.")
        return 1
    result = {
        "kills": hit.total(),
        "seed": options.seed,
        "phases": {phase: hit[phase] for phase in PHASES},
        "identical": not different,
        "seconds": round(time.perf_counter() - began, 1),
        "code": code,
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
    print(f"{json.dumps(result)}\n{different}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
