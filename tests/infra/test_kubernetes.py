"""The Kubernetes manifests: built by kustomize, valid by Kubernetes' schemas, locked up, and named alike throughout."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from memory_r1.memory.settings import Settings
from tests.infra.compose_file import ELSEWHERE, INFRA, parses

KUBERNETES = INFRA / "kubernetes"
BUILDS = ("base", "overlays/gpu")
VERSION = "1.30"
"""Of Kubernetes, whose schemas count."""
Doc = dict[str, Any]


@cache
def kustomize() -> list[str]:
    for command in (["kubectl", "kustomize"], ["kustomize", "build"]):
        if shutil.which(command[0]):
            return command
    return []


@cache
def built(name: str) -> tuple[Doc, ...]:
    """What `kubectl kustomize` makes of a folder. Skips where there is none: `written` is checked in any case."""
    if not kustomize():
        pytest.skip("neither kubectl nor kustomize is installed, so nothing can be built")
    done = subprocess.run([*kustomize(), KUBERNETES / name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, f"kustomize warns: {done.stderr}"
    return tuple(yaml.safe_load_all(done.stdout))


@cache
def written() -> tuple[Doc, ...]:
    """The resources as they stand in the files, without kustomize."""
    found: list[Doc] = []
    for folder in BUILDS:
        named = yaml.safe_load((KUBERNETES / folder / "kustomization.yaml").read_text())["resources"]
        for file in (KUBERNETES / folder / name for name in named if name.endswith(".yaml")):
            found += yaml.safe_load_all(file.read_text(encoding="utf-8"))
    return tuple(found)


def everything() -> Iterator[Doc]:
    yield from written()
    for name in BUILDS:
        if kustomize():
            yield from built(name)


def title(doc: Doc) -> str:
    return f"{doc['kind']} {doc['metadata']['name']}"


@pytest.mark.parametrize("doc", written(), ids=title)
def test_the_schema_holds_as_written(doc: Doc) -> None:
    _valid(doc)


@pytest.mark.parametrize("name", BUILDS)
def test_kustomize_builds_what_is_valid(name: str) -> None:
    docs = built(name)
    for doc in docs:
        _valid(doc)
        assert doc["kind"] == "Namespace" or doc["metadata"]["namespace"] == "memory-r1"
    assert len({title(doc) for doc in docs}) == len(docs)
    kinds = [title(doc) for doc in docs]
    assert ("Deployment model-server" in kinds) == (name == "base")


def _valid(doc: Doc) -> None:
    if doc["kind"] == "RayJob":
        _valid_ray_job(doc)
        return
    kubernetes_validate.validate(doc, VERSION, strict=True)


def test_the_schema_would_notice() -> None:
    wrong = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"port": [{"prot": 1}]}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


RAY_JOB = {
    "activeDeadlineSeconds": int, "backoffLimit": int, "rayClusterSpec": dict, "submitterPodTemplate": dict,
    "metadata": dict, "clusterSelector": dict, "submitterConfig": dict, "entrypoint": str, "runtimeEnvYAML": str,
    "jobId": str, "submissionMode": str, "entrypointResources": str, "entrypointNumCpus": float,
    "entrypointNumGpus": float, "ttlSecondsAfterFinished": int, "shutdownAfterJobFinishes": bool, "suspend": bool,
}  # fmt: skip
RAY_CLUSTER = {"headGroupSpec": dict, "workerGroupSpecs": list, "rayVersion": str, "enableInTreeAutoscaling": bool}
HEAD = {"serviceType": str, "enableIngress": bool, "rayStartParams": dict, "template": dict}
WORKERS = {
    "groupName": str, "replicas": int, "minReplicas": int, "maxReplicas": int, "numOfHosts": int,
    "rayStartParams": dict, "template": dict,
}  # fmt: skip
"""The fields of KubeRay's ray.io/v1 that are used here or likely to be, with their types."""


