"""The page on which a new box asks for a code and a camera: `regulars-edge claim --page`. No terminal is needed.

It answers the local network, only as long as there is no edge.toml, for an hour. The first person who enters a code
that counts has the box. It has no script, loads nothing from elsewhere, and never shows a password again.
"""

from __future__ import annotations

import argparse
import base64
import io
import re
import secrets
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from regulars_edge import exits, logs, page
from regulars_edge.config import read_service_url, read_value, shows_the_key
from regulars_edge.doctor import Findings, examine_camera, list_places
from regulars_edge.errors import EdgeError, Misconfigured, SourceFailed
from regulars_edge.http import Address, limit_time
from regulars_edge.logs import redact_text
from regulars_edge.setup.command import make_camera_values, require_writable, save_file, say, use_code, write_camera

if TYPE_CHECKING:
    from PIL.Image import Image

OPEN_S = 3_600.0
"""How long the page waits for a person, in s. A restart of the box opens it again."""
MOST_WRONG_CODES, WAIT_S = 20, 5.0
"""After so many codes that do not count the page ends; after each, the next one waits: it guesses for nobody."""
MOST_FORM_BYTES, MOST_CALLERS, CALL_S = 8_192, 8, 120.0
"""Bounds of a form, of callers at once, and of one call, in s: a camera takes half a minute at most."""
_SHOWN_PX = 640
_HEADERS = {
    "Content_Security_Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer_Policy": "same-origin",  # with no-referrer, browsers send no Origin that can be compared
}
_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Connect a camera</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root { color-scheme: light dark; } * { box-sizing: border-box; }
body { margin: 1.5rem auto; padding: 0 1rem; max-width: 34rem; font: 17px/1.5 sans-serif; }
label { display: block; margin: 1rem 0; } input, textarea, button { width: 100%; padding: .6rem; font: inherit; }
img { width: 100%; } [role=alert] { border-left: 4px solid #d33; padding-left: 1rem; overflow-wrap: anywhere; }
</style><main><h1>Connect a camera</h1>"""


@dataclass(frozen=True)
class Form:
    """Entries of a person. `code`: the code and perhaps the service's URL, or the console's whole line."""

    code: str = ""
    place: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


def read_form(body: bytes) -> Form:
    """Read a form as browsers send it. Raises Misconfigured."""
    try:
        values = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=8, errors="strict")
    except ValueError:
        raise Misconfigured("this is no form of this page: open it again") from None
    return Form(**{name: values[name][0] for name in Form.__annotations__ if name in values})


def read_code(text: str, only_url: str | None) -> tuple[str, str]:
    """Return the code and the service's URL. `only_url`: the one service whose codes count. Raises Misconfigured."""
    words = text.replace("regulars-edge claim", " ", 1).split()
    code, said = (words[0], words[1] if len(words) > 1 else only_url) if words else ("", None)
    if not re.fullmatch(r"[\w-]{4,64}", code, re.ASCII) or said is None:
        raise Misconfigured(
            "enter code and address, as the console shows them: 7KQM-2XHP-94TD https://regulars.example"
        )
    url = read_value(read_service_url, said, "the service's address")
    if only_url is not None and url != only_url:
        raise Misconfigured(f"this box takes codes of {only_url} alone")
    if only_url is None and shows_the_key(url):
        why = f"{url} has to begin with https://, unless the box was made for it (--url)"
        raise Misconfigured(f"the camera's key would cross the network in the clear: {why}")
    return code, url


def read_camera(form: Form) -> Address:
    """Return the camera's address, which is a URL or an IP address alone, with its user. Raises Misconfigured."""
    place = form.place.strip()
    try:
        if re.match("(rtsps?|https?)://.", place, re.IGNORECASE) and place.isprintable() and urlsplit(place).hostname:
            address = Address.read(place, form.user or None, form.password or None)
        else:
            address = Address(str(ip_address(place)), form.user or None, form.password)
    except ValueError:
        raise Misconfigured("the camera's address should be 192.168.7.9, or rtsp://192.168.7.9/stream") from None
    if address.password and not address.user:
        raise Misconfigured("enter the camera's user, too")
    if address.password != address.password.strip() or not f"{address.user}{address.password}".isprintable():
        raise Misconfigured("user and password have no spaces at their ends, and no lines")
    return address


def find_objection(host: str, origin: str | None, caller: str, names: Collection[str]) -> str | None:
    """Say why a caller gets nothing, by its headers Host and Origin and its address; None: it gets an answer.

    The page is asked for by an address, a name in .local or one of `names`: a stranger's name may point here, too.
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").lower()
        if name not in names and not name.endswith(".local"):
            ip_address(name)
    except ValueError:
        return "Ask for the address of this box"
    if origin not in (None, f"http://{host}"):
        return "Another website sent this"
    return "Ask from the network of this box" if ip_address(caller).is_global else None


def make_page(form: Form, faults: Sequence[str] = (), only_url: str | None = None) -> str:
    """Make the page, with what a person has entered, but for the password, and what is wrong with it."""
    place = form.place if redact_text(form.place) == form.place else ""  # a URL may hold a password, too
    hint = "7KQM-2XHP-94TD" + ("" if only_url else " https://regulars.example")
    return f"""{_HEAD}{f"<div role=alert>{_list_lines(faults)}</div>" if faults else ""}
<form method="post" action="/" autocomplete="off"><input type="hidden" name="token" value="{escape(form.token)}">
<label>Code, as the console shows it<textarea name="code" rows="2" required placeholder="{hint}" autocapitalize="off"
spellcheck="false">{escape(form.code)}</textarea></label>
<label>Address of the camera<input name="place" required value="{escape(place)}" autocapitalize="off"
placeholder="192.168.7.9 or rtsp://192.168.7.9/stream"></label>
<label>User of the camera<input name="user" value="{escape(form.user)}" autocapitalize="off"></label>
<label>Password of the camera<input name="password" type="password" autocomplete="new-password"></label>
<p>This page is not encrypted. Somebody who listens on this network can read the password.</p>
<button>Connect</button><p>This takes up to half a minute.</p></form></main></html>"""


def make_last_page(findings: Findings) -> str:
    """Make the page that says that the camera works, with its picture."""
    shown = f'<img alt="What the camera sees" src="data:image/jpeg;base64,{_encode_picture(findings.picture)}">'
    return f"""{_HEAD}<p><strong>The camera is connected.</strong> You can close this page.</p>{shown}
{_list_lines([*findings.faults, *findings.said])}</main></html>"""


def _list_lines(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(redact_text(line))}' for line in lines)}</ul>"


def _encode_picture(picture: Image | None) -> str:
    out = io.BytesIO()
    if picture is not None:
        small = picture.convert("RGB")
        small.thumbnail((_SHOWN_PX, _SHOWN_PX))
        small.save(out, "JPEG")
    return base64.b64encode(out.getvalue()).decode()


@dataclass(eq=False)
class FirstPage:
    """The page's state until `file` is written. `use_code` and `examine` ask the service and the camera."""

    file: Path
    only_url: str | None = None
    use_code: Callable[[str, str], tuple[str, str]] = use_code
    examine: Callable[[Mapping[str, object]], Findings] = examine_camera
    now: Callable[[], float] = time.monotonic
    token: str = field(default_factory=secrets.token_urlsafe, repr=False)
    wrong_codes: int = 0
    _next_at: float = field(default=0.0, init=False)
    _end_at: float = field(init=False)
    _claimed: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._end_at = self.now() + OPEN_S

    @property
    def is_over(self) -> bool:
        return self.file.exists() or self.wrong_codes >= MOST_WRONG_CODES or self.now() >= self._end_at

    def show(self) -> str:
        return make_page(Form(token=self.token), only_url=self.only_url)

    def answer_form(self, body: bytes) -> str:
        """Connect the camera that a form names, and return the page that says so, or what is wrong."""
        form = Form()
        try:
            form = read_form(body)
            if not secrets.compare_digest(form.token.encode(), self.token.encode()):
                form = Form()
                raise Misconfigured("the page was opened before the box was started again: fill it in once more")
            if not self._lock.acquire(blocking=False):
                raise Misconfigured("a camera is being tried: wait half a minute, then press again")
            try:
                return make_last_page(self._connect(form))
            finally:
                self._lock.release()
        except (EdgeError, OSError) as error:  # a broken picture is an OSError
            return make_page(replace(form, token=self.token), str(error).splitlines(), self.only_url)

    def _connect(self, form: Form) -> Findings:
        """Use the code up, try the camera, write the files. Raises EdgeError: nothing is written then."""
        camera, (code, url) = read_camera(form), read_code(form.code, self.only_url)
        id_, key = self._claim(code, url)
        password_file, login = self.file.parent / f"{id_}.password", {"user": camera.user} if camera.user else {}
        try:
            if camera.password:
                save_file(password_file, camera.password.encode())
                login["password_file"] = str(password_file)
            place = next(list_places(camera.url, camera.user, camera.password), None)
            if place is None:
                raise Misconfigured("the camera names no stream: enter the URL that its manual names")
            values = make_camera_values(id_, place) | login
            findings = self.examine(values)
            if findings.picture is None:
                raise SourceFailed("\n".join(findings.faults))
            # `rotate` would be a guess by one face, and nobody could take it back without a terminal.
            values |= {name: findings.settings[name] for name in ("transport",) if name in findings.settings}
            self._require_new()
            write_camera(self.file, url, key, values)
        except BaseException:
            password_file.unlink(missing_ok=True)
            raise
        return findings

    def _require_new(self) -> None:
        if self.file.exists() or self.wrong_codes >= MOST_WRONG_CODES:
            raise Misconfigured("this box has a camera already, or met too many wrong codes: start it again")

    def _claim(self, code: str, url: str) -> tuple[str, str]:
        """Return the camera's id and key. A code is good once, so its answer is remembered. Raises EdgeError."""
        self._require_new()
        if (code, url) not in self._claimed:
            if (wait_s := self._next_at - self.now()) > 0:
                raise Misconfigured(f"wait {wait_s:.0f} seconds, then press again")
            require_writable(self.file.parent)
            try:
                self._claimed[code, url] = self.use_code(code, url)
            except EdgeError:
                self.wrong_codes, self._next_at = self.wrong_codes + 1, self.now() + WAIT_S
                raise
        return self._claimed[code, url]


class _Server(ThreadingHTTPServer):
    """A server of MOST_CALLERS at once; it hangs up on others."""

    daemon_threads = False  # the end waits for the last answer
    server_bind = socketserver.TCPServer.server_bind  # HTTPServer's asks the DNS for a name
    timeout = 0.2

    def __init__(self, port: int, first_page: FirstPage) -> None:
        super().__init__(("", port), _Handler)
        self.first_page, self.names = first_page, {"localhost", socket.gethostname().lower()}
        self._places = threading.BoundedSemaphore(MOST_CALLERS)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, *_: Any) -> None:
        error = sys.exception()
        if not isinstance(error, OSError):  # which is a caller that hung up, or took too long
            say(f"a call was not answered: {error!r}")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = page.SILENCE_S

    def handle(self) -> None:
        with limit_time(self.connection, CALL_S):
            super().handle()

    def do_POST(self) -> None:
        size, first_page = self.headers.get("Content-Length", "0"), self.server.first_page
        if not size.isdecimal() or int(size) > MOST_FORM_BYTES:
            self.send_error(413, f"A form has {MOST_FORM_BYTES} bytes at most")
            return
        body = self.rfile.read(int(size))  # what is not read would break the connection off before the answer is read
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if why := find_objection(host, origin, self.client_address[0], self.server.names):
            self.send_error(403, why)
        elif self.path != "/":
            self.send_error(404)
        else:
            text = first_page.answer_form(body) if self.command == "POST" else first_page.show()
            page.send_page(self, page.HTML, text.encode(), **_HEADERS)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: Any) -> None:
        pass


