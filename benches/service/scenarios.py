"""What is asked: scenarios, the tokens that ask, and whole HTTP requests."""

import base64
import dataclasses
import hashlib
import hmac
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

# Each caller has a token and a store of their own, and asks for several files: nothing is answered from a cache with
# room for one. All names are of one length, so that all answers are, too.
CALLERS = 32
KEYS_EACH = 8

TOKEN_LIFE_SECS = 3600
UPLOAD_BYTES = 1_048_576

# From a token to the signature over its first two parts.
Signature = Callable[[bytes], bytes]


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One kind of request. `peer_path` is where the published peer takes the same body, if it does."""

    name: str
    method: str
    path: str
    body: Callable[[str], dict] | None = None
    peer_path: str | None = None
    algorithm: str = "HS256"
    note: str = ""

    @property
    def title(self) -> str:
        note = f", {self.note}" if self.note else ""
        return f"`{self.method} {self.path}`, {self.algorithm}{note}"


def upload_body(key: str) -> dict:
    # The name is the hash of the bytes, which the service holds to each other.
    checksum = base64.b64encode(bytes.fromhex(key.rpartition("/")[2])).decode()
    return {"key": key, "contentType": "image/png", "contentLength": UPLOAD_BYTES, "checksumSha256": checksum}


DOWNLOAD = Scenario("download-url", "GET", "/download-url")
SIGN_DOWNLOAD = Scenario(
    "sign-download", "POST", "/v1/sign/download", body=lambda key: {"key": key}, peer_path="/v1/sign/download"
)
UPLOAD = Scenario("upload-url", "POST", "/upload-url", body=upload_body, peer_path="/v1/sign/upload")
DOWNLOAD_QUIET = dataclasses.replace(DOWNLOAD, name="download-url-quiet", note="no line a request")
DOWNLOAD_ES256 = dataclasses.replace(DOWNLOAD, name="download-url-es256", algorithm="ES256")


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def hs256(secret: str) -> Signature:
    return lambda signed: hmac.digest(secret.encode(), signed, "sha256")


def make_es256_key(folder: Path) -> tuple[Path, Path]:
    """A fresh P-256 pair: the files of the private and of the public half."""
    private, public = folder / "es256.pem", folder / "es256.pub.pem"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", private], check=True
    )
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    return private, public


def es256(private: Path) -> Signature:
    def sign(signed: bytes) -> bytes:
        command = ["openssl", "dgst", "-sha256", "-sign", private]
        return raw_signature(subprocess.run(command, input=signed, stdout=subprocess.PIPE, check=True).stdout)

    return sign


def raw_signature(der: bytes) -> bytes:
    """OpenSSL writes SEQUENCE { INTEGER r, INTEGER s }; a token wants 32 bytes of each (RFC 7518 section 3.4)."""
    r_end = 4 + der[3]
    r, s = der[4:r_end], der[r_end + 2 :]
    return b"".join(part.lstrip(b"\0").rjust(32, b"\0") for part in (r, s))


def store(caller: int) -> str:
    return f"store-{caller:02}"


def token(caller: int, algorithm: str, sign: Signature) -> str:
    now = int(time.time())
    header = {"alg": algorithm, "typ": "JWT"}
    claims = {
        "sub": f"user-{caller:02}",
        "storeId": store(caller),
        "scope": "files:read files:write",
        "iat": now,
        "exp": now + TOKEN_LIFE_SECS,
    }
    parts = (json.dumps(part, separators=(",", ":")).encode() for part in (header, claims))
    signed = ".".join(base64url(part) for part in parts)
    return f"{signed}.{base64url(sign(signed.encode()))}"


def requests(scenario: Scenario, path: str, sign: Signature) -> list[bytes]:
    """Every caller's request for each of their keys; neighbours differ in both."""
    tokens = [token(caller, scenario.algorithm, sign) for caller in range(CALLERS)]
    return [
        request(scenario, path, object_key(caller, number), tokens[caller])
        for number in range(KEYS_EACH)
        for caller in range(CALLERS)
    ]


def object_key(caller: int, number: int) -> str:
    return f"{store(caller)}/{hashlib.sha256(f'{caller} {number}'.encode()).hexdigest()}"


def request(scenario: Scenario, path: str, key: str, bearer: str) -> bytes:
    lines = ["Host: 127.0.0.1", "User-Agent: bench", "Accept: */*", f"Authorization: Bearer {bearer}"]
    if scenario.body is None:
        return wire(scenario.method, f"{path}?key={key}", lines, "")
    body = json.dumps(scenario.body(key))
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return wire(scenario.method, path, lines, body)


def wire(method: str, target: str, lines: list[str], body: str) -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", body]).encode()


def plain_get(path: str) -> bytes:
    return wire("GET", path, ["Host: 127.0.0.1"], "")
