import hashlib
import os
import socket
import time
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from regulars_dialects.deepstack import KeylessClients

from chalicelib import bootstrap
from chalicelib.book.cameras import CameraSettings
from chalicelib.book.vision.cgroup_quota import Quota
from chalicelib.book.vision.packs import packs
from chalicelib.domain.channels import Channel
from chalicelib.domain.consent import Basis, Consent, Remembered
from chalicelib.domain.events import GroupFull
from chalicelib.domain.model import NewFace, Profile
from chalicelib.domain.tenant_settings import FORGET, KEEP, OF_NOTICE, UNDECIDED, TenantSettings
from chalicelib.domain.webhooks import Event, Hindrance, Way, Why
from chalicelib.services import Services
from chalicelib.settings import Settings, parse_networks
from chalicelib.storage.ports import Disk
from regulars import folder
from regulars.cli import main
from regulars.clients import V1, Connection
from regulars.doctor.doctor import (
    check_cameras,
    check_ended,
    check_files,
    check_hooks,
    check_models,
    check_notices,
    check_retention,
)
from regulars.doctor.machine import (
    check_at_rest,
    check_certificate,
    check_clock,
    check_folder,
    check_keyless,
    check_ports,
    check_python,
    check_service,
    describe_cores,
    describe_memory,
    judge_free_space,
    name_file_system,
)
from regulars.findings import Finding, Level
from regulars.folder import Served
from regulars.serve.settings import ServeSettings
from testing.ports import free_port
from tests.support.box.devices import show_disk
from tests.support.box.server import Server
from tests.support.fakes import RULES, FakeClock, FakeVision, Person, picture
from tests.support.pictures.own_pack import NAME, own_pack
from tests.support.storage.torn import tear
from tests.support.web.certificate import certificate

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime.now(UTC)
OK, WARNING, FAILED, _ = Level


