"""Fetches a file from the address in a pack's manifest: https only, no larger than said, and only the very bytes."""

from __future__ import annotations

import hashlib
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPMessage
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit
from urllib.request import Request

from chalicelib.vision.packs.pack_files import PackFile, Source

TIMEOUT_S = 20.0
_CHUNK_BYTES = 1 << 16

Opener = Callable[[str], IO[bytes]]
"""Opens an address for reading; tests give their own."""

Progress = Callable[[str, int, int], None]
"""Told the file's name, the bytes read so far, and all its bytes."""


class DownloadFailed(RuntimeError):
    """The file did not come, or other bytes than the manifest's did; nothing was kept."""


class HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https addresses only."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        _require_https(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def https(url: str) -> IO[bytes]:
    """Open an https address. Raises DownloadFailed for any other scheme, also in a redirect, and OSError."""
    _require_https(url)
    opener = urllib.request.build_opener(HttpsOnly)
    response: IO[bytes] = opener.open(url, timeout=TIMEOUT_S)
    return response


def fetch(file: PackFile | Source, folder: Path, opener: Opener = https, progress: Progress | None = None) -> Path:
    """Download `file` into `folder`, through a temporary file beside it, and return its path.

    Raises DownloadFailed when the address does not answer, or answers with more, fewer or other bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{file.name}.", delete=False) as part:
        path = Path(part.name)
        try:
            with opener(file.url) as source:
                digest = _copy(file, source, part, progress)
            if digest != file.sha256:
                raise DownloadFailed(f"{file.url} did not give the bytes of {file.name}: their sha256 differs")
            part.close()
            return path.replace(folder / file.name)
        except (OSError, urllib.error.URLError) as error:
            raise DownloadFailed(f"{file.url} could not be read: {error}") from error
        finally:
            path.unlink(missing_ok=True)


def _copy(file: PackFile | Source, source: IO[bytes], target: IO[bytes], progress: Progress | None) -> str:
    digest, done = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK_BYTES):
        done += len(chunk)
        if done > file.size_bytes:
            raise DownloadFailed(f"{file.url} gives more than the {file.size_bytes} bytes of {file.name}")
        digest.update(chunk)
        target.write(chunk)
        if progress:
            progress(file.name, done, file.size_bytes)
    return digest.hexdigest()


def _require_https(url: str) -> None:
    if urlsplit(url).scheme != "https":
        raise DownloadFailed(f"model files are fetched over https only, not from {url}")
