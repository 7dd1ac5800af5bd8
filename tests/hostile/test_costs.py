"""No file of a stranger takes over a second of a core, or over 200 MB."""

from pathlib import Path

from tests.hostile.costs import READERS, measure
from tests.hostile.hostile_files import FILES
from tests.support.examples import parametrize

PEERS_A_SECOND = 20
MOST_PEERS = 2 * PEERS_A_SECOND
"""Twice a second: beside other processes, the peer and a reader slow down by different shares. What
has no bound takes four times as much, or never ends."""
MOST_MEGABYTES = 200

CASES = [(kind, name) for kind, files in FILES.items() for name in files]


def test_each_kind_has_a_reader_and_hostile_files() -> None:
    assert FILES.keys() == READERS.keys()


@parametrize(("kind", "name"), CASES, gate=8)
def test_a_hostile_file_takes_no_more_than_a_second_and_200_mb(
    kind: str, name: str, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_bytes(FILES[kind][name]())
    cost = measure(kind, file)
    assert cost.peers <= MOST_PEERS, cost
    assert cost.megabytes <= MOST_MEGABYTES, cost