@pytest.fixture(autouse=True)
def any_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let doctor ask for any free port."""
    monkeypatch.setenv("REGULARS_PORT", "0")


def levels(found: Iterable[Finding]) -> list[Level]:
    return [one.level for one in found]


def only(found: Iterable[Finding]) -> tuple[Level, str]:
    [one] = found
    return one.level, one.says


def digests(data: Path) -> dict[str, str]:
    return {
        str(path.relative_to(data)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(data.rglob("*"))
        if path.is_file()
    }


def book(data: Path, clock: FakeClock | None = None) -> Services:
    services = bootstrap.build(
        Settings(storage=data), clock=clock or FakeClock(NOW), vision=FakeVision
    )
    services.tenants.add("shop", Profile.CAMERA)
    return services


# --- the whole
# --------------------------------------------------------------------------------------------------


def test_before_the_first_start_all_is_well_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for line in (
        "ok       settings ",
        "ok       folder   regulars-data does not exist yet",
        f"ok       cores    {len(os.sched_getaffinity(0))} available",
        f"ok       memory   {os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:.1f} "
        "GB",
        "ok       models   face models: ",
    ):
        assert f"\n{line}" in f"\n{said}"
    assert list(tmp_path.iterdir()) == []


def test_a_service_that_runs_is_judged_by_its_own_settings_and_one_that_was_stopped_by_those_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # which is no way to this machine
    with monkeypatch.context() as its:
        its.setenv("REGULARS_HOOK_NETWORKS", "127.0.0.0/8")
        server = Server(tmp_path / "shop", "--metrics-port", "0")
    with Connection(server.url) as connection:
        V1(connection, server.credentials("shop").api_key).call(
            "POST", "/v1/hooks", {"url": "http://127.0.0.1:1024/"}
        )
    port = server.url.rpartition(":")[2]
    try:
        monkeypatch.setenv("REGULARS_PORT", "1")
        assert main(["doctor", "--data", str(server.data)]) == 0
        said = capsys.readouterr().out
        assert (
            f"ok       settings from process {server.process.pid}, which serves the folder\n"
            in said
        )
        assert (
            "warning  settings port of REGULARS_PORT differs from the value that the running "
            "service uses: restart it to apply\n" in said
        )
        assert f"process {server.process.pid} at {server.url} is ready (models: " in said
        assert f"{server.url} is used by the running service" in said
        assert "0 cameras, none needs attention" in said
        assert "1 hooks, no deliveries wait for a retry" in said
    finally:
        assert server.stop() == 0
    before = digests(server.data)
    monkeypatch.setenv("REGULARS_PORT", port)
    assert main(["doctor", "--data", str(server.data)]) == 1
    said = capsys.readouterr().out
    assert "not running; the checks used the settings of this command" in said
    assert f"127.0.0.1:{port} is free" in said
    assert "(to 127.0.0.1): the URL's address is not public" in said
    assert digests(server.data) == before


def test_settings_that_are_wrong_are_the_only_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "regulars.toml"
    file.write_text("prot = 1")
    assert main(["doctor", "--config", str(file)]) == 1
    assert capsys.readouterr().out == (
        f"failed   settings {file}: prot: no such setting; did you mean port?; nothing else was "
        "checked\n"
    )


def test_a_book_that_is_damaged_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "regulars.sqlite").write_bytes(b"no database" * 1000)
    assert main(["doctor", "--data", str(tmp_path)]) == 1
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("failed")]
    assert line.startswith("failed   book     ")
    assert "`regulars restore`" in line


def test_a_page_that_is_damaged_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path.chmod(0o700)
    with closing(book(tmp_path)):
        pass
    tear(tmp_path / "regulars.sqlite", b"GROUP#stranger")
    assert main(["doctor", "--data", str(tmp_path)]) == 1
    assert (
        "failed   book     the database is damaged: bring a backup back with `regulars restore`"
        in capsys.readouterr().out
    )


# --- the machine
# --------------------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert only(check_folder(file)) == (FAILED, f"{file} is a file: set `data` to a folder")
    tmp_path.chmod(0o700)
    strange = f"{tmp_path} holds file and no data of a service: set `data` to an empty folder"
    assert only(check_folder(tmp_path)) == (FAILED, strange)
    level, says = only(check_folder(file / "below"))
    assert (level, "cannot be created" in says) == (FAILED, True)


def test_a_folder_that_others_may_look_into_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    found = list(check_folder(tmp_path))
    assert levels(found) == [OK, WARNING]
    assert f"`chmod 700 {tmp_path}`" in found[1].says
    tmp_path.chmod(0o700)
    assert levels(check_folder(tmp_path)) == [OK]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user_in_the_folder_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    for name in ("regulars.sqlite", "credentials.json"):
        (tmp_path / name).touch()
    os.chown(tmp_path / "credentials.json", 65_534, -1)
    found = list(check_folder(tmp_path))
    assert levels(found) == [OK, FAILED]
    assert "credentials.json in it does not: `chown -R " in found[1].says


def test_the_file_system_is_named_as_the_kernel_does(tmp_path: Path) -> None:
    assert name_file_system(Path("/proc")) == "proc"
    assert name_file_system(tmp_path) not in ("unknown", "proc")


@pytest.mark.parametrize(
    ("free_gb", "total_gb", "level"),
    [(64, 1000, OK), (7, 64, OK), (6, 64, WARNING), (9, 1000, WARNING), (0.4, 1000, FAILED)],
)
def test_a_disk_without_room_is_told(free_gb: float, total_gb: float, level: Level) -> None:
    found = judge_free_space(Disk(int(free_gb * 1e9), int(total_gb * 1e9)))
    assert (found.level, "capture_days" in found.says) == (level, level is not OK)


@pytest.mark.parametrize(
    ("quota", "levels", "said"),
    [
        (Quota(None, None), (OK, OK), ("16 available", "8.0 GB")),
        (
            Quota(2.0, 4 * 10**9),
            (OK, OK),
            (
                "16 available, limited by a quota to 2: the service computes on 2",
                "8.0 GB, limited by a quota to 4.0 GB: the service stays below 2.0 GB",
            ),
        ),
        (
            Quota(0.5, 512 * 10**6),
            (OK, WARNING),
            (
                "16 available, limited by a quota to 0.5: the service computes on 1",
                "8.0 GB, limited by a quota to 0.5 GB: the service stays below 0.5 GB, "
                "too little for large pictures: provide at least 1 GB",
            ),
        ),
        (Quota(None, 9 * 10**9), (OK, OK), ("16 available", "8.0 GB")),
    ],
)
def test_what_the_machine_has_is_told_and_what_a_quota_leaves_of_it(
    quota: Quota, levels: tuple[Level, Level], said: tuple[str, str]
) -> None:
    cores, memory = describe_cores(16, quota), describe_memory(8 * 10**9, quota, 2 * 10**9)
    assert ((cores.level, memory.level), (cores.says, memory.says)) == (levels, said)


def test_a_machine_with_too_little_memory_is_told_without_a_quota_too() -> None:
    memory = describe_memory(512 * 10**6, Quota(None, None), 2 * 10**9)
    assert (memory.level, memory.says) == (
        WARNING, "0.5 GB, too little for large pictures: provide at least 1 GB"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ((3, 11, 9), WARNING),
        ((3, 11, 10), OK),
        ((3, 12, 5), WARNING),
        ((3, 12, 6), OK),
        ((3, 13, 0), OK),
    ],
)
def test_a_python_that_reads_hostile_archives_slowly_is_told(
    version: tuple[int, int, int], level: Level
) -> None:
    assert check_python(version, mended=False).level is level
    assert check_python(version, mended=True).level is OK, "a distribution took the mend alone"


def test_a_folder_that_a_thief_of_the_box_reads_is_told(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert check_at_rest(data, tmp_path / "none") == Finding(
        OK, "theft", f"if the box is stolen, whether a thief reads {data} cannot be told here"
    )
    show_disk(tmp_path / "encrypted", tmp_path, "CRYPT-LUKS2-5c1f-root")
    assert check_at_rest(data, tmp_path / "encrypted").level is OK
    show_disk(tmp_path / "bare", tmp_path, None)
    found = check_at_rest(data, tmp_path / "bare")
    assert found.level is WARNING
    assert f"a thief reads {data}: no encrypted disk (LUKS) is seen (docs/" in found.says


def test_a_clock_before_the_last_write_or_before_the_installation_is_told(tmp_path: Path) -> None:
    # WARNING: no network sets this one
    assert check_clock(tmp_path, datetime.now(UTC)).level in (OK, WARNING)
    assert (
        "this program was installed at"
        in check_clock(tmp_path, datetime(2020, 1, 1, tzinfo=UTC)).says
    )
    later = time.time() + 7200
    files = ("regulars.sqlite", "regulars.sqlite.b")
    for name in (*files, *(f"{file}-wal" for file in files)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (later, later))
        found = check_clock(tmp_path, datetime.now(UTC))
        assert (found.level, "the book was written at" in found.says) == (FAILED, True)
        os.utime(tmp_path / name, (0, 0))


def test_a_port_that_another_has_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        level, says = only(check_ports(ServeSettings(port=port), None))
        assert (level, "set `port` to another" in says) == (FAILED, True)
        assert list(check_ports(ServeSettings(port=port), Served("1", ""))) == []
        both = list(check_ports(ServeSettings(port=0, metrics_port=port), None))
        assert levels(both) == [OK, FAILED]
        assert "`metrics_port`" in both[1].says


def test_a_service_that_starts_or_does_not_answer_is_told(tmp_path: Path) -> None:
    with folder.hold_folder(tmp_path) as note:
        found = check_service(folder.find_server(tmp_path))
        assert (found.level, "is starting" in found.says) == (WARNING, True)
        note(f"http://127.0.0.1:{free_port()}")
        found = check_service(folder.find_server(tmp_path))
        assert (found.level, "does not answer" in found.says) == (FAILED, True)
    assert check_service(folder.find_server(tmp_path)).level is OK


# --- TLS
# --------------------------------------------------------------------------------------------------


def tls(tmp_path: Path, url: str | None = None) -> list[Finding]:
    serving = ServeSettings(tls_cert=tmp_path / "chain.pem", tls_key=tmp_path / "key.pem")
    return list(check_certificate(serving, url, NOW))


def test_a_certificate_is_read_with_its_days_and_names(tmp_path: Path) -> None:
    certificate(tmp_path, days=40, host="box.local")
    found = tls(tmp_path, "https://box.local:8443")
    assert levels(found) == [OK, OK]
    assert "expires in 39 days" in found[0].says or "expires in 40 days" in found[0].says
    assert found[1].says == "the certificate is for box.local"


def test_a_certificate_that_ends_soon_has_ended_or_is_of_another_name_is_told(
    tmp_path: Path,
) -> None:
    certificate(tmp_path, days=5)
    assert levels(tls(tmp_path)) == [WARNING, OK]
    certificate(tmp_path, days=-1)
    ended, _ = tls(tmp_path)
    assert (ended.level, "renew it" in ended.says) == (FAILED, True)
    certificate(tmp_path, days=40, host="*.shop.example")
    assert levels(tls(tmp_path, "https://faces.shop.example")) == [OK, OK]
    found = tls(tmp_path, "https://box.local")
    assert levels(found) == [OK, FAILED]
    assert "not for box.local" in found[1].says
    certificate(tmp_path, days=40, host="box@shop.example")
    assert "no subjectAltName" in tls(tmp_path)[1].says


def test_a_certificate_that_does_not_fit_its_key_or_is_away_is_told(tmp_path: Path) -> None:
    level, says = only(tls(tmp_path))
    assert (level, "chain.pem cannot be read" in says) == (FAILED, True)
    certificate(tmp_path)
    (tmp_path / "other").mkdir()
    certificate(tmp_path / "other")[1].replace(tmp_path / "key.pem")
    level, says = only(tls(tmp_path))
    assert (level, "the key is another certificate's" in says) == (FAILED, True)


def test_plain_http_that_others_reach_is_told_unless_a_proxy_speaks_tls() -> None:
    everywhere = ServeSettings(host="0.0.0.0")
    assert levels(check_certificate(ServeSettings(), None, NOW)) == [OK]
    assert levels(check_certificate(everywhere, None, NOW)) == [WARNING]
    assert levels(check_certificate(everywhere, "https://faces.shop.example", NOW)) == [OK]


@pytest.mark.parametrize(
    ("public_url", "proxies", "named", "expected"),
    [
        (None, "", "", []),
        ("https://box.example", "127.0.0.1", "", []),
        (None, "", "127.0.0.0/8", [OK]),
        ("http://box.example", "", "127.0.0.0/8", [OK]),
        ("https://box.example", "", "127.0.0.0/8", [WARNING]),
        ("https://box.example", "127.0.0.1, ::1", "127.0.0.0/8", [WARNING]),
        ("https://box.example", "127.0.0.1, ::1", "192.168.7.20, fd00::7", [OK]),
    ],
)
def test_a_proxy_before_a_door_without_a_key_is_told(
    public_url: str | None, proxies: str, named: str, expected: list[Level]
) -> None:
    tenant = "shop" if named else None
    settings = Settings(
        Path("data"),
        public_url=public_url,
        of_dialects={"deepstack": KeylessClients(tenant, parse_networks(named))},
    )
    assert (
        levels(check_keyless(settings, ServeSettings(trusted_proxies=parse_networks(proxies))))
        == expected
    )


# --- models and book
# --------------------------------------------------------------------------------------------------


def test_a_damaged_file_of_a_pack_is_told_with_what_mends_it(tmp_path: Path) -> None:
    own_pack(tmp_path)
    pack = packs.read_pack(tmp_path, NAME)
    assert levels(check_files(pack)) == [OK]
    damaged = tmp_path / NAME / pack.files[0].name
    damaged.unlink()
    damaged.write_bytes(bytes(pack.files[0].size_bytes))
    assert only(check_files(pack)) == (
        FAILED,
        f"{damaged} is damaged (SHA-256). Copy it there again",
    )


def test_a_model_that_no_pack_has_is_told(tmp_path: Path) -> None:
    with closing(book(tmp_path)) as services:
        found = list(check_models(Settings(storage=tmp_path), services.tenants.list_all()))
    assert "no model pack here makes embeddings of the model" in found[-1].says
    assert found[-1].level is FAILED


def test_silent_cameras_are_told(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    with closing(book(tmp_path, clock)) as services:
        tenant = services.tenants.get_by_name("shop")
        services.cameras.add(tenant, "door", "Door", CameraSettings(silent_after_s=600))
        assert only(check_cameras(services, [tenant], clock.now())) == (
            OK,
            "1 cameras, none needs attention",
        )
        clock.advance(timedelta(hours=1))
        level, says = only(check_cameras(services, [tenant], clock.now()))
        assert (level, says.startswith("door of tenant shop has never sent anything")) == (
            WARNING,
            True,
        )


def test_what_a_sweep_withholds_is_told(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    with closing(book(tmp_path, clock)) as services:
        tenant = services.tenants.get_by_name("shop")
        for seed in range(6):
            services.enrolment.enrol_largest_face(tenant, "stranger", picture(Person(seed)), RULES)
        assert list(check_retention(services, [tenant])) == []
        clock.advance(timedelta(days=400))
        services.erasure.retention.sweep_tenant(tenant, lambda: 600.0)
        level, says = only(check_retention(services, [tenant]))
        assert (
            level,
            says.startswith("6 expired faces of group stranger of tenant shop are more than"),
        ) == (WARNING, True)


def test_who_is_kept_after_the_end_of_a_consent_is_told_with_the_days(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    with closing(book(tmp_path, clock)) as services:
        tenant = services.tenants.get_by_name("shop")
        assert list(check_ended(services, [tenant])) == []
        for faceid, wish in (("ann", None), ("eva", Remembered(Basis.CONSENT, "letter", NOW))):
            new = NewFace(faceid, consent=Consent(Basis.CONSENT, NOW))
            face = picture(Person(len(faceid + str(wish))))
            services.enrolment.enrol_largest_face(tenant, "regular", face, RULES, new)
            services.consents.withdraw_consent(tenant, faceid, wish=wish)
        told = sorted(one.says for one in check_ended(services, [tenant]))
        assert told[0].startswith("shop: the consent of ann ended. The sweep erases the person at ")
        assert told[1].startswith("shop: the consent of eva (consent) ended. From ")
        assert f"erased at {NOW + timedelta(days=365):%Y-%m-%d}" in told[1]


@pytest.mark.parametrize("strangers", [UNDECIDED, FORGET])
def test_a_missing_choice_and_a_missing_basis_are_told(tmp_path: Path, strangers: str) -> None:
    with closing(bootstrap.build(Settings(storage=tmp_path))) as services:
        services.tenants.add("shop", Profile.CLOUD, TenantSettings(strangers=strangers))
        told = [one.says for one in check_notices(services, services.tenants.list_all())]
        assert len([text for text in told if "lacks" in text and "basis" in text]) == 1, told
        asked = [text for text in told if "until somebody chooses" in text]
        assert len(asked) == (strangers == UNDECIDED)
        said = dict.fromkeys((*OF_NOTICE, "strangers_decided_by"), "said")
        services.tenants.change_settings("shop", {**said, "strangers": KEEP, "min_age": 14})
        assert only(check_notices(services, services.tenants.list_all())) == (
            OK,
            "all notices are complete",
        )


def test_hooks_whose_events_wait_or_whose_address_is_refused_are_told(tmp_path: Path) -> None:
    with closing(book(tmp_path)) as services:
        tenant = services.tenants.get_by_name("shop")
        assert only(check_hooks(services, [tenant])) == (
            OK,
            "0 hooks, no deliveries wait for a retry",
        )
        hook, _ = services.webhooks.hooks.add("shop", "https://receiver.example/secret-path")
        slack = Channel(Way.SLACK, "https://slack.example/secret-path")
        phone, _ = services.webhooks.hooks.add(
            "shop", None, channel=slack, template="{who}", kinds=["camera.silent"]
        )
        event = Event("group.full-1", GroupFull(capacity=7), NOW, "vip")
        services.items.transact(services.webhooks.outbox.make_delivery_puts("shop", [event]))
        assert levels(check_hooks(services, [tenant])) == [OK]
        [delivery] = services.webhooks.outbox.read_page("shop", hook.id, parked=False, limit=2).rows
        services.webhooks.outbox.park(
            replace(delivery, attempts=9), Why(Hindrance.ANSWERED, "the receiver answered 503")
        )
        level, says = only(check_hooks(services, [tenant]))
        assert (level, "1 failed for good (last error: the receiver answered 503)" in says) == (
            WARNING,
            True,
        )
        assert "secret-path" not in says
        services.webhooks.hooks.delete("shop", hook.id)
        services.webhooks.deliveries.send_test("shop", phone.id)
        [delivery] = services.webhooks.outbox.read_page(
            "shop", phone.id, parked=False, limit=2
        ).rows
        services.webhooks.outbox.park(
            replace(delivery, attempts=1), Why(Hindrance.ANSWERED, "the receiver answered 404")
        )
        level, says = only(check_hooks(services, [tenant]))
        assert (level, "(to slack.example): events 1 failed for good" in says) == (WARNING, True)
        assert "secret-path" not in says
