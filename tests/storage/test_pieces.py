"""A file of pieces reads as the same bytes in one piece do."""

import io
from itertools import pairwise

import numpy as np
from botocore.httpchecksum import AwsChunkedWrapper
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.book.search.snapshots.segment import encode_segment
from chalicelib.storage.pieces import Pieces
from chalicelib.storage.ports import BlobStore
from tests.support.book.synthetic import segment

READS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(-1, 30)),
        st.tuples(st.just("seek"), st.integers(0, 60), st.just(io.SEEK_SET)),
        st.tuples(
            st.just("seek"), st.integers(-40, 5), st.sampled_from([io.SEEK_CUR, io.SEEK_END])
        ),
    ),
    max_size=12,
)


@given(st.binary(max_size=50), st.lists(st.integers(0, 50)), READS)
def test_it_reads_as_one_piece_does(data: bytes, cuts: list[int], acts: list[tuple]) -> None:
    ends = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    pieces = Pieces([b"", *(data[begin:end] for begin, end in pairwise(ends)), b""])
    file, whole = pieces, io.BytesIO(data)
    assert pieces.size == len(data)
    for name, *arguments in acts:
        outcomes = [_act(one, name, arguments) for one in (file, whole)]
        assert outcomes[0] == outcomes[1], (name, arguments)


def _act(file: io.IOBase, name: str, arguments: list[int]) -> tuple[object, int]:
    try:
        done = getattr(file, name)(*arguments)
    except (OSError, ValueError):  # to before the begin
        file.seek(0)
        return "refused", 0
    return done, file.tell()


def test_each_chunk_on_its_way_to_s3_but_the_last_has_8_kib() -> None:
    """S3 refuses smaller ones, which no emulation does (aws/aws-sdk-js-v3 6799)."""
    made = encode_segment(segment(np.eye(384, dtype=np.float32)))
    assert min(map(len, made.pieces)) < 100, "pieces are smaller than chunks"
    chunks = AwsChunkedWrapper(made, chunk_size=65_536)
    *full, last, end = [int(chunk.partition(b"\r\n")[0], 16) for chunk in chunks]
    assert {*full} == {65_536}
    assert (sum(full) + last, end) == (made.size, 0)


def test_a_store_keeps_pieces_as_one_object(blobs: BlobStore) -> None:
    pieces = [bytes(range(256)) * 40_000, b"", memoryview(b"end").cast("B")]
    assert blobs.put_if_absent("pieces/a", Pieces(pieces), "application/octet-stream")
    assert not blobs.put_if_absent("pieces/a", Pieces([b"other"]), "application/octet-stream")
    assert blobs.get("pieces/a") == b"".join(pieces)
    blobs.delete("pieces/a")
