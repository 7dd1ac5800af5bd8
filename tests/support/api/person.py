"""A member who signs in by a passkey, and makes hooks and keys."""

from typing import Any

from tests.support.api.devices import BY_HTTPS, Device, asked, invitation_of, sign_in
from tests.support.api.v1.client import V1Client

HOOKS, KEYS, MEMBERS = "/v1/hooks", "/v1/keys", "/v1/members"
ROOM = {"way": "slack", "url": "https://8.8.8.8/services/T/B/X"}


class Person:
    """Somebody who signs in by a passkey."""

    def __init__(self, v1: V1Client, name: str = "Leaver", role: str = "admin") -> None:
        self.member = v1.done("POST", MEMBERS, {"name": name, "role": role})
        self.id = self.member["id"]
        invitation, self.device = invitation_of(self.member), Device()
        passkey = self.device.make(asked(v1, invitation))
        reply = sign_in(v1, {"invitation": invitation, "passkey": passkey})
        assert reply.status == 201, reply
        cookie = reply.headers["set-cookie"].partition(";")[0]
        self.headers = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin", **BY_HTTPS}
        self.v1 = v1.with_key(None)

    def done(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        reply = self.v1.send(method, path, body, headers=self.headers)
        assert reply.status < 300, reply
        return reply.json

    def add_hook(self, channel: dict[str, str], **more: Any) -> str:
        """Make a hook that tells people; return its access."""
        hook = self.done("POST", HOOKS, {"url": None, "channel": channel, **more})
        return f"hook {hook['id']}"

    def add_key(self, name: str = "hers", role: str = "admin") -> dict[str, Any]:
        return self.done("POST", KEYS, {"name": name, "role": role})
