"""`python -m benchmarks [--quick] [NAME …]`: measures, prints a table, exits with 1 where a bound is missed.

Nothing is written but temporary folders. `--quick` measures next to nothing and keeps no bound: it shows that all of it runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from benchmarks import (
    check_memory,
    check_speed,
    compare_speed,
    compare_speed_long,
    copy,
    first_answer,
    judgement,
    judgement_leaves,
    mutations,
    replay_speed,
    requests,
    secret_shapes_speed,
    service_speed,
    start_up,
)
from benchmarks.row import Row, any_missed, heading, shown

BENCHMARKS: dict[str, Callable[..., Iterator[Row]]] = {
    "speed": check_speed.rows,
    "memory": check_memory.rows,
    "replay": replay_speed.rows,
    "start": start_up.rows,
    "service": service_speed.rows,
    "first": first_answer.rows,
    "requests": requests.rows,
    "compare": compare_speed.rows,
    "long": compare_speed_long.rows,
    "copy": copy.rows,
    "shapes": secret_shapes_speed.rows,
    "judgement": judgement.rows,
    "leaves": judgement_leaves.rows,
    "mutations": mutations.rows,
}


def main(arguments: Sequence[str]) -> int:
    """Run the benchmarks that are named, by default all; 1 where one misses its bound, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures what Drift Guard promises.")
    parser.add_argument("--quick", action="store_true", help="measure next to nothing: shows that all of it runs")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)} (default: all)")
    asked = parser.parse_args(arguments)
    unknown = sorted(set(asked.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]}; use {', '.join(BENCHMARKS)}")
    print(heading())
    rows: list[Row] = []
    for name in asked.names or BENCHMARKS:
        for row in BENCHMARKS[name](quick=asked.quick):
            rows.append(replace(row, bound=None) if asked.quick else row)
            print(shown(rows[-1]), flush=True)
    return 1 if any_missed(rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
