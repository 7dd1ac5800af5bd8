"""Checks of the machine: data folder, disk, clock, ports, and the certificate of `serve`.

Each check returns findings with their fixes. A certificate must be readable, match its key, be
valid now, and have the right names.
"""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import tarfile
import warnings
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from cryptography import x509
from regulars_client.at_rest import BLOCK_DEVICES, describe_at_rest, is_encrypted

from chalicelib.api.dialect import Dialect, Keyless
from chalicelib.api.dialects import DIALECTS
from chalicelib.book.vision.cgroup_quota import Quota, quota
from chalicelib.book.vision.machine import cores_to_run_on, cores_within, limit_memory
from chalicelib.domain.errors import StorageUnavailable
from chalicelib.open_storage import DATABASE
from chalicelib.settings import Settings, list_rows
from chalicelib.storage.box.blobs import disk_of
from chalicelib.storage.box.generation import beside, list_files, settle
from chalicelib.storage.ports import Disk
from regulars import folder
from regulars.errors import OperatorError, PortTaken
from regulars.findings import Finding, failed, warning, well
from regulars.folder import Served
from regulars.serve.server import open_listener
from regulars.serve.settings import ServeSettings
from regulars.serve.tls import SOON_DAYS, Certificate

ROOM_BYTES, SHARE = 10 * 10**9, 0.1
"""The disk is nearly full if less than both is free; the console uses the same rule."""
MEANWHILE = timedelta(minutes=1)
"""A running service goes on writing, and two clocks of one machine may differ a little."""
_OF_NETWORKS = (
    "9p",
    "afs",
    "ceph",
    "cifs",
    "fuse.sshfs",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "smb3",
)
_ASK_S = 10.0
"""Timeout of a program or server that is queried, in s."""
LEAST_BYTES = 10**9
"""The service and its models take 0.6 GB, and a picture of 4096x4096 0.3 GB
(docs/operations.md)."""


def check_folder(data: Path) -> Iterator[Finding]:
    """Check that the folder exists or can be created, belongs to this user, and can be locked."""
    if not data.exists():
        yield _check_parent(data)
    elif not data.is_dir():
        yield failed("folder", f"{data} is a file: set `data` to a folder")
    elif not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        yield failed(
            "folder",
            f"{data} belongs to {_name_owner(data)} and is not writable: run this as its owner",
        )
    else:
        yield from _check_lasting(data)
        yield from _check_ownership(data)


def _check_parent(data: Path) -> Finding:
    nearest_parent = next(path for path in data.absolute().parents if path.exists())
    if nearest_parent.is_dir() and os.access(nearest_parent, os.W_OK | os.X_OK):
        return well("folder", f"{data} does not exist yet: `regulars serve` creates it")
    return failed(
        "folder",
        f"{data} cannot be created, since {nearest_parent} is not writable: set `data` to another "
        "folder",
    )


def _check_lasting(data: Path) -> Iterator[Finding]:
    """Check that an existing data folder can hold a book: no foreign files, lockable, on a local
    disk."""
    kind = name_file_system(data)
    try:
        settle(data / DATABASE)
    except StorageUnavailable as error:
        yield failed("folder", str(error))
        return
    if (strange_file := folder.find_strange_file(data)) is not None:
        yield failed(
            "folder",
            f"{data} holds {strange_file} and no data of a service: set `data` to an empty folder",
        )
    elif not _can_lock(data / folder.LOCK):
        yield failed("folder", f"{data} cannot be locked ({kind}): move it to a local disk")
    elif kind in _OF_NETWORKS:
        yield warning(
            "folder",
            f"{data} is on a network file system ({kind}): move it to a local disk, as SQLite "
            "requires",
        )
    elif folder.has_database(data):
        yield well("folder", f"{data} is writable and can be locked ({kind})")
    else:
        yield well("folder", f"{data} is writable and can be locked ({kind}), and is still empty")


