"""Finds cameras by WS-Discovery (2005/04), as ONVIF's core specification wants it, and asks them
for URLs and pictures: ONVIF's media service (version 1), over SOAP.

XML and URLs in answers may have been written by anything in the network. So a device never gets the
password, only digests of it (WS-UsernameToken, and Digest if it asks for that), no other host is
called because of what it says, and what it says is read within limits.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import ipaddress
import secrets
import socket
import struct
import time
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from html import escape
from urllib.parse import unquote, urlsplit
from xml.parsers import expat

from regulars_edge.errors import Misconfigured, PasswordRefused, SourceFailed
from regulars_edge.http import Address, Answer, Http
from regulars_edge.logs import redact_url
from regulars_edge.sources.login import Credentials
from regulars_edge.sources.snapshot import ask_camera, ask_picture, is_url_at

_LONGEST_TEXT = 200
"""Characters of a device's name or message that are shown."""


def parse_xml(data: bytes) -> ET.Element:
    """Parse XML without a document type, so that there are no entities. Raises SourceFailed.

    What is no UTF-8 is read as such all the same: cameras put names of any encoding into their
    answers, and blank lines and zeros around them. Names are those behind the prefix, which some do
    not declare.
    """
    text = data.decode("utf-8", "replace").strip("\ufeff\0 \r\n\t")
    if "<!DOCTYPE" in text:
        raise SourceFailed("its answer is XML with a document type, which SOAP forbids")
    builder, parser = ET.TreeBuilder(), expat.ParserCreate()
    parser.StartElementHandler = lambda name, given: builder.start(_drop_prefix(name), given)
    parser.EndElementHandler = lambda name: builder.end(_drop_prefix(name))
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise SourceFailed(f"its answer is no XML: {error}") from error
    return builder.close()


def _drop_prefix(name: str) -> str:
    return name.rpartition(":")[2]


def parse_text(element: ET.Element, path: str) -> str:
    """Return the text at `path`, "" if there is none: one line without control characters, at most
    200 characters."""
    return make_printable(element.findtext(path) or "")[:_LONGEST_TEXT]


