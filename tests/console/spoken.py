"""The words of the console, by language."""

import json

from chalicelib.api.console_files import locate_folder
from chalicelib.api.console_words import Table, join_tables, read_tables
from regulars.words import read_words

OURS = locate_folder()

FILES = {
    path.relative_to(OURS).as_posix(): json.loads(path.read_text(encoding="utf-8"))
    for path in OURS.rglob("*.json")
}
OWN = {
    language: join_tables(tables)
    for language, tables in read_tables(
        {f"./console/{name}": json.dumps(table) for name, table in FILES.items()}
    ).items()
}
"""What the files of a language say."""

TABLES: dict[str, Table] = {}
"""What a browser gets in a language: English stands in for words that it lacks."""
for _name, _text in read_words().items():
    TABLES.setdefault(_name.split("/")[2], {}).update(json.loads(_text))  # type: ignore[attr-defined]

LANGUAGES = [*TABLES]