def _valid_ray_job(doc: Doc) -> None:
    assert doc["apiVersion"] == "ray.io/v1"
    spec = doc["spec"]
    _fields(spec, RAY_JOB, {"entrypoint", "rayClusterSpec"})
    assert spec["submissionMode"] in ("K8sJobMode", "HTTPMode", "InteractiveMode")
    assert not (spec.get("ttlSecondsAfterFinished") and not spec.get("shutdownAfterJobFinishes"))
    cluster = spec["rayClusterSpec"]
    _fields(cluster, RAY_CLUSTER, {"headGroupSpec"})
    _fields(cluster["headGroupSpec"], HEAD, {"rayStartParams", "template"})
    for group in cluster["workerGroupSpecs"]:
        _fields(group, WORKERS, {"groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"})
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for _, template in pods(doc):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": template["spec"]}
        kubernetes_validate.validate(pod, VERSION, strict=True)
    for params in (
        cluster["headGroupSpec"]["rayStartParams"],
        *(g["rayStartParams"] for g in cluster["workerGroupSpecs"]),
    ):
        assert all(isinstance(value, str) for value in params.values()), "KubeRay wants text"


def _fields(found: Doc, known: dict[str, type], needed: set[str]) -> None:
    assert found.keys() <= known.keys(), found.keys() - known.keys()
    assert needed <= found.keys()
    for name, value in found.items():
        assert isinstance(value, known[name]), f"{name}: {value!r}"


def pods(doc: Doc) -> Iterator[tuple[str, Doc]]:
    """Every pod template in `doc`, with a name for it."""
    if doc["kind"] == "Deployment":
        yield title(doc), doc["spec"]["template"]
    elif doc["kind"] == "RayJob":
        cluster = doc["spec"]["rayClusterSpec"]
        yield f"{title(doc)} head", cluster["headGroupSpec"]["template"]
        for group in cluster["workerGroupSpecs"]:
            yield f"{title(doc)} {group['groupName']}", group["template"]


def test_every_pod_keeps_to_the_restricted_standard() -> None:
    seen = 0
    for doc in everything():
        for name, template in pods(doc):
            seen += 1
            spec = template["spec"]
            assert spec["automountServiceAccountToken"] is False, name
            assert spec["securityContext"]["runAsNonRoot"] is True, name
            assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
            assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), name
            assert not [volume for volume in spec["volumes"] if "hostPath" in volume], name
            for container in spec["containers"]:
                context = container["securityContext"]
                assert context["readOnlyRootFilesystem"] is True and context["allowPrivilegeEscalation"] is False, name
                assert context["capabilities"] == {"drop": ["ALL"]} and "privileged" not in context, name
                assert {"cpu", "memory"} <= container["resources"]["limits"].keys(), name
                assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), name
    assert seen >= 5


def test_every_server_is_probed() -> None:
    for doc in everything():
        if doc["kind"] == "Deployment":
            for container in doc["spec"]["template"]["spec"]["containers"]:
                assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys(), title(doc)


@pytest.mark.parametrize("name", BUILDS)
def test_every_image_is_pinned(name: str) -> None:
    images = [
        container["image"] for doc in built(name) for _, pod in pods(doc) for container in pod["spec"]["containers"]
    ]
    assert images
    for image in images:
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?", image), image


