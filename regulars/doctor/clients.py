"""`regulars doctor --dialect`: checks that a client of another service gets the answers it expects.

The calls change nothing. The file of keys has lines such as `app_id: 7F03`, as printed by
`regulars tenants keys add`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from chalicelib.api import dialects
from chalicelib.api.probes import Keys
from chalicelib.domain.errors import InvalidInput
from regulars.clients import Connection, Reply
from regulars.errors import OperatorError
from regulars.findings import Finding, failed, well

_LATE_S = 60.0
"""By how much the service's clock may differ from this one, in s."""


def read_keys(path: Path | None) -> Keys:
    lines = path.read_text("utf-8").splitlines() if path else []
    pairs = (line.partition(":") for line in lines if ":" in line)
    return Keys({name.strip(): value.strip() for name, _, value in pairs})


def check_client_calls(name: str, url: str, keys: Keys) -> Iterator[Finding]:
    """Send each kind of call that the dialect's clients send, and yield a finding for each answer.

    The first call with a body is repeated with two slashes before its path, as some clients send
    it. The service's clock is compared with this machine's.
    """
    dialect, parts = dialects.find_dialect(name), urlsplit(url)
    service = f"{parts.scheme}://{parts.netloc}"
    base = parts.path.rstrip("/")
    try:
        probes = dialect.make_probes(Keys({"service": service, **keys}))
    except InvalidInput as error:
        raise OperatorError(str(error)) from error
    with Connection(service) as connection:
        slash = next(probe for probe in probes if probe.body)._replace(subject="slash")
        for probe in (*probes, slash._replace(path=f"/{slash.path}")):
            reply = connection.request(probe.method, base + probe.path, probe.body, probe.headers)
            if probe.is_right(reply):
                yield well(
                    probe.subject, f"{probe.method} {probe.path} is answered as the client expects"
                )
            else:
                yield failed(
                    probe.subject,
                    f"{probe.method} {probe.path} is answered with HTTP {reply.status}: "
                    f"{_find_reason(reply)}",
                )
        time_header = connection.request("GET", f"{base}/v1/faces", b"", {}).headers.get(
            "x-regulars-time"
        )
        if time_header and abs(late_s := int(time_header) / 1000 - time.time()) > _LATE_S:
            yield failed(
                "clock",
                f"the service's clock is {late_s:+.0f} s off this machine's: enable NTP on both",
            )
    yield well("limits", dialect.limits)


def _find_reason(reply: Reply) -> str:
    answer = reply.json if isinstance(reply.json, dict) else {}
    names = ("message", "Message", "msg", "error", "ERROR_MSG", "detail")
    reason = next((str(answer[name]) for name in names if answer.get(name)), None)
    return reason or reply.headers.get("x-ca-error-message") or "no reason given"
