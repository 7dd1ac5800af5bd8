import http.client
import json
import re
import shutil
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from regulars.cli import main
from regulars.errors import OperatorError
from regulars.serve.tls import Certificate
from testing.needs import needed
from tests.regulars.serve.encrypted import encrypted
from tests.support.box.server import Server
from tests.support.box.session import ROOT, Session
from tests.support.pictures.photos import OTHER
from tests.support.waiting import PATIENCE_S, until
from tests.support.web.certificate import certificate


def serial_of(address: tuple[str, int]) -> int:
    """The serial number of the certificate that a new connection is shown."""
    return x509.load_pem_x509_certificate(
        ssl.get_server_certificate(address).encode()
    ).serial_number


def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    with encrypted(tmp_path) as address:
        assert serial_of(address) == 1
        certificate(tmp_path, serial=2)
        until(lambda: serial_of(address) == 2)


def test_a_renewal_that_cannot_be_used_leaves_the_former_certificate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    shown = Certificate(*certificate(tmp_path))
    (tmp_path / "other").mkdir()
    shutil.copy(certificate(tmp_path / "other", serial=2)[0], tmp_path / "chain.pem")
    shown.renew()
    shown.renew()
    [kept] = caplog.messages
    assert kept.startswith("the former certificate is kept: ")
    assert "the key is another certificate's" in kept
    shutil.copy(tmp_path / "other" / "key.pem", tmp_path / "key.pem")
    shown.renew()
    assert caplog.messages[1:] == [f"the certificate {tmp_path / 'chain.pem'} was read again"]


@pytest.mark.parametrize(
    ("days", "said"), [(30, ""), (9, "ends in 8 days, at "), (-1, "has ended at ")]
)
def test_a_certificate_that_ends_soon_or_has_ended_is_told_once_a_day(
    days: int, said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shown, now = Certificate(*certificate(tmp_path, days=days)), datetime.now(UTC)
    for hours in range(48):
        shown.tell_end(now + timedelta(hours=hours))
    assert len(caplog.messages) in ((2, 3) if said else (0,))
    assert all(
        "renew it; new files are taken without a restart" in message for message in caplog.messages
    )
    assert said in "".join(caplog.messages)
    caplog.clear()
    certificate(tmp_path, serial=2, days=90)
    shown.renew()
    shown.tell_end(now + timedelta(hours=49))
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_a_client_cannot_have_a_connections_keys_made_anew_again_and_again(tmp_path: Path) -> None:
    """Each renegotiation costs the server a signature; TLS 1.3 has none."""
    needed("openssl")
    with encrypted(tmp_path) as (host, port):
        asked = ["openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_2"]
        with subprocess.Popen(
            asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as client:
            said = iter(client.stdout.readline, b"")
            assert any(b"Extended master secret" in line for line in said), (
                "the first handshake is done"
            )
            client.stdin.write(b"R\n")
            client.stdin.flush()
            assert any(b"no renegotiation" in line for line in said)
            client.kill()


def test_nothing_older_than_tls_1_2_is_spoken(tmp_path: Path) -> None:
    assert Certificate(*certificate(tmp_path)).context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (
            lambda folder: (folder / "key.pem").unlink(),
            "key.pem cannot be read: No such file or directory",
        ),
        (lambda folder: (folder / "chain.pem").write_text("rubbish"), "one of them is not PEM"),
        (lambda folder: (folder / "key.pem").write_text("rubbish"), "one of them is not PEM"),
        (
            lambda folder: (folder / "other" / "key.pem").replace(folder / "key.pem"),
            "is another certificate's",
        ),
        (
            lambda folder: certificate(folder, passphrase=b"secret"),
            "key.pem has a passphrase",
        ),
    ],
)
def test_files_that_cannot_be_used_are_named_before_anything_starts(
    break_it: object, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(break_it)
    (tmp_path / "other").mkdir()
    certificate(tmp_path / "other")
    chain, key = certificate(tmp_path)
    break_it(tmp_path)
    with pytest.raises(OperatorError, match=said):
        Certificate(chain, key)
    data = tmp_path / "data"
    assert (
        main(["serve", "--data", str(data), "--tls-cert", str(chain), "--tls-key", str(key)]) == 1
    )
    assert said in capsys.readouterr().err
    assert not data.exists()


def test_the_certificate_that_docs_make_is_taken(tmp_path: Path) -> None:
    needed("openssl")
    page = (ROOT / "docs" / "install.md").read_text()
    (block,) = re.findall(r"^openssl .*?(?=^```)", page, re.DOTALL | re.MULTILINE)
    subprocess.run(["sh", "-c", block], cwd=tmp_path, check=True, capture_output=True)
    Certificate(tmp_path / "chain.pem", tmp_path / "key.pem")


def test_one_of_the_two_files_is_not_enough(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--tls-cert", str(certificate(tmp_path)[0])]) == 2
    assert "--tls-cert and --tls-key require each other" in capsys.readouterr().err


def test_sunmis_session_works_over_https_by_another_host_alone(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The very block of docs/sunmi.md; curl is told to trust the certificate, as a device's own
    store is."""
    chain, key = certificate(tmp_path)
    server = Server(tmp_path / "shop", "--tls-cert", str(chain), "--tls-key", str(key))
    try:
        assert server.url.startswith("https://127.0.0.1:")
        monkeypatch.setenv("CURL_CA_BUNDLE", str(chain))
        session = Session.of("A session to paste", ROOT / "docs/sunmi.md")
        answers = session.answers(server, photos / OTHER, "md5sum", "sort", "paste", "sed", "od")
        assert [json.loads(answer)["code"] for answer in answers] == [0] * 6
        assert is_secure(server, chain)
    finally:
        assert server.stop() == 0


def is_secure(server: Server, chain: Path) -> bool:
    """Whether a cookie of a session is for https alone."""
    host, port = server.url.removeprefix("https://").split(":")
    trusting = ssl.create_default_context(cafile=chain)
    connection = http.client.HTTPSConnection(host, int(port), timeout=PATIENCE_S, context=trusting)
    key = json.dumps({"api_key": server.credentials("shop").api_key})
    headers = {"Content-Type": "application/json", "Origin": server.url}
    connection.request("POST", "/v1/session", key, headers)
    answer = connection.getresponse()
    assert answer.status in (200, 201), answer.read()
    connection.close()
    return "; Secure" in str(answer.headers["Set-Cookie"])