def _check_ownership(data: Path) -> Iterator[Finding]:
    """Check that all files belong to the folder's owner and that no other user can read them."""
    owner, foreign_names = data.stat().st_uid, []
    for path in sorted(data.iterdir()):
        with suppress(FileNotFoundError):  # it was there for a moment only
            foreign_names += [path.name] if path.lstat().st_uid != owner else []
    foreign_names = [name for name in foreign_names if name != "lost+found"]  # of a disk of its own
    if foreign_names:
        mend = f"`chown -R {_name_owner(data)} {data}`"
        yield failed(
            "folder",
            f"{data} belongs to {_name_owner(data)}, but {foreign_names[0]} in it does not: {mend}",
        )
    if data.stat().st_mode & 0o077:
        yield warning("folder", f"other users of this machine can read {data}: `chmod 700 {data}`")


def _name_owner(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:  # it has a number and no name
        return str(path.stat().st_uid)


def name_file_system(path: Path) -> str:
    """Name the kind of file system that the path is on, as the kernel calls it; "unknown" elsewhere
    than on Linux."""
    device, kind = path.stat().st_dev, "unknown"
    try:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return kind
    for line in mounts:
        mount_fields, _, file_system_fields = line.partition(" - ")
        if mount_fields.split()[2] == f"{os.major(device)}:{os.minor(device)}":
            kind = file_system_fields.split()[0]
    return kind


def _can_lock(lock: Path) -> bool:
    """Try a lock of SQLite's kind on a file that is there; without one, none can be tried."""
    try:
        with lock.open("rb") as file:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.EACCES, errno.EAGAIN)
    return True


def check_python(
    version: tuple[int, ...] = sys.version_info[:3],
    mended: bool = hasattr(tarfile, "_header_length_prefix_re"),
) -> Finding:
    """Check that Python has the fix for CVE-2024-6232 (slow parsing of hostile archives), by its
    version or by a distribution's patch (`mended`), such as Debian's 3.11.2.
    """
    version_text = ".".join(map(str, version))
    if not mended and (version < (3, 11, 10) or (3, 12) <= version < (3, 12, 6)):
        return warning(
            "python",
            f"{version_text} has CVE-2024-6232 (slow parsing of hostile archives): update to "
            "3.11.10, 3.12.6, 3.13 or newer",
        )
    return well("python", version_text)


def check_disk(data: Path) -> Finding:
    """Check the free space on the folder's disk."""
    existing_path = next(
        path for path in (data.absolute(), *data.absolute().parents) if path.exists()
    )
    return judge_free_space(disk_of(existing_path))


def check_at_rest(data: Path, devices: Path = BLOCK_DEVICES) -> Finding:
    """Check that the folder is on an encrypted disk, as far as that can be detected."""
    says = f"if the box is stolen, {describe_at_rest([data], devices)}"
    if is_encrypted(data, devices) is False:
        return warning("theft", f"{says} (docs/operations.md, If the box is stolen)")
    return well("theft", says)


def judge_free_space(disk: Disk) -> Finding:
    """Judge the free space of a disk."""
    free_text = f"{disk.free_bytes / 1e9:.1f} GB of {disk.total_bytes / 1e9:.1f} GB are free"
    mend = (
        "free some space, move the folder to a larger disk, or keep captures for fewer days "
        "(`capture_days`)"
    )
    if disk.is_full:
        return failed("disk", f"{free_text}: {mend}")
    if disk.free_bytes < min(ROOM_BYTES, disk.total_bytes * SHARE):
        return warning("disk", f"{free_text}: {mend}")
    return well("disk", free_text)


def check_machine(settings: Settings, running: Served | None) -> Iterator[Finding]:
    """Check cores and memory, and what a quota leaves of them to the running service, or to this
    process if none is running."""
    core_count, remaining_quota = cores_to_run_on(), quota()
    if running is not None and running.process.isdecimal():
        with suppress(OSError):  # it may have ended meanwhile
            core_count = cores_to_run_on(int(running.process))
            remaining_quota = quota(running.process)
    yield describe_cores(core_count, remaining_quota)
    yield describe_memory(
        os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        remaining_quota,
        settings.memory_mb * 2**20,
    )


def describe_cores(core_count: int, quota: Quota) -> Finding:
    """Return a finding about the number of cores and the quota."""
    cores_text = f"{core_count} available"
    if quota.cores is None:
        return well("cores", cores_text)
    usable = cores_within(quota, core_count)
    return well(
        "cores",
        f"{cores_text}, limited by a quota to {quota.cores:g}: the service computes on {usable}",
    )


