"""The signer's own word on a configuration, as it would find it where it is deployed."""
import os
import subprocess
import tempfile
import tomllib
from pathlib import Path

BINARY = os.environ["SIGNER_BIN"]
SECRET = "a-secret-of-the-deploy-check-of-48-characters-00"


class Wrong(Exception):
    """What is wrong with what is shipped."""


def require(holds, message):
    if not holds:
        raise Wrong(message)


def run(arguments, env, folder):
    return subprocess.run([BINARY, *arguments], env=env, cwd=folder, capture_output=True, text=True, timeout=60)


def effective(text="", env=None, mounts=None):
    """Every setting as the signer would use it; `mounts` are folders that a deployment gives it, with their files."""
    env = dict(env or {})
    with tempfile.TemporaryDirectory() as folder:
        for mount, files in (mounts or {}).items():
            there = Path(folder) / mount.strip("/").replace("/", "_")
            there.mkdir()
            for name, content in files.items():
                (there / name).write_text(content)
            text = text.replace(f'"{mount}/', f'"{there}/')
            env = {name: value.replace(f"{mount}/", f"{there}/") for name, value in env.items()}
        config = Path(folder) / "signer.toml"
        config.write_text(text)
        checked = run(["--config", str(config), "--check-config"], env, folder)
        require(checked.returncode == 0, f"the signer refuses it: {checked.stderr.strip()}")
        shown = run(["--config", str(config), "config"], env, folder)
        require(shown.returncode == 0, shown.stderr)
        # A check that says yes to everything would say it to these, too.
        for more, wrong in ((text + "\n[servr]\nlisten = 1\n", env), (text, env | {"SIGNER__SERVER__LISEN": "x"})):
            config.write_text(more)
            refused = run(["--config", str(config), "--check-config"], wrong, folder)
            require(refused.returncode == 64 and "unknown" in refused.stderr, "the signer takes a setting that there is not")
        return tomllib.loads(shown.stdout)


def port_of(config):
    return int(config["server"]["listen"].rsplit(":", 1)[1])


def stop_secs(config):
    """The longest that a stop takes."""
    # Two seconds at the most for the last lines of the audit log.
    return config["server"]["drain_delay_secs"] + config["server"]["shutdown_grace_secs"] + 2


def fits_memory(config, limit_bytes):
    """What a connection takes at the most, by `make connections`, and 20 MB for the rest."""
    each = 35_000 if config["server"]["tls"]["certificate_file"] else 30_000
    return 20_000_000 + each * config["server"]["max_connections"] <= limit_bytes