def serve_first_page(arguments: argparse.Namespace) -> int:
    """Answer until edge.toml is written; return 0 then, 4 if nobody came. Raises EdgeError if it cannot begin."""
    logs.log_to_stderr("text", "critical")
    file: Path = arguments.config.absolute()
    if arguments.code or arguments.camera:
        raise Misconfigured("--page asks for code and camera: leave both out")
    if file.exists():
        raise Misconfigured(f"{file} is there already, and the page is of new boxes: give CODE and URL")
    require_writable(file.parent)
    only_url = read_value(read_service_url, arguments.only_url, "--url") if arguments.only_url else None
    first_page = FirstPage(file, only_url)
    try:
        server = _Server(arguments.page, first_page)
    except OSError as error:
        raise EdgeError(f"the page cannot take port {arguments.page}: {error.strerror}") from error
    with server:
        say(f"to connect a camera, open http://{find_own_address()}:{arguments.page} in a browser of this network")
        while not first_page.is_over:
            server.handle_request()
    return exits.OK if file.exists() else exits.GAVE_UP


def find_own_address() -> str:
    """Return the address that this machine has in its network, else its name. Nothing is sent."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.connect(("192.0.2.1", 9))
            return str(line.getsockname()[0])
    except OSError:
        return socket.gethostname()
