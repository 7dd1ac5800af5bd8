"""The service itself: `regulars serve`, as a process. Nothing of it is imported."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
import uuid
from pathlib import Path
from typing import Any

from testing.ports import free_port

ROOT = Path(__file__).resolve().parents[3]


class Regulars:
    """On a data folder and one port, which it keeps over `kill` and `start`."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()
        rows = json.loads((data / "credentials.json").read_text())
        self.key = str(next(row["api_key"] for row in rows if row.get("api_key")))
        choice = {"strangers": "keep", "basis": "consent", "strangers_decided_by": "Eva Lee"}
        self.ask("/v1/settings", choice, "PATCH")

    def start(self) -> None:
        log = self._data.with_suffix(".log")
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "regulars",
                    "serve",
                    "--data",
                    str(self._data),
                    "--port",
                    str(self.port),
                ],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
                env={**os.environ, "PYTHONWARNINGS": "default"},
            )
        ready = self._process.stdout.readline()
        assert ready.startswith("ready http://"), log.read_text()

    def kill(self) -> None:
        self._process.kill()
        self._reap()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._reap()

    def _reap(self) -> None:
        self._process.wait(timeout=120)
        self._process.stdout.close()

    def ask(
        self,
        path: str,
        body: dict[str, object] | None = None,
        method: str | None = None,
        key: str = "",
    ) -> dict[str, Any]:
        """Return an answer of v1; {} for one without a body. `key`: "" is the shop's."""
        headers = {"Authorization": f"Bearer {key or self.key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            fields: dict[str, Any] = json.loads(answer.read() or b"{}")
        return fields

    def add_camera(self) -> str:
        """Add a camera with a name of its own, and return its id."""
        return str(self.ask("/v1/cameras", {"name": f"camera-{uuid.uuid4().hex}"})["id"])

    def make_claim_code(self, camera: str) -> str:
        return str(self.ask(f"/v1/cameras/{camera}/claim", {})["claim_code"])

    def captures(self, camera: str) -> list[dict[str, object]]:
        return captures(self.url, self.key, camera)


def captures(url: str, key: str, camera: str) -> list[dict[str, object]]:
    """All of a camera that GET /v1/captures lists, page by page."""
    rows: list[dict[str, object]] = []
    token = ""
    while True:
        request = urllib.request.Request(
            f"{url}/v1/captures?camera={camera}&limit=100{token}",
            headers={"Authorization": f"Bearer {key}"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            page = json.load(response)
        rows += page["captures"]
        more = page.get("next_token") or page.get("next")
        if not more:
            return rows
        token = f"&token={more}"
