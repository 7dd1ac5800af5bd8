"""Asks a device for its cameras' URLs and pictures: ONVIF's media service (version 1), over SOAP.

Any device may have answered the search. So it never gets the password, only digests of it (WS-UsernameToken, and
Digest if it asks for that), no other host is called because of what it says, and what it says is read within limits.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from html import escape

from regulars_edge.errors import SourceFailed
from regulars_edge.http import Http
from regulars_edge.setup.search import Device, is_at, parsed, text_of
from regulars_edge.sources.snapshot import Address, Credentials, asked, picture_at

LARGEST_ANSWER_BYTES = 2**20
"""A recorder with 64 channels lists its profiles in a quarter of it."""
MOST_CAMERAS = 64
DEVICE_S = 60.0

_DEVICE, _MEDIA = "http://www.onvif.org/ver10/device/wsdl", "http://www.onvif.org/ver10/media/wsdl"
_TIME = [f"Date/{{*}}{one}" for one in ("Year", "Month", "Day")] + [
    f"Time/{{*}}{one}" for one in ("Hour", "Minute", "Second")
]
_FARTHEST = timedelta(days=36_525)
_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss"


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
    """All that is said to one device, within a minute."""

    http: Http
    device: Device
    user: str | None
    password: str = field(repr=False)
    _ahead: timedelta = field(default=timedelta(), init=False)

    def __post_init__(self) -> None:
        self._credentials = None if self.user is None else Credentials(self.user, self.password, in_the_clear=False)
        self._ends = time.monotonic() + DEVICE_S

    def cameras(self) -> Iterator[Camera]:
        """Give each video source, with what can be learnt of it. Raises SourceFailed."""
        self._ahead = self._clock_ahead()
        media = self._media()
        answer = self._call(media, f'<GetProfiles xmlns="{_MEDIA}"/>')
        tokens: dict[str, str] = {}
        for profile in answer.findall(".//{*}Profiles"):
            source = text_of(profile, "{*}VideoSourceConfiguration/{*}SourceToken")
            if source and len(tokens) < MOST_CAMERAS:
                tokens.setdefault(source, profile.get("token", ""))  # a camera's first profile is its best
        if not tokens:
            raise SourceFailed("it has no camera")
        for channel, token in enumerate(tokens.values(), start=1):
            yield self._camera(media, token, channel)

    def _camera(self, media: str, token: str, channel: int) -> Camera:
        camera = Camera(self.device, channel)
        profile = f"<ProfileToken>{escape(token)}</ProfileToken>"
        schema = 'xmlns="http://www.onvif.org/ver10/schema"'
        setup = (
            f"<StreamSetup><Stream {schema}>RTP-Unicast</Stream>"
            f"<Transport {schema}><Protocol>RTSP</Protocol></Transport></StreamSetup>"
        )
        try:
            camera.stream = self._uri(media, "GetStreamUri", setup + profile, "rtsp", "rtsps")
        except SourceFailed as error:
            camera.said.append(f"no stream: {error}")
        try:
            camera.snapshot = self._uri(media, "GetSnapshotUri", profile, "http", "https")
            camera.picture = picture_at(self._http_in_time(), self._credentials, camera.snapshot).body
        except SourceFailed as error:
            camera.said.append(f"no picture: {error}")
        return camera

    def _uri(self, media: str, call: str, body: str, *schemes: str) -> str:
        answer = self._call(media, f'<{call} xmlns="{_MEDIA}">{body}</{call}>')
        uri = (answer.findtext(".//{*}Uri") or "").strip()
        if not is_at(uri, self.device.address, *schemes):
            raise SourceFailed(f"{call} answers no {schemes[0]} URL at {self.device.address}, but {uri[:200]!r}")
        return Address.of(uri).url

    def _clock_ahead(self) -> timedelta:
        """Ask for its time, which needs no password: a token of another time than its own is refused."""
        try:
            answer = self._call(self.device.url, f'<GetSystemDateAndTime xmlns="{_DEVICE}"/>', signed=False)
            numbers = [int(text_of(answer, f".//{{*}}UTCDateTime/{{*}}{path}")) for path in _TIME]
            year, month, day, hour, minute, second = numbers
            ahead = datetime(year, month, day, hour, minute, second, tzinfo=UTC) - datetime.now(UTC)
        except (SourceFailed, ValueError, OverflowError):
            return timedelta()
        return ahead if abs(ahead) < _FARTHEST else timedelta()

    def _media(self) -> str:
        """Return the URL of its media service; many devices have one URL for all services."""
        body = f'<GetCapabilities xmlns="{_DEVICE}"><Category>Media</Category></GetCapabilities>'
        try:
            url = text_of(self._call(self.device.url, body), ".//{*}Media/{*}XAddr")
        except SourceFailed:
            return self.device.url
        return url if is_at(url, self.device.address, "http", "https") else self.device.url

    def _call(self, url: str, body: str, *, signed: bool = True) -> ET.Element:
        envelope = (
            '<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">'
            f"<s:Header>{self._token() if signed else ''}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
        )
        kind = {"Content-Type": "application/soap+xml; charset=utf-8"}
        ask = partial(asked, self._http_in_time(), self._credentials, "POST", url)
        answer = ask(kind, envelope.encode(), LARGEST_ANSWER_BYTES)
        message = parsed(answer.body) if answer.status != 401 else None
        fault = None if message is None else message.find(".//{*}Fault")
        if answer.status == 401 or (fault is not None and "NotAuthorized" in "".join(fault.itertext())):
            what = "give --camera-user and --password-file" if self.user is None else "check user and password"
            raise SourceFailed(f"it lets nobody in without a password: {what}")
        if message is None or fault is not None or answer.status != 200:
            said = "" if fault is None else text_of(fault, ".//{*}Text") or text_of(fault, ".//{*}faultstring")
            raise SourceFailed(f"{url} answered {answer.status} {said}".rstrip())
        return message

    def _token(self) -> str:
        if self.user is None:
            return ""
        nonce = secrets.token_bytes(16)
        created = f"{datetime.now(UTC) + self._ahead:%Y-%m-%dT%H:%M:%SZ}"
        digest = hashlib.sha1(nonce + created.encode() + self.password.encode(), usedforsecurity=False).digest()
        return (
            f'<Security xmlns="{_WSS}-wssecurity-secext-1.0.xsd"><UsernameToken>'
            f"<Username>{escape(self.user)}</Username>"
            f'<Password Type="{_WSS}-username-token-profile-1.0#PasswordDigest">{_base64(digest)}</Password>'
            f'<Nonce EncodingType="{_WSS}-soap-message-security-1.0#Base64Binary">{_base64(nonce)}</Nonce>'
            f'<Created xmlns="{_WSS}-wssecurity-utility-1.0.xsd">{created}</Created></UsernameToken></Security>'
        )

    def _http_in_time(self) -> Http:
        if time.monotonic() > self._ends:
            raise SourceFailed(f"it has taken more than {DEVICE_S:.0f} s")
        return self.http


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
