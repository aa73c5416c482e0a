"""deploy/kubernetes: rendered by kustomize, held against the schemas of Kubernetes, and against itself."""
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import kubernetes_validate
import yaml

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


def check(folder, command):
    documents = render(command, folder)
    for document in documents:
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                raise Wrong(f"{document['kind']}: {error}") from error
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
        require(asked["path"] == config["server"]["base_path"] + path, f"{probe} asks {asked['path']}")
        require(ports[asked["port"]] == port_of(config), f"{probe} asks another port than server.listen")


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
