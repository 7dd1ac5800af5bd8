"""A device that answers WS-Discovery and the calls of ONVIF that `regulars-edge setup` makes, on
127.0.0.1."""

import base64
import hashlib
import re
import socket
import struct
import threading
import time
from datetime import UTC, datetime

from rig.camera import NONCE, PASSWORD, USER, Camera
from rig.server import Handler, Served

_SOAP = (
    '<?xml version="1.0" encoding="UTF-8"?><e:Envelope '
    'xmlns:e="http://www.w3.org/2003/05/soap-envelope">{}</e:Envelope>'
)
_SCHEMA = 'xmlns:tt="http://www.onvif.org/ver10/schema"'
_FAULT = (
    "<e:Body><e:Fault><e:Code><e:Value>e:Sender</e:Value><e:Subcode><e:Value>ter:{code}</e:Value></"
    "e:Subcode></e:Code>"
    '<e:Reason><e:Text xml:lang="en">{text}</e:Text></e:Reason></e:Fault></e:Body>'
)

CHALLENGE = f'Digest realm="cam", nonce="{NONCE}"'
GROUP = "239.255.255.250"


class Device(Served):
    """`answers`: bodies that replace those of calls, by the call's name.

    `password`: None if it asks for none; `has_http_digest`: whether it takes Digest of HTTP alone.

    A token is refused if its time is more than a minute off the device's clock, which is `ahead_s`
    ahead. A picture's URL asks for `picture_auth`.
    """

    def __init__(
        self, name: str = "Front door", channels: int = 1, picture_auth: str = "Digest"
    ) -> None:
        super().__init__(_Handler)
        self.name = name
        self.channels = channels
        self.password: str | None = PASSWORD
        self.has_http_digest = False
        self.ahead_s = 0.0
        self.answers: dict[str, str | bytes] = {}
        self.datagrams: list[bytes] | None = None
        self.profiles: dict[str, tuple[str, int, int] | None] = {"main": None, "sub": None}
        """Of each channel: encoding, width and height by the profile's name, if it says them."""
        self.has_media2_only = False
        self.calls: list[str] = []
        self.requests: list[str] = []
        self.camera = Camera(picture_auth)
        self.snapshot = f"http://127.0.0.1:{self.camera.port}/shot.jpg"
        self.xaddrs = f"http://192.168.77.1/onvif/device_service {self.url}/onvif/device_service"
        self._line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._line.bind(("", 0))
        self.address = ("127.0.0.1", self._line.getsockname()[1])
        join = struct.pack("4s4si", socket.inet_aton(GROUP), bytes(4), socket.if_nametoindex("lo"))
        self._line.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, join)
        threading.Thread(target=self._listen, daemon=True).start()

    def stop(self) -> None:
        self.camera.stop()
        self._line.sendto(b"", self.address)
        super().stop()

    def match(self, asked: str) -> bytes:
        return _SOAP.format(
            "<e:Header><a:RelatesTo "
            f'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing">{asked}</a:RelatesTo></e:'
            "Header>"
            "<e:Body><d:ProbeMatches "
            'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><d:ProbeMatch>'
            "<d:Scopes>onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/hardware/X1 "
            f"onvif://www.onvif.org/name/{self.name.replace(' ', '%20')}</d:Scopes>"
            f"<d:XAddrs>{self.xaddrs}</d:XAddrs></d:ProbeMatch></d:ProbeMatches></e:Body>"
        ).encode()

    def _listen(self) -> None:
        while True:
            data, sender = self._line.recvfrom(65_536)
            if not data:
                self._line.close()
                return
            (asked,) = re.findall(r"MessageID>([^<]+)<", data.decode())
            for answer in self.datagrams if self.datagrams is not None else [self.match(asked)]:
                self._line.sendto(answer, sender)

    def body(self, call: str, request: str) -> str:
        if call == "GetSystemDateAndTime":
            now = datetime.fromtimestamp(time.time() + self.ahead_s, UTC)
            return (
                f"<tt:UTCDateTime {_SCHEMA}><tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:"
                f"Minute>{now.minute}</tt:Minute>"
                f"<tt:Second>{now.second}</tt:Second></tt:Time><tt:Date><tt:Year>{now.year}</tt:"
                "Year>"
                f"<tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date></tt:"
                "UTCDateTime>"
            )
        if call == "GetCapabilities":
            return f"<tt:Media {_SCHEMA}><tt:XAddr>{self.url}/onvif/media</tt:XAddr></tt:Media>"
        if call == "GetServices":
            return (
                "<Service><Namespace>http://www.onvif.org/ver10/device/wsdl</Namespace></Service>"
                "<Service><Namespace>http://www.onvif.org/ver20/media/wsdl</Namespace>"
                f"<XAddr>{self.url}/onvif/media2</XAddr></Service>"
            )
        if call == "GetProfiles":
            return "".join(
                self._profile(channel, kind)
                for channel in range(self.channels)
                for kind in self.profiles
            )
        ((token, kind),) = re.findall(r"ProfileToken>p&amp;(\d)(\w+)<", request)
        live = f"live{token}" if kind == "main" else f"{kind}{token}"
        uri = (
            self.snapshot
            if call == "GetSnapshotUri"
            else f"rtsp://127.0.0.1:554/{live}?a=1&amp;b=2"
        )
        if self.has_media2_only:
            return f"<Uri>{uri}</Uri>"
        return f"<MediaUri><tt:Uri {_SCHEMA}>{uri}</tt:Uri></MediaUri>"

    def _profile(self, channel: int, kind: str) -> str:
        source, encoder, said = "VideoSourceConfiguration", "VideoEncoderConfiguration", ""
        if self.has_media2_only:
            source, encoder = "VideoSource", "VideoEncoder"
        if (known := self.profiles[kind]) is not None:
            said = (
                f"<tt:{encoder} {_SCHEMA}><tt:Encoding>{known[0]}</tt:Encoding><tt:Resolution>"
                f"<tt:Width>{known[1]}</tt:Width><tt:Height>{known[2]}</tt:Height></tt:Resolution>"
                f"</tt:{encoder}>"
            )
        token = f"<tt:SourceToken>v{channel}</tt:SourceToken>"
        parts = f"<tt:{source} {_SCHEMA}>{token}</tt:{source}>{said}"
        if self.has_media2_only:
            parts = f"<Configurations>{parts}</Configurations>"
        return f'<Profiles token="p&amp;{channel}{kind}">{parts}</Profiles>'

    def is_signed(self, path: str, header: str) -> bool:
        """Tell whether a header has the answer to CHALLENGE (RFC 2069)."""
        parts = (f"{USER}:cam:{PASSWORD}", f"POST:{path}")
        secret, asked = (hashlib.md5(part.encode()).hexdigest() for part in parts)
        return f'"{hashlib.md5(f"{secret}:{NONCE}:{asked}".encode()).hexdigest()}"' in header

    def lets_in(self, request: str) -> bool:
        if self.password is None or self.has_http_digest:
            return True
        fields = dict(
            re.findall(r"<(Username|Password|Nonce|Created)(?: [^>]*)?>([^<]*)</", request)
        )
        if (
            set(fields) != {"Username", "Password", "Nonce", "Created"}
            or fields["Username"] != USER
        ):
            return False
        digest = hashlib.sha1(
            base64.b64decode(fields["Nonce"]) + fields["Created"].encode() + self.password.encode()
        ).digest()
        off_s = datetime.fromisoformat(fields["Created"]).timestamp() - time.time() - self.ahead_s
        return fields["Password"] == base64.b64encode(digest).decode() and abs(off_s) < 60


class _Handler(Handler):
    def answer(self) -> None:
        device: Device = self.server.owner
        request = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        (call,) = re.findall(r"<s:Body><(\w+)", request)
        device.calls.append(f"{self.path} {call}")
        device.requests.append(request)
        signed = self.headers.get("Authorization") or ""
        if device.has_http_digest and not device.is_signed(self.path, signed):
            self.reply(401, b"", {"WWW-Authenticate": CHALLENGE})
            return
        body: str | bytes
        status = 200
        if call != "GetSystemDateAndTime" and not device.lets_in(request):
            status = 400
            body = _SOAP.format(_FAULT.format(code="NotAuthorized", text="Sender not Authorized"))
        elif device.has_media2_only and ("ver10/media" in request or call == "GetCapabilities"):
            body = _SOAP.format(
                _FAULT.format(code="ActionNotSupported", text="Optional Action Not Implemented")
            )
        elif call in device.answers:
            body = device.answers[call]
        else:
            body = _SOAP.format(
                f"<e:Body><{call}Response>{device.body(call, request)}</{call}Response></e:Body>"
            )
        self.reply(status, body if isinstance(body, bytes) else body.encode())