def make_printable(text: str) -> str:
    """Make one line of it: a terminal obeys control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


GROUP = ("239.255.255.250", 3702)
WAIT_S = 4.0
"""How long devices may take to answer a search, in s."""
MOST_DEVICES = 64
"""Devices that are listened to: anybody may answer, as often as they like."""
_LARGEST = 65_536
"""Bytes of the largest UDP datagram."""
_NAME, _HARDWARE = "onvif://www.onvif.org/name/", "onvif://www.onvif.org/hardware/"

_PROBE = """<?xml version="1.0" encoding="utf-8"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery">
<s:Header><a:MessageID>urn:uuid:{asked}</a:MessageID><a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>
<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></s:Header>
<s:Body><d:Probe><d:Types xmlns:n="http://www.onvif.org/ver10/network/wsdl">n:NetworkVideoTransmitter</d:Types></d:Probe>
</s:Body></s:Envelope>"""


@dataclass(frozen=True)
class Device:
    """One device that answered: `url` is its device service, at `address` itself; `name` what it
    calls itself."""

    address: str
    url: str
    name: str


def search_devices(
    target: tuple[str, int] = GROUP, wait_s: float = WAIT_S, interfaces: Iterable[int] | None = None
) -> list[Device]:
    """Return the devices that answer within `wait_s`, one an address.

    It asks twice, as datagrams get lost.

    `interfaces`: their numbers; None: all of the machine's, as cameras often have a network of
    their own. Raises Misconfigured.
    """
    asked = uuid.uuid4()
    found: dict[str, Device] = {}
    began_at = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        for until in (began_at + wait_s / 4, began_at + wait_s):
            _send_probe(line, _PROBE.format(asked=asked).encode(), target, interfaces)
            _listen_for_devices(line, asked, until, found)
    return sorted(found.values(), key=lambda device: ipaddress.ip_address(device.address))


def _send_probe(
    line: socket.socket, probe: bytes, target: tuple[str, int], interfaces: Iterable[int] | None
) -> None:
    """Send the probe to one address, or to a group through each interface.

    Raises Misconfigured if none takes it.
    """
    try:
        if not ipaddress.ip_address(target[0]).is_multicast:
            line.sendto(probe, target)
            return
    except OSError as error:
        raise Misconfigured(f"{target[0]} cannot be asked: {error.strerror}") from error
    is_sent = False
    for number in interfaces or [number for number, _ in socket.if_nameindex()]:
        with contextlib.suppress(OSError):  # an interface that is down, or has no address
            line.setsockopt(
                socket.IPPROTO_IP,
                socket.IP_MULTICAST_IF,
                struct.pack("4s4si", bytes(4), bytes(4), number),
            )
            line.sendto(probe, target)
            is_sent = True
    if not is_sent:
        raise Misconfigured(
            "this machine is in no network: connect it, or name a camera's address with --probe"
        )


def _listen_for_devices(
    line: socket.socket, asked: uuid.UUID, until: float, found: dict[str, Device]
) -> None:
    while (left_s := until - time.monotonic()) > 0:
        line.settimeout(left_s)
        try:
            data, (address, _) = line.recvfrom(_LARGEST)
        except TimeoutError:
            return
        with contextlib.suppress(SourceFailed):
            device = parse_device(data, address, asked)
            if device is not None and len(found) < MOST_DEVICES:
                found.setdefault(address, device)


def parse_device(data: bytes, address: str, asked: uuid.UUID) -> Device | None:
    """Read a datagram; None for what answers another's question.

    Raises SourceFailed for what is no XML.
    """
    message = parse_xml(data)
    match = message.find(".//{*}ProbeMatch")
    if match is None or str(asked) not in (message.findtext(".//{*}RelatesTo") or ""):
        return None
    urls = (match.findtext("{*}XAddrs") or "").split()
    # A device with several addresses names them all, or only that of another network.
    at_address = next((url for url in urls if is_url_at(url, address, "http", "https")), None)
    moved = (move_to_address(url, address, "http", "https") for url in urls)
    usual = f"http://{address}/onvif/device_service"
    return Device(address, at_address or next(filter(None, moved), usual), _find_name(match))


def move_to_address(url: str, address: str, *schemes: str) -> str | None:
    """Return a URL at the address that answered, with the path and port that a device names; None:
    it is no URL.

    Devices name addresses of theirs in other networks, or those that they had before.
    """
    with contextlib.suppress(ValueError):
        parts = urlsplit(url.strip())
        port = "" if parts.port is None else f":{parts.port}"
        found = (
            url.strip()
            if parts.hostname == address
            else parts._replace(netloc=address + port).geturl()
        )
        return found if is_url_at(found, address, *schemes) else None
    return None


def _find_name(match: ET.Element) -> str:
    scopes = (match.findtext("{*}Scopes") or "").split()
    for kind in (_NAME, _HARDWARE):
        for scope in scopes:
            if scope.startswith(kind) and (
                name := make_printable(unquote(scope.removeprefix(kind)))
            ):
                return name
    return "camera"


LARGEST_ANSWER_BYTES = 2**20
"""A recorder with 64 channels lists its profiles in a quarter of it."""
MOST_CAMERAS = 64
"""Channels of one device that are listed."""
DEVICE_S = 60.0
"""How long all questions to one device may take, in s."""

_DEVICE, _MEDIA = "http://www.onvif.org/ver10/device/wsdl", "http://www.onvif.org/ver10/media/wsdl"
_MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
_TIME = [f"Date/{{*}}{one}" for one in ("Year", "Month", "Day")] + [
    f"Time/{{*}}{one}" for one in ("Hour", "Minute", "Second")
]
_VIDEO = ("H264", "H265")
_FARTHEST, _NEAR = timedelta(days=36_525), timedelta(minutes=5)
_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss"


@dataclass(frozen=True)
class _Media:
    """A device's media service: its URL, and the namespace of its version."""

    url: str
    kind: str


def choose_profiles(answer: ET.Element) -> list[str]:
    """Return the token of each source's best profile, of either version of the media service.

    The best has most pixels; a video goes before single pictures (JPEG), and of equal ones the
    first. Raises SourceFailed if there is none.
    """
    best: dict[str, tuple[tuple[bool, int], str]] = {}
    for profile in answer.findall(".//{*}Profiles"):
        source = profile.findtext("{*}VideoSourceConfiguration/{*}SourceToken") or profile.findtext(
            "{*}Configurations/{*}VideoSource/{*}SourceToken"
        )
        encoder = profile.find("{*}VideoEncoderConfiguration")
        if encoder is None:
            encoder = profile.find("{*}Configurations/{*}VideoEncoder")
        worth = (False, 0) if encoder is None else _judge_encoder(encoder)
        if source and (source in best or len(best) < MOST_CAMERAS):
            known, _ = best.get(source, ((False, -1), ""))
            if worth > known:
                best[source] = worth, profile.get("token", "")
    if not best:
        raise SourceFailed("it has no camera")
    return [token for _, token in best.values()]


def _judge_encoder(encoder: ET.Element) -> tuple[bool, int]:
    """Return whether it makes a video that is decoded here, and how many pixels its pictures
    have."""
    sides = [parse_text(encoder, f"{{*}}Resolution/{{*}}{side}") for side in ("Width", "Height")]
    width, height = (int(side) if side.isdecimal() and len(side) < 6 else 0 for side in sides)
    return parse_text(encoder, "{*}Encoding").upper() in _VIDEO, width * height


