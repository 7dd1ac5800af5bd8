"""The operator's settings: read once from the environment, typed, and handed to the parts that need them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from chalicelib.core.decision import DEFAULT_FPIR

_WITHOUT_GALLERIES_MB = 256
"""Memory of a function that holds no gallery, and of the parts of one that is being loaded (bench/tenants.py)."""


class SettingError(ValueError):
    """A missing or wrong setting; the message names it and says what would be right."""


@dataclass(frozen=True)
class AwsStorage:
    """Names of the deployed resources."""

    table_prefix: str
    bucket: str
    index_queue_url: str
    index_dead_letter_url: str
    captures_bucket: str
    captures_queue_url: str
    captures_dead_letter_url: str
    deliveries_queue_url: str
    deliveries_dead_letter_url: str
    kms_key: str
    search_function: str | None
    """Search in the function of this name; None: search in this process."""
    search_wait_s: int | None = None
    """Seconds to wait for that function's answer; None: as adapters/aws/clients.py says."""


@dataclass(frozen=True)
class Settings:
    """All settings. Storage is a folder (embedded) or AWS."""

    storage: Path | AwsStorage
    models: Path | None = None
    """Folder of the model packs; None: the folders that vision/packs/packs.py looks in."""
    pack: str | None = None
    """Name of the pack that new tenants get; None: the first complete one."""
    clock_tolerance_s: int = 300
    fpir_target: float = DEFAULT_FPIR
    capture_days: int = 30
    """Days that captures' pictures are kept; on AWS the stack's parameter CaptureDays sets this."""
    search_memory_mb: int = 1024
    """MiB that a searching process may use for galleries; the one in use stays even if it alone takes more."""
    search_disk_mb: int | None = None
    """MiB of disk for their templates; None: most of what is free when the first gallery is loaded."""
    memory_mb: int = 2048
    """One box: MiB of resident memory below which pictures and bodies under way keep the process."""
    requests_a_second: float = 100
    """Requests of v1 that a key may send for long; twice as many may come at once."""
    searches_a_second: float = 10
    """Those of them that look for faces in a picture."""
    public_url: str | None = None
    """Beginning of the URLs of uploads and pictures on one box, without a slash at the end; None: URLs are paths."""

    hook_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that hooks may reach besides public addresses. Pictures by URL come from public addresses only."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read REGULARS_*. Raises SettingError, which names the missing or wrong setting."""
        folder = environ.get("REGULARS_DATA")
        models = environ.get("REGULARS_MODELS")
        return cls(
            storage=Path(folder) if folder else _aws_storage(environ),
            models=Path(models) if models else None,
            pack=environ.get("REGULARS_PACK") or None,
            clock_tolerance_s=int(_number(environ, "REGULARS_CLOCK_TOLERANCE_S", 300, low=1, high=86_400)),
            fpir_target=_number(environ, "REGULARS_FPIR", DEFAULT_FPIR, low=1e-9, high=0.5),
            capture_days=int(_number(environ, "REGULARS_CAPTURE_DAYS", 30, low=1, high=36_500)),
            search_memory_mb=_search_memory_mb(environ),
            search_disk_mb=_search_disk_mb(environ),
            memory_mb=int(_number(environ, "REGULARS_MEMORY_MB", 2048, low=512, high=1_048_576)),
            requests_a_second=_number(environ, "REGULARS_REQUESTS_A_SECOND", 100, low=1, high=1e6),
            searches_a_second=_number(environ, "REGULARS_SEARCHES_A_SECOND", 10, low=1, high=1e6),
            public_url=_public_url(environ.get("REGULARS_PUBLIC_URL")),
            hook_networks=_networks(environ, "REGULARS_HOOK_NETWORKS"),
        )


def _aws_storage(environ: Mapping[str, str]) -> AwsStorage:
    def required(name: str) -> str:
        value = environ.get(name)
        if not value:
            raise SettingError(f"set REGULARS_DATA to a folder, or, on AWS, {name}: it is missing")
        return value

    return AwsStorage(
        table_prefix=required("REGULARS_TABLE_PREFIX"),
        bucket=required("REGULARS_BUCKET"),
        index_queue_url=required("REGULARS_INDEX_QUEUE_URL"),
        index_dead_letter_url=required("REGULARS_INDEX_DEAD_LETTER_URL"),
        captures_bucket=required("REGULARS_CAPTURES_BUCKET"),
        captures_queue_url=required("REGULARS_CAPTURES_QUEUE_URL"),
        captures_dead_letter_url=required("REGULARS_CAPTURES_DEAD_LETTER_URL"),
        deliveries_queue_url=required("REGULARS_DELIVERIES_QUEUE_URL"),
        deliveries_dead_letter_url=required("REGULARS_DELIVERIES_DEAD_LETTER_URL"),
        kms_key=required("REGULARS_KMS_KEY"),
        search_function=environ.get("REGULARS_SEARCH_FUNCTION") or None,
        search_wait_s=int(_number(environ, "REGULARS_SEARCH_WAIT_S", 0, low=1, high=900)) or None,
    )


def _search_memory_mb(environ: Mapping[str, str]) -> int:
    """Read it, or take two thirds of what a function's memory leaves: Lambda says how much that is."""
    memory_mb = _number(environ, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 1792, low=128, high=1_048_576)
    share = max(0, (memory_mb - _WITHOUT_GALLERIES_MB) * 2 // 3)
    return int(_number(environ, "REGULARS_SEARCH_MEMORY_MB", share, low=0, high=1_048_576))


def _search_disk_mb(environ: Mapping[str, str]) -> int | None:
    if not environ.get("REGULARS_SEARCH_DISK_MB"):
        return None
    return int(_number(environ, "REGULARS_SEARCH_DISK_MB", 1, low=1, high=1_048_576))


def _public_url(text: str | None) -> str | None:
    if not text:
        return None
    try:
        url = urlsplit(text)
        good = url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        good = False
    if not good or url.query or url.fragment or url.username is not None:
        raise SettingError(f"REGULARS_PUBLIC_URL is as https://box.example or http://10.0.0.2:8000, not {text!r}")
    return text.rstrip("/")


def _networks(environ: Mapping[str, str], name: str) -> tuple[IPv4Network | IPv6Network, ...]:
    texts = [text.strip() for text in environ.get(name, "").split(",")]
    try:
        return tuple(ip_network(text) for text in texts if text)
    except ValueError as error:
        raise SettingError(f"{name} is networks such as 192.168.7.0/24, with commas between them: {error}") from error


def _number(environ: Mapping[str, str], name: str, default: float, *, low: float, high: float) -> float:
    text = environ.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise SettingError(f"{name} is a number from {low:g} to {high:g}, not {text!r}")
    return value
