"""Addresses of cameras, which may get another one from their router (DHCP).

A camera is known by the number of its network card, which this machine's kernel hears (ARP). If one
gives no sign of life, all cameras of the network are asked where they are (WS-Discovery). Who can
answer by another's card can take its address, too, so nothing is trusted that was not before.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from regulars_edge.capture import Capture
from regulars_edge.config import CameraConfig
from regulars_edge.errors import Misconfigured
from regulars_edge.setup.onvif import Device, search_devices
from regulars_edge.sources.blockage_check import NO_MEMORY
from regulars_edge.spool.model import Memory

log = logging.getLogger(__name__)

LOOK_S, AWAY_S, AGAIN_S = 60.0, 120.0, 300.0
"""How often is looked which cameras are well; how long one may give no sign of life until it is
searched for; how often it is, in s."""
ARP = Path("/proc/net/arp")
_COMPLETE = 0x2


class Neighbour(NamedTuple):
    """A machine of this network: its address, its card's number, and the interface to it."""

    address: str
    card: str
    interface: str


class _Known(NamedTuple):
    """A camera's card, and the address that it has now."""

    card: str
    address: str


def read_neighbours(file: Path = ARP) -> list[Neighbour]:
    """Return the machines of this network that were heard lately; none if the system tells none."""
    found = []
    with suppress(OSError):
        for line in file.read_text().splitlines()[1:]:
            address, _, flags, card, _, interface = line.split()
            if int(flags, 16) & _COMPLETE:
                found.append(Neighbour(address, card, interface))
    return found


def _search(interfaces: Iterable[str]) -> list[Device]:
    with suppress(OSError, Misconfigured):  # this machine is in no network now
        return search_devices(interfaces=[socket.if_nametoindex(name) for name in interfaces])
    return []


def _find_host(camera: CameraConfig) -> str | None:
    """Return the IPv4 address that edge.toml names; None if it names another place."""
    with suppress(ValueError):
        if camera.source in ("rtsp", "snapshot"):
            return str(IPv4Address(urlsplit(camera.place).hostname))
    return None


@dataclass(eq=False)
class Addresses:
    """The addresses that a box's cameras have now, by those that edge.toml names."""

    cameras: Sequence[CameraConfig]
    memory: Memory = field(default_factory=Memory)
    read_neighbours: Callable[[], list[Neighbour]] = read_neighbours
    search: Callable[[Iterable[str]], list[Device]] = _search

    def __post_init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._searched_at = float("-inf")
        hosts = set(map(_find_host, self.cameras))
        with suppress(*NO_MEMORY):  # another version's: it learns anew
            rows = dict(json.loads(self.memory.text or "{}")).items()
            known = {host: _Known(card, str(IPv4Address(at))) for host, (card, at) in rows}
            self._known = {host: each for host, each in known.items() if host in hosts}

    def move(self, camera: CameraConfig) -> CameraConfig:
        """Return a camera of edge.toml as it is to be asked now."""
        known = self._known.get(_find_host(camera) or "")
        return camera if known is None else camera.move_to(known.address)

    def find(self, camera: CameraConfig) -> CameraConfig:
        """Search the network for a camera that does not answer.

        Return the camera with its new address if the search surely finds the camera. Else return
        the camera with the address at which the uploader asked before.
        """
        host = _find_host(camera)
        if host is not None and host in self._known:
            interfaces = {neighbour.interface for neighbour in self.read_neighbours()}
            self._find_moved({host: self._known[host].card}, interfaces)
        return self.move(camera)

    def run(self, captures: Sequence[Capture], stop: threading.Event) -> None:
        """Look after the cameras' captures, in their order, until `stop`. Raises Misconfigured."""
        began_at = time.monotonic()
        while not stop.wait(LOOK_S):
            self.look(captures, time.monotonic(), began_at)

    def look(self, captures: Sequence[Capture], now: float, began_at: float) -> None:
        """Note the cards of cameras that are well, and search for those that are not, by the
        monotonic clock in s. Raises Misconfigured."""
        neighbours, before, away = self.read_neighbours(), dict(self._known), dict[str, str]()
        for camera, capture in zip(self.cameras, captures, strict=True):
            host, quiet_s = _find_host(camera), now - max(capture.alive_at, began_at)
            # at rest it is alive, but nobody has talked to that address
            if host is not None and now - min(capture.alive_at, capture.gave_at) < LOOK_S:
                self._note_card(host, neighbours)
            elif host in self._known and quiet_s >= AWAY_S + camera.interval_s:
                away[host] = self._known[host].card
        if away and now - self._searched_at >= AGAIN_S:
            self._searched_at = now
            self._find_moved(away, {neighbour.interface for neighbour in neighbours})
        for camera, capture in zip(self.cameras, captures, strict=True):
            host = _find_host(camera) or ""
            address = self._known[host].address if host in away else host
            if host in away and capture.settings.move_to(address) != capture.settings:
                log.warning("%s is at %s now (edge.toml: %s)", camera.name, address, host)
                capture.move_to(address)
        if self._known != before:
            self.memory.keep(json.dumps(self._known))

    def _note_card(self, host: str, neighbours: list[Neighbour]) -> None:
        """Note the card of a camera that is well, unless it has several addresses: a repeater has
        one card for all that is behind it."""
        known = self._known.get(host)
        address = host if known is None else known.address
        for card in {each.card for each in neighbours if each.address == address}:
            if {each.address for each in neighbours if each.card == card} == {address}:
                self._known[host] = _Known(card, address)

    def _find_moved(self, away: dict[str, str], interfaces: Iterable[str]) -> None:
        """Search for cards that are away, by their hosts in edge.toml, and note where they are if
        that is sure."""
        answering = {device.address for device in self.search(interfaces)}
        neighbours, hosts = self.read_neighbours(), set(filter(None, map(_find_host, self.cameras)))
        for host, card in away.items():
            others = {
                self._known[other].address if other in self._known else other
                for other in hosts - {host}
            }
            places = {each.address for each in neighbours if each.card == card} & answering - others
            if len(places) == 1:
                self._known[host] = _Known(card, *places)
