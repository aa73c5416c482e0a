"""deploy/kubernetes: rendered by kustomize, held against the schemas of Kubernetes, and against itself."""
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import kubernetes_validate
import yaml

import metrics
from signer import SECRET, Wrong, effective, fits_memory, port_of, require, stop_secs

FOLDER = Path("deploy/kubernetes")
# The oldest that all fields are in, and the newest there are schemas of.
VERSIONS = ("1.31", "1.37")
KINDS = ["ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Namespace", "NetworkPolicy", "PodDisruptionBudget",
         "Service", "ServiceAccount"]
RESTRICTED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def kustomize():
    """kubectl of the versions that requirements.txt names, whatever else this machine has, and what kustomize it holds."""
    kubectl = Path(sys.executable).with_name("kubectl")
    require(kubectl.exists(), f"there is no {kubectl}: `make deploy-check` installs it")
    shown = subprocess.run([kubectl, "version", "--client", "-o", "json"], capture_output=True, text=True)
    return [kubectl, "kustomize"], json.loads(shown.stdout)["kustomizeVersion"]


def render(command, folder):
    built = subprocess.run([*command, str(folder)], capture_output=True, text=True)
    require(built.returncode == 0, built.stderr)
    require(not built.stderr, f"kustomize warns: {built.stderr}")
    return list(yaml.safe_load_all(built.stdout))


def check_steps(command):
    """What the steps of the README put into an overlay is what it takes for the cluster to find the image."""
    told = Path("deploy/README.md").read_text()
    added = re.search(r"<<'YAML'\n(.*?)^YAML$", told, re.MULTILINE | re.DOTALL)[1]
    copied, tag = (re.search(pattern, told)[1] for pattern in (r"cp -r (deploy/kubernetes/overlays/\w+) ", r"docker push (\S+)"))
    with tempfile.TemporaryDirectory(dir=FOLDER / "overlays") as folder:
        for file in Path(copied).iterdir():
            Path(folder, file.name).write_text(file.read_text())
        kustomization = Path(folder, "kustomization.yaml")
        kustomization.write_text(kustomization.read_text() + added)
        documents = render(command, folder)
    validated(documents)
    images = [container["image"] for document in documents if document["kind"] == "Deployment"
              for container in document["spec"]["template"]["spec"]["containers"]]
    require(images == [tag], f"pods would run {images} and not {tag}")
    names = {document["metadata"]["name"] for document in documents if document["kind"] == "Deployment"}
    asked = set(re.findall(r"deployment/([\w-]+)", told))
    require(asked == names, f"the steps ask {asked}, and there is {names}")
    return f"pods run {tag}"


def check_components(command):
    """All of them over each overlay: what they ask for is what the overlay has."""
    overlays, components = (sorted((FOLDER / part).iterdir()) for part in ("overlays", "components"))
    # Beside the others, because kustomize follows no path that leaves its own tree.
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        for overlay in overlays:
            text = {"resources": [f"../{overlay.relative_to(FOLDER)}"],
                    "components": [f"../{component.relative_to(FOLDER)}" for component in components]}
            Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(text))
            documents = render(command, folder)
            monitors = [document for document in documents if document["kind"] == "ServiceMonitor"]
            require(len(monitors) == 1, "no ServiceMonitor")
            validated([document for document in documents if document["kind"] != "ServiceMonitor"])
            parts = {document["kind"]: document for document in documents}
            monitored(monitors[0], parts["Service"])
            asked = [metric["pods"]["metric"]["name"] for metric in parts["HorizontalPodAutoscaler"]["spec"]["metrics"]
                     if metric["type"] == "Pods"]
            require(asked == ["signer_requests_in_flight"], f"the autoscaler asks for {asked}")
            metrics.asks_for_what_there_is(asked[0])
    return f"{len(components)} over each of {len(overlays)} overlays"


