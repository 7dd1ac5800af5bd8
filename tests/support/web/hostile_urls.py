"""URLs by which a stranger might reach what is not public, and an internet to try them in."""

import re
import socket
from collections.abc import Mapping, Sequence

from chalicelib.http_client.url import Address

PUBLIC = "8.8.4.4"
OTHER_PUBLIC = "2606:4700:4700::1111"

NOT_PUBLIC = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1",
    "127.255.255.254", "168.63.129.16", "169.254.169.254", "169.254.170.2", "172.16.0.1",
    "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:0:127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1",
    "::ffff:169.254.169.254", "::ffff:8.8.4.4", "64:ff9b::7f00:1", "64:ff9b::169.254.169.254",
    "64:ff9b::10.0.0.1", "64:ff9b:1::808:404", "100::1", "2001::1", "2001:0:7f00:1::",
    "2001:0:808:404:0:ffff:80ff:fffe", "2001:10::1", "2001:db8::1", "2002:7f00:1::",
    "2002:a9fe:a9fe::1", "2606:4700::5efe:127.0.0.1", "2606:4700::200:5efe:10.0.0.1", "3fff::1",
    "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip

A_FEW_NOT_PUBLIC = ["10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1"]

NEARLY_NOT_PUBLIC = [
    "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
    "128.0.0.0", "168.63.129.17", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255",
    "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "64:ff9b::808:404",
    "2001:200::1", "2003::1", "2606:4700:4700::1111",
]  # fmt: skip

NAMES: Mapping[str, Sequence[str]] = {
    "public.example": [PUBLIC],
    "fass.example": [PUBLIC],
    "localhost": ["127.0.0.1", "::1"],
    "localhost.localdomain": ["127.0.0.1"],
    "metadata.google.internal": ["169.254.169.254"],
    "127.0.0.1.rebind.example": ["127.0.0.1"],
    "loopback.example": ["127.0.0.1"],
    "private.example": ["10.1.2.3"],
    "mapped.example": ["::ffff:10.1.2.3"],
    "zone.example": ["fe80::1%eth0"],
    "public-zone.example": [f"{OTHER_PUBLIC}%eth0"],
    "mixed.example": [PUBLIC, "10.0.0.1"],
    "mixed-families.example": ["::1", PUBLIC],
    "xn--bcher-kva.example": ["192.168.7.7"],
    "nobody.example": [],
    "nonsense.example": ["127.1"],
}
"""Any other name is not found."""

SPELLINGS = [
    "http://2130706433/", "http://2852039166/", "http://4294967296/", "http://017700000001/", "http://0177.0.0.1/",
    "http://0177.0.0.01/", "http://00127.0.0.1/", "http://0x7f000001/", "http://0X7F.0.0.1/", "http://0x7f.1/",
    "http://0x7f.0x0.0x0.0x1/", "http://127.1/", "http://127.0.1/", "http://0/", "http://127.0.0.1./",
    "http://127.0.0.1../", "http://127.0.0.1:80/", "http://127.0.0.256/", "http://1.2.3.4.5/",
    "http://%31%32%37.0.0.1/", "http://127%2e0.0.1/", "http://\uff11\uff12\uff17.0.0.1/",
    "http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/", "http://127\u30020\u30020\u30021/",
]  # fmt: skip
"""One loopback, many spellings; none of them is a name."""

