import email.parser
import email.policy
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from chalicelib.api.sunmi.probe import compute_signature
from chalicelib.domain.model import Credentials, Profile
from regulars.clients import Connection, Reply
from testing.ports import free_port
from tests.support.api.over_http import Sunmi
from tests.support.web.servers import head, says, serving

PICTURE = b"\xff\xd8\r\n--x\x00"


def test_the_signature_is_that_of_public_client_code() -> None:
    parameters = {
        "timestamp": "1593029283",
        "random": "289192",
        "sn": "FS101D8BS00106",
        "app_id": "JO83UNV983U9OR",
    }
    assert compute_signature(parameters, "12345678") == "72CB1C1031D3BA103D2FA1A57E171C2D"


class Recorder:
    """A transport that keeps what it is given."""

    def request(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        self.body, self.headers = body, headers
        return Reply(200, {}, {"code": 0}, 1.0)


def test_a_picture_is_sent_as_a_form_that_another_parser_reads() -> None:
    sent = Recorder()
    keys = Credentials("shop", Profile.CAMERA, "app", "key", "code", "rk_", "id", "secret")
    Sunmi(sent, keys).add_face("été", "7", PICTURE)
    content_type, body = sent.headers["Content-Type"], sent.body
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    *fields, picture = message.iter_parts()
    sent_fields = {part.get_param("name", header="content-disposition"): part for part in fields}
    assert set(sent_fields) == {"group_name", "faceid", "app_id", "random", "timestamp", "sign"}
    assert sent_fields["group_name"].get_payload(decode=True) == "été".encode()
    assert picture.get_param("name", header="content-disposition") == "pic"
    assert picture.get_payload(decode=True) == PICTURE
    assert picture.get_filename() == "picture"
    assert picture.get_content_type() == "image/jpeg"


class Kept(BaseHTTPRequestHandler):
    """Answers over connections that stay open, and says from which port it was asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        answer = b'{"port": %d, "bytes": %d}' % (self.client_address[1], len(data))
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Kept) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_connection_is_used_again_and_each_request_is_timed(url: str) -> None:
    with Connection(url) as connection:
        replies = [
            connection.request("POST", "/a?b=c", b"x" * size, {}) for size in (0, 10, 1_000_000)
        ]
    assert len({reply.json["port"] for reply in replies}) == 1
    assert [reply.json["bytes"] for reply in replies] == [0, 10, 1_000_000]
    assert all(reply.elapsed_ms > 0 for reply in replies)


def test_a_redirect_is_an_answer_and_not_followed(url: str) -> None:
    with Connection(url) as connection:
        reply = connection.request("POST", "/moved", b"", {})
    assert (reply.status, reply.headers["location"]) == (302, "/elsewhere")


def test_an_answer_that_is_no_json_has_none() -> None:
    with (
        serving(says(head("Content-Length: 2"), b"<>")) as port,
        Connection(f"http://127.0.0.1:{port}") as connection,
    ):
        assert connection.request("GET", "/", b"", {}).json is None


HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"


@pytest.mark.parametrize(
    "answer", [b"", HALF, None], ids=["nothing", "half of it", "nothing in time"]
)
def test_without_a_whole_answer_it_is_a_connection_error(answer: bytes | None) -> None:
    done = threading.Event()
    says_it = says(answer) if answer is not None else lambda *_: done.wait(10)
    with (
        serving(says_it) as port,
        Connection(f"http://127.0.0.1:{port}", timeout_s=0.3) as connection,
    ):
        with pytest.raises(ConnectionError):
            connection.request("GET", "/", b"", {})
        done.set()


def test_nobody_there_is_a_connection_error() -> None:
    with (
        Connection(f"http://127.0.0.1:{free_port()}") as connection,
        pytest.raises(ConnectionError),
    ):
        connection.request("GET", "/", b"", {})
