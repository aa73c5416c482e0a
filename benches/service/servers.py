"""The processes under load: how each is started, asked, weighed and ended."""

import dataclasses
import http.client
import os
import socket
import subprocess
import time
from pathlib import Path

from scenarios import plain_get

HOST = "127.0.0.1"
READY_SECS = 15
STOP_SECS = 15
TICKS_PER_SEC = os.sysconf("SC_CLK_TCK")

# Signing needs no bucket. The signer's own calls go where nothing listens; the URLs it signs name a real-looking host.
STORAGE = {
    "endpoint": f"http://{HOST}:1",
    "public_endpoint": "https://s3.eu-west-1.amazonaws.com",
    "region": "eu-west-1",
    "bucket": "bench-files",
    "access_key_id": "AKIDBENCHBENCHBENCH0",
    "secret_access_key": "bench-secret-bench-secret-bench-secret-00",
}


class Failed(Exception):
    """The run cannot go on, or what it measured means nothing."""


@dataclasses.dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def wire(self) -> bytes:
        """Without the status line: the file that bare_hyper reads."""
        lines = [f"{name}: {value}\r\n" for name, value in self.headers]
        return "".join(lines).encode() + b"\r\n" + self.body

    def size(self) -> int:
        return len("HTTP/1.1 200 OK\r\n") + len(self.wire())


@dataclasses.dataclass
class Program:
    """How to start a server on a port, and the request that it answers with 200 once it is ready."""

    name: str
    command: list[str]
    environment: dict[str, str]
    folder: Path
    ready: bytes
    port: int


class Server:
    """A running program. Leaving the `with` block ends it, whatever happened within."""

    def __init__(self, program: Program, core: int | None = None):
        self.program = program
        pin = [] if core is None else ["taskset", "--cpu-list", str(core)]
        # Only what the program is given: a variable of whoever calls must not change what is measured.
        environment = {"PATH": os.environ["PATH"], **program.environment}
        self.started = time.perf_counter()
        # taskset becomes the program, so that this is the program's own number. The log is at its usual level.
        self.process = subprocess.Popen(
            [*pin, *program.command],
            env=environment,
            cwd=program.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> "Server":
        try:
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def wait_until_ready(self) -> None:
        """Asks as fast as it can, because the time to the first 200 is one of the figures."""
        while not self.answers():
            if self.process.poll() is not None:
                raise Failed(f"{self.program.name} ended with {self.process.returncode} before it answered")
            if time.perf_counter() - self.started > READY_SECS:
                raise Failed(f"{self.program.name} gave no 200 within {READY_SECS} s")
        self.ready_after = time.perf_counter() - self.started

    def answers(self) -> bool:
        try:
            return self.ask([self.program.ready])[0].status == 200
        except (OSError, http.client.HTTPException):
            return False

    def ask(self, requests: list[bytes]) -> list[Answer]:
        with socket.create_connection((HOST, self.program.port), timeout=5) as connection:
            return [ask(connection, request) for request in requests]

    def cpu_secs(self) -> float:
        # The name stands in parentheses and may hold spaces; utime and stime are fields 14 and 15 of proc(5).
        fields = self.proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SEC

    def rss_bytes(self) -> int:
        line = next(line for line in self.proc("status").splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def proc(self, name: str) -> str:
        return Path(f"/proc/{self.process.pid}/{name}").read_text()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_SECS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def ask(connection: socket.socket, request: bytes) -> Answer:
    connection.sendall(request)
    response = http.client.HTTPResponse(connection)
    response.begin()
    answer = Answer(response.status, response.getheaders(), response.read())
    response.close()
    return answer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def signer(binary: Path, folder: Path, secret: str) -> Program:
    """Configured by its environment, in a folder without a signer.toml: all else is as shipped."""
    return signer_program(binary, folder, [], {"AUTH__HS256_SECRET": secret})


def es256_signer(binary: Path, folder: Path, public_key: Path) -> Program:
    config = folder / "es256.toml"
    config.write_text(f'[[auth.keys]]\nalgorithm = "ES256"\npublic_key_file = "{public_key}"\n')
    return signer_program(binary, folder, ["--config", str(config)], {})


def signer_program(binary: Path, folder: Path, flags: list[str], settings: dict[str, str]) -> Program:
    port = free_port()
    storage = {f"STORAGE__{key.upper()}": value for key, value in STORAGE.items()}
    settings = {"SERVER__LISTEN": f"{HOST}:{port}", "SERVER__ALLOW_ROOT": "true", **storage, **settings}
    environment = {f"SIGNER__{key}": value for key, value in settings.items()}
    return Program("signer", [str(binary), "serve", *flags], environment, folder, plain_get("/livez"), port)


def check_config(program: Program) -> None:
    """Says what is wrong with a configuration: the log, where the server itself would say it, goes nowhere."""
    binary, _, *flags = program.command
    command = [binary, "--check-config", *flags]
    checked = subprocess.run(
        command, env=program.environment, cwd=program.folder, text=True, capture_output=True, check=False
    )
    if checked.returncode != 0:
        raise Failed(f"the signer does not take its configuration:\n{checked.stderr.strip()}")


def bare_hyper(binary: Path, folder: Path, answer: Answer) -> Program:
    port, file = free_port(), folder / "answer"
    file.write_bytes(answer.wire())
    return Program("bare hyper", [str(binary), f"{HOST}:{port}", str(file)], {}, folder, plain_get("/"), port)


def peer(folder: Path, secret: str, ready: bytes) -> Program:
    """It has no path that answers 200 without a token or a bucket, so a real request says when it is ready."""
    port = free_port()
    storage = {f"S3_{key.upper()}": value for key, value in STORAGE.items()}
    storage |= {"S3_ENDPOINT": STORAGE["public_endpoint"], "S3_FORCE_PATH_STYLE": "true"}
    environment = {"NODE_ENV": "production", "PORT": str(port), "JWT_SECRET": secret, **storage}
    return Program("published peer", ["node", "server.mjs"], environment, folder, ready, port)
