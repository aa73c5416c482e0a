#!/usr/bin/env python3
"""`make bench` for the whole service: the signer, bare hyper and the published peer under the same load, in turn.

Only ratios within one run mean something on a machine that others use, too: A B A B, so that both halves of a pair
meet the same machine. Any answer that is not the expected 200 ends the run with an error.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import secrets
import shutil
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

import report
import scenarios
import servers
from load import Client, Load, load
from report import Column, Result, Starts
from scenarios import Scenario
from servers import Answer, Failed, Program, Server

WARM_UP_SECS = 1
# The published peer is compiled while it runs: after a shorter warm-up that compiler would be measured, too.
PEER_WARM_UP_SECS = 3
# After its first 200 the signer asks the bucket once; idle is what comes after that.
SETTLE_SECS = 0.5
ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    arguments = parse_arguments()
    # A kill ends this process like Ctrl-C does: through the blocks that end the children.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        check_parts(arguments)
        warn_if_busy()
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            bench = Bench(arguments, Path(folder))
            text, reached = bench.run()
    except Failed as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(text)
    # For benches/goals.py, which puts them beside the goals of the pure steps.
    arguments.out.with_suffix(".json").write_text(json.dumps([dataclasses.astuple(goal) for goal in reached]))
    print(f"\n{text}\nwritten to {os.path.relpath(arguments.out)}")
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    release = ROOT / "target/release"
    parser.add_argument("--signer", type=Path, default=release / "signer", help="the release binary")
    parser.add_argument("--bare", type=Path, default=release / "examples/bare_hyper", help="bare hyper, built likewise")
    parser.add_argument("--out", type=Path, default=ROOT / "target/bench/service.md", help="where the Markdown goes")
    parser.add_argument("--rounds", type=int, help="of each scenario [7, quick: 3]")
    parser.add_argument("--seconds", type=int, help="of load in a round, for each server [3, quick: 1]")
    parser.add_argument("--starts", type=int, help="to take the median of [11, quick: 5]")
    parser.add_argument("--connections", type=int, default=32, help="that wrk holds open [%(default)s]")
    parser.add_argument("--quick", action="store_true", help="about 40 s instead of five minutes, and less exact")
    parser.add_argument("--no-peer", action="store_true", help="leave out the published peer, and so Node")
    parser.add_argument("--no-es256", action="store_true", help="leave out the scenario with ES256 tokens")
    arguments = parser.parse_args()
    for name, usual, quick in (("rounds", 7, 3), ("seconds", 3, 1), ("starts", 11, 5)):
        if getattr(arguments, name) is None:
            setattr(arguments, name, quick if arguments.quick else usual)
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be 1 or more")
    arguments.signer, arguments.bare = arguments.signer.resolve(), arguments.bare.resolve()
    return arguments


def check_parts(arguments: argparse.Namespace) -> None:
    """All that is missing at once, before minutes are spent."""
    tools = {"wrk", "taskset"} | ({"openssl"} if not arguments.no_es256 else set())
    tools |= {"node"} if not arguments.no_peer else set()
    missing = sorted(tool for tool in tools if shutil.which(tool) is None)
    missing += [str(file) for file in (arguments.signer, arguments.bare) if not os.access(file, os.X_OK)]
    if not arguments.no_peer and not (peer_folder() / "node_modules").is_dir():
        missing.append("the peer's node_modules (npm ci in benches/service/peer, or --no-peer)")
    if missing:
        raise Failed(f"missing: {', '.join(missing)}")


def peer_folder() -> Path:
    return Path(__file__).resolve().parent / "peer"


def warn_if_busy() -> None:
    busy = os.getloadavg()[0]
    if busy > 0.5:
        say(f"the machine is doing something else (load {busy:.1f}): trust the ratios, not the figures")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def two_cores() -> tuple[int, int]:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise Failed("the load and the server need a core each, and there is one")
    return cores[0], cores[-1]


class Bench:
    """One run of everything, in a folder of its own."""

    def __init__(self, arguments: argparse.Namespace, folder: Path):
        self.arguments = arguments
        self.folder = folder
        client_core, self.server_core = two_cores()
        self.client = Client(client_core, arguments.connections)
        # Letters first: a text of digits alone is read as a number.
        self.secret = f"secret-{secrets.token_hex(32)}"

    def run(self) -> tuple[str, list[report.Goal]]:
        # Both configurations first: a mistake in one shall not show after minutes.
        es256 = None if self.arguments.no_es256 else self.es256_signer()
        starts = self.measure_starts()
        with_hs256 = (scenarios.DOWNLOAD, scenarios.SIGN_DOWNLOAD, scenarios.UPLOAD)
        results = [self.run_hs256(scenario) for scenario in with_hs256]
        results.append(self.compare(scenarios.DOWNLOAD_QUIET, self.quiet_signer(), scenarios.hs256(self.secret)))
        if es256:
            results.append(self.compare(scenarios.DOWNLOAD_ES256, *es256))
        how = report.method(results, self.arguments.seconds, self.client)
        reached = report.goals(results[0], starts)
        return report.markdown(results, starts, how, reached), reached

    def measure_starts(self) -> Starts:
        """On all cores, as an operator starts it."""
        say(f"start to first 200, {self.arguments.starts} times")
        starts = Starts([], [])
        for _ in range(self.arguments.starts):
            with Server(self.hs256_signer()) as server:
                time.sleep(SETTLE_SECS)
                starts.seconds.append(server.ready_after)
                starts.rss_bytes.append(server.rss_bytes())
        return starts

    def hs256_signer(self) -> Program:
        program = servers.signer(self.arguments.signer, self.folder, self.secret)
        servers.check_config(program)
        return program

    def quiet_signer(self) -> Program:
        """Shows what the log costs: the same signer, told to write warnings only."""
        program = self.hs256_signer()
        program.environment["SIGNER__TELEMETRY__LOG"] = "warn"
        return program

    def run_hs256(self, scenario: Scenario) -> Result:
        return self.compare(scenario, self.hs256_signer(), scenarios.hs256(self.secret))

    def es256_signer(self) -> tuple[Program, scenarios.Signature]:
        """A signer that is given a public key in a configuration file, and no secret at all."""
        private, public = scenarios.make_es256_key(self.folder)
        program = servers.es256_signer(self.arguments.signer, self.folder, public)
        servers.check_config(program)
        return program, scenarios.es256(private)

    def compare(self, scenario: Scenario, program: Program, sign: scenarios.Signature) -> Result:
        say(scenario.title)
        requests = scenarios.requests(scenario, scenario.path, sign)
        with contextlib.ExitStack() as running:
            signer = running.enter_context(Server(program, self.server_core))
            answer = expect_alike(signer, requests)
            bare_program = servers.bare_hyper(self.arguments.bare, self.folder, answer)
            bare = running.enter_context(Server(bare_program, self.server_core))
            expect_alike(bare, requests[:1])
            targets = [Target(self, signer, requests, answer.size()), Target(self, bare, requests, answer.size())]
            if scenario.peer_path and not self.arguments.no_peer:
                targets.append(self.peer_target(scenario, sign, running))
            return self.run_rounds(scenario, targets)

    def peer_target(self, scenario: Scenario, sign: scenarios.Signature, running: contextlib.ExitStack) -> "Target":
        requests = scenarios.requests(scenario, scenario.peer_path, sign)
        program = servers.peer(peer_folder(), self.secret, requests[0])
        server = running.enter_context(Server(program, self.server_core))
        answer = expect_alike(server, requests)
        note = f", `{scenario.peer_path}`" if scenario.peer_path != scenario.path else ""
        return Target(self, server, requests, answer.size(), PEER_WARM_UP_SECS, note)

    def run_rounds(self, scenario: Scenario, targets: list["Target"]) -> Result:
        for target in targets:
            target.load(target.warm_up_secs)
        columns = {target.name: Column([], 0, target.note) for target in targets}
        for _ in range(self.arguments.rounds):
            for target in targets:
                columns[target.name].loads.append(target.load(self.arguments.seconds))
        for target in targets:
            columns[target.name].rss_bytes = target.server.rss_bytes()
        result = Result(scenario.title, columns)
        tell(result)
        return result


class Target:
    """A running server and the requests made for it."""

    def __init__(
        self, bench: Bench, server: Server, requests: list[bytes], size: int, warm_up_secs=WARM_UP_SECS, note=""
    ):
        self.bench, self.server, self.answer_size = bench, server, size
        self.name, self.warm_up_secs, self.note = server.program.name, warm_up_secs, note
        self.file = bench.folder / f"{self.name}.requests"
        self.file.write_bytes(b"\0".join(requests))

    def load(self, seconds: int) -> Load:
        return load(self.server, self.bench.client, self.file, seconds, self.answer_size)


def expect_alike(server: Server, requests: list[bytes]) -> Answer:
    """Each request is answered with 200 and as many bytes as the first, whose answer it gives back."""
    answers = server.ask(requests)
    for answer in answers:
        if answer.status != 200:
            raise Failed(f"{server.program.name} answered {answer.status}: {answer.body.decode(errors='replace')}")
        if answer.size() != answers[0].size():
            raise Failed(f"{server.program.name}: answers of {answer.size()} and {answers[0].size()} bytes")
    return answers[0]


def tell(result: Result) -> None:
    for name, column in result.columns.items():
        rounds = " ".join(f"{one.throughput:,.0f}" for one in column.loads)
        say(f"  {name}: {statistics.median(one.throughput for one in column.loads):,.0f} requests/s ({rounds})")


if __name__ == "__main__":
    sys.exit(main())