def describe_memory(total_bytes: int, quota: Quota, limit_bytes: int) -> Finding:
    """Return a finding about memory and the quota; a warning if large pictures do not fit."""
    usable_bytes, memory_text = total_bytes, f"{total_bytes / 1e9:.1f} GB"
    if quota.memory_bytes is not None and quota.memory_bytes < total_bytes:
        usable_bytes, limit_gb = quota.memory_bytes, limit_memory(quota, limit_bytes) / 1e9
        usable_gb = usable_bytes / 1e9
        memory_text += (
            f", limited by a quota to {usable_gb:.1f} GB: the service stays below {limit_gb:.1f} GB"
        )
    if usable_bytes < LEAST_BYTES:
        return warning(
            "memory",
            f"{memory_text}, too little for large pictures: provide at least "
            f"{LEAST_BYTES / 1e9:.0f} GB",
        )
    return well("memory", memory_text)


def check_clock(data: Path, now: datetime) -> Finding:
    """Check that the clock is not behind this program's files and the last write to the book."""
    files = (one for file in list_files(data / DATABASE) for one in (file, beside(file, "wal")))
    book = [("the book was written", file) for file in files]
    clock_says = f"the clock shows {_format_minute(now)}"
    for event, path in (("this program was installed", Path(__file__)), *book):
        if (
            path.exists()
            and (file_time := datetime.fromtimestamp(path.stat().st_mtime, UTC)) > now + MEANWHILE
        ):
            later = f"{event} at {_format_minute(file_time)}"
            return failed(
                "clock", f"{clock_says}, but {later}: set it, such as by `timedatectl set-ntp 1`"
            )
    if is_set_by_network() is False:
        return warning("clock", f"{clock_says}; NTP is off: `timedatectl set-ntp 1`")
    return well("clock", clock_says)


