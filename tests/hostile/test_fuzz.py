"""The short form of `make fuzz`, what it has found, and proof that it finds what it looks for."""

import io
import logging
import re
import tarfile
import time
from itertools import islice
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.hostile.fuzz import Parser, Read, fuzz, inputs, line, shares
from tests.hostile.parsers import PARSERS, plain

GATE = shares(PARSERS, 3_000)
SEED = "gate"


def with_holes() -> bytes:
    """A tar of one file that begins with 64 GiB of nothing."""
    member, target = tarfile.TarInfo("a"), io.BytesIO()
    member.pax_headers = {"GNU.sparse.map": f"{2**36},0", "GNU.sparse.size": str(2**36)}
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(member)
    return target.getvalue()


BACKUP = PARSERS["backups"].corpus[0]

FOUND = [
    ("content types", b"application/x-www-form-urlencoded; boundary*000770; boundary*"),
    ("content types", b"application/x-www-form-urlencoded; charset*=utf%00-8''utf%2d8"),
    ("backups", with_holes()),
    ("backups", BACKUP.replace(b'"entries"', b'"entrjes"')),
    ("backups", BACKUP.replace(b'"created_at"', b'"crfated_at"')),
    ("backups", BACKUP.replace(b"[700, ", b"[7,0, ")),
    ("snapshots", b"RGSNAP02" + bytes(8) + b"-1e999" + bytes(200)),
    ("search answers", b"[" * 2000),
    ("search answers", b'{"errorType": []}'),
    (
        "service's answers",
        b"503\nRetry-After: Sun, 01 Mar 2026 11111111111111111112:00:05 GMT\nDate: Sun, 01 Mar "
        b"2026 12:00:00 GMT\n\n",
    ),
    ("content types", b"application/x-www-form-urlencoded; charset*=u\x00''utf%2d8"),
    ("S3 events", b'{"Records": [{"s3": {"object": {"key": {}}}}]}'),
    ("S3 events", b'{"Records": [{"s3": {"objIENDect": {"key": "shop%2Fdoor%2F1+2"}}}]}'),
    ("S3 events", b'{"Records": 7}'),
    ("S3 events", b"[" * 2000),
    ("delivery messages", b'{"tenant": {}, "id": [], "due": {}}'),
    ("delivery messages", b'{"tenant": [], "id": "1#x", "due": true}'),
    ("delivery messages", b'{"tenant": "shop", "due": -5.18467328334577e+16, "id": "1#x"}'),
    ("edge.toml", b'[server]\nurl="http://a"\n[spool]\nmax_mib = nan\n'),
    ("edge.toml", b'[server]\nurl="http://a"\n[spool]\nmin_free_mib = inf\n'),
    ("edge.toml", b"zone = " + b"[" * 2000),
    ("service's answers", b"429\nRetry-After: 9\x1e\n\n[]"),
    ("service's answers", b"200\nX-Regulars-Time: " + b"9" * 400 + b"\n\n"),
    ("service's answers", b"200\n\n" + b"[" * 2000),
    ("service's answers", b"429\n\n" + b"[" * 2000),
    ("service's answers", "429\nRetry-After: \u00b2\n\n".encode("latin-1")),
]
"""Inputs that were findings once, and have been mended."""


@pytest.mark.parametrize("name", PARSERS)
def test_no_input_is_more_than_refused(name: str) -> None:
    result = fuzz(PARSERS[name], GATE[name], SEED)
    assert not result.findings, "\n".join([line(name, result), *map(str, result.findings.values())])


@pytest.mark.parametrize(("name", "data"), FOUND)
def test_what_was_found_stays_mended(name: str, data: bytes) -> None:
    result = fuzz(replace(PARSERS[name], corpus=[data], strategy=None), 1, SEED)
    assert not result.findings, str(*result.findings.values())


