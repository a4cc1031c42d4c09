"""How fast our forms are beside straightforward ones, timed in turn in one run.

Usage: python benchmarks/speed.py [--quick] [--only NAME ...] [--out FILE]

Every benchmark runs in a process of its own, so that its peak memory is its own. Writes a list of rows
``{name, size, ours_s, reference, reference_s, ratio, peak_mb}`` (and ``errors`` where ours is approximate) and, beside
it, the environment. Seconds are medians;
the ratio is the median of ours / reference in neighbouring runs; ``peak_mb`` is what ours needs beside its input, in
MiB.
"""

import argparse
import json
import platform
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speed_cases import Limits

RESULTS = Path(__file__).parent / "results" / "speed.json"
REPEATS = 7


def main() -> int:
    arguments = _arguments()
    if arguments.child is not None:
        print(json.dumps(_measure(arguments.child, arguments.quick, arguments.threads)))
        return 0
    from speed_cases import BENCHMARKS

    unknown = set(arguments.only) - {benchmark.name for benchmark in BENCHMARKS}
    if unknown:
        names = ", ".join(benchmark.name for benchmark in BENCHMARKS)
        print(f"no benchmark is called {', '.join(sorted(unknown))}; there are {names}", file=sys.stderr)
        return 2
    plain = {benchmark.name for benchmark in BENCHMARKS if not benchmark.on_request}
    chosen = [benchmark for benchmark in BENCHMARKS if benchmark.name in (arguments.only or plain)]
    _print_line("name", "size", "ours", "reference", "ratio", "peak MiB", "against")
    rows = []
    for benchmark in chosen:
        row = _in_child(benchmark.name, arguments.quick, arguments.threads)
        rows.append(row)
        _print_row(row, benchmark.limits)
    out = arguments.out or (None if arguments.quick else RESULTS)
    if out is not None:
        _write(out, rows, keep_others=bool(arguments.only))
        _write_environment(out, arguments.threads)
        print(f"written to {out}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes; writes no results unless --out is given")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="run these, keep the other rows")
    parser.add_argument("--out", type=Path, help=f"results file (default {RESULTS.name} in benchmarks/results)")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch (default 2)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


def _measure(name: str, quick: bool, threads: int) -> dict[str, Any]:
    """One row, measured in this process."""
    import torch

    from speed_cases import BENCHMARKS
    from speed_measure import compare, extra_memory_mb

    torch.set_num_threads(threads)
    benchmark = next(b for b in BENCHMARKS if b.name == name)
    size, case = benchmark.build(quick)
    peak = extra_memory_mb(case.ours)  # first, while no buffer of the allocator is warm
    timing = asdict(compare(case, benchmark.repeats or REPEATS))
    ours, reference, ratio = timing["ours_s"], timing["reference_s"], timing["ratio"]
    errors = {"errors": case.errors()} if case.errors is not None else {}
    return errors | {
        "name": name,
        "size": size,
        "ours_s": ours,
        "reference": benchmark.reference,
        "reference_s": reference,
        "ratio": round(ratio, 4),
        "peak_mb": round(peak, 1),
    }


def _in_child(name: str, quick: bool, threads: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", name, "--threads", str(threads)]
    command += ["--quick"] if quick else []
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _write(path: Path, rows: list[dict[str, Any]], keep_others: bool) -> None:
    """Writes the rows; with ``keep_others`` those in the file of other benchmarks stay, if those still exist."""
    if keep_others and path.exists():
        from speed_cases import BENCHMARKS

        rows = [*json.loads(path.read_text()), *rows]
        last = {row["name"]: row for row in rows}
        rows = [last[benchmark.name] for benchmark in BENCHMARKS if benchmark.name in last]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1) + "\n")


def _write_environment(path: Path, threads: int) -> None:
    import numpy as np
    import torch

    environment = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "machine": platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": threads,
        "repeats": REPEATS,
    }
    path.with_name(f"{path.stem}_environment.json").write_text(json.dumps(environment, indent=1) + "\n")


def _print_row(row: dict[str, Any], limits: "Limits") -> None:
    ours, reference = (f"{row[key] * 1e3:.2f} ms" for key in ("ours_s", "reference_s"))
    told = row["reference"] + limits.told(row)
    _print_line(row["name"], row["size"], ours, reference, f"{row['ratio']:.3f}", f"{row['peak_mb']:.1f}", told)


def _print_line(name: str, size: str, ours: str, reference: str, ratio: str, peak: str, against: str) -> None:
    print(f"{name:18} {size:38} {ours:>11} {reference:>11} {ratio:>7} {peak:>9}  {against}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