def _format_minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def is_set_by_network() -> bool | None:
    """Ask systemd whether NTP is active; None if it does not know, as in a container."""
    command = ["timedatectl", "show", "--property=NTP", "--property=NTPSynchronized"]
    try:
        answer = subprocess.run(  # noqa: S603 -- a command of this module
            command, capture_output=True, text=True, timeout=_ASK_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return "=yes" in answer if "=" in answer else None


def check_ports(serving: ServeSettings, running: Served | None) -> Iterator[Finding]:
    """Check that each port is free, unless a running service has it."""
    if running is None:
        yield _check_port("port", serving.host, serving.port)
        if serving.metrics_port is not None:
            yield _check_port("metrics_port", serving.metrics_host, serving.metrics_port)
    elif running.url:
        yield well("port", f"{running.url} is used by the running service")


def _check_port(setting: str, host: str, port: int) -> Finding:
    try:
        open_listener(host, port).close()
    except PortTaken as error:
        reason = str(error).partition(": choose")[0]
        return failed("port", f"{reason}: set `{setting}` to another, or stop what uses it")
    return well("port", f"{host}:{port} is free")


def check_service(running: Served | None) -> Finding:
    """Ask the service that serves the folder whether it is ready."""
    if running is None:
        return well("service", "not running; the checks used the settings of this command")
    if not running.url:
        return warning("service", f"process {running.process} is starting: try again in a moment")
    label = f"process {running.process} at {running.url}"
    try:
        # any certificate will do: nothing secret is sent or received
        with (
            warnings.catch_warnings(action="ignore"),
            urllib3.PoolManager(cert_reqs="CERT_NONE", timeout=_ASK_S, retries=False) as pool,
        ):
            answer = pool.request("GET", f"{running.url}/ready")
        answers = answer.json()
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        return failed("service", f"{label} does not answer ({error}): see its log")
    faults = [
        str(text)
        for name, text in answers.items()
        if name not in ("ready", "pack") and text not in ("ok", None)
    ]
    if answer.status != 200:
        return failed(
            "service",
            f"{label} is not ready: {'; '.join(faults) or answer.status}; see its log",
        )
    return well("service", f"{label} is ready (models: {answers.get('pack')})")


def check_certificate(
    serving: ServeSettings, public_url: str | None, now: datetime
) -> Iterator[Finding]:
    """Check the certificate's files, expiry and names; without one, check whether the service
    speaks plain HTTP to other machines.
    """
    if serving.tls_cert is None or serving.tls_key is None:
        is_https_outside = public_url is not None and public_url.startswith("https:")
        state = "a proxy terminates TLS" if is_https_outside else "the service speaks plain HTTP"
        if serving.host in ("127.0.0.1", "::1", "localhost") or is_https_outside:
            yield well("tls", f"no certificate is set: {state}")
        else:
            yield warning(
                "tls",
                f"{state} at {serving.host}, so traffic can be intercepted: set `tls_cert` and "
                "`tls_key`",
            )
        return
    try:
        Certificate(serving.tls_cert, serving.tls_key)
    except OperatorError as error:
        yield failed("tls", f"{error}: correct `tls_cert` and `tls_key`")
        return
    certificate = x509.load_pem_x509_certificate(serving.tls_cert.read_bytes())
    yield _check_ending(serving.tls_cert, certificate, now)
    yield _check_names(certificate, public_url)


def check_keyless(settings: Settings, serving: ServeSettings) -> Iterator[Finding]:
    """Check that no proxy counts as a client that needs no key."""
    for dialect in DIALECTS:
        keyless_clients = settings.of_dialects.get(dialect.name)
        if isinstance(keyless_clients, Keyless) and keyless_clients.networks:
            yield _check_keyless_networks(dialect, keyless_clients, settings, serving)


def _check_keyless_networks(
    dialect: Dialect, keyless_clients: Keyless, settings: Settings, serving: ServeSettings
) -> Finding:
    """Check whether a proxy could forward outside calls as those of a client that needs no key."""
    [setting_name] = (
        setting.name for setting in list_rows(type(keyless_clients)) if setting.kind is tuple
    )
    by_proxy = (settings.public_url or "").startswith("https:") and serving.tls_cert is None
    proxies_among_clients = [
        trusted_proxy
        for trusted_proxy in serving.trusted_proxies
        if any(trusted_proxy.overlaps(network) for network in keyless_clients.networks)
    ]
    if by_proxy and not serving.trusted_proxies:
        return warning(
            "keyless",
            f"`{setting_name}` allows calls without a key, and calls through the proxy may seem to "
            "come from it: name the proxy in `trusted_proxies` and have it set X-Forwarded-For",
        )
    if proxies_among_clients:
        return warning(
            "keyless",
            f"the proxy {proxies_among_clients[0]} is in `{setting_name}`, so calls through it "
            "without X-Forwarded-For need no key: have it set that header, or name single machines",
        )
    return well(
        "keyless",
        f"`{setting_name}` may call {dialect.title}'s paths without a key; it includes no proxy",
    )


def _check_ending(chain: Path, certificate: x509.Certificate, now: datetime) -> Finding:
    begins_at, ends_at = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begins_at <= now <= ends_at:
        validity = f"from {begins_at:%Y-%m-%d} to {ends_at:%Y-%m-%d}"
        return failed("tls", f"{chain} is valid {validity} only: renew it, and check the clock")
    days = (ends_at - now).days
    ends = f"{chain} matches its key and expires in {days} days, on {ends_at:%Y-%m-%d}"
    if days < SOON_DAYS:
        return warning("tls", f"{ends}: renew it; the service loads new files without a restart")
    return well("tls", ends)


def _check_names(certificate: x509.Certificate, public_url: str | None) -> Finding:
    """Check that the certificate has the host's name, or a wildcard for its domain.

    `public_url`: the address that clients use; without a host, any name will do.
    """
    host = urlsplit(public_url or "").hostname
    name_lists = [
        each.value
        for each in certificate.extensions
        if isinstance(each.value, x509.SubjectAlternativeName)
    ]
    names = [
        str(name.value)
        for all_ in name_lists
        for name in all_
        if isinstance(name, x509.DNSName | x509.IPAddress)
    ]
    if not names:
        return failed(
            "tls", "the certificate has no subjectAltName, so clients reject it: create one with it"
        )
    if host and not {host, f"*.{host.partition('.')[2]}"} & {*map(str.lower, names)}:
        return failed(
            "tls",
            f"the certificate is for {', '.join(names)}, not for {host}, the host of `public_url`",
        )
    return well("tls", f"the certificate is for {', '.join(names)}")
