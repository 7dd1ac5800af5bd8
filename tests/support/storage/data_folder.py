"""Everything that a data folder holds."""

from pathlib import Path
from typing import Any

from chalicelib.open_storage import open_storage
from chalicelib.settings import Settings
from regulars.tenants import credentials
from tests.support.fakes import FakeClock


def settings(data: Path) -> Settings:
    return Settings(storage=data)


def everything(data: Path) -> dict[str, Any]:
    """Items, messages and objects, read from the folder itself."""
    storage = open_storage(settings(data), FakeClock())
    try:
        file: Any = storage.items
        with file.file.reading() as connection:
            found = {
                name: connection.execute(f"SELECT * FROM {name}").fetchall()
                for name in ("items", "index_rows")
            }
            found["messages"] = connection.execute("SELECT queue, body FROM messages").fetchall()
    finally:
        storage.close()
    places = [
        place
        for place in ("blobs", "captures", "secrets", credentials.FILE)
        if (data / place).exists()
    ]
    files = [
        file
        for place in places
        for file in [data / place, *(data / place).rglob("*")]
        if file.is_file()
    ]
    objects = {str(file.relative_to(data)): file.read_bytes() for file in files}
    return {**found, "objects": objects}
