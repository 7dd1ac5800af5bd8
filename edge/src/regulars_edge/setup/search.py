"""Finds cameras by WS-Discovery (2005/04), as ONVIF's core specification wants it: one question, many answers.

XML and URLs in answers may have been written by anything in the network.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import time
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from regulars_edge.errors import Misconfigured, SourceFailed

_LONGEST_TEXT, _LONGEST_URL = 200, 500


def parsed(data: bytes) -> ET.Element:
    """Parse XML without a document type, so that there are no entities. Raises SourceFailed.

    What is no UTF-8 is read as such all the same: cameras put names of any encoding into their answers.
    """
    text = data.decode("utf-8", "replace")
    if "<!DOCTYPE" in text:
        raise SourceFailed("its answer is XML with a document type, which SOAP forbids")
    try:
        return ET.fromstring(text)  # noqa: S314 - only a document type can declare what makes XML dangerous
    except ET.ParseError as error:
        raise SourceFailed(f"its answer is no XML: {error}") from error


def text_of(element: ET.Element, path: str) -> str:
    """Return the text at `path`, "" if there is none: one line without control characters, at most 200 characters."""
    return printable(element.findtext(path) or "")[:_LONGEST_TEXT]


def printable(text: str) -> str:
    """One line: a terminal obeys control characters."""
    return "".join(one if one.isprintable() else " " for one in text).strip()


def is_at(url: str, address: str, *schemes: str) -> bool:
    """Tell whether this is a URL of one of these schemes at this address itself."""
    if len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or set(url) & set(' "\\<>'):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and parts.hostname == address and parts.port != 0
    except ValueError:
        return False


GROUP = ("239.255.255.250", 3702)
WAIT_S = 4.0
MOST = 64
"""Devices that are listened to: anybody may answer, as often as they like."""
_LARGEST = 65_536
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
    """One device that answered: `url` is its device service, at `address` itself; `name` what it calls itself."""

    address: str
    url: str
    name: str


def search(
    target: tuple[str, int] = GROUP, wait_s: float = WAIT_S, interfaces: Iterable[int] | None = None
) -> list[Device]:
    """Ask twice, as datagrams get lost; listen for `wait_s`; one device an address. Raises Misconfigured.

    `interfaces`: by their numbers, all of the machine's by default: cameras often have a network of their own.
    """
    asked = uuid.uuid4()
    found: dict[str, Device] = {}
    began = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        for until in (began + wait_s / 4, began + wait_s):
            _ask(line, _PROBE.format(asked=asked).encode(), target, interfaces)
            _listen(line, asked, until, found)
    return sorted(found.values(), key=lambda device: ipaddress.ip_address(device.address))


def _ask(line: socket.socket, probe: bytes, target: tuple[str, int], interfaces: Iterable[int] | None) -> None:
    try:
        if not ipaddress.ip_address(target[0]).is_multicast:
            line.sendto(probe, target)
            return
    except OSError as error:
        raise Misconfigured(f"{target[0]} cannot be asked: {error.strerror}") from error
    sent = False
    for number in interfaces or [number for number, _ in socket.if_nameindex()]:
        with contextlib.suppress(OSError):  # an interface that is down, or has no address
            line.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("4s4si", bytes(4), bytes(4), number))
            line.sendto(probe, target)
            sent = True
    if not sent:
        raise Misconfigured("this machine is in no network: connect it, or name a camera's address with --probe")


def _listen(line: socket.socket, asked: uuid.UUID, until: float, found: dict[str, Device]) -> None:
    while (left_s := until - time.monotonic()) > 0:
        line.settimeout(left_s)
        try:
            data, (address, _) = line.recvfrom(_LARGEST)
        except TimeoutError:
            return
        with contextlib.suppress(SourceFailed):
            device = answered(data, address, asked)
            if device is not None and len(found) < MOST:
                found.setdefault(address, device)


def answered(data: bytes, address: str, asked: uuid.UUID) -> Device | None:
    """Read a datagram; None for what answers another's question. Raises SourceFailed for what is no XML."""
    message = parsed(data)
    match = message.find(".//{*}ProbeMatch")
    if match is None or str(asked) not in (message.findtext(".//{*}RelatesTo") or ""):
        return None
    urls = (match.findtext("{*}XAddrs") or "").split()
    # A device with several addresses names them all. The specification fixes the path for those that name another's.
    own = next((url for url in urls if is_at(url, address, "http", "https")), f"http://{address}/onvif/device_service")
    return Device(address, own, _name(match))


def _name(match: ET.Element) -> str:
    scopes = (match.findtext("{*}Scopes") or "").split()
    for kind in (_NAME, _HARDWARE):
        for scope in scopes:
            if scope.startswith(kind) and (name := printable(unquote(scope.removeprefix(kind)))):
                return name
    return "camera"
