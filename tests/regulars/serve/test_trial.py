"""A trial of a backup, which lets in who was removed since: what others and a kill get of it."""

import socket
from pathlib import Path

import pytest

from tests.support.box.server import Server


def is_open(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


@pytest.mark.parametrize(("options", "is_reached"), [((), False), (("--host", "0.0.0.0"), True)])
def test_a_trial_is_reached_from_this_machine_unless_its_command_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], is_reached: bool
) -> None:
    """The settings are those of the service, which listens on the network."""
    monkeypatch.setenv("REGULARS_HOST", "0.0.0.0")
    trial = Server(tmp_path / "tried", "--trial", *options)
    port = int(trial.url.rpartition(":")[2])
    try:
        assert is_open("127.0.0.1", port)
        assert is_open("127.0.0.2", port) is is_reached
    finally:
        trial.stop()


def test_a_trial_that_is_killed_leaves_nothing_beside_its_folder_and_prints_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    trial = Server(tmp_path / "tried", "--trial")
    key = trial.credentials("shop").api_key
    trial.kill()
    assert [*(tmp_path / "temporary").iterdir()] == []
    assert {path.name for path in tmp_path.iterdir()} == {"temporary", "tried", "server.log"}
    assert key not in trial.log.read_text()
    assert (tmp_path / "tried").stat().st_mode & 0o077 == 0
