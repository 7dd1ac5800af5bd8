"""A session that a page prints, run by bash against a real server: the very block."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

from msgspec import Struct

from regulars.clients import V1, Connection
from regulars.demo.run import wait_until_resolved
from testing.needs import needed
from tests.support.box.server import Server

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
TASKS = DOCS / "tasks"


def read(page: Path) -> str:
    """Return the text of a page."""
    return page.read_text(encoding="utf-8")


class Session(Struct, frozen=True):
    """The one bash block of a section; `# {...` under a call is its answer, in which `...` stands
    for any text."""

    block: str

    @classmethod
    def of(cls, section: str, page: Path) -> Session:
        text = read(page).partition(f"# {section}\n")[2]
        text = re.split(r"\n##+ ", text)[0]
        (block,) = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
        return cls(dedent(block))

    @contextmanager
    def running(self, server: Server, **environment: str) -> Iterator[None]:
        """The block while it runs, as a program does that ends only when it is asked to."""
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", self.block],
            cwd=server.data.parent,
            env={**self._environment(server), **environment},
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)

    @staticmethod
    def _environment(server: Server) -> dict[str, str]:
        # regulars and regulars-edge
        commands = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        state = str(server.data.parent / "state")  # else the uploader's spool is this user's own
        return {
            **ours,
            "PATH": commands,
            "URL": server.url,
            "no_proxy": "*",
            "XDG_STATE_HOME": state,
        }

    def output(
        self, server: Server, *tools: str, picture: Path | None = None, **environment: str
    ) -> list[str]:
        """The lines that the block prints, run beside the data folder; skips where a tool is
        missing."""
        needed("bash", *tools)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.block],
            cwd=server.data.parent,
            env={**self._environment(server), "PICTURE": str(picture), **environment},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def answers(self, server: Server, picture: Path, *tools: str) -> list[str]:
        """Return what each `call` of the block (or `curl`, if it has none) answers, which must be
        what the block shows."""
        answers = self.output(server, "curl", *tools, picture=picture)
        shown = re.findall(r"^# (\{.*)$", self.block, re.MULTILINE)
        lines = self.block.splitlines()
        calls = [one for one in lines if one.startswith("call ")] or [
            one for one in lines if one.startswith("curl ")
        ]
        assert len(answers) == len(shown) == len(calls)
        for answer, printed in zip(answers, shown, strict=True):
            parts = map(re.escape, printed.split("..."))
            assert re.fullmatch(".*".join(parts), answer, re.DOTALL), (printed, answer)
        return answers


def sees(server: Server, picture: Path) -> None:
    """Send a picture as the camera `door` of the tenant `shop`, and wait until the book has it."""
    with Connection(server.url) as connection:
        v1 = V1(connection, server.credentials("shop").api_key)
        v1.call("POST", "/v1/cameras", {"id": "door", "name": "door"})
        v1.call(
            "POST",
            "/v1/captures",
            {"camera": "door", "picture": base64.b64encode(picture.read_bytes()).decode()},
        )
        wait_until_resolved(v1, ["door"], 1)