@dataclass
class Camera:
    """One video source of a device. `said`: why there is no picture or no URL."""

    device: Device
    channel: int
    snapshot: str | None = None
    stream: str | None = None
    picture: bytes | None = None
    said: list[str] = field(default_factory=list)


@dataclass(eq=False)
class Talk:
    """A talk with one device, within a minute."""

    http: Http
    device: Device
    user: str | None
    password: str = field(repr=False)
    _ahead: timedelta | None = field(default=timedelta(), init=False)

    def __post_init__(self) -> None:
        self._credentials = (
            None
            if self.user is None
            else Credentials(self.user, self.password, in_the_clear=False, way="onvif")
        )
        self._ends = time.monotonic() + DEVICE_S

    def list_cameras(self) -> Iterator[Camera]:
        """Give each video source, with what can be learnt of it. Raises SourceFailed."""
        self._ahead = self._ask_clock_ahead()
        media, tokens = self._ask_profiles()
        for channel, token in enumerate(tokens, start=1):
            yield self._ask_camera(media, token, channel)

    def _ask_profiles(self) -> tuple[_Media, list[str]]:
        """Return the media service, and the token of each source's best profile: by version 2 if
        the device has no version 1.

        Raises SourceFailed.
        """
        media = _Media(self._ask_media_url(), _MEDIA)
        try:
            return media, choose_profiles(self._call(media.url, f'<GetProfiles xmlns="{_MEDIA}"/>'))
        except PasswordRefused:
            raise
        except SourceFailed as error:
            try:
                media2 = _Media(self._ask_media2_url(), _MEDIA2)
                wish = "<Type>VideoSource</Type><Type>VideoEncoder</Type>"
                body = f'<GetProfiles xmlns="{_MEDIA2}">{wish}</GetProfiles>'
                return media2, choose_profiles(self._call(media2.url, body))
            except SourceFailed:
                raise error from None

    def _ask_camera(self, media: _Media, token: str, channel: int) -> Camera:
        """Ask for the URLs of a profile, by its token, and for a picture."""
        camera = Camera(self.device, channel)
        profile = f"<ProfileToken>{escape(token)}</ProfileToken>"
        schema = 'xmlns="http://www.onvif.org/ver10/schema"'
        setup = (
            f"<StreamSetup><Stream {schema}>RTP-Unicast</Stream>"
            f"<Transport {schema}><Protocol>RTSP</Protocol></Transport></StreamSetup>"
        )
        wish = setup if media.kind == _MEDIA else "<Protocol>RTSP</Protocol>"
        try:
            camera.stream = self._ask_url(media, "GetStreamUri", wish + profile, "rtsp", "rtsps")
        except SourceFailed as error:
            camera.said.append(f"no stream: {error}")
        try:
            camera.snapshot = self._ask_url(media, "GetSnapshotUri", profile, "http", "https")
            camera.picture = ask_picture(
                self._http_in_time(), self._credentials, camera.snapshot
            ).body
        except SourceFailed as error:
            camera.said.append(f"no picture: {error}")
        return camera

    def _ask_url(self, media: _Media, call: str, body: str, *schemes: str) -> str:
        answer = self._call(media.url, f'<{call} xmlns="{media.kind}">{body}</{call}>')
        uri = answer.findtext(".//{*}Uri") or ""
        found = move_to_address(uri, self.device.address, *schemes)
        if found is None:
            raise SourceFailed(
                f"{call} answers no {schemes[0]} URL at {self.device.address}, but "
                f"{redact_url(uri)[:200]!r}"
            )
        return Address.read(found).url

    def _ask_clock_ahead(self) -> timedelta | None:
        """Ask by how much its clock is ahead, which needs no password: it refuses tokens of another
        time than its own.

        Some tell their local time alone. None: it does not say.
        """
        with contextlib.suppress(SourceFailed):
            answer = self._call(
                self.device.url, f'<GetSystemDateAndTime xmlns="{_DEVICE}"/>', signed=False
            )
            for kind in ("UTCDateTime", "LocalDateTime"):
                with contextlib.suppress(ValueError, OverflowError):
                    numbers = [
                        int(parse_text(answer, f".//{{*}}{kind}/{{*}}{path}")) for path in _TIME
                    ]
                    year, month, day, hour, minute, second = numbers
                    ahead = datetime(
                        year, month, day, hour, minute, second, tzinfo=UTC
                    ) - datetime.now(UTC)
                    if abs(ahead) < _FARTHEST:
                        return ahead
        return None

    def _ask_media_url(self) -> str:
        """Return the URL of its media service; many devices have one URL for all services."""
        body = f'<GetCapabilities xmlns="{_DEVICE}"><Category>Media</Category></GetCapabilities>'
        try:
            url = parse_text(self._call(self.device.url, body), ".//{*}Media/{*}XAddr")
        except PasswordRefused:
            raise
        except SourceFailed:
            return self.device.url
        is_empty = url.startswith(("http://:", "https://:")) and not urlsplit(url).path.strip("/")
        moved = None if is_empty else move_to_address(url, self.device.address, "http", "https")
        return moved or self.device.url

    def _ask_media2_url(self) -> str:
        """Return the URL of its media service, version 2. Raises SourceFailed if it has none."""
        wish = "<IncludeCapability>false</IncludeCapability>"
        answer = self._call(self.device.url, f'<GetServices xmlns="{_DEVICE}">{wish}</GetServices>')
        for service in answer.findall(".//{*}Service"):
            if parse_text(service, "{*}Namespace") == _MEDIA2:
                url = parse_text(service, "{*}XAddr")
                moved = move_to_address(url, self.device.address, "http", "https")
                return moved or self.device.url
        raise SourceFailed("it has no media service")

    def _call(self, url: str, body: str, *, signed: bool = True) -> ET.Element:
        """Send a request in a SOAP envelope, and return the answer's.

        Raises SourceFailed, PasswordRefused.
        """
        credentials = self._credentials if signed else None
        with nullcontext() if credentials is None else credentials.open_login(url):
            answer = self._post(url, body, self._make_token() if signed else "")
            message = parse_xml(answer.body) if answer.status != 401 else None
            fault = None if message is None else _find_fault(message)
            is_refused = answer.status == 401 or (
                fault is not None and "NotAuthorized" in "".join(fault.itertext())
            )
            if credentials is not None:
                credentials.note_answer(url, is_refused, said=self._explain_refusal())
            elif is_refused:
                raise PasswordRefused(self._explain_refusal())
        if message is None or fault is not None or answer.status != 200:
            reason = (
                ""
                if fault is None
                else parse_text(fault, ".//{*}Text") or parse_text(fault, ".//{*}faultstring")
            )
            raise SourceFailed(f"{redact_url(url)} answered {answer.status} {reason}".rstrip())
        return message

    def _post(self, url: str, body: str, token: str) -> Answer:
        """Send a body in a SOAP envelope. Raises SourceFailed, PasswordRefused."""
        envelope = (
            '<?xml version="1.0" encoding="utf-8"?><s:Envelope '
            'xmlns:s="http://www.w3.org/2003/05/soap-envelope">'
            f"<s:Header>{token}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
        )
        headers = {"Content-Type": "application/soap+xml; charset=utf-8"}
        ask = partial(ask_camera, self._http_in_time(), self._credentials, "POST", url)
        return ask(headers, envelope.encode(), LARGEST_ANSWER_BYTES)

    def _explain_refusal(self) -> str:
        advice = (
            "give --camera-user and --password-file"
            if self.user is None
            else "check user and password"
        )
        if self._ahead is None:
            clock = "; it does not tell its time"
        elif abs(self._ahead) > _NEAR:
            clock = f"; its clock is {self._ahead / timedelta(hours=1):+.1f} h off"
        else:
            return f"it lets nobody in without a password: {advice}"
        return (
            f"it lets nobody in without a password: {advice}{clock}, which it may mean: set its "
            "time and zone, or NTP"
        )

    def _make_token(self) -> str:
        """Return the header of a request that proves the password without sending it; "" without a
        user.

        It is the digest of WS-Security's UsernameToken: SHA-1 of a random number, the time by the
        camera's clock, and the password.
        """
        if self.user is None:
            return ""
        nonce = secrets.token_bytes(16)
        created = f"{datetime.now(UTC) + (self._ahead or timedelta()):%Y-%m-%dT%H:%M:%SZ}"
        digest = hashlib.sha1(
            nonce + created.encode() + self.password.encode(), usedforsecurity=False
        ).digest()
        return (
            f'<Security xmlns="{_WSS}-wssecurity-secext-1.0.xsd"><UsernameToken>'
            f"<Username>{escape(self.user)}</Username>"
            f'<Password Type="{_WSS}-username-token-profile-'
            f'1.0#PasswordDigest">{_encode_base64(digest)}</Password>'
            f'<Nonce EncodingType="{_WSS}-soap-message-security-'
            f'1.0#Base64Binary">{_encode_base64(nonce)}</Nonce>'
            f'<Created xmlns="{_WSS}-wssecurity-utility-1.0.xsd">{created}</Created></'
            "UsernameToken></Security>"
        )

    def _http_in_time(self) -> Http:
        if time.monotonic() > self._ends:
            raise SourceFailed(f"it has taken more than {DEVICE_S:.0f} s")
        return self.http


def _find_fault(message: ET.Element) -> ET.Element | None:
    """Return what an answer says in place of what was asked; one amid that does not count."""
    body = message.find("{*}Body")
    return (message if body is None else body).find("{*}Fault")


def _encode_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
