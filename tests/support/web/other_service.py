"""A service of others, from which people are imported."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

KEY = "00000000-0000-0000-0000-000000000002"


@contextmanager
def answering(answers: Mapping[str, object]) -> Iterator[str]:
    """A service that gives these answers to calls with the key."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = "&".join(f"{name}={value}" for name, value in parse_qsl(parts.query))
            found = answers.get(f"{parts.path}?{query}".rstrip("?"))
            is_let_in = self.headers["x-api-key"] == KEY
            body = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(401 if not is_let_in else 404 if found is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
