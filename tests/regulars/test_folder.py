"""Files that are whole or not there."""

import fcntl
import os
from pathlib import Path

import pytest

from chalicelib.storage.box import durable


def names(path: Path) -> set[str]:
    return {one.name for one in path.iterdir()}


@pytest.mark.parametrize("name", [".keys.json.4711.partial", ".keys.json.4711"])
def test_what_a_killed_process_left_of_a_file_goes_when_it_is_written_again(
    tmp_path: Path, name: str
) -> None:
    """It may hold keys. Earlier versions called it otherwise."""
    (tmp_path / name).write_text("half of the ke")
    (tmp_path / ".keys.json.swp").write_text("an editor's")
    durable.write_durably(tmp_path / "keys.json", "the keys")
    assert names(tmp_path) == {"keys.json", ".keys.json.swp"}


def test_what_another_process_writes_just_now_stays(tmp_path: Path) -> None:
    partial = tmp_path / ".keys.json.4711.partial"
    with partial.open("w") as others:
        fcntl.flock(others, fcntl.LOCK_EX)
        durable.write_durably(tmp_path / "keys.json", "the keys")
        assert names(tmp_path) == {"keys.json", partial.name}


def test_a_new_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "answer.zip"

    def fail_amid() -> None:
        with durable.write_new(path) as file:
            file.write(b"half")
            raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        fail_amid()
    assert names(tmp_path) == set()
    with durable.write_new(path) as file:
        file.write(b"whole")
        assert not path.exists()
    assert names(tmp_path) == {path.name}
    assert path.read_bytes() == b"whole"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError, match="is there already"), durable.write_new(path):
        os._exit(1)
