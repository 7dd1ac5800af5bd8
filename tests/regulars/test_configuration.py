import json
import re
import tempfile
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from regulars_edge import config as edge_config

from chalicelib.domain.setting import Setting
from chalicelib.settings import (
    SettingError,
    Settings,
    describe_default,
    name_variable,
    parse_named,
)
from regulars import configuration
from regulars.cli import main
from regulars.configuration import TABLE, VARIABLES
from tests.support.box.server import Server

ROOT = Path(__file__).resolve().parents[2]
ALL = """
data = "shop"
models = "/srv/models"
port = 8443
fpir = 0.001
hook_networks = ["192.168.7.0/24", "fd00::/8"]
public_url = "https://box.example/"
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "regulars.toml"
    file.write_text(text)
    return file


def test_a_file_sets_what_the_environment_and_options_do_not(tmp_path: Path) -> None:
    file = written(tmp_path, ALL)
    read = configuration.read_settings(
        {"port": 9000}, {"REGULARS_FPIR": "0.002", "REGULARS_PACK": ""}, file
    )
    assert (read.settings.storage, read.settings.models) == (tmp_path / "shop", Path("/srv/models"))
    assert read.settings.hook_networks == (ip_network("192.168.7.0/24"), ip_network("fd00::/8"))
    assert (read.settings.public_url, read.settings.pack) == ("https://box.example", None)
    assert (read.settings.fpir_target, read.given_values["fpir"].source) == (0.002, "REGULARS_FPIR")
    assert (read.serving.port, read.given_values["port"].source) == (9000, "--port")
    assert (read.serving.host, read.given_values["data"].source) == ("127.0.0.1", str(file))


def test_without_any_all_is_as_it_is_initially(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    read = configuration.read_settings({}, {})
    assert (read.settings.storage, read.serving.port, read.file) == (
        Path("regulars-data"),
        8000,
        None,
    )
    written(tmp_path, "port = 8001")
    assert configuration.read_settings({}, {}).serving.port == 8001
    other = tmp_path / "other.toml"
    other.write_text("port = 8002")
    assert configuration.read_settings({}, {"REGULARS_CONFIG": str(other)}).serving.port == 8002


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prot = 8000", "regulars.toml: prot: no such setting; did you mean port?"),
        ("zzzzzz = 8000", "regulars.toml: zzzzzz: no such setting"),
        ("[serve]\nport = 1", "regulars.toml: serve: no such setting"),
        ("table_prefix = 'x'", "regulars.toml: table_prefix: no such setting"),
        ("port = '8000'", "regulars.toml: port must be a number, not '8000'"),
        ("port = true", "regulars.toml: port must be a number, not True"),
        ("port = 70000", "regulars.toml: port must be a port number from 0 to 65535, not '70000'"),
        ("fpir = 0.9", "regulars.toml: fpir is a number from 1e-09 to 0.5, not '0.9'"),
        ("fpir = nan", "regulars.toml: fpir is a number from 1e-09 to 0.5, not 'nan'"),
        ("data = 5", 'regulars.toml: data must be a text, as "...", not 5'),
        (
            "hook_networks = '10.0.0.0/8'",
            'regulars.toml: hook_networks must be texts, as ["...", "..."], not \'10.0.0.0/8\'',
        ),
        (
            "hook_networks = ['lan']",
            "regulars.toml: hook_networks is networks such as 192.168.7.0/24",
        ),
        (
            "log_level = 'loud'",
            "regulars.toml: log_level is one of debug, info, warning, error, not 'loud'",
        ),
        ("port = ", "regulars.toml is not valid TOML: "),
        ("port = " + "9" * 20_000, "regulars.toml is not valid TOML: "),
        ("port = 0x" + "9" * 20_000, "regulars.toml: port has too many digits"),
        ("data = " + "[" * 20_000, "regulars.toml is not valid TOML: "),
        (
            "[" + "a." * 20_000 + "b]",
            "regulars.toml is not valid TOML: it has 40003 characters, more than the 32768",
        ),
        ("tls_key = 'key.pem'", "--tls-cert and --tls-key require each other"),
    ],
)
def test_a_mistake_in_the_file_is_said_with_its_place(
    text: str,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, text)
    assert main(["serve"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"regulars: {says}")
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["regulars.toml"]


def test_a_file_that_is_named_must_be_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tenants", "list", "--config", str(tmp_path / "nope.toml")]) == 2
    assert "nope.toml cannot be read: No such file or directory" in capsys.readouterr().err
    assert main(["tenants", "list", "--config", "x", "--stage", "prod"]) == 2
    assert "--config and --stage exclude each other" in capsys.readouterr().err


def test_a_variable_that_begins_as_ours_and_is_none_is_refused_without_its_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REGULARS_HOOK_NETWORK", "hush")
    for command in (["tenants", "list"], ["serve"], ["models"], ["config"]):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert (
            "REGULARS_HOOK_NETWORK in the environment: no such setting; did you mean "
            "REGULARS_HOOK_NETWORKS?" in said
        )
        assert "hush" not in said


def added_by_kubernetes(
    service: str, address: str, ports: dict[str, tuple[int, str]]
) -> dict[str, str]:
    """What a pod gets for a Service, as pkg/kubelet/envvars/envvars.go has it.

    `ports`: number and protocol by name.
    """
    begin = service.upper().replace("-", "_")
    host = f"[{address}]" if ":" in address else address
    first = next(iter(ports.values()))
    added = {f"{begin}_SERVICE_HOST": address, f"{begin}_SERVICE_PORT": str(first[0])}
    for name, (number, protocol) in ports.items():
        one, url = f"{begin}_PORT_{number}_{protocol}", f"{protocol.lower()}://{host}:{number}"
        added |= (
            {f"{begin}_SERVICE_PORT_{name.upper().replace('-', '_')}": str(number)} if name else {}
        )
        added |= {f"{begin}_PORT": url} if (number, protocol) == first else {}
        added |= {
            one: url,
            f"{one}_PROTO": protocol.lower(),
            f"{one}_PORT": str(number),
            f"{one}_ADDR": address,
        }
    return added


HOME = {"HOME": "/home/shop"}
EDGE = {
    "server": {"url": "https://faces.example"},
    "camera": [{"name": "door", "source": "folder", "folder": "/srv/pictures"}],
}
SERVICES = [
    ("regulars", "10.0.0.7", {"": (8000, "TCP")}),
    ("regulars", "fd00::7", {"http-web": (8000, "TCP"), "metrics": (9109, "TCP")}),
    ("regulars-edge", "10.0.0.8", {"": (9109, "TCP")}),
    ("regulars-metrics", "10.0.0.9", {"": (9100, "TCP")}),
    (
        "regulars-http",
        "10.0.0.10",
        {"web": (80, "TCP"), "quic": (443, "UDP"), "signal-2": (5000, "SCTP")},
    ),
]


@pytest.mark.parametrize(("service", "address", "ports"), SERVICES)
def test_what_kubernetes_adds_for_a_service_of_our_name_sets_nothing(
    service: str, address: str, ports: dict[str, tuple[int, str]]
) -> None:
    added = added_by_kubernetes(service, address, ports)
    assert configuration.read_settings({}, added) == configuration.read_settings({}, {})
    assert Settings.from_environment({**added, "REGULARS_DATA": "d"}) == Settings(storage=Path("d"))
    assert edge_config.parse_config(
        EDGE, environment={**added, **HOME}
    ) == edge_config.parse_config(EDGE, environment=HOME)


def test_beside_such_services_every_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for service in SERVICES:
        for name, value in added_by_kubernetes(*service).items():
            monkeypatch.setenv(name, value)
    server = Server(tmp_path / "shop")
    for command in (["tenants", "list"], ["config"], ["doctor"], ["today"]):
        ended = main([*command, "--data", str(tmp_path / "shop")])
        assert ended == 0, f"{command}: {capsys.readouterr()}"
    assert server.stop() == 0


def test_a_setting_beside_a_service_of_that_name_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    added = added_by_kubernetes("regulars", "10.0.0.7", {"": (8000, "TCP")})
    assert configuration.read_settings({}, {**added, "REGULARS_PORT": "9000"}).serving.port == 9000


@pytest.mark.parametrize(
    "name", sorted(added_by_kubernetes("regulars-edge", "10.0.0.7", {"web": (8000, "TCP")}))
)
def test_what_kubernetes_would_not_write_is_a_mistake_all_the_same(name: str) -> None:
    for wrong in ("", "hush", "tcp:8000", "10.0.0.7/8", "-1"):
        with pytest.raises(SettingError, match=f"{name} in the environment: no such setting"):
            configuration.read_settings({}, {name: wrong})


@pytest.mark.parametrize(
    "name", ["REGULARS_SERVICES_HOST", "REGULARS_PORTS", "REGULARS_PORT_TCP", "REGULARS_HOSTS"]
)
def test_a_name_that_kubernetes_does_not_make_is_a_mistake(name: str) -> None:
    for text in ("10.0.0.7", "8000", "tcp://10.0.0.7:8000"):
        with pytest.raises(SettingError, match=f"{name} in the environment: no such setting"):
            configuration.read_settings({}, {name: text})


def test_every_variable_that_our_files_name_is_known() -> None:
    """What the uploader, compose.yaml, the Caddyfile and the pages tell people to export stops no
    command."""
    folders = (
        "chalicelib",
        "client",
        "console",
        "docs",
        "edge/src",
        "infra",
        "lab",
        "mqtt",
        "regulars",
        "transfer",
    )
    files = [*ROOT.glob("[!C.]*"), *(ROOT / "edge").glob("*")]
    files += [file for name in folders for file in (ROOT / name).rglob("*")]
    texts = [
        file.read_text("utf-8", "ignore")
        for file in files
        if file.is_file() and file.suffix != ".pyc"
    ]
    assert len(texts) > 500
    named = {
        name
        for text in texts
        for name in re.findall(r"(?<![A-Z_])REGULARS_[A-Z][A-Z_]+[A-Z]\b(?!-)", text)
    }
    assert named <= set(VARIABLES)


def test_a_service_takes_its_settings_from_a_file_and_says_so(tmp_path: Path) -> None:
    file = written(tmp_path, 'log_format = "json"\nlog_level = "warning"')
    server = Server(tmp_path / "shop", "--config", str(file))
    assert server.stop() == 0
    said = [json.loads(line)["message"] for line in server.log.read_text().splitlines()]
    assert f"settings of {file}; `regulars config` prints what is in force" in said


def rows() -> st.SearchStrategy[dict[str, Any]]:
    numbers = {
        "port": st.integers(0, 65_535),
        "fpir": st.floats(1e-9, 0.5),
        "capture_days": st.integers(1, 36_500),
    }
    words = {
        "pack": st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
        "host": st.just("::1"),
    }
    networks = {"hook_networks": st.lists(st.ip_addresses().map(ip_network), min_size=1).map(tuple)}
    return st.fixed_dictionaries({}, optional={**numbers, **words, **networks})


@given(rows(), rows(), rows())
def test_an_option_goes_before_the_environment_and_that_before_the_file(
    options: dict[str, Any], environ: dict[str, Any], file: dict[str, Any]
) -> None:
    def text(value: object) -> str:
        return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.toml"
        path.write_text(
            "\n".join(configuration.read_settings(file, {}, Path("/dev/null")).write_lines()),
            "utf-8",
        )
        texts = {name_variable(TABLE[key]): text(value) for key, value in environ.items()}
        read = configuration.read_settings(options, texts, path)
    assert {key: one.value for key, one in read.given_values.items()} == {
        **file,
        **environ,
        **options,
    }


def test_what_is_in_force_is_printed_as_a_file_of_all_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REGULARS_CAPTURE_DAYS", "7")
    written(tmp_path, 'data = "shop"')
    monkeypatch.setenv("REGULARS_PORT", "8443")
    assert main(["config"]) == 0
    printed = capsys.readouterr().out
    for line in (
        f'data = "{tmp_path / "shop"}"  # regulars.toml',
        "capture_days = 7  # REGULARS_CAPTURE_DAYS",
        "port = 8443  # REGULARS_PORT",
        '#host = "127.0.0.1"',
        "#pack =  # if not set: face-pack-4",
    ):
        assert f"\n{line}\n" in printed
    for row in TABLE.values():
        assert f"# {row.says}\n" in printed


def test_the_pages_list_of_settings_is_what_the_command_prints() -> None:
    listed = (ROOT / "docs/settings.toml").read_text()
    assert listed.splitlines() == list(configuration.read_settings({}, {}, None).write_lines()), (
        "regulars config > docs/settings.toml"
    )


def test_the_pages_example_of_a_file_can_be_read(tmp_path: Path) -> None:
    example = (
        (ROOT / "docs/operations.md").read_text().partition("```toml\n")[2].partition("```")[0]
    )
    read = configuration.read_settings({}, {}, written(tmp_path, example))
    assert read.serving.tls_cert == tmp_path / "chain.pem"
    assert read.settings.storage == Path("/srv/regulars")


def test_the_units_file_can_be_read_and_is_the_one_that_it_names() -> None:
    box = ROOT / "infra/box"
    read = configuration.read_settings({}, {}, box / "regulars.toml")
    assert (read.settings.storage, read.serving.host) == (
        Path("/var/lib/regulars/data"),
        "127.0.0.1",
    )
    commented = re.sub("^#([a-z])", r"\1", (box / "regulars.toml").read_text(), flags=re.MULTILINE)
    for line in commented.splitlines():
        if line.startswith("#") or not line:
            continue
        assert line.partition(" ")[0] in TABLE
    assert "REGULARS_CONFIG=/etc/regulars/regulars.toml" in (box / "regulars.service").read_text()


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda row: row.name)
def test_every_row_reads_a_text(row: Setting) -> None:
    texts = {
        int: "9108" if "port" in row.name else "1000",
        float: "0.25" if row.name == "fpir" else "1000",
    }
    texts[tuple] = "10.0.0.0/8"
    own = {
        "witness": "/mnt/heads",
        "public_url": "https://box.example",
        "endpoint_hosts": "faces.example, 10.0.0.2:8000",
    }
    assert parse_named(
        row, own.get(row.name) or texts.get(row.kind, (*row.choices, "text")[0]), "here"
    )


SWITCH = Setting("something is on", kind=bool, default=False, name="switch")


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("On", True), ("1", True), ("false", False), ("off", False), ("no", False)],
)
def test_a_switch_is_read_as_what_it_says(text: str, value: bool) -> None:
    assert parse_named(SWITCH, text, "here") is value


def test_a_switch_that_is_neither_on_nor_off_is_refused() -> None:
    with pytest.raises(SettingError, match=r"^here is true or false, not 'maybe'$"):
        parse_named(SWITCH, "maybe", "here")
    assert describe_default(SWITCH) == "false"


def test_a_value_is_read_by_its_row_alone() -> None:
    with pytest.raises(SettingError, match=r"^here is a number from 1 to 36500, not 'x'$"):
        parse_named(TABLE["capture_days"], "x", "here")
