"""The lines of Python that docs/client.md prints, run against a real server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from regulars import cli
from tests import photos as at_hand
from tests.docs.session import ROOT, sees
from tests.faults.server import Server

PAGE = ROOT / "docs/client.md"


def printed(server: Server, photos: Path) -> list[str]:
    """What the page's block of Python prints."""
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    folder = server.data.parent
    for name, file in (("ann.jpg", at_hand.PORTRAIT), ("door.jpg", at_hand.PORTRAIT_AGAIN)):
        shutil.copy(photos / file, folder / name)
    done = subprocess.run(
        [sys.executable, "-c", block.replace("http://127.0.0.1:8000", server.url)],
        cwd=folder,
        env={**os.environ, "REGULARS_API_KEY": server.credentials("camera").api_key, "no_proxy": "*"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_enrol_search_and_who_came_today_as_the_page_prints_it(server: Server, photos: Path) -> None:
    sees(server, photos / at_hand.OTHER)
    found, arrivals = printed(server, photos)
    assert found == "['Ann Lee']"
    assert re.fullmatch(r"\[\('', 1, '\d\d:\d\d'\)\]", arrivals), arrivals


def test_every_command_of_docs_client_is_known() -> None:
    text = PAGE.read_text(encoding="utf-8")
    commands = set(re.findall(r"^regulars (\w+)", text, re.MULTILINE))
    assert commands == {"import", "export"}
    options = set(re.findall(r"(?<!-)--[a-z][a-z-]*", text))
    known = {option for name in commands for one in cli.commands.commands[name].params for option in one.opts}
    assert options <= known
