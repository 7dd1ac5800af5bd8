"""The examples of docs/tasks for people who write programs: each language does the same."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from regulars_client import Regulars, codes

from testing.needs import needed
from tests.support.box.server import Server
from tests.support.box.session import TASKS, Session, read, sees
from tests.support.examples import rest
from tests.support.pictures import photos as at_hand

pytestmark = rest

PRINT = {
    "today": "Ann Lee 1",
    "enrol": "Ann Lee",
    "camera": "door",
    "correct": "A. Lee",
    "consent": "ann consent",
    "asked": "",
    "forget": "1",
}
CURL = ("enrol", "asked", "forget")
"""Their calls by curl; test_tasks.py runs those of the others."""
RUN = {"python": [sys.executable, "-c"], "js": ["node", "--input-type=module", "-e"]}


def test_the_pages_with_examples_have_them_in_both_languages() -> None:
    pages = {page.stem: read(page) for page in TASKS.glob("*.md")}
    for language in RUN:
        assert {name for name, text in pages.items() if f"```{language}\n" in text} == set(PRINT)


def prepare(regulars: Regulars, picture: Path) -> None:
    """Let there be Ann and her twin, as they were enrolled."""
    for id_, name in (("ann", "Ann Lee"), ("twin", "A. Lee")):
        with suppress(codes.FaceNotFound):
            regulars.delete_face(id_)
        regulars.enrol_face(id=id_, group="regular", name=name, picture=picture, if_erased="enrol")


def test_each_example_prints_the_same_in_python_and_in_javascript(
    server: Server, photos: Path
) -> None:
    needed("node")
    key, folder = server.credentials("shop").api_key, server.data.parent
    shutil.copy(photos / at_hand.PORTRAIT, folder / "portrait.jpg")
    environment = {**os.environ, "REGULARS_API_KEY": key, "no_proxy": "*"}
    with Regulars(server.url, api_key=key) as regulars:
        prepare(regulars, folder / "portrait.jpg")
        sees(server, photos / at_hand.PORTRAIT_AGAIN)
        for page, printed in PRINT.items():
            for language, command in RUN.items():
                if page != "today":
                    prepare(regulars, folder / "portrait.jpg")
                [block] = re.findall(
                    rf"```{language}\n(.*?)```", read(TASKS / f"{page}.md"), re.DOTALL
                )
                done = subprocess.run(
                    [*command, block.replace("http://127.0.0.1:8000", server.url)],
                    cwd=folder,
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=180,
                    check=False,
                )
                assert (done.stdout.strip(), done.stderr) == (printed, ""), f"{page}, {language}"
            if page in CURL:
                prepare(regulars, folder / "portrait.jpg")
                answer = Session.of("In your program", TASKS / f"{page}.md").output(
                    server, REGULARS_API_KEY=key
                )
                assert re.match(r'{"(id|url)":', answer[0]), answer
    assert (folder / "ann.zip").read_bytes().startswith(b"PK")
