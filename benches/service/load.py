"""One run of wrk against one server, checked and weighed."""

import dataclasses
import json
import os
import resource
import statistics
import subprocess
from pathlib import Path

from servers import HOST, TICKS_PER_SEC, Failed, Server

SCRIPT = Path(__file__).with_name("load.lua")


@dataclasses.dataclass(frozen=True)
class Client:
    """wrk with one thread on a core of its own."""

    core: int
    connections: int

    def command(self, server: Server, requests: Path, seconds: int) -> list[str]:
        url = f"http://{HOST}:{server.program.port}"
        wrk = ["wrk", "--threads", "1", "--connections", str(self.connections), "--duration", f"{seconds}s"]
        return ["taskset", "--cpu-list", str(self.core), *wrk, "--script", str(SCRIPT), url, str(requests)]


@dataclasses.dataclass(frozen=True)
class Load:
    """What one run measured. Shares are of one core: near 1, that side was the limit; `others` is foreign work."""

    throughput: float
    p50_micros: float
    p99_micros: float
    p99_9_micros: float
    cpu_micros: float
    server_share: float
    client_share: float
    others_share: float


def median(loads: list[Load]) -> Load:
    """Each figure's median over the rounds."""
    columns = zip(*(dataclasses.astuple(load) for load in loads), strict=True)
    return Load(*(statistics.median(column) for column in columns))


def load(server: Server, client: Client, requests: Path, seconds: int, answer_size: int) -> Load:
    server_before, client_before, all_before = server.cpu_secs(), children_cpu_secs(), all_cpu_secs()
    command = client.command(server, requests, seconds)
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        command, env=environment, text=True, capture_output=True, check=False, timeout=seconds + 30
    )
    server_cpu, client_cpu = server.cpu_secs() - server_before, children_cpu_secs() - client_before
    others_cpu = all_cpu_secs() - all_before - server_cpu - client_cpu
    result = parse(done)
    check(result, server.program.name, answer_size)
    elapsed = result["micros"] / 1e6
    return Load(
        throughput=result["requests"] / elapsed,
        p50_micros=result["p50"],
        p99_micros=result["p99"],
        p99_9_micros=result["p99_9"],
        cpu_micros=server_cpu * 1e6 / result["requests"],
        server_share=server_cpu / elapsed,
        client_share=client_cpu / elapsed,
        others_share=max(0.0, others_cpu / elapsed),
    )


def children_cpu_secs() -> float:
    """Of children that have ended: while the servers run, that is wrk."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def all_cpu_secs() -> float:
    """Of every process on every core, and of interrupts: user, nice, system, irq and softirq of proc(5)."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq = fields[:7]
    return (user + nice + system + irq + softirq) / TICKS_PER_SEC


def parse(done: subprocess.CompletedProcess) -> dict:
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode != 0 or len(lines) != 1:
        raise Failed(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    return json.loads(lines[0].removeprefix("RESULT "))


def check(result: dict, name: str, answer_size: int) -> None:
    """An error answered fast would look like speed: one is enough to end the run."""
    errors = {kind: count for kind, count in result["errors"].items() if count}
    if errors:
        raise Failed(f"{name}: of {result['requests']} requests, these failed: {errors}")
    if result["requests"] == 0:
        raise Failed(f"{name}: nothing was answered")
    # wrk counts only 400 and above as errors. The bytes tell of any other answer that is not the expected one.
    mean = result["bytes"] / result["requests"]
    if abs(mean / answer_size - 1) > 0.01:
        raise Failed(f"{name}: answers have {mean:.0f} bytes on average, not the {answer_size} of the one looked at")