@pytest.mark.parametrize("name", BUILDS)
def test_names_lead_somewhere(name: str) -> None:
    docs = built(name)
    labels = [pod["metadata"]["labels"] for doc in docs for _, pod in pods(doc)]
    claims = {doc["metadata"]["name"] for doc in docs if doc["kind"] == "PersistentVolumeClaim"}
    maps = {doc["metadata"]["name"] for doc in docs if doc["kind"] == "ConfigMap"}
    services = {doc["metadata"]["name"] for doc in docs if doc["kind"] == "Service"}
    for doc in docs:
        if doc["kind"] == "Service":
            assert any(doc["spec"]["selector"].items() <= found.items() for found in labels), title(doc)
        for _, pod in pods(doc):
            spec = pod["spec"]
            volumes = {volume["name"]: volume for volume in spec["volumes"]}
            assert {
                v["persistentVolumeClaim"]["claimName"] for v in volumes.values() if "persistentVolumeClaim" in v
            } <= claims
            assert {v["configMap"]["name"] for v in volumes.values() if "configMap" in v} <= maps
            for container in spec["containers"]:
                assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys(), title(doc)
            text = yaml.safe_dump(spec)
            hosts = {host.partition(".")[0] for host in re.findall(r"://(?:\w+@)?([a-z][\w.-]+):\d+", text)}
            assert hosts <= services | {"memory-r1-neo4j"}, title(doc)


def test_secrets_are_referred_to_and_never_written() -> None:
    for doc in everything():
        assert doc["kind"] != "Secret"
        assert not re.search(r"://[^/@\s]*:[^/@\s]+@", yaml.safe_dump(doc)), title(doc)
        for _, pod in pods(doc):
            for variable in (v for container in pod["spec"]["containers"] for v in container.get("env", [])):
                name = variable["name"]
                if re.search(r"PASSWORD|KEY|TOKEN|SECRET|AUTH", name):
                    assert name.endswith("_FILE") and variable["value"].startswith("/run/"), name


def test_every_variable_of_ours_is_a_setting() -> None:
    told = "".join(path.read_text(encoding="utf-8") for path in KUBERNETES.rglob("*.yaml"))
    names = set(re.findall(r"name: (MEMORY_R1_\w+)", told))
    fields = {f"MEMORY_R1_{field.upper()}" for field in Settings.model_fields}
    assert names and names <= fields | {f"{field}_FILE" for field in fields} | ELSEWHERE


def test_every_command_of_ours_is_one() -> None:
    seen = 0
    for doc in everything():
        words = [doc["spec"]["entrypoint"].split()] if doc["kind"] == "RayJob" else []
        words += [c["args"] for _, pod in pods(doc) for c in pod["spec"]["containers"] if "args" in c]
        for command in words:
            if command[0] == "memory-r1":
                parses(command[1:])
                seen += 1
    assert seen >= 3


def test_the_config_that_a_job_trains_with_exists() -> None:
    from memory_r1.rl.trainer.configs import families

    told = "".join(path.read_text() for path in (*KUBERNETES.rglob("training.yaml"),))
    named = re.findall(r"--config (\S+)", told)
    assert len(named) == 2 and set(named) <= set(families())


def test_nothing_is_reachable_by_default() -> None:
    policies = {doc["metadata"]["name"]: doc["spec"] for doc in written() if doc["kind"] == "NetworkPolicy"}
    assert policies["nothing-by-default"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name, spec in policies.items():
        for rule in (*spec.get("ingress", []), *spec.get("egress", [])):
            assert rule.get("from") or rule.get("to"), f"{name} opens to all"
    deployments = [doc for doc in written() if doc["kind"] == "Deployment"]
    for doc in deployments:
        labels = doc["spec"]["template"]["metadata"]["labels"]
        chosen = [spec["podSelector"].get("matchLabels", {}) for spec in policies.values()]
        assert any(wanted and wanted.items() <= labels.items() for wanted in chosen), title(doc)


@pytest.mark.parametrize("path", sorted((KUBERNETES / "values").glob("*.yaml")), ids=lambda path: path.name)
def test_values_for_the_charts_keep_secrets_and_rights_out(path: Path) -> None:
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    text = yaml.safe_dump(values)
    assert not re.search(r"(?mi)^\s*(?:password|authString|apiKey):\s*\S", text)
    assert "runAsNonRoot: true" in text and "allowPrivilegeEscalation: false" in text and "- ALL" in text
    assert "latest" not in text
