"""Metrics: what the signer tells, and whether alerts, dashboard and autoscaler ask for what there is."""
import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import yaml

from signer import BINARY, SECRET, Wrong, require

PROMETHEUS = Path("deploy/prometheus")
ALERTS = PROMETHEUS / "alerts.yaml"
DASHBOARD = Path("deploy/grafana/signer.json")


def promtool(*arguments, stdin=None):
    found = shutil.which("promtool") or "target/tools/promtool/usr/bin/promtool"
    require(Path(found).exists(), "make deploy-check needs promtool: run tests/deploy/install.sh")
    ran = subprocess.run([found, *arguments], input=stdin, capture_output=True, text=True)
    require(ran.returncode == 0, f"promtool {' '.join(arguments)}: {ran.stdout}{ran.stderr}")
    return ran.stdout + ran.stderr


def documented():
    """Name to type and labels, from the guide, whose table a test holds to be the code's."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| ", Path("src/guide/metrics.md").read_text(), re.MULTILINE)
    require(len(rows) > 40, "the guide's table cannot be read")
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


# What Prometheus itself adds, and what the operator does.
ADDED = {"job", "instance", "namespace", "pod", "alertname", "le"}


def asks_for_what_there_is(expression):
    known = documented()
    for name, matchers in re.findall(r"\b((?:signer|process)_\w+)(?:\{([^}]*)\})?", expression):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        kind, labels = known.get(name) or known.get(base) or (None, None)
        require(kind, f"there is no {name}: {expression}")
        require((name in known) == (kind != "histogram"), f"{name} is a {kind}: {expression}")
        wanted = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
        require(wanted <= labels | ADDED, f"{name} has no {wanted - labels - ADDED}: {expression}")
    every = ADDED.union(*(labels for _, labels in known.values()))
    for grouped in re.findall(r"\bby \(([^)]*)\)", expression):
        require(set(re.split(r",\s*", grouped)) <= every, f"nothing has {grouped}: {expression}")


def alerts():
    promtool("check", "rules", "--lint-fatal", str(ALERTS))
    promtool("test", "rules", str(PROMETHEUS / "alerts.test.yaml"))
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    tested = (PROMETHEUS / "alerts.test.yaml").read_text()
    for rule in rules:
        name = rule["alert"]
        require(set(rule["annotations"]) == {"summary", "runbook"}, f"{name} says too little")
        require(rule["labels"]["severity"] in ("page", "ticket"), f"{name} wakes nobody")
        require(f"alertname: {name}}}" in tested and f'alertname="{name}"' in tested, f"{name} is not tested")
        asks_for_what_there_is(rule["expr"])
    return f"promtool check rules and test rules, {len(rules)} alerts"


def dashboard():
    told = json.loads(DASHBOARD.read_text())
    panels = [panel for panel in told["panels"] if panel["type"] != "row"]
    require(len({panel["id"] for panel in told["panels"]}) == len(told["panels"]), "two panels have one id")
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    expressions += [annotation["expr"] for annotation in told["annotations"]["list"]]
    for expression in expressions:
        asks_for_what_there_is(expression)
    cells = [(x, y) for panel in told["panels"] for x, y in covered(panel["gridPos"])]
    require(len(cells) == len(set(cells)), "one panel lies on another")
    # It has no command that reads an expression, so each is made a rule.
    filled = [re.sub(r"\$__rate_interval", "5m", expression) for expression in expressions]
    rules = [{"record": f"dashboard:{place}", "expr": expression} for place, expression in enumerate(filled)]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
        file.flush()
        promtool("check", "rules", file.name)
    return f"{len(panels)} panels, {len(expressions)} expressions"


def covered(place):
    return ((x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"]))


def scraping():
    """Where Prometheus is told to look is where the signer tells, under the name that the alerts know."""
    config = yaml.safe_load((PROMETHEUS / "scrape.yaml").read_text())
    promtool("check", "config", str(PROMETHEUS / "scrape.yaml"))
    jobs = [job["job_name"] for job in config["scrape_configs"]]
    require(jobs == ["filesync-signer"] and 'job="filesync-signer"' in ALERTS.read_text(), "the alerts know another job")
    adapter = yaml.safe_load((PROMETHEUS / "adapter.yaml").read_text())
    for rule in adapter:
        asks_for_what_there_is(rule["seriesQuery"])
        require(re.fullmatch(rule["name"]["matches"], "signer_requests_in_flight"), "the adapter gives another name")
    return "promtool check config, the adapter's names"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def told():
    """What a signer tells that really runs. Its bucket is nowhere: that is told, too."""
    ports = free_port(), free_port()
    env = {
        "SIGNER__SERVER__LISTEN": f"127.0.0.1:{ports[0]}", "SIGNER__TELEMETRY__METRICS_LISTEN": f"127.0.0.1:{ports[1]}",
        "SIGNER__SERVER__ALLOW_ROOT": "true", "SIGNER__AUTH__HS256_SECRET": SECRET,
        "SIGNER__STORAGE__ENDPOINT": "http://127.0.0.1:9", "SIGNER__STORAGE__BUCKET": "files",
        "SIGNER__STORAGE__ACCESS_KEY_ID": "AKIDEXAMPLE", "SIGNER__STORAGE__SECRET_ACCESS_KEY": SECRET,
    }
    with tempfile.TemporaryDirectory() as folder:
        signer = subprocess.Popen([BINARY, "serve"], env=env, cwd=folder, stderr=subprocess.DEVNULL)
        try:
            text = scrape(*ports)
        finally:
            signer.terminate()
            signer.wait(30)
    said = promtool("check", "metrics", stdin=text)
    require(not said.strip(), said)
    names = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
    require(names == set(documented()), f"the guide has others: {names ^ set(documented())}")
    return f"promtool check metrics, {len(names)} names"


def scrape(service, metrics):
    end = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{service}/livez").read()
            return urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics").read().decode()
        except OSError as error:
            if time.monotonic() > end:
                raise Wrong(f"the signer tells nothing: {error}") from error
            time.sleep(0.2)


CHECKS = {"metrics": told, str(ALERTS.relative_to("deploy")): alerts, "prometheus/scrape.yaml": scraping,
          str(DASHBOARD.relative_to("deploy")): dashboard}
