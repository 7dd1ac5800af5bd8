import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from regulars_client.errors import OperatorError
from regulars_mqtt.broker import Address, Login
from regulars_mqtt.command import find_or_make_mailbox
from regulars_mqtt.discovery import EVENTS, Topics

from regulars.cli import main
from testing.needs import needed
from tests.support.mqtt.mosquitto import PASSWORD, USER, Listener, Mosquitto, mosquitto
from tests.support.mqtt.shop import Shop
from tests.support.waiting import until
from tests.support.web.certificate import certificate


class Command:
    """The process; all that it prints goes into a file."""

    def __init__(self, shop: Shop, folder: Path, *options: str, **environment: str) -> None:
        self.log = folder / "mqtt.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "regulars",
                    "mqtt",
                    "--mailbox",
                    shop.mailbox,
                    "--url",
                    shop.box.url,
                    *options,
                ],
                env={**os.environ, "REGULARS_API_KEY": shop.box.key, **environment},
                stdout=log,
                stderr=log,
            )

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that wants TLS and a password."""
    chain, key = certificate(tmp_path)
    passwords = tmp_path / "passwords"
    subprocess.run(
        [needed("mosquitto_passwd"), "-b", "-c", passwords, USER, PASSWORD],
        check=True,
        capture_output=True,
    )
    settings = (f"password_file {passwords}", f"certfile {chain}", f"keyfile {key}")
    with mosquitto(tmp_path / "mosquitto", *settings) as broker:
        yield broker


def test_tls_and_a_password_are_used_and_shown_nowhere(
    shop: Shop, guarded: Mosquitto, tmp_path: Path
) -> None:
    (tmp_path / "password").touch(0o600)
    (tmp_path / "password").write_text(PASSWORD + "\n")
    shop.enrol("Ann Lee")
    shop.arrives()
    options = (
        "--user",
        USER,
        "--password-file",
        str(tmp_path / "password"),
        "--ca-file",
        str(tmp_path / "chain.pem"),
    )
    command = Command(
        shop, tmp_path, "--broker", f"mqtts://127.0.0.1:{guarded.port}", "--names", *options
    )
    until(lambda: shop.waiting() == 0)
    assert command.stop() == 0
    said = command.log.read_text()
    assert f"the broker 127.0.0.1:{guarded.port} is connected" in said
    assert not [secret for secret in (PASSWORD, shop.box.key, "Ann") if secret in said]


def test_a_wrong_password_is_said_and_told_nowhere(
    shop: Shop, guarded: Mosquitto, tmp_path: Path
) -> None:
    options = ("--user", USER, "--ca-file", str(tmp_path / "chain.pem"))
    url = f"mqtts://127.0.0.1:{guarded.port}"
    command = Command(
        shop, tmp_path, "--broker", url, *options, REGULARS_MQTT_PASSWORD="wrong-horse"
    )
    until(lambda: "refuses the connection: Not authorized" in command.log.read_text())
    assert command.stop() == 0
    assert "wrong-horse" not in command.log.read_text()


def test_a_broker_without_tls_that_is_away_is_not_told_of_certificates(
    shop: Shop, tmp_path: Path
) -> None:
    command = Command(shop, tmp_path, "--broker", "mqtt://127.0.0.1:1")
    until(
        lambda: (
            "the broker 127.0.0.1:1 cannot be reached; it is tried again" in command.log.read_text()
        )
    )
    command.stop()


def test_a_certificate_that_nobody_vouches_for_is_refused(
    shop: Shop, guarded: Mosquitto, tmp_path: Path
) -> None:
    command = Command(shop, tmp_path, "--broker", f"mqtts://127.0.0.1:{guarded.port}")
    until(lambda: "its certificate is not trusted" in command.log.read_text())
    command.stop()


def test_a_kill_loses_no_arrival(
    shop: Shop, broker: Mosquitto, listener: Listener, tmp_path: Path
) -> None:
    url = f"mqtt://127.0.0.1:{broker.port}"
    arrivals = Topics(shop.box.services.tenants.read_stored("shop").book_id).name_camera("door")
    for who in range(3):
        shop.arrives(who=10 + who)
        command = Command(shop, tmp_path, "--broker", url)
        until(lambda seen=who: len({event["id"] for event in listener.events(arrivals)}) > seen)
        command.stop(signal.SIGKILL)
    command = Command(shop, tmp_path, "--broker", url)
    until(lambda: shop.waiting() == 0)
    assert command.stop() == 0
    assert len({event["id"] for event in listener.events(arrivals)}) == 3


def test_a_wrong_key_or_mailbox_is_said(
    shop: Shop,
    broker: Mosquitto,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = f"mqtt://127.0.0.1:{broker.port}"
    monkeypatch.setenv("REGULARS_API_KEY", "rk_" + "0" * 32)
    assert main(["mqtt", "--url", shop.box.url, "--broker", url, "--mailbox", shop.mailbox]) == 1
    assert "key" in capsys.readouterr().err
    monkeypatch.setenv("REGULARS_API_KEY", shop.box.key)
    hook = shop.client.add_hook(url="https://8.8.8.8/", name="shop's till")
    for mailbox, said in (
        ("404", "there is no hook '404'"),
        (hook.name, "is a hook with a URL, and no mailbox"),
    ):
        assert main(["mqtt", "--url", shop.box.url, "--broker", url, "--mailbox", mailbox]) == 1
        assert said in capsys.readouterr().err


def test_a_mailbox_is_found_by_its_name_and_made_once(
    shop: Shop, broker: Mosquitto, tmp_path: Path
) -> None:
    shop.mailbox = "home"
    for _ in range(2):
        command = Command(shop, tmp_path, "--broker", f"mqtt://127.0.0.1:{broker.port}")
        until(lambda log=command.log: "is connected" in log.read_text())
        assert command.stop() == 0
        command.log.unlink()
    [made] = [one for one in shop.client.list_hooks().hooks if one.name == "home"]
    assert (made.url, made.events) == (None, [*EVENTS])
    assert made.passes_to == "127.0.0.1"


def test_a_mailbox_says_whom_the_program_tells_now(shop: Shop) -> None:
    for told in ("old.lan", "broker.lan, frigate.lan"):
        assert find_or_make_mailbox(shop.client, shop.mailbox, told) == shop.mailbox
        assert shop.client.get_hook(shop.mailbox).passes_to == told


def test_a_password_file_that_others_may_read_is_refused(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGULARS_API_KEY", shop.box.key)
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "password").chmod(0o644)
    options = ["--user", USER, "--password-file", str(tmp_path / "password")]
    assert (
        main(
            [
                "mqtt",
                "--url",
                shop.box.url,
                "--broker",
                "mqtt://127.0.0.1",
                "--mailbox",
                "1",
                *options,
            ]
        )
        == 1
    )
    said = capsys.readouterr().err
    assert "chmod 600" in said
    assert PASSWORD not in said


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://broker.lan", Address("broker.lan", 1883, False)),
        ("mqtts://broker.lan", Address("broker.lan", 8883, True)),
        ("mqtt://[::1]:1884/", Address("::1", 1884, False)),
    ],
)
def test_addresses_of_brokers(url: str, address: Address) -> None:
    assert Address.of(url) == address


@pytest.mark.parametrize(
    "url",
    ["broker.lan", "http://broker.lan", "mqtt://", "mqtt://a:x", "mqtt://a:99999", "mqtt://a/b"]
    + [f"mqtt://u:{password}@a" for password in ("geheim", "geheim/x", "12/geheim")],
)
def test_what_is_no_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(OperatorError, match="--broker") as refused:
        Address.of(url)
    assert "geheim" not in str(refused.value)


def test_a_login_does_not_show_itself() -> None:
    assert PASSWORD not in repr(Login(USER, PASSWORD))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        *(
            (["--frigate", url], f"{url!r} is no URL of a service: write it as http://HOST:PORT")
            for url in ("http://[::1", "ftp://box", "http://box:80a")
        ),
        *(
            (
                ["--frigate", "http://10.0.0.2", "--frigate-topic", topic],
                f"--frigate-topic is a topic such as frigate or shop/frigate, not {topic!r}",
            )
            for topic in ("frigate/#", "+", "", "/frigate")
        ),
    ],
)
def test_a_wrong_option_is_named(
    options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mqtt", "--broker", "mqtt://x", *options]) == 2
    assert says in capsys.readouterr().err