# What turns bytes and texts into something else.
PARSES = re.compile(
    r"\b(json\.loads?|tomllib\.loads?|msgspec\.json\.decode|msgspec\.json\.Decoder|unpack_from|"
    r"tarfile\.open|parse_qsl?|urlsplit|b64decode|zlib\.decompress"
    r"|unquote\w*|fromisoformat|strptime)\("
)
OURS = {
    "app": "the hour that the schedule says",
    "chalicelib.api.canary": "an answer of its own stage",
    "regulars.words": "words that are files of the package",
    "chalicelib.api.console_words": "words that are files of the package",
    "chalicelib.api.console_files": "URLs of the pictures' places, which it makes itself",
    "chalicelib.auth.passwords": "hashes that it has made itself",
    "chalicelib.privacy.texts": "texts that are files of the package",
    "chalicelib.domain.texts": "texts that are files of the package",
    "chalicelib.domain.webhooks": "events that it has stored itself",
    "chalicelib.storage.records.checks": "items that it has stored itself",
    "chalicelib.privacy.data_map": "items that it has stored itself",
    "chalicelib.book.messages": "events that it has stored itself",
    "chalicelib.book.statistics.closed": "figures that it has stored itself, and passes over "
    "if they cannot be read",
    "regulars.call": "its own options, and answers of the service that the operator names",
    "regulars.demo": "answers of the service that it has started itself",
    "regulars.deploy": "a template that it has made itself",
    "regulars.doctor": "answers of the service on its own machine, and URLs that were checked when "
    "they were set",
    "regulars_mqtt.broker": "an option of the operator",
    "regulars.libraries": "a list that is a file of the package, and archives that are checked by "
    "SHA-256",
    "regulars.serve.server": "the public URL, which was checked when it was set",
    "regulars.tenants.credentials": "a file of the operator's that it has written itself",
    "regulars_edge.doctor": "a place among its own options",
    "regulars_client.http": "proxies of the operator's environment, and URLs of cameras",
    "regulars_edge.setup.command": "a file that it has written itself",
    "regulars_edge.pace": "hours that it has stored itself, beside the box's pictures",
    "regulars_edge.spool.spool": "settings that it has stored itself, in a file of the box's user",
    "regulars_edge.sources": "URLs and credentials of the operator's configuration, and films",
    "chalicelib.storage.aws.blobs": "URLs that it signs itself",
    "chalicelib.storage.aws.vault": "secrets that it has sealed itself, and a parameter of the "
    "operator's",
    "chalicelib.book.search.scan.scan": "what its own C has written into its own memory",
    "chalicelib.book.vision.packs": "packs of the program, and those that `regulars models add` "
    "wrote and read again",
    "chalicelib.privacy.audit_entries": "entries that it has written itself",
    "chalicelib.storage.records.captures": "items that it has written itself",
    "chalicelib.storage.values": "texts of its own: `time_text` wrote them",
    "chalicelib.privacy.audit": "entries and renewals that it has written itself; verifying tells "
    "which are damaged",
    "chalicelib.privacy.subject_access": "answers and items that it has stored itself",
    "chalicelib.privacy.erasure_progress": "receipts that it has signed itself",
    "chalicelib.privacy.erasure": "counts, events and answers that it has stored itself",
    "chalicelib.book.idempotency": "answers that it has stored itself",
    "regulars.options": "times among its own options",
    "chalicelib.api.promise": "answers of the stage itself",
    "regulars.protection": "URLs of hooks, which were checked when they were added",
    "regulars_mqtt.command": "a URL among its own options",
    "chalicelib.privacy.notices": "nothing: the lines that it prints do, for the person who checks "
    "a receipt",
    "chalicelib.book.week": "hours that statistics have written themselves",
    "chalicelib.book.captures.captures": "a digest that is read from a request, in v1's requests",
}
"""Modules that read what nobody else writes, or that others read first: whose words they are."""


def test_no_parser_is_forgotten() -> None:
    named = {module for parser in PARSERS.values() for module in parser.of}
    for root in (
        "app.py",
        "chalicelib",
        "regulars",
        "edge/src/regulars_edge",
        "client/src/regulars_client",
        "mqtt/src/regulars_mqtt",
        "transfer/src/regulars_transfer",
        "dialects/src/regulars_dialects",
    ):
        for file in [Path(root)] if root.endswith(".py") else sorted(Path(root).rglob("*.py")):
            module = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
            module = re.sub(r"^(edge|client|mqtt|transfer|dialects)\.src\.", "", module)
            if PARSES.search(file.read_text(encoding="utf-8")) and module not in named:
                assert any(f"{module}.".startswith(f"{ours}.") for ours in OURS), (
                    f"{module} is in no row of PARSERS"
                )


# --- the fuzzer itself
# ------------------------------------------------------------------------------------------------


def found(read: Read, *errors: type[Exception], count: int = 60) -> list[str]:
    parser = Parser(plain(read), errors, (), [b"some bytes"])
    return [one.what for one in fuzz(parser, count, SEED).findings.values()]


def test_an_error_is_found_once_unless_it_is_documented() -> None:
    def read(data: bytes) -> None:
        data.decode("ascii")

    assert ["UnicodeDecodeError" in what for what in found(read)] == [True]
    assert found(read, UnicodeDecodeError) == []


def test_an_error_that_is_logged_is_found() -> None:
    def read(_: bytes) -> None:
        try:
            raise KeyError("lost")
        except KeyError:
            logging.getLogger("some.module").exception("it failed")

    assert ["KeyError: 'lost'" in what for what in found(read, KeyError)] == [True]


def test_an_input_that_takes_long_is_found() -> None:
    def read(_: bytes) -> None:
        end = time.process_time() + 1.02
        while time.process_time() < end:
            pass

    assert ["of processor time" in what for what in found(read, count=1)] == [True]


def test_memory_that_grows_is_found() -> None:
    kept: list[bytes] = []
    assert ["MiB more memory" in what for what in found(lambda _: kept.append(b"x" * 2**20))] == [
        True
    ]


def test_a_seed_makes_the_same_inputs_again() -> None:
    def first(seed: str) -> list[bytes]:
        return list(islice(inputs(PARSERS["JSON bodies"], seed), 300))

    assert first("1/a") == first("1/a") != first("2/a")
