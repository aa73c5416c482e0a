#!/usr/bin/env python3
"""What `make bench` measured, beside the goals it was built for: reads what criterion and benches/service wrote."""

import json
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "target"
CRITERION = TARGET / "criterion"
SERVICE = TARGET / "bench" / "service.json"
OUT = TARGET / "bench" / "goals.md"
ALGORITHMS = ("hs256", "rs256", "es256", "eddsa")


def nanos(*path: str) -> float:
    """The median of one benchmark's newest run."""
    estimates = json.loads(CRITERION.joinpath(*path, "new", "estimates.json").read_text())
    return estimates["median"]["point_estimate"]


def ratio(group: str, over: str, under: str) -> float:
    return nanos(group, over) / nanos(group, under)


def pure_rows() -> list[tuple[str, str, str, bool]]:
    get, put = ratio("presign_get", "ours", "crypto floor"), ratio("presign_put_bound", "ours", "crypto floor")
    faster = ratio("presign_get", "rusty-s3", "ours")
    cached = {name: nanos(f"verify_{name}", "cached") / 1e3 for name in ALGORITHMS}
    slowest = max(cached, key=cached.get)
    batch = nanos("presign_batch_1000") / 1e6
    return [
        ("presign GET / crypto floor of the same bytes", "≤ 1.5", f"{get:.2f}", get <= 1.5),
        ("presign PUT with three bound headers / its floor", "≤ 1.7", f"{put:.2f}", put <= 1.7),
        ("presign GET, times faster than rusty-s3", "≥ 5", f"{faster:.1f}", faster >= 5),
        (f"cached token check, the slowest ({slowest})", "≤ 0.4 µs", f"{cached[slowest]:.2f} µs", cached[slowest] <= 0.4),
        ("`presign_batch_1000`", "≤ 1.5 ms", f"{batch:.2f} ms", batch <= 1.5),
    ]


def pure_table() -> list[str]:
    lines = ["| step | ours | reference |", "| --- | --- | --- |"]
    for group in ("presign_get", "presign_put_bound"):
        ours, floor, library = (nanos(group, name) / 1e3 for name in ("ours", "crypto floor", "rusty-s3"))
        lines.append(f"| `{group}` | {ours:.2f} µs | crypto floor {floor:.2f} µs, rusty-s3 {library:.2f} µs |")
    for name in ALGORITHMS:
        cold, cached, library = (nanos(f"verify_{name}", way) / 1e3 for way in ("cold", "cached", "jsonwebtoken"))
        lines.append(f"| `verify_{name}` | cold {cold:.2f} µs, cached {cached:.2f} µs | jsonwebtoken {library:.2f} µs |")
    lines.append(f"| `decide` | {nanos('decide') / 1e3:.3f} µs | |")
    return lines


def main() -> int:
    try:
        rows = pure_rows() + [tuple(row) for row in json.loads(SERVICE.read_text())]
        lines = pure_table()
    except FileNotFoundError as missing:
        print(f"{missing.filename} is missing: `make bench` writes it", file=sys.stderr)
        return 1
    lines += ["", "| figure | goal | measured | |", "| --- | --- | --- | --- |"]
    lines += [f"| {name} | {goal} | {got} | {'met' if met else '**missed**'} |" for name, goal, got, met in rows]
    text = "\n".join(lines) + "\n"
    OUT.write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
