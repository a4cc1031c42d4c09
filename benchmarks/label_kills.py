"""Kill the server while answers stream in, and see whether any is lost or counted twice, and how the run ends.

    python benchmarks/label_kills.py --answers 2000 --kills 50 [--people 3]

A client answers over HTTP without a pause, takes some answers back, and insists like the page does; the server is
killed (SIGKILL) at random instants and started again. Writes benchmarks/results/label-kills.json. The toy is the one of
the tests: a network of a few channels on drawn crops, DRAL learning from every answer, updates in a second thread.
A run that one client answers is compared with one that was never killed; where several do, nobody can say the same at
the same time twice, and it is compared with one that is played again from what stands in the ledger.
"""

import argparse
import hashlib
import json
import platform
import re
import sqlite3
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from slow.label_harness import answered, ended, replayed  # noqa: E402 (the tests hold the victim)

SOURCES = HERE.parent / "src" / "querist"
_PLAYED = ("annotate", "core", "pairs", "rl", "nn", "agents/dral", "tasks/reid")
_KERNEL = re.compile(r"querist\.kernels\.(\w+)")


def fingerprint() -> str:
    """16 hexadecimal digits over all code that is played: a verdict on two versions of it would be none.

    Of the kernels, those that the rest or one another name.
    """
    files = [file for part in _PLAYED for file in (SOURCES / part).rglob("*.py")]
    for file in files:  # grows as it is gone through
        kernels = (SOURCES / "kernels" / f"{name}.py" for name in sorted(set(_KERNEL.findall(file.read_text()))))
        files += [kernel for kernel in kernels if kernel not in files]
    files += [
        *(HERE.parent / "tests" / "slow").glob("label_*.py"),
        HERE.parent / "tests" / "annotate" / "people_run.py",
    ]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(files))).hexdigest()[:16]


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--answers", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--people", type=int, default=1, help="clients that answer at once")
    parser.add_argument("--seed", type=int, default=1, help="draws the instants")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "label-kills.json")
    return parser.parse_args()


def main() -> int:
    options = asked()
    began, code = time.perf_counter(), fingerprint()
    failed, taken_back = "", 0

    def told(kills: int) -> None:
        print(f"\r{kills} of {options.kills} kills", end="", flush=True)

    with tempfile.TemporaryDirectory() as work:
        whole, cut = Path(work) / "whole", Path(work) / "cut"
        try:
            here = answered(cut, options.answers, options.kills, options.seed, told, options.people)
            taken_back = sum(revision > 0 for _, revision in here.acknowledged)
            found = ended(cut)
            if options.people > 1:
                expected = replayed(cut, options.answers)
            else:
                there = answered(whole, options.answers, 0, options.seed)
                assert here.acknowledged == there.acknowledged, "the killed run heard other answers"
                expected = ended(whole)
            different = [name for name in expected if expected[name] != found[name]]
            assert not different, f"the killed run ended with other {', '.join(different)}"
        except AssertionError as error:
            failed = str(error).splitlines()[0]
    print()
    if fingerprint() != code:
        print("The code was changed meanwhile: this says nothing, and nothing is written. Run it again.")
        return 1
    result = {
        "answers": options.answers,
        "taken_back": taken_back,
        "kills": options.kills,
        "people": options.people,
        "seed": options.seed,
        "nothing_lost_and_identical": not failed,
        "seconds": round(time.perf_counter() - began, 1),
        "code": code,
        "environment": {
            "python": platform.python_version(),
            "platform": platform.platform(terse=True),
            "sqlite": sqlite3.sqlite_version,
            "torch": version("torch"),
            "querist": version("querist"),
        },
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{json.dumps(result)}\n{failed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