def monitored(monitor, service):
    """There is no schema of the operator's kind on PyPI, so this is by its documentation."""
    require(set(monitor["spec"]) == {"endpoints", "jobLabel", "selector"}, "ServiceMonitor: a field that nobody knows")
    labels = service["metadata"]["labels"]
    require(monitor["spec"]["selector"]["matchLabels"].items() <= labels.items(), "ServiceMonitor: it selects no Service")
    require(labels[monitor["spec"]["jobLabel"]] == "filesync-signer", "the alerts know another job")
    require(monitor["metadata"]["namespace"] == service["metadata"]["namespace"], "ServiceMonitor: another namespace")
    ports = {port["name"] for port in service["spec"]["ports"]}
    require({endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= ports, "ServiceMonitor: no such port")


def validated(documents):
    for document in documents:
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                raise Wrong(f"{document['kind']}: {error}") from error


def check(folder, command):
    documents = render(command, folder)
    validated(documents)
    require(sorted(document["kind"] for document in documents) == KINDS, "a part is missing, or there twice")
    parts = {document["kind"]: document for document in documents}
    namespace = parts["Namespace"]["metadata"]["name"]
    for document in documents:
        require(document["kind"] == "Namespace" or document["metadata"]["namespace"] == namespace, "another namespace")
    deployment = parts["Deployment"]["spec"]
    pod = deployment["template"]["spec"]
    selects(parts, deployment)
    config = configured(parts, pod)
    secured(pod)
    probed(pod["containers"][0], config)
    stopped(pod, config)
    told(parts, pod["containers"][0], config)
    reaches(parts["NetworkPolicy"]["spec"]["egress"], config)
    limit = pod["containers"][0]["resources"]["limits"]["memory"]
    require(fits_memory(config, int(limit.removesuffix("Mi")) << 20), f"max_connections do not fit into {limit}")
    return len(documents)


def selects(parts, deployment):
    """Who is meant by each part is the pods of this Deployment."""
    labels = deployment["template"]["metadata"]["labels"].items()
    spreads = [spread["labelSelector"] for spread in deployment["template"]["spec"]["topologySpreadConstraints"]]
    matches = [deployment["selector"], parts["PodDisruptionBudget"]["spec"]["selector"],
               parts["NetworkPolicy"]["spec"]["podSelector"], *spreads]
    for chosen in [*(match["matchLabels"] for match in matches), parts["Service"]["spec"]["selector"]]:
        require(chosen and chosen.items() <= labels, f"{chosen} selects no pod of the Deployment")
    target = parts["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    require((target["kind"], target["name"]) == ("Deployment", parts["Deployment"]["metadata"]["name"]), "HPA: its target")
    require(parts["HorizontalPodAutoscaler"]["spec"]["minReplicas"] >= 2, "one alone is no Deployment to rely on")
    require("replicas" not in deployment, "the Deployment and the HPA both say how many")


def configured(parts, pod):
    """The settings that the signer would use, from the ConfigMap, the mounted secrets and what EKS adds."""
    container, account = pod["containers"][0], parts["ServiceAccount"]
    require(pod["serviceAccountName"] == account["metadata"]["name"], "another service account")
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: volumes.pop(mount["name"]) for mount in container["volumeMounts"]}
    require(not volumes, f"nobody mounts {list(volumes)}")
    path = container["args"][container["args"].index("--config") + 1]
    folder, name = path.rsplit("/", 1)
    source = mounts.pop(folder)["configMap"]["name"]
    require(source == parts["ConfigMap"]["metadata"]["name"], "the ConfigMap has another name")
    text = parts["ConfigMap"]["data"][name]
    secrets = {}
    for mount in mounts:
        files = re.findall(rf'"{re.escape(mount)}/([^"]+)"', text)
        require(files, f"nothing reads {mount}")
        secrets[mount] = {file: SECRET for file in files}
    env = {entry["name"]: entry.get("value", SECRET) for entry in container.get("env", [])}
    role = account["metadata"].get("annotations", {}).get("eks.amazonaws.com/role-arn")
    if role:
        token = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
        secrets[token] = {"token": "a.b.c"}
        env |= {"AWS_ROLE_ARN": role, "AWS_WEB_IDENTITY_TOKEN_FILE": f"{token}/token", "AWS_REGION": "eu-west-1"}
    return effective(text, env, secrets)


def secured(pod):
    container = pod["containers"][0]
    require(len(pod["containers"]) == 1 and "initContainers" not in pod, "another container")
    require(container["securityContext"] == RESTRICTED, "the container may more than it needs")
    wanted = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    require(wanted.items() <= pod["securityContext"].items(), "the pod may more than it needs")
    require(not pod["automountServiceAccountToken"] and not pod["enableServiceLinks"], "the pod is told too much")
    for volume in pod["volumes"]:
        require(set(volume) - {"name"} <= {"configMap", "secret"}, f"{volume['name']} can be written to")
    require(all(mount["readOnly"] for mount in container["volumeMounts"]), "a mount can be written to")


def probed(container, config):
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for probe, path in (("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        asked = container[probe]["httpGet"]
        require(asked["path"] == path, f"{probe} asks {asked['path']}")
        require(ports[asked["port"]] == port_of(config), f"{probe} asks another port than server.listen")


def told(parts, container, config):
    """Metrics are told at the port that they are asked for at, and only Prometheus comes to it."""
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    host, port = config["telemetry"]["metrics_listen"].rsplit(":", 1)
    require((host, int(port)) == ("0.0.0.0", ports["metrics"]), "metrics are told elsewhere")
    targets = {port["name"]: port["targetPort"] for port in parts["Service"]["spec"]["ports"]}
    require(targets == {"http": "http", "metrics": "metrics"}, "the Service leads elsewhere")
    rules = parts["NetworkPolicy"]["spec"]["ingress"]
    open_to = {port["port"]: rule.get("from") for rule in rules for port in rule["ports"]}
    require(set(open_to) == set(ports), "the NetworkPolicy opens other ports")
    require(open_to["metrics"], "anybody may read the metrics")


def stopped(pod, config):
    ready = pod["containers"][0]["readinessProbe"]
    grace, drain = pod["terminationGracePeriodSeconds"], config["server"]["drain_delay_secs"]
    require(grace > stop_secs(config), f"killed after {grace} s, and a stop takes up to {stop_secs(config)} s")
    noticed = ready["periodSeconds"] * ready["failureThreshold"]
    require(drain >= noticed + 5, f"drain_delay_secs is {drain}: not ready is noticed after {noticed} s, and then passed on")


def reaches(egress, config):
    """Names, the bucket, and the identity provider; to its own pods only where it means them."""
    dns, rest = egress[0], egress[1:]
    require([(port["port"], port["protocol"]) for port in dns["ports"]] == [(53, "UDP"), (53, "TCP")], "no names")
    require(dns["to"][0]["podSelector"]["matchLabels"] == {"k8s-app": "kube-dns"}, "that is not the name server")
    open_ports = {port["port"] for rule in rest for port in rule["ports"]}
    urls = [config["storage"]["endpoint"], config["auth"]["issuer"], config["auth"]["jwks_url"]]
    for url in filter(None, urls):
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}[parts.scheme]
        require(port in open_ports, f"the NetworkPolicy does not let {url} through")
    for rule in rest:
        for peer in rule["to"]:
            cidr = peer.get("ipBlock", {})
            require(cidr.get("cidr") != "0.0.0.0/0" or "169.254.0.0/16" in cidr["except"], "the node's metadata is open")
