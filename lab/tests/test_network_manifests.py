"""A manifest of a network of one's own, whatever bytes it has, is read or refused."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import strategies as st
from msgspec.structs import replace

from regulars.errors import UnusableNetwork
from regulars_lab.own_network import network
from tests.hostile.fuzz import Parser, Read, fuzz

OFFERS = [
    block.encode()
    for block in re.findall(
        r"```toml\n(.*?)```", Path("docs/models.md").read_text(encoding="utf-8"), re.DOTALL
    )
]


@contextmanager
def offered_networks(folder: Path) -> Iterator[Read]:
    """Manifests beside the file that they name."""
    (folder / "faces.onnx").touch()

    def loaded(data: bytes) -> object:
        (folder / network.MANIFEST).write_bytes(data)
        return network.read_offer(folder)

    yield loaded


offer_numbers = st.tuples(
    st.sampled_from(["dimensions", "size_px", "weight", "mean", "deviation"]),
    st.floats() | st.integers(),
).map(
    lambda pair: (
        re.sub(rb"(?m)^%s = .*\n" % pair[0].encode(), b"", OFFERS[0])
        + f"{pair[0]} = {[pair[1]] if pair[0] in ('mean', 'deviation') else pair[1]}\n".encode()
    )
)


PARSER = Parser(
    offered_networks,
    (UnusableNetwork,),
    ("regulars_lab.own_network.network",),
    OFFERS,
    offer_numbers,
)


def test_no_manifest_is_more_than_refused() -> None:
    assert not fuzz(PARSER, 100, "gate").findings


@pytest.mark.parametrize(
    "data",
    [
        b"pack = " + b"[" * 2000,
        b"pack = " + b"9" * 5000,
        OFFERS[0].replace(b"faces.onnx", b"a" * 300),
        OFFERS[0].replace(b"faces.onnx", b".."),
    ],
)
def test_what_was_found_stays_mended(data: bytes) -> None:
    assert not fuzz(replace(PARSER, corpus=[data], strategy=None), 1, "gate").findings
