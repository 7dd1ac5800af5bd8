"""Download of a file from the address in a pack's manifest: over https only, and only if size and sha256 are right."""

from __future__ import annotations

import hashlib
import io
import shutil
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from chalicelib.vision.packs.pack_files import PackFile, Source

TIMEOUT_S = 20.0
_CHUNK_BYTES = 1 << 16
_MOST_REDIRECTS = 10
_TRIES = 3
_LEFT_OVER_S = 3600.0

Opener = Callable[[str], io.IOBase]
"""Function that opens an address for reading; tests give their own."""

Progress = Callable[[str, int, int], None]
"""Function that gets the file's name, the number of bytes read so far, and the file's size."""

UNREACHABLE = (OSError, urllib3.exceptions.HTTPError)
"""Errors if a host does not answer, or not to the end. Only then is one of these the cause of a DownloadFailed."""


class DownloadFailed(RuntimeError):
    """Error: the file did not come, or had other bytes than the manifest's. Nothing was kept."""


class _CutOff(Exception):
    """Error: an answer ended before the file did."""


def https(url: str, trust: ssl.SSLContext | None = None) -> io.IOBase:
    """Open an https address. `trust`: the certificate authorities; None: the system's.

    Raises DownloadFailed for any other scheme, also in a redirect, and if the answer has no file; UNREACHABLE if the
    host does not answer.
    """
    for _ in range(_MOST_REDIRECTS):
        parts = urlsplit(url)
        if parts.scheme != "https":
            raise DownloadFailed(f"model files are fetched over https only, not from {url}")
        answer = _pool(parts.hostname or "", trust).request(
            "GET", url, redirect=False, retries=False, timeout=TIMEOUT_S, preload_content=False, decode_content=False
        )
        location = answer.get_redirect_location()
        if not location:
            if answer.status != 200:
                answer.close()
                raise DownloadFailed(f"{url} could not be read: it answered HTTP {answer.status}")
            return answer
        answer.close()
        url = urljoin(url, location)
    raise DownloadFailed(f"{url} could not be read: it was redirected {_MOST_REDIRECTS} times")


def fetch(file: PackFile | Source, folder: Path, opener: Opener = https, progress: Progress | None = None) -> Path:
    """Download `file` into `folder`, through a temporary file beside it, and return its path.

    An answer that is cut off is asked for again, from its beginning, twice. Raises DownloadFailed if the address does
    not answer, or gives more, fewer or other bytes; OSError if it cannot be written.
    """
    with replacing(folder / file.name) as part:
        for tries_left in reversed(range(_TRIES)):
            try:
                digest = _downloaded(file, part, opener, progress)
                break
            except _CutOff as error:
                if not tries_left:
                    raise DownloadFailed(f"{file.url} could not be read to its end: {error}") from error.__cause__
        if digest != file.sha256:
            raise DownloadFailed(
                f"{file.url} did not give the bytes of {file.name}: their sha256 is {digest}, not {file.sha256}. "
                "Nothing of them was kept. Try again from another network; or copy the file from a machine that has it "
                "into a folder that `regulars models list` names"
            )
    return folder / file.name


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write. When the block ends it is at `path`; if the block fails, no part of it is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as part:
        temporary = Path(part.name)
        try:
            yield part
            part.close()
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def remove_left_overs(path: Path) -> None:
    """Remove what killed downloads of `path` left beside it, unless it is so new that one may be under way."""
    for left in path.parent.glob(f".{path.name}.*"):
        with suppress(OSError):
            if left.stat().st_mtime < time.time() - _LEFT_OVER_S:
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def _downloaded(file: PackFile | Source, part: IO[bytes], opener: Opener, progress: Progress | None) -> str:
    """Write the file over what `part` holds; return its sha256. Raises _CutOff, DownloadFailed, OSError of the disk."""
    part.seek(0)
    part.truncate()
    try:
        source = opener(file.url)
    except UNREACHABLE as error:
        raise DownloadFailed(f"{file.url} could not be read: {error}") from error
    with source:
        return _copy(file, source, part, progress)


def _copy(file: PackFile | Source, source: io.IOBase, target: IO[bytes], progress: Progress | None) -> str:
    digest, done = hashlib.sha256(), 0
    while chunk := _read(source):
        done += len(chunk)
        if done > file.size_bytes:
            raise DownloadFailed(f"{file.url} gives more than the {file.size_bytes} bytes of {file.name}")
        digest.update(chunk)
        target.write(chunk)
        if progress:
            progress(file.name, done, file.size_bytes)
    return digest.hexdigest()


def _read(source: io.IOBase) -> bytes:
    try:
        return bytes(source.read(_CHUNK_BYTES))
    except UNREACHABLE as error:
        raise _CutOff(str(error)) from error


def _pool(host: str, trust: ssl.SSLContext | None) -> urllib3.PoolManager:
    """Make a pool of connections to the host, through the environment's proxy if it names one."""
    proxy = getproxies().get("https")
    if not proxy or proxy_bypass(host):
        return urllib3.PoolManager(ssl_context=trust)
    named = urllib3.util.parse_url(proxy)
    headers = urllib3.make_headers(proxy_basic_auth=named.auth) if named.auth else None
    return urllib3.ProxyManager(f"{named.scheme or 'http'}://{named.netloc}", proxy_headers=headers, ssl_context=trust)
