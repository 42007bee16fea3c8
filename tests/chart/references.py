"""What objects name of each other, and whether it exists: each rule tells the names that lead nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from tests.chart.manifests import Manifests, Object, Workload, secret_reference

Outside = Mapping[str, set[str]]
CERTIFICATE = {"tls.crt", "tls.key", "ca.crt"}


def dangling(found: Manifests, outside: Outside) -> list[str]:
    """The names that lead nowhere; `outside` are Secrets, with their keys, and claims that exist already."""
    known = {**outside, **{made["spec"]["secretName"]: CERTIFICATE for made in found.of("Certificate")}}
    return [f"{rule.__name__.strip('_')}: {where}" for rule in _RULES for where in rule(found, known)]


def _keys_of_pods(found: Manifests, known: Outside) -> Iterator[str]:
    for workload in found.workloads:
        for kind, name, keys in _read_by(workload):
            there = found.keys(kind, name) | (set(known.get(name, ())) if kind == "Secret" else set())
            if name not in found.names(kind) and name not in known:
                yield f"{workload.name} reads {kind}/{name}"
            yield from (f"{workload.name} reads {key} of {kind}/{name}" for key in keys - there)


def _read_by(workload: Workload) -> Iterator[tuple[str, str, set[str]]]:
    """Kind, name and keys of what a pod reads. Optional keys count: one that nothing can ever fill is a mistake."""
    for container in workload.containers:
        yield from _read_as_variables(container)
    for volume in workload.pod.get("volumes", []):
        for source in (volume, *volume.get("projected", {}).get("sources", [])):
            if part := source.get("secret"):
                yield "Secret", part.get("secretName") or part["name"], _items(part)
            if part := source.get("configMap"):
                yield "ConfigMap", part["name"], _items(part)


def _read_as_variables(container: Object) -> Iterator[tuple[str, str, set[str]]]:
    for variable in container.get("env", []):
        if reference := secret_reference(variable):
            yield "Secret", reference["name"], {reference["key"]}
        if reference := variable.get("valueFrom", {}).get("configMapKeyRef"):
            yield "ConfigMap", reference["name"], {reference["key"]}
    for source in container.get("envFrom", []):
        for part, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
            if part in source:
                yield kind, source[part]["name"], set()


def _items(part: Object) -> set[str]:
    return {item["key"] for item in part.get("items", [])}


def _service_accounts(found: Manifests, _: Outside) -> Iterator[str]:
    for workload in found.workloads:
        name = workload.pod.get("serviceAccountName", "default")
        if name not in found.names("ServiceAccount") | {"default"}:
            yield f"{workload.name} runs as {name}"


def _claims(found: Manifests, known: Outside) -> Iterator[str]:
    for workload in found.workloads:
        for volume in workload.pod.get("volumes", []):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim and claim not in found.names("PersistentVolumeClaim") | known.keys():
                yield f"{workload.name} claims {claim}"


def _mounts(found: Manifests, _: Outside) -> Iterator[str]:
    for workload in found.workloads:
        volumes = {volume["name"] for volume in (*workload.pod.get("volumes", []),)}
        volumes |= {claim["metadata"]["name"] for claim in workload.claim_templates}
        mounted = {mount["name"] for one in workload.containers for mount in one.get("volumeMounts", [])}
        yield from (f"{workload.name} mounts {name}" for name in mounted - volumes)
        yield from (f"{workload.name} has {name} and mounts it nowhere" for name in volumes - mounted)


def _services(found: Manifests, _: Outside) -> Iterator[str]:
    for service in found.of("Service"):
        name, behind = service["metadata"]["name"], found.selected(service["spec"]["selector"])
        if len(behind) != 1:
            yield f"{name} leads to {[one.name for one in behind]}"
            continue
        ports = behind[0].ports
        for port in service["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            if target not in {*ports, *ports.values()}:
                yield f"{name} leads to the port {target} of {behind[0].name}"


def _heads(found: Manifests, _: Outside) -> Iterator[str]:
    for each in found.of("StatefulSet"):
        name = each["spec"]["serviceName"]
        heads = [one for one in found.of("Service") if one["metadata"]["name"] == name]
        if [one["spec"].get("clusterIP") for one in heads] != ["None"]:
            yield f"{each['metadata']['name']} wants the headless Service {name}"


def _owners(found: Manifests, _: Outside) -> Iterator[str]:
    for workload in found.workloads:
        selector = workload.object["spec"].get("selector", {}).get("matchLabels")
        if selector and [one.name for one in found.selected(selector)] != [workload.name]:
            yield f"{workload.name} selects {[one.name for one in found.selected(selector)]}"


def _scaled(found: Manifests, _: Outside) -> Iterator[str]:
    for scaler in (*found.of("HorizontalPodAutoscaler"), *found.of("ScaledObject")):
        target = scaler["spec"]["scaleTargetRef"]
        if target["name"] not in found.names(target["kind"]):
            yield f"{scaler['metadata']['name']} scales {target['kind']}/{target['name']}"


def _budgets(found: Manifests, _: Outside) -> Iterator[str]:
    for budget in found.of("PodDisruptionBudget"):
        guarded = found.selected(budget["spec"]["selector"]["matchLabels"])
        if len(guarded) != 1:
            yield f"{budget['metadata']['name']} guards {[one.name for one in guarded]}"


def _monitors(found: Manifests, _: Outside) -> Iterator[str]:
    for monitor in found.of("ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"]
        watched = [one for one in found.of("Service") if wanted.items() <= one["metadata"]["labels"].items()]
        for endpoint in monitor["spec"]["endpoints"]:
            ports = [port["name"] for service in watched for port in service["spec"]["ports"]]
            if ports.count(endpoint["port"]) != 1:
                yield f"{monitor['metadata']['name']} finds the port {endpoint['port']} {ports.count(endpoint['port'])} times"


def _policies(found: Manifests, _: Outside) -> Iterator[str]:
    for policy in found.of("NetworkPolicy"):
        name, spec = policy["metadata"]["name"], policy["spec"]
        mine = found.selected(spec["podSelector"].get("matchLabels", {}))
        if not mine:
            yield f"{name} holds for no pod"
        for rule in spec.get("ingress", []):
            yield from (f"{name} lets in {peer}" for peer in _nobody(found, rule.get("from", [])))
            for port in rule.get("ports", []):
                if not any(port["port"] in {*one.ports, *one.ports.values()} for one in mine):
                    yield f"{name} opens the port {port['port']}"
        for rule in spec.get("egress", []):
            yield from (f"{name} lets out to {peer}" for peer in _nobody(found, rule.get("to", [])))


def _nobody(found: Manifests, peers: Iterable[Object]) -> Iterator[str]:
    """Peers of the same namespace that are no pod of the release."""
    for peer in peers:
        labels = peer.get("podSelector", {}).get("matchLabels", {})
        if labels and "namespaceSelector" not in peer and not found.selected(labels):
            yield str(labels)


def _backends(found: Manifests, _: Outside) -> Iterator[str]:
    for ingress in found.of("Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                yield from _missing_backend(found, ingress, path["backend"]["service"])
    for route in (*found.of("HTTPRoute"), *found.of("GRPCRoute")):
        for rule in route["spec"]["rules"]:
            for backend in rule["backendRefs"]:
                yield from _missing_backend(
                    found, route, {"name": backend["name"], "port": {"number": backend["port"]}}
                )


def _missing_backend(found: Manifests, door: Object, backend: Object) -> Iterator[str]:
    services = [one for one in found.of("Service") if one["metadata"]["name"] == backend["name"]]
    ports = {(key, port[key]) for one in services for port in one["spec"]["ports"] for key in ("name", "port")}
    wanted = backend["port"]
    if ("port", wanted.get("number")) not in ports and ("name", wanted.get("name")) not in ports:
        yield f"{door['kind']}/{door['metadata']['name']} leads to {backend}"


_RULES: tuple[Callable[[Manifests, Outside], Iterator[str]], ...] = (
    _keys_of_pods,
    _service_accounts,
    _claims,
    _mounts,
    _services,
    _heads,
    _owners,
    _scaled,
    _budgets,
    _monitors,
    _policies,
    _backends,
)
