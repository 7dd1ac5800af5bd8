"""A camera over HTTP that answers with what it is told."""

import time

from rig.server import Handler, Served


class Odd(Served):
    """Hangs up after each answer.

    `length`: what it says that its body has, if anything; `moved`: where it sends.
    """

    def __init__(self, body: bytes) -> None:
        super().__init__(_Odd)
        self.body, self.status, self.length, self.headers = body, 200, len(body), dict[str, str]()
        self.moved = dict[str, str]()
        self.slow_s = 0.0


class _Odd(Handler):
    def answer(self) -> None:
        camera: Odd = self.server.owner
        time.sleep(camera.slow_s)
        to = camera.moved.get(self.path)
        self.send_response_only(302 if to else camera.status)
        for name, value in {**camera.headers, **({"Location": to} if to else {})}.items():
            self.send_header(name, value)
        if camera.length is not None:
            self.send_header("Content-Length", str(0 if to else camera.length))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"" if to else camera.body)
