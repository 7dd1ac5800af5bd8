"""A recorder with many channels at one port, by RTSP, as pictures and by ONVIF, that counts
logins."""

import secrets
import socketserver
import threading
from contextlib import suppress

from rig import pictures

_SOAP = (
    '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body>{}</e:Body></e:Envelope>'
)
_FAULT = _SOAP.format("<e:Fault><e:Code>ter:NotAuthorized</e:Code></e:Fault>")


class Recorder(socketserver.ThreadingTCPServer):
    """Asks for Digest, with a nonce for each challenge. `takes`: whether it takes
    the password that it is given, but for the paths `without_right`.

    `logins`: the paths for which somebody gave a password. It answers the first one when `awaited`
    clients have asked, so that all of them might give theirs. `is_away`: whether it hangs up on
    whoever asks.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, awaited: int) -> None:
        super().__init__(("127.0.0.1", 0), _Client)
        self.takes, self.awaited, self.is_away = False, awaited, False
        self.without_right: set[str] = set()
        self.logins: list[str] = []
        self.asked: set[str] = set()
        self.all_asked = threading.Event()
        self.host = f"127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()

    def note_asked(self, path: str) -> None:
        self.asked.add(path)
        if len(self.asked) >= self.awaited:
            self.all_asked.set()


class _Client(socketserver.StreamRequestHandler):
    server: Recorder
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with suppress(OSError):
            while line := self.rfile.readline().decode().strip():
                if self.server.is_away:
                    return
                method, url, protocol = line.split()
                headers = {}
                while row := self.rfile.readline().decode().strip():
                    name, _, value = row.partition(":")
                    headers[name.lower()] = value.strip()
                body = self.rfile.read(int(headers.get("content-length", 0))).decode()
                self._answer(method, "/" + url.rpartition("/")[2], headers, body, protocol)

    def _answer(
        self, method: str, path: str, headers: dict[str, str], body: str, protocol: str
    ) -> None:
        recorder, challenge = self.server, ""
        is_open = method == "OPTIONS" or "GetSystemDateAndTime" in body
        is_login = "authorization" in headers or "UsernameToken" in body
        if not is_open or body:
            recorder.note_asked(path)
        if is_login:
            recorder.logins.append(path)
            assert recorder.all_asked.wait(30), "somebody of them does not come"
        is_in = is_open or (is_login and recorder.takes and path not in recorder.without_right)
        status, answer = ("200 OK", pictures.jpeg(1)) if is_in else ("401 Unauthorized", b"")
        if body:
            status, answer = "200 OK", (_SOAP.format("<a/>") if is_in else _FAULT).encode()
        elif not is_in:
            challenge = f'WWW-Authenticate: Digest realm="nvr", nonce="{secrets.token_hex(8)}"\r\n'
        cseq = f"CSeq: {headers['cseq']}\r\n" if "cseq" in headers else ""
        head = f"{protocol} {status}\r\n{cseq}{challenge}Content-Length: {len(answer)}\r\n\r\n"
        self.wfile.write(head.encode() + answer)
