"""What runs one box without a checkout: the Containerfile, compose.yaml, the Caddyfile and the unit
in infra/box."""

import json
import os
import re
import ssl
import subprocess
import tomllib
from base64 import b64encode
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
import yaml

from chalicelib.version import VERSION
from infra.dependencies import ROOT
from regulars.cli import commands
from testing.needs import needed
from testing.ports import free_port
from tests.support.box.server import Server
from tests.support.box.session import Session
from tests.support.pictures.photos import OTHER
from tests.support.waiting import until

BOX = ROOT / "infra" / "box"
SERVICES = ("service", "caddy", "edge")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((BOX / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def containerfile() -> list[str]:
    """Its instructions, each in one line."""
    text = re.sub(r"^#.*\n", "", (BOX / "Containerfile").read_text(), flags=re.MULTILINE)
    return [line for line in text.replace("\\\n", "").splitlines() if line]


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_has_a_root_that_is_read_only_and_no_rights(
    name: str, compose: dict[str, Any]
) -> None:
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "caddy" else [])


def test_the_service_keeps_all_in_one_volume_and_is_asked_for_its_health(
    compose: dict[str, Any],
) -> None:
    service = compose["services"]["service"]
    assert service["volumes"] == ["data:/data"]
    assert "http://127.0.0.1:8000/health" in service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped", "what ends itself is started again"
    assert {
        volume.split(":")[0] for one in compose["services"].values() for volume in one["volumes"]
    } <= {
        *compose["volumes"],
        *(f"./{name}" for name in ("Caddyfile", "edge.toml")),
    }


def test_the_service_believes_caddy_alone_who_calls(compose: dict[str, Any]) -> None:
    trusted = compose["services"]["service"]["environment"]["REGULARS_TRUSTED_PROXIES"]
    assert trusted == compose["services"]["caddy"]["networks"]["default"]["ipv4_address"]
    (subnet,) = compose["networks"]["default"]["ipam"]["config"]
    assert ip_address(trusted) in ip_network(subnet["subnet"])


def test_compose_builds_targets_that_there_are_from_the_wheels(
    compose: dict[str, Any], containerfile: list[str]
) -> None:
    stages = {line.split()[-1] for line in containerfile if line.startswith("FROM")}
    for one in compose["services"].values():
        if "build" in one:
            assert one["build"]["target"] in stages
            assert (one["build"]["context"], one["build"]["dockerfile"]) == (".", "Containerfile")


def test_each_image_runs_as_a_user_without_a_name_for_any_processor(
    containerfile: list[str],
) -> None:
    text = "\n".join(containerfile)
    for image in ("service", "edge"):
        body = text.split(f" AS {image}\n")[1].split("\nFROM")[0]
        assert body.index("USER 10001:10001") < body.index("ENTRYPOINT [")
    assert not re.search(r"--platform|amd64|arm64|x86|aarch64|TARGETARCH", text)
    assert text.count("FROM ${BASE}") == 1
    assert "ADD " not in text
    for line in containerfile:
        if "apt-get install" in line:
            assert "--no-install-recommends" in line
            assert line.endswith("rm -rf /var/lib/apt/lists/* /var/cache/apt")
        if "pip install" in line:
            assert "--no-cache-dir" in line


def test_what_the_image_of_the_service_begins_with_is_a_command(containerfile: list[str]) -> None:
    text = "\n".join(containerfile)
    body = text.split(" AS service\n")[1].split("\nFROM")[0]
    ((name, *options),) = [json.loads(found) for found in re.findall("CMD (.+)", body)]
    # a command keeps the names of its help's option from the context that it is first read in
    context = click.Context(commands, **commands.context_settings)
    command = commands.get_command(context, name)
    assert command is not None
    command.make_context(name, options, context)
    assert containerfile[-1] == "FROM service", "what is built if nobody names a target"


@pytest.mark.parametrize(
    "unit",
    [
        BOX / "regulars.service",
        BOX / "regulars-mqtt.service",
        ROOT / "edge/systemd/regulars-edge.service",
        ROOT / "edge/systemd/regulars-edge-claim.service",
        ROOT / "edge/systemd/regulars-edge-page.service",
    ],
    ids=lambda unit: str(unit.name),
)
def test_the_unit_is_one_that_systemd_accepts_and_calls_safe(tmp_path: Path, unit: Path) -> None:
    needed("systemd-analyze")
    ours = tmp_path / unit.name
    ours.write_text(re.sub(r"/opt/[a-z/-]+/bin/regulars[a-z-]*", "/bin/true", unit.read_text()))
    done = subprocess.run(
        ["systemd-analyze", "verify", ours], capture_output=True, text=True, check=False
    )
    assert ours.name not in done.stderr, done.stderr
    assert "\nRestart=on-failure\n" in ours.read_text(), "what ends itself is started again"
    asked = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", ours]
    safe = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert safe.returncode == 0, safe.stdout[-300:]


def test_the_backups_unit_on_the_page_may_write_where_the_service_does(tmp_path: Path) -> None:
    """And reads the same key: else it opens no book."""
    page = (ROOT / "docs/tasks/backup.md").read_text()
    service = (BOX / "regulars.service").read_text()
    [unit] = re.findall(r"(\[Unit\]\n.*?)^END$", page, re.DOTALL | re.MULTILINE)[:1]
    [folder] = re.findall(r"^ReadWritePaths=(\S+)$", unit, re.MULTILINE)
    assert f"\nReadWritePaths=-{folder}\n" in service
    assert f"/regulars backup {folder}\n" in unit
    assert f"chown --recursive regulars {folder}\n" in unit
    for line in ("LoadCredential=vault:/etc/regulars/vault.key", "DynamicUser=yes"):
        assert f"\n{line}\n" in unit
        assert f"\n{line}\n" in service
    assert "REGULARS_VAULT_KEY_FILE=%d/vault\n" in unit
    assert "REGULARS_VAULT_KEY_FILE=%d/vault\n" in service
    settings = tomllib.loads((BOX / "regulars.toml").read_text())
    assert f"> {settings['vault_key_file']})" in (ROOT / "docs/install.md").read_text()
    needed("systemd-analyze")
    file = tmp_path / "regulars-backup.service"
    file.write_text(unit.replace("/opt/regulars/bin/regulars", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", file], capture_output=True, text=True, check=False
    )
    assert file.name not in done.stderr, done.stderr


def test_all_projects_are_of_one_version() -> None:
    projects = [ROOT / "pyproject.toml", *ROOT.glob("[cel]*/pyproject.toml")]
    assert [tomllib.loads(one.read_text())["project"]["version"] for one in projects] == [
        VERSION
    ] * 4


def test_caddy_before_the_service_gives_sunmis_session_over_https(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By our own Caddyfile and the page's settings, with a certificate of Caddy's own authority."""
    caddy = needed("caddy")
    page = (ROOT / "docs/install.md").read_text().split("### Caddy as a service")[1]
    settings = tomllib.loads(re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[0])
    proxies = ",".join(settings["trusted_proxies"])
    server, port = Server(tmp_path / "shop", "--trusted-proxies", proxies), free_port()
    [drop_in] = re.findall(r"^Environment=(.*)$", page, re.MULTILINE)
    said = {
        **dict(word.split("=") for word in drop_in.split()),
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path / "caddy"),
        "REGULARS_DOMAIN": "localhost",
        "REGULARS_HTTP_PORT": str(free_port()),
        "REGULARS_HTTPS_PORT": str(port),
        "REGULARS_UPSTREAM": server.url.removeprefix("http://"),
    }
    # Its own port for administration would be the same for all that run at once.
    (tmp_path / "Caddyfile").write_text(
        (BOX / "Caddyfile").read_text().replace("{\n", "{\n\tadmin off\n", 1)
    )
    command = [caddy, "run", "--config", tmp_path / "Caddyfile"]
    with (tmp_path / "caddy.log").open("w") as log:
        process = subprocess.Popen(command, env={**os.environ, **said}, stderr=log, cwd=tmp_path)
    try:
        root = tmp_path / "caddy" / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        until(
            lambda: (
                root.is_file()
                and "certificate obtained successfully" in (tmp_path / "caddy.log").read_text()
            )
        )
        monkeypatch.setenv("CURL_CA_BUNDLE", str(root))
        server.url = f"https://localhost:{port}"
        session = Session.of("A session to paste", ROOT / "docs/sunmi.md")
        answers = session.answers(server, photos / OTHER, "md5sum", "sort", "paste", "sed", "od")
        assert [json.loads(answer)["code"] for answer in answers] == [0] * 6
        cookie = httpx.post(
            f"{server.url}/v1/session",
            json={"api_key": server.credentials("shop").api_key},
            headers={"X-Forwarded-Proto": "http"},
            verify=ssl.create_default_context(cafile=root),
            timeout=60,
        ).headers["Set-Cookie"]
        assert cookie.startswith("__Host-regulars")
        assert "; Secure" in cookie
    finally:
        process.terminate()
        process.wait(60)
        assert server.stop() == 0


def test_caddys_log_has_no_cameras_key_though_the_service_is_away(tmp_path: Path) -> None:
    caddy, port, digits = needed("caddy"), free_port(), "0123456789abcdef" * 2
    said = {
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
        "REGULARS_DOMAIN": f"http://127.0.0.1:{port}",
        "REGULARS_UPSTREAM": f"127.0.0.1:{free_port()}",
    }
    config, log = tmp_path / "Caddyfile", tmp_path / "caddy.log"
    config.write_text((BOX / "Caddyfile").read_text().replace("{\n", "{\n\tadmin off\n", 1))
    with log.open("w") as lines:
        process = subprocess.Popen(
            [caddy, "run", "--config", config], env={**os.environ, **said}, stderr=lines
        )

    def is_refused() -> bool:
        with suppress(httpx.TransportError):
            reply = httpx.post(f"http://127.0.0.1:{port}/v1/captures", auth=(digits, "till"))
            return reply.status_code == 502
        return False

    try:
        until(is_refused)
    finally:
        process.terminate()
        process.wait(60)
    text = log.read_text()
    assert "/v1/captures" in text, "it logs the failed request"
    assert digits not in text
    assert b64encode(digits.encode()).decode()[:40] not in text


def test_no_image_of_ours_is_looked_for_at_a_registry(compose: dict[str, Any]) -> None:
    for one in compose["services"].values():
        assert one["image"].startswith("localhost/") == ("build" in one)


def test_kubernetes_runs_one_process_with_the_images_user_folder_and_ports(
    containerfile: list[str],
) -> None:
    service, box = yaml.safe_load_all((BOX / "kubernetes.yaml").read_text())
    assert box["spec"]["replicas"] == 1, "a folder is served by one process"
    pod = box["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    user = f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    assert user in containerfile
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"], (
        "so the volume is the user's"
    )
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    variables = {variable["name"]: variable["value"] for variable in container["env"]}
    assert f"EXPOSE {ports['http']}" in containerfile
    assert variables["REGULARS_METRICS_PORT"] == str(ports["metrics"])
    assert {port["targetPort"] for port in service["spec"]["ports"]} == set(ports)
    (volume,) = box["spec"]["volumeClaimTemplates"]
    assert {"name": volume["metadata"]["name"], "mountPath": "/data"} in container["volumeMounts"]
