"""A camera with a snapshot URL, behind Basic or Digest authentication."""

import base64
import hashlib
import re

from rig import pictures
from rig.server import Handler, Served

USER, PASSWORD = "admin", "p@ss word"
NONCE = "n0nce"


class Camera(Served):
    """`asks_for`: "", "Basic" or "Digest". Each picture is another."""

    def __init__(self, asks_for: str = "") -> None:
        self.asks_for = asks_for
        self.password = PASSWORD
        self.given = 0
        self.refused = 0
        self.broken = False
        self.gives, self.kind = pictures.jpeg, "image/jpeg"
        self.stopped = False
        super().__init__(_Handler)
        self.host = f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Connections that are open end, too."""
        self.stopped = True
        super().stop()


class _Handler(Handler):
    def answer(self) -> None:
        camera: Camera = self.server.owner
        if camera.stopped:
            self.close_connection = True
            return
        header = self.headers.get("Authorization") or ""
        if camera.asks_for and not self._is_right(camera.asks_for, header):
            camera.refused += 1
            challenge = {
                "Basic": 'Basic realm="cam"',
                "Digest": f'Digest realm="cam", nonce="{NONCE}", qop="auth"',
            }
            body = b"<html>who are you?</html>" * 20
            self.reply(401, body, {"WWW-Authenticate": challenge[camera.asks_for]})
            return
        camera.given += 1
        self.reply(
            200,
            b"<html>" if camera.broken else camera.gives(camera.given),
            {"Content-Type": camera.kind},
        )

    def _is_right(self, kind: str, header: str) -> bool:
        if kind == "Basic":
            return (
                header
                == "Basic "
                + base64.b64encode(f"{USER}:{self.server.owner.password}".encode()).decode()
            )
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', header))
        if fields.get("nonce") != NONCE or fields.get("uri") != self.path:
            return False
        secret = _md5(f"{USER}:cam:{self.server.owner.password}")
        what = _md5(f"GET:{self.path}")
        return fields["response"] == _md5(
            f"{secret}:{NONCE}:{fields['nc']}:{fields['cnonce']}:auth:{what}"
        )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