HOSTILE_URLS = [
    *(f"http://{address}/" for address in NOT_PUBLIC if ":" not in address),
    *(f"http://[{address}]/" for address in NOT_PUBLIC if ":" in address),
    *(f"http://{name}/picture.jpg" for name in NAMES
      if name not in ("public.example", "fass.example")), *SPELLINGS,
    "http://[::ffff:127.0.0.1]:80/", "http://[::1%25lo]/", "http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/",
    f"http://[{OTHER_PUBLIC}%eth0]/", f"http://[{OTHER_PUBLIC}%25eth0]/", "http://[0:0:0:0:0:0:0:1]/",
    "http://[127.0.0.1]/", "http://[v1.fe80::1]/", "http://[::1]public.example/", "http://[::1/", "http://::1/",
    # names
    "http://localhost./", "http://LOCALHOST/", "http://LocalHost.:80/",
    "http://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3/", "http://local\u00adhost/",
    "http://b\u00fccher.example/", "http://xn--bcher-kva.example./", "http://fa\u00df.example/",
    "http://public\u200d.example/", "http://public\u202e.example/", "http://.public.example/",
    "http://public..example/", "http://-public.example/", "http://public.example../", "http://public,example/",
    f"http://{'a' * 64}.example/", f"http://{'a.' * 127}example/",
    f"http://{chr(0xFC) * 300}.example/",
    # nobody there
    "", "http:", "http://", "http:///", "http:///picture.jpg", "http://:80/", "http://?picture.jpg",
    "http:public.example/", "//",
    # the host before or behind an @ or a backslash
    "http://public.example@127.0.0.1/", "http://127.0.0.1@public.example/", "http://user:secret@public.example/",
    "http://@public.example/", "http://public.example:80@127.0.0.1/", "http://public.example%40127.0.0.1/",
    "http://public.example\uff20127.0.0.1/", "http://127.0.0.1\\@public.example/",
    "http://public.example\\@127.0.0.1/", "http:\\\\127.0.0.1\\", "http:/\\127.0.0.1/", "http://public.example/a\\b",
    "http://127.0.0.1#@public.example/", "http://127.0.0.1?@public.example/",
    # what one parser drops and another keeps
    " http://public.example/", "http://public.example/ ", "http://public.example/a b.jpg", "\thttp://127.0.0.1/",
    "ht\ntp://127.0.0.1/", "http://127.0.0.1\t/", "http://public.example/\r\nHost: 127.0.0.1",
    "http://public.example/ HTTP/1.1\r\nX: y", "http://public.example\r\n.127.0.0.1/", "http://public.example/\x00",
    "http://127.0.0.1\x00.public.example/", "http://public.example/\x7f", "http://public.example/\x85",
    "http://public.example/\u2028", "http://public.example/\ud800", "http://public.exampl\u2100/",
    f"http://public.example/{'a' * 3000}",
    # other schemes
    "file:///etc/passwd", "file://127.0.0.1/etc/passwd", "gopher://127.0.0.1:6379/_INFO", "gopher://public.example/",
    "ftp://public.example/picture.jpg", "ftp://127.0.0.1/", "dict://127.0.0.1:11211/stats", "ldap://127.0.0.1/",
    "jar:http://public.example!/picture.jpg", "data:image/png;base64,iVBORw0KGgo=",
    "javascript:alert(1)", "ws://public.example/", "unix:/var/run/docker.sock",
    "public.example/picture.jpg", "//public.example:22/",
    # other ports
    "http://public.example:22/", "http://public.example:443/", "https://public.example:80/",
    "http://public.example:8080/", "http://public.example:0/", "http://public.example:65616/",
    "http://public.example:/", "http://public.example:+80/", "http://public.example:080/",
    "http://public.example:80:80/", "http://public.example:\u0668\u0660/", "http://public.example:http/",
]  # fmt: skip


ONE_OF_EACH_KIND = (
    "http://public.example\\@127.0.0.1/",
    "http://169.254.169.254/",
    "http://mixed.example/picture.jpg",
)
"""Refused as it is read, for its address, for what its name resolves to."""


def is_sentence(message: str) -> bool:
    """Whether a refusal says what was wrong, and what would be right."""
    return re.fullmatch(r"[a-z][^:]+: .+[^.]", message) is not None


class Internet:
    """Names, and who listens where: a resolver and a dialer that write down what they were asked.

    `names` gives a name's answers one after the other, the last one again and again.
    """

    def __init__(self, names: Mapping[str, Sequence[Sequence[str]]] | None = None) -> None:
        self._answers = {name: [answer] for name, answer in NAMES.items()} | {
            name: list(answers) for name, answers in (names or {}).items()
        }
        self._ports: dict[tuple[str, int], int] = {}
        self.resolved: list[str] = []
        self.dialled: list[str] = []

    def listen(self, address: str, port: int, local_port: int) -> None:
        """Who dials `address` gets this machine's `local_port`."""
        self._ports[address, port] = local_port

    def resolve(self, name: str) -> Sequence[str]:
        self.resolved.append(name)
        answers = self._answers.get(name)
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def dial(self, address: Address, port: int, timeout_s: float) -> socket.socket:
        self.dialled.append(str(address))
        local_port = self._ports.get((str(address), port))
        if local_port is None:
            raise ConnectionRefusedError
        return socket.create_connection(("127.0.0.1", local_port), timeout_s)
