"""The page on which a box asks for a code and a camera: `regulars-edge claim --page`. No terminal
is needed.

It answers the local network, for an hour from its start. The first person who enters a code that
counts has a new box. One that has cameras takes another by a code of the same service, or a new
address, user and password of one that it has. The page has no script, loads nothing from elsewhere,
and never shows a password again. People in that network may try addresses through the box: what
fails is counted and logged, and always reads alike.
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
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from regulars_edge import exits, logs, page
from regulars_edge.config import (
    CameraConfig,
    load,
    parse_service_url,
    parse_value,
    shows_the_key,
)
from regulars_edge.doctor import Findings, examine_camera, list_places
from regulars_edge.errors import EdgeError, Misconfigured, SourceFailed
from regulars_edge.http import Address, limit_time
from regulars_edge.logs import redact_text, redact_url
from regulars_edge.reach import find_address, move_url
from regulars_edge.setup.command import (
    change_camera,
    make_camera_values,
    require_writable,
    save_file,
    say,
    use_code,
    write_camera,
)

if TYPE_CHECKING:
    from PIL.Image import Image

OPEN_S = 3_600.0
"""How long the page waits for a person, in s. A restart of the box opens it again."""
MOST_FAILED_TRIES, WAIT_S = 20, 5.0
"""After so many codes that do not count and places without a picture the page ends: it guesses and
scans for nobody. So long in s each of them takes at least, in which nothing else is tried."""
MOST_FORM_BYTES, MOST_CALLERS, MOST_OF_ONE, CALL_S = 8_192, 8, 2, 120.0
"""Bounds of a form, of calls at once, of those of one address, and of one call, in s: a camera
takes half a minute."""
HEAD_S = 10.0
"""Time that a call may take to come, with its form, in s."""
_SHOWN_PX = 640
_LOGGED_LETTERS = 300
"""Letters of a part of a log's line: who fails a try may have written them."""
_NO_CODE = """The code did not count. Why stands in the log of the box alone. \
Check, one after the other:
is it as the console shows it, no older than 15 minutes, and not used yet?
is the address of the service right, and does the box reach it?"""
_NO_PICTURE = """No picture came from there. Why stands in the log of the box alone. \
Check, one after the other:
is the camera on, and in a network that the box reaches?
is its address right? It is not the box's own, and does not begin with 127, 169.254 or fe80.
are user and password right? Many cameras lock a user after five wrong passwords.
does its manual name a URL? Enter that: \
an address alone is enough if ONVIF is on in the camera's settings."""
"""Texts that say what to do, and nothing of what answered: else the page would scan the network for
anybody."""
_HEADERS = {
    "Content_Security_Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    # with no-referrer, browsers send no Origin that can be compared
    "Referrer_Policy": "same-origin",
}
_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Connect a camera</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root { color-scheme: light dark; } * { box-sizing: border-box; }
body { margin: 1.5rem auto; padding: 0 1rem; max-width: 34rem; font: 17px/1.5 sans-serif; }
label { display: block; margin: 1rem 0; }
input, textarea, button { width: 100%; padding: .6rem; font: inherit; }
img { width: 100%; }
[role=alert] { border-left: 4px solid #d33; padding-left: 1rem; overflow-wrap: anywhere; }
</style><main><h1>Connect a camera</h1>"""


_OF_ITS_CAMERAS = """<p>This box has cameras. The code of one of them gives it another address,
user and password. The code of another camera adds that.</p>
"""


@dataclass(frozen=True)
class Form:
    """Entries of a person.

    `code`: the code and perhaps the service's URL, or the console's whole line.
    """

    code: str = ""
    place: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


def parse_form(body: bytes) -> Form:
    """Read a form as browsers send it. Raises Misconfigured."""
    try:
        values = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=8, errors="strict")
    except ValueError:
        raise Misconfigured("this is no form of this page: open it again") from None
    return Form(**{name: values[name][0] for name in Form.__annotations__ if name in values})


def parse_code(text: str, only_url: str | None) -> tuple[str, str]:
    """Return the code and the service's URL.

    `only_url`: the one service whose codes count. Raises Misconfigured.
    """
    words = text.replace("regulars-edge claim", " ", 1).split()
    code, said = (words[0], words[1] if len(words) > 1 else only_url) if words else ("", None)
    if not re.fullmatch(r"[\w-]{4,64}", code, re.ASCII) or said is None:
        raise Misconfigured(
            "enter code and address, as the console shows them: 7KQM-2XHP-94TD "
            "https://regulars.example"
        )
    url = parse_value(parse_service_url, said, "the service's address")
    if only_url is not None and url != only_url:
        raise Misconfigured(f"this box takes codes of {only_url} alone")
    if only_url is None and shows_the_key(url):
        why = f"{url} has to begin with https://, unless the box was made for it (--url)"
        raise Misconfigured(f"the camera's key would cross the network in the clear: {why}")
    return code, url


def parse_camera(form: Form) -> Address:
    """Return the camera's address, which is a URL or an IP address alone, with its user.

    Raises Misconfigured.
    """
    place = form.place.strip()
    try:
        if (
            re.match("(rtsps?|https?)://.", place, re.IGNORECASE)
            and place.isprintable()
            and urlsplit(place).hostname
        ):
            address = Address.read(place, form.user or None, form.password or None)
        else:
            address = Address(str(ip_address(place)), form.user or None, form.password)
    except ValueError:
        raise Misconfigured(
            "the camera's address should be 192.168.7.9, or rtsp://192.168.7.9/stream"
        ) from None
    if address.password and not address.user:
        raise Misconfigured("enter the camera's user, too")
    if (
        address.password != address.password.strip()
        or not f"{address.user}{address.password}".isprintable()
    ):
        raise Misconfigured("user and password have no spaces at their ends, and no lines")
    return address


def find_objection(
    host: str, origin: str | None, caller: str, names: Collection[str]
) -> str | None:
    """Say why a caller gets nothing, by its headers Host and Origin and its address; None: it gets
    an answer.

    The page is asked for by an address, a name in .local or one of `names`: a stranger's name may
    point here, too.
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


def make_page(
    form: Form,
    faults: Sequence[str] = (),
    only_url: str | None = None,
    *,
    has_cameras: bool = False,
) -> str:
    """Make the page, with what a person has entered, but for the password, and what is wrong with
    it. `has_cameras`: whether the box has some already."""
    place = form.place.strip()
    url = place if "://" in place else f"http://{place}"
    place_shown = place if redact_url(url) == url else ""  # a URL may hold a password, too
    hint = "7KQM-2XHP-94TD" + ("" if only_url else " https://regulars.example")
    return f"""{_HEAD}{f"<div role=alert>{_list_lines(faults)}</div>" if faults else ""}
{_OF_ITS_CAMERAS if has_cameras else ""}<form method="post" action="/" autocomplete="off">
<input type="hidden" name="token" value="{escape(form.token)}">
<label>Code, as the console shows it<textarea name="code" rows="2" required
placeholder="{hint}" autocapitalize="off" spellcheck="false">{escape(form.code)}</textarea></label>
<label>Address of the camera<input name="place" required value="{escape(place_shown)}"
autocapitalize="off" placeholder="192.168.7.9 or rtsp://192.168.7.9/stream"></label>
<label>User of the camera
<input name="user" value="{escape(form.user)}" autocapitalize="off"></label>
<label>Password of the camera
<input name="password" type="password" autocomplete="new-password"></label>
<p>This page is not encrypted. Somebody who listens on this network can read the password.</p>
<button>Connect</button><p>This takes up to half a minute.</p></form></main></html>"""


def make_last_page(findings: Findings) -> str:
    """Make the page that says that the camera works, with its picture."""
    shown = (
        '<img alt="What the camera sees" '
        f'src="data:image/jpeg;base64,{_encode_picture(findings.picture)}">'
    )
    return f"""{_HEAD}<p><strong>The camera is connected.</strong>
You can close this page.</p>{shown}
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
    """The page's state: until `file` is written, or, if it `has_cameras`, for an hour.

    `use_code` and `examine` ask the service and the camera.

    `only_url`: the one service whose codes count; None: that of the first code that counts.
    `find_address`: the address at which a host is asked, or SourceFailed.
    """

    file: Path
    only_url: str | None = None
    has_cameras: bool = False
    use_code: Callable[[str, str], tuple[str, str]] = use_code
    examine: Callable[[Mapping[str, object]], Findings] = examine_camera
    find_address: Callable[[str], str] = find_address
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    token: str = field(default_factory=secrets.token_urlsafe, repr=False)
    failed_tries: int = 0
    _end_at: float = field(init=False)
    _claimed: dict[tuple[str, str], tuple[str, str]] = field(
        default_factory=dict, init=False, repr=False
    )
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._end_at = self.now() + OPEN_S

    @property
    def is_over(self) -> bool:
        return (
            (self.file.exists() and not self.has_cameras)
            or self.failed_tries >= MOST_FAILED_TRIES
            or self.now() >= self._end_at
        )

    @property
    def service_url(self) -> str | None:
        """The one service whose codes count from now on; None: that of any."""
        return next((url for _, url in self._claimed), self.only_url)

    def show(self) -> str:
        return make_page(
            Form(token=self.token), only_url=self.service_url, has_cameras=self.has_cameras
        )

    def answer_form(self, body: bytes, caller: str) -> str:
        """Connect the camera that a form names, and return the page that says so, or what is wrong.

        `caller`: the address of the person's browser, for the log.
        """
        form = Form()
        try:
            form = parse_form(body)
            if not secrets.compare_digest(form.token.encode(), self.token.encode()):
                form = Form()
                raise Misconfigured(
                    "the page was opened before the box was started again: fill it in once more"
                )
            if not self._lock.acquire(blocking=False):
                raise Misconfigured(
                    "something is being tried: wait half a minute, then press again"
                )
            try:
                return make_last_page(self._connect(form, caller))
            finally:
                self._lock.release()
        except EdgeError as error:
            return make_page(
                replace(form, token=self.token),
                str(error).splitlines(),
                self.service_url,
                has_cameras=self.has_cameras,
            )

    def _connect(self, form: Form, caller: str) -> Findings:
        """Use the code up, try the camera, write the files.

        Raises EdgeError: nothing is written then.
        """
        camera, (code, url) = parse_camera(form), parse_code(form.code, self.service_url)
        self._require_new()
        require_writable(self.file.parent)
        with self._count_failure(caller, f"no code of {url}", None if self.only_url else _NO_CODE):
            id_, key = self._claim(code, url)
        known = self._find_camera(id_)
        if known is not None and known.api_key_file is not None:  # its former key is none any more
            save_file(known.api_key_file, f"{key}\n".encode(), like=self.file)
        password_file = self.file.parent / f"{id_}.password"
        tried_file = password_file.with_suffix(".tried")  # the former one may be right after all
        login = {"user": camera.user} if camera.user else {}
        try:
            if camera.password:
                save_file(tried_file, camera.password.encode())
                login["password_file"] = str(tried_file)
            with self._count_failure(
                caller, f"no picture from {redact_url(camera.url)}", _NO_PICTURE
            ):
                values, findings = self._look(id_, camera, login)
            # `rotate` would be a guess by one face, and nobody could take it back without a
            # terminal.
            values |= {
                name: findings.settings[name]
                for name in ("transport",)
                if name in findings.settings
            }
            self._require_new()
            if camera.password:
                save_file(password_file, camera.password.encode())
                values["password_file"] = str(password_file)
            if known is None:
                write_camera(self.file, url, key, values)
            else:
                change_camera(self.file, key, values)
        except BaseException:
            if known is None:
                password_file.unlink(missing_ok=True)
            raise
        finally:
            tried_file.unlink(missing_ok=True)
        return findings

    def _find_camera(self, id_: str) -> CameraConfig | None:
        """Return the camera of this id, if the box has it."""
        cameras = load(self.file).cameras if self.has_cameras else ()
        return next((camera for camera in cameras if camera.name == id_), None)

    def _look(
        self, id_: str, camera: Address, login: dict[str, str]
    ) -> tuple[dict[str, object], Findings]:
        """Return the values of the [[camera]], and what was found at the one address that its host
        leads to now.

        Raises SourceFailed if there is no picture.
        """
        address = self.find_address(urlsplit(camera.url).hostname or camera.url)
        place = next(list_places(camera.url, camera.user, camera.password), None)
        if place is None:
            raise SourceFailed("it names no stream")
        values = make_camera_values(id_, place) | login
        findings = self.examine(values | move_url(place, address))
        if findings.picture is None:
            raise SourceFailed("; ".join(findings.faults))
        return values, findings

    @contextmanager
    def _count_failure(self, caller: str, what: str, advice: str | None) -> Iterator[None]:
        """Count and log what fails in the block, let it take WAIT_S in all, and say `advice` in
        place of it.

        `what`: what a failure means, for the log; `advice` None: what failed is said. Raises
        Misconfigured.
        """
        began_at = self.now()
        try:
            yield
        # whatever an answer breaks is one try, and reads like all others
        except Exception as error:
            why = str(error) if isinstance(error, EdgeError) else repr(error)
            self.failed_tries += 1
            said = redact_text(" ".join(why.split()))[:_LOGGED_LETTERS]
            # `what` last: an @ of an answer would hide it
            say(f"{caller}: {said} ({what[:_LOGGED_LETTERS]})")
            self.sleep(max(0.0, began_at + WAIT_S - self.now()))
            raise Misconfigured(advice or why) from error

    def _require_new(self) -> None:
        has_begun = self.file.exists() and not self.has_cameras
        if has_begun or self.failed_tries >= MOST_FAILED_TRIES:
            raise Misconfigured(
                "this box has a camera already, or met too many wrong tries: start it again"
            )

    def _claim(self, code: str, url: str) -> tuple[str, str]:
        """Return the camera's id and key.

        A code is good once, so its answer is remembered. Raises EdgeError.
        """
        if (code, url) not in self._claimed:
            self._claimed[code, url] = self.use_code(code, url)
        return self._claimed[code, url]


@dataclass
class _Caller:
    address: str
    since: float
    is_heard: bool = False
    """True if its call came in full."""


class _Server(ThreadingHTTPServer):
    """A server of MOST_CALLERS at once, and MOST_OF_ONE of one address; it hangs up on others.

    Who comes when all places are taken gets that of a call that has not come in full, of an address
    with more places.
    """

    daemon_threads = False  # the end waits for the last answer
    server_bind = socketserver.TCPServer.server_bind  # HTTPServer's asks the DNS for a name
    timeout = 0.2

    def __init__(self, port: int, first_page: FirstPage, head_s: float = HEAD_S) -> None:
        super().__init__(("", port), _Handler)
        self._head_s = head_s
        self.first_page, self.names = first_page, {"localhost", socket.gethostname().lower()}
        self._callers: dict[socket.socket, _Caller] = {}

    def serve(self) -> None:
        """Answer until the page is over."""
        while not self.first_page.is_over:
            self.handle_request()
            for request, caller in self._list_unheard():
                if time.monotonic() > caller.since + self._head_s:
                    self._hang_up(request)

    def process_request(self, request: Any, client_address: Any) -> None:
        address = client_address[0]
        if len(self._callers) >= MOST_CALLERS:
            self._make_room(address)
        is_full = len(self._callers) >= MOST_CALLERS
        if is_full or self._count_places()[address] >= MOST_OF_ONE:
            self.shutdown_request(request)
            return
        self._callers[request] = _Caller(address, time.monotonic())
        super().process_request(request, client_address)

    def _make_room(self, address: str) -> None:
        """Hang up on the oldest call of those with the most places, if these are more than this
        address has."""
        places = self._count_places()
        unheard = self._list_unheard()
        if not unheard:
            return
        request, caller = max(unheard, key=lambda each: places[each[1].address])
        if places[caller.address] > places[address]:
            self._hang_up(request)

    def _count_places(self) -> Counter[str]:
        return Counter(caller.address for caller in [*self._callers.values()])

    def _list_unheard(self) -> list[tuple[socket.socket, _Caller]]:
        """Return the calls that have not come in full, the oldest first."""
        return [each for each in [*self._callers.items()] if not each[1].is_heard]

    def _hang_up(self, request: socket.socket) -> None:
        self.free_place(request)
        with suppress(OSError):  # it is gone already
            request.shutdown(socket.SHUT_RDWR)

    def note_heard(self, request: socket.socket) -> None:
        """Note that a call came in full: no other gets its place."""
        if caller := self._callers.get(request):
            caller.is_heard = True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.free_place(request)

    def free_place(self, request: socket.socket) -> None:
        self._callers.pop(request, None)

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
        """Answer a call of the page: show it, or take its form.

        `a form that is too large`: 413; `another name or another site's form`: 403; `another path`:
        404.
        """
        size, first_page = self.headers.get("Content-Length", "0"), self.server.first_page
        if not size.isdecimal() or int(size) > MOST_FORM_BYTES:
            self.send_error(413, f"A form has {MOST_FORM_BYTES} bytes at most")
            return
        # what is not read would break the connection off before the answer is read
        body = self.rfile.read(int(size))
        self.server.note_heard(self.connection)
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if why := find_objection(host, origin, self.client_address[0], self.server.names):
            self.send_error(403, why)
        elif self.path != "/":
            self.send_error(404)
        else:
            text = (
                first_page.answer_form(body, self.client_address[0])
                if self.command == "POST"
                else first_page.show()
            )
            page.send_page(self, page.HTML, text.encode(), **_HEADERS)

    def do_GET(self) -> None:
        self.do_POST()

    def send_response(self, code: int, message: str | None = None) -> None:
        # with the answer in hand, a caller may come again at once
        self.server.free_place(self.connection)
        super().send_response(code, message)

    def log_message(self, *_: Any) -> None:
        pass


def serve_first_page(arguments: argparse.Namespace) -> int:
    """Serve the page until edge.toml is written; return 0 then, 4 if nobody used it.

    Raises EdgeError if it cannot begin.
    """
    logs.log_to_stderr("text", "critical")
    file: Path = arguments.config.absolute()
    if arguments.code or arguments.camera:
        raise Misconfigured("--page asks for code and camera: leave both out")
    old_config = load(file) if file.exists() else None
    require_writable(file.parent)
    only_url = (
        parse_value(parse_service_url, arguments.only_url, "--url") if arguments.only_url else None
    )
    if old_config is not None:
        only_url = old_config.url  # whatever the unit's --url says: the box is its
    elif only_url is not None and (urlsplit(only_url).hostname or "").endswith(".example"):
        raise Misconfigured(
            f"--url {only_url} is an example: let it name your service, whose codes alone count "
            "then"
        )
    ask = partial(use_code, ca_file=old_config.ca_file if old_config else None)
    first_page = FirstPage(file, only_url, has_cameras=old_config is not None, use_code=ask)
    try:
        server = _Server(arguments.page, first_page)
    except OSError as error:
        raise EdgeError(f"the page cannot take port {arguments.page}: {error.strerror}") from error
    with server:
        say(
            f"to connect a camera, open http://{find_own_address()}:{arguments.page} in a browser "
            "of this network"
        )
        server.serve()
    is_well = file.exists() and first_page.failed_tries < MOST_FAILED_TRIES
    return exits.OK if is_well else exits.GAVE_UP


def find_own_address() -> str:
    """Return the address that this machine has in its network, else its name. Nothing is sent."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.connect(("192.0.2.1", 9))
            return str(line.getsockname()[0])
    except OSError:
        return socket.gethostname()
