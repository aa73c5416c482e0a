"""`make deploy-check`: every file below deploy/ that somebody is to run, one line each. Ends with 1 if one is wrong."""
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import yaml

import kubernetes
import metrics
from signer import SECRET, Wrong, effective, fits_memory, port_of, require, stop_secs

AWS_KEYS = {"SIGNER__STORAGE__ACCESS_KEY_ID": "AKIDEXAMPLE", "SIGNER__STORAGE__SECRET_ACCESS_KEY": SECRET}


def seconds(text):
    return int(re.fullmatch(r"(\d+)s?", str(text))[1])


def image_env():
    """What the image sets itself."""
    return dict(re.findall(r"^ENV (\S+?)=(\S+)$", Path("deploy/Dockerfile").read_text(), re.MULTILINE))


def compose():
    services = yaml.safe_load(Path("deploy/compose.yaml").read_text())["services"]
    signer, rules, bucket, page = (services[name] for name in ("signer", "bucket-rules", "bucket", "page"))
    config = compose_settings(signer)
    require(signer["ports"] == [f"127.0.0.1:8787:{port_of(config)}"], "the port is another")
    require(seconds(signer["stop_grace_period"]) > stop_secs(config), "killed before a stop is over")
    require(fits_memory(config, int(signer["mem_limit"].removesuffix("m")) << 20), "max_connections do not fit")
    for service in (signer, rules, page):
        require(service["read_only"] and service["cap_drop"] == ["ALL"], "a container may more than it needs")
    script = bucket["command"][0]
    require(f"-name {config['storage']['bucket']}\n" in script.replace("'", "\n").replace(" |", "\n|"), "another bucket")
    require(config["storage"]["endpoint"] == "http://bucket:8333" and "-s3.port=8333" in script, "another bucket's address")
    require(bucket["environment"]["AWS_ACCESS_KEY_ID"] == signer["environment"]["SIGNER__STORAGE__ACCESS_KEY_ID"], "keys")
    require(bucket["environment"]["AWS_SECRET_ACCESS_KEY"] == signer["environment"]["SIGNER__STORAGE__SECRET_ACCESS_KEY"], "keys")
    differs = {name for name, value in compose_settings(rules)["storage"].items() if value != config["storage"][name]}
    require(differs == {"public_endpoint"}, f"bucket-rules tries another bucket than the signer's: {differs}")
    origin = f"http://localhost:{page['ports'][0].split(':')[1]}"
    require(config["server"]["cors_origins"] == [origin], "the page has another origin")
    policy = Path("deploy/compose/nginx.conf").read_text()
    for reached in ("http://localhost:8787", config["storage"]["public_endpoint"]):
        require(re.search(rf"connect-src [^;]*{re.escape(reached)}[ ;]", policy), f"the page's policy does not let it reach {reached}")
    for mount in page["volumes"]:
        require((Path("deploy") / mount.split(":")[0]).exists(), f"there is no {mount}")
    return "settings, ports, bucket, page, time to stop, memory"


def compose_settings(service):
    """The settings of a service, with the variables that the file asks for."""
    env = service["environment"]
    require(all(isinstance(value, str) for value in env.values()), "a number that YAML would change")
    return effective(env=image_env() | {name: re.sub(r"\$\{\w+:\?\}", SECRET, value) for name, value in env.items()})


def fly():
    told = tomllib.loads(Path("deploy/fly.toml").read_text())
    env = image_env() | told["env"] | AWS_KEYS | {"SIGNER__AUTH__HS256_SECRET": SECRET}
    config = effective(env=env)
    service = told["http_service"]
    require(service["internal_port"] == port_of(config), "internal_port is not that of server.listen")
    require(seconds(told["kill_timeout"]) > stop_secs(config), "killed before a stop is over")
    require(told["kill_signal"] == "SIGTERM", "another signal")
    require([check["path"] for check in service["checks"]] == ["/readyz"], "another check")
    require(service["concurrency"]["hard_limit"] <= config["limits"]["max_in_flight"], "more than limits.max_in_flight")
    require(fits_memory(config, int(told["vm"][0]["memory"].removesuffix("mb")) << 20), "max_connections do not fit")
    require((Path("deploy") / told["build"]["dockerfile"]).exists(), "no Dockerfile")
    return "settings, port, check, time to stop, memory"


def systemd():
    require(shutil.which("systemd-analyze"), "make deploy-check needs systemd-analyze: install systemd")
    text = Path("deploy/systemd/signer.service").read_text()
    env = dict(re.findall(r"^Environment=(\w+)=(.*)$", text, re.MULTILINE))
    credentials = re.findall(r"^LoadCredential=(\w+):", text, re.MULTILINE)
    env = {name: value.replace("%d/", "/run/credentials/") for name, value in env.items()}
    settings = '[storage]\nendpoint = "https://s3.example.com"\nbucket = "files"\naccess_key_id = "AKIDEXAMPLE"\n'
    config = effective(settings, env, {"/run/credentials": {name: SECRET for name in credentials}})
    stop = int(re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)[1])
    require(stop > stop_secs(config), "killed before a stop is over")
    folder = re.search(r"^LogsDirectory=(.+)$", text, re.MULTILINE)[1]
    for told in (text, Path("deploy/README.md").read_text()):
        require(f'telemetry.audit_file = "/var/log/{folder}/' in told, "the audit log is said to be where nothing can be written")
    memory = int(re.search(r"^MemoryMax=(\d+)M$", text, re.MULTILINE)[1])
    require(fits_memory(config, memory << 20), "max_connections do not fit")
    with tempfile.TemporaryDirectory() as folder:
        units = []
        for name in ("signer.service", "signer.socket"):
            unit = Path(folder) / name
            # A program that is on every machine, in the place of one that need not be installed here.
            shipped = Path("deploy/systemd", name).read_text()
            unit.write_text(shipped.replace("/usr/local/bin/signer", "/bin/true"))
            units.append(str(unit))
        verified = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
        require(verified.returncode == 0 and not verified.stderr, verified.stderr)
        # Of 10 in all; what is left is the network, and the user's own files.
        judged = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--threshold=20", units[0]], capture_output=True, text=True
        )
        require(judged.returncode == 0, judged.stdout)
        exposure = re.search(r"exposure level for signer\.service: ([\d.]+)", judged.stdout)[1]
    return f"systemd-analyze verify, exposure {exposure}, settings, time to stop, memory"


def overlay(folder, command):
    return lambda: f"{kubernetes.check(folder, command)} resources, schemas {' and '.join(kubernetes.VERSIONS)}"


def main():
    checks = {"compose.yaml": compose, "fly.toml": fly, "systemd": systemd} | metrics.CHECKS
    wrong = 0
    try:
        command, version = kubernetes.kustomize()
        print(f"     kustomize {version}")
        folders = [kubernetes.FOLDER / "base", *sorted((kubernetes.FOLDER / "overlays").iterdir())]
        checks |= {str(folder.relative_to("deploy")): overlay(folder, command) for folder in folders}
        checks["the steps for Kubernetes"] = lambda: kubernetes.check_steps(command)
        checks["kubernetes/components"] = lambda: kubernetes.check_components(command)
    except Wrong as error:
        print(f"FAIL kubernetes: {error}")
        wrong += 1
    for name, check in checks.items():
        try:
            print(f"ok   {name}: {check()}")
        except Wrong as error:
            print(f"FAIL {name}: {error}")
            wrong += 1
    print(f"{len(checks) - wrong} passed, {wrong} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
