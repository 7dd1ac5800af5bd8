"""The console's modules in the Node that Playwright brings."""

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright._impl._driver import compute_driver_executable

from chalicelib.api.console_words import list_languages
from chalicelib.domain.events import CHOSEN
from chalicelib.domain.person_texts import LINES
from regulars.libraries import find_modules
from regulars.words import read_words

BROWSER = Path(__file__).with_name("browser.mjs")


@cache
def _write_words() -> TemporaryDirectory[str]:
    """Write the words as the service serves them into a folder, which goes with this process."""
    folder = TemporaryDirectory()
    for name, text in read_words().items():
        path = Path(folder.name, *name.split("/")[2:])
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def node(*words: str) -> str:
    """Run Node where modules find the console's libraries and the little of a browser that rules
    need."""
    found = {name: path.as_uri() for name, path in find_modules().items()}
    said = subprocess.run(
        [
            compute_driver_executable()[0],
            "--import",
            BROWSER,
            "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON",
            *words,
        ],
        env={
            **os.environ,
            "CONSOLE_LIBRARIES": json.dumps(found),
            "CONSOLE_WORDS": _write_words().name,
            "CONSOLE_SAID": json.dumps(
                {
                    "events": json.dumps(CHOSEN),
                    "person-texts": json.dumps(LINES),
                    "languages": json.dumps(list_languages(read_words())),
                }
            ),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, f"{said.stdout}\n{said.stderr}"
    return said.stdout
