"""The words of the console, by language."""

import json
import re

from chalicelib.api.console_files import locate_folder

OURS = locate_folder()
LANGUAGES = json.loads(re.findall(r"LANGUAGES = (\[.*\]);", (OURS / "store.js").read_text())[0])

FILES = {
    path.relative_to(OURS).as_posix(): json.loads(path.read_text(encoding="utf-8"))
    for path in OURS.rglob("*.json")
}
TABLES = {
    language: {
        name: text
        for path, table in FILES.items()
        if path.endswith(f"{language}.json")
        for name, text in table.items()
    }
    for language in LANGUAGES
}
