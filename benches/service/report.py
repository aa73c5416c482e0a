"""What was measured, as the Markdown that is printed and that src/guide/reliability.md quotes."""

import dataclasses
import statistics
from pathlib import Path

from load import Client, Load, median

MB = 1e6
# Below this share of its core a server was waiting for its client, and its throughput says less than its CPU time.
SATURATED = 0.9


@dataclasses.dataclass
class Column:
    """One server under one scenario."""

    loads: list[Load]
    rss_bytes: int
    note: str = ""


@dataclasses.dataclass
class Result:
    """One scenario: its servers by name, each with as many rounds as the others."""

    title: str
    columns: dict[str, Column]

    def ratio(self, other: str, figure: str) -> float:
        """The median of each round's own ratio: what disturbs the machine for long disturbs both halves of a round."""
        pairs = zip(self.columns["signer"].loads, self.columns[other].loads, strict=True)
        return statistics.median(getattr(ours, figure) / getattr(theirs, figure) for ours, theirs in pairs)


@dataclasses.dataclass
class Starts:
    """The signer started again and again, with nothing to do."""

    seconds: list[float]
    rss_bytes: list[int]


@dataclasses.dataclass
class Goal:
    figure: str
    goal: str
    measured: str
    met: bool


def goals(result: Result, starts: Starts) -> list[Goal]:
    ratio = result.ratio("bare hyper", "throughput")
    start, rss = statistics.median(starts.seconds) * 1e3, statistics.median(starts.rss_bytes) / MB
    return [
        Goal("`GET /download-url` throughput / bare hyper, one core", "≥ 0.85", f"{ratio:.2f}", ratio >= 0.85),
        Goal("start to first 200", "≤ 20 ms", f"{start:.1f} ms", start <= 20),
        Goal("RSS idle", "≤ 10 MB", f"{rss:.1f} MB", rss <= 10),
    ]


def table(head: list[str], rows: list[list[str]]) -> str:
    rule = ["---"] * len(head)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rule, *rows])


def server_table(results: list[Result]) -> str:
    head = ["request", "server", "requests/s", "p50", "p99", "p99.9", "CPU/request", "RSS", "core busy: server, client"]
    rows = [server_row(result.title, name, column) for result in results for name, column in result.columns.items()]
    return table(head, rows)


def server_row(title: str, name: str, column: Column) -> list[str]:
    load = median(column.loads)
    return [
        title,
        f"{name}{column.note}",
        f"{load.throughput:,.0f}",
        *(duration(micros) for micros in (load.p50_micros, load.p99_micros, load.p99_9_micros)),
        f"{load.cpu_micros:.1f} µs",
        f"{column.rss_bytes / MB:.1f} MB",
        f"{load.server_share:.0%}, {load.client_share:.0%}{'' if load.server_share >= SATURATED else ' (!)'}",
    ]


def duration(micros: float) -> str:
    return f"{micros / 1e3:.2f} ms"


def ratio_table(results: list[Result]) -> str:
    others = list(dict.fromkeys(name for result in results for name in result.columns if name != "signer"))
    head = ["request", *(f"{figure}, signer / {name}" for name in others for figure in ("throughput", "CPU/request"))]
    rows = [[result.title, *(cell for name in others for cell in ratio_cells(result, name))] for result in results]
    return table(head, rows)


def ratio_cells(result: Result, name: str) -> list[str]:
    if name not in result.columns:
        return ["", ""]
    return [f"{result.ratio(name, 'throughput'):.2f}", f"{result.ratio(name, 'cpu_micros'):.2f}"]


def goal_table(reached: list[Goal]) -> str:
    rows = [[goal.figure, goal.goal, goal.measured, "met" if goal.met else "**missed**"] for goal in reached]
    return table(["figure", "goal", "measured", ""], rows)


def method(results: list[Result], seconds: int, client: Client) -> str:
    loads = [load for result in results for column in result.columns.values() for load in column.loads]
    rounds = len(results[0].columns["signer"].loads)
    others = statistics.median(load.others_share for load in loads)
    return (
        f"One server core; the load on another (`wrk`, one thread, {client.connections} connections); "
        f"{processor()}. "
        f"Medians of {rounds} rounds of {seconds} s, the servers in turn within each; a ratio is the median of the "
        "rounds' own ratios. Latency includes waiting: every connection always has a request in flight. "
        "The signer logs one line a request (level `info`, JSON), to /dev/null, unless the row says otherwise; "
        "the others log nothing. "
        "bare hyper gives the signer's own answer, headers and all. RSS is read after the load. "
        "(!) marks a server that was not the limit: it waited for its client or for its core. "
        f"Other processes took {others:.0%} of a core meanwhile."
    )


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "processor unknown"


def starts_line(starts: Starts) -> str:
    fastest, slowest = min(starts.seconds) * 1e3, max(starts.seconds) * 1e3
    return f"Start and idle: medians of {len(starts.seconds)} starts, which took {fastest:.1f} to {slowest:.1f} ms."


def markdown(results: list[Result], starts: Starts, how: str, reached: list[Goal]) -> str:
    parts = [how, server_table(results), ratio_table(results), goal_table(reached), starts_line(starts)]
    return "\n\n".join(parts) + "\n"
