"""Getting what a pack lacks: downloads, conversions from packages, and nothing kept that is not what it should be."""

from __future__ import annotations

import io
import os
import resource
import signal
import socket
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import IO, ClassVar

import pytest

from chalicelib.vision.packs import packs
from chalicelib.vision.packs.pack_files import Package, PackFile, Source
from chalicelib.vision.packs.packs import Pack, State
from regulars import packages
from regulars.models import pulling
from regulars.models.download import UNREACHABLE, DownloadFailed, fetch, https
from regulars.models.pulling import Web
from regulars.packages import PackageUnavailable, members
from tests.adapters.web.certificates import Authority
from tests.adapters.web.servers import head, redirect, says, serving
from tests.regulars.models.nowhere import Pages, no_archive, no_route

DETECTOR, EMBEDDING = "yunet_s_dynamic.onnx", "face_reid_0095.onnx"
HEAD_POSE = "head_pose_adas_0001.onnx"
MANIFEST = b'[{"weights": [{"name": "x", "shape": [2], "dtype": "float32"}]}]'


@pytest.fixture
def folder(default_pack: Pack, tmp_path: Path) -> Path:
    """A folder that holds the whole default pack."""
    inside = tmp_path / "models" / default_pack.manifest.name
    inside.mkdir(parents=True)
    for file in default_pack.files:
        (inside / file.name).write_bytes(default_pack.content(file.name))
    return inside


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def at(folder: Path) -> Pack:
    return packs.at([folder])


@contextmanager
def no_file_over(size_bytes: int) -> Iterator[None]:
    """Like a disk that is full: it gives another error of the operating system."""
    limits, before = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


class TestDownloads:
    def test_what_is_there_is_left_alone(self, folder: Path) -> None:
        pages = Pages()
        assert pulling.complete(pulling.pull(at(folder), folder, Web(pages, no_archive)))
        assert pages.asked == []

    def test_a_damaged_file_is_replaced_and_progress_told(self, folder: Path, default_pack: Pack) -> None:
        (folder / DETECTOR).write_bytes(b"x" * default_pack.file(DETECTOR).size_bytes)
        pages, told = Pages({default_pack.file(DETECTOR).url: default_pack.content(DETECTOR)}), []
        web = Web(pages, no_archive, lambda name, done, size: told.append((name, done, size)))
        assert pulling.complete(pulling.pull(at(folder), folder, web))
        size = default_pack.file(DETECTOR).size_bytes
        assert told[-1] == (DETECTOR, size, size)

    def test_a_file_that_cannot_be_had_says_why_and_the_others_are_got(self, folder: Path, default_pack: Pack) -> None:
        (folder / DETECTOR).unlink()
        (folder / EMBEDDING).unlink()
        pages = Pages({default_pack.file(DETECTOR).url: default_pack.content(DETECTOR)})
        (bad,) = (s for s in pulling.pull(at(folder), folder, Web(pages, no_archive)) if s.state is not State.OK)
        assert (bad.file.name, bad.state) == (EMBEDDING, State.MISSING)
        assert "no route to host" in bad.detail

    def test_a_disk_that_is_full_is_not_taken_for_a_host_that_does_not_answer(
        self, tmp_path: Path, default_pack: Pack
    ) -> None:
        pages = Pages({default_pack.file(DETECTOR).url: default_pack.content(DETECTOR)})
        with no_file_over(100_000):
            told = {one.file.name: one for one in pulling.pull(at(tmp_path), tmp_path, Web(pages, no_archive))}
        size_mb = default_pack.file(DETECTOR).size_bytes / 1e6
        said = f"it cannot be written (File too large): it takes {size_mb:.1f} MB, and free are "
        assert told[DETECTOR].detail.startswith(said)
        assert told[DETECTOR].detail.endswith(f" MB in {tmp_path}")
        assert pages.asked.count(default_pack.file(DETECTOR).url) == 1
        assert list(tmp_path.iterdir()) == []

    def test_a_host_that_does_not_answer_is_asked_once(self, tmp_path: Path) -> None:
        pages = Pages()
        pulling.pull(at(tmp_path), tmp_path, Web(pages, no_archive))
        hosts = [url.split("/")[2] for url in pages.asked]
        assert len(hosts) == len(set(hosts)) == 3

    def test_a_missing_file_is_converted_from_the_upstreams(
        self, folder: Path, given_models: Path, default_pack: Pack
    ) -> None:
        (folder / EMBEDDING).unlink()
        (folder / "upstream").symlink_to(given_models / "upstream")
        assert pulling.complete(pulling.pull(at(folder), folder, Web(no_route, no_archive)))
        assert at(folder).content(EMBEDDING) == default_pack.content(EMBEDDING)

    @pytest.mark.parametrize("change", ["other bytes", "too long", "too short", "no answer"])
    def test_nothing_is_kept_of_other_bytes(self, change: str, tmp_path: Path) -> None:
        data = b"model" * 100
        file = Source("a.onnx", sha256(data).hexdigest(), len(data), "https://example.org/a.onnx")
        pages = {
            "other bytes": {file.url: b"x" * len(data)},
            "too long": {file.url: data + b"x"},
            "too short": {file.url: data[:-1]},
            "no answer": {},
        }[change]
        with pytest.raises(DownloadFailed, match=file.url):
            fetch(file, tmp_path, Pages(pages))
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("url", ["http://example.org/model.onnx", "file:///etc/passwd", "ftp://example.org/x"])
    def test_other_schemes_are_refused(self, url: str) -> None:
        with pytest.raises(DownloadFailed, match="https only"):
            https(url)

    def test_a_redirect_to_another_scheme_is_refused(self, authority: Authority) -> None:
        answer = redirect("http://localhost/model.onnx")
        with (
            serving(answer, authority.server("localhost")) as port,
            pytest.raises(DownloadFailed, match="https only, not from http://localhost"),
        ):
            https(f"https://localhost:{port}/model.onnx", authority.client())

    def test_a_redirect_to_https_is_followed_and_the_file_is_checked(
        self, authority: Authority, tmp_path: Path
    ) -> None:
        data = bytes(range(256)) * 1000
        length = f"Content-Length: {len(data)}"
        file = Source("a.onnx", sha256(data).hexdigest(), len(data), "https://localhost:{}/old")

        def answer(sock: socket.socket, request: bytes) -> None:
            moved = redirect("/new") if request.startswith(b"GET /old ") else says(head(length), data)
            moved(sock, request)

        with serving(answer, authority.server("localhost")) as port:
            here = replace(file, url=file.url.format(port))
            assert fetch(here, tmp_path, partial(https, trust=authority.client())).read_bytes() == data

    def test_a_redirect_without_an_end_is_given_up(self, authority: Authority) -> None:
        with (
            serving(redirect("/again"), authority.server("localhost")) as port,
            pytest.raises(DownloadFailed, match="redirected 10 times"),
        ):
            https(f"https://localhost:{port}/again", authority.client())

    def test_an_answer_that_ends_early_is_told_as_such(self, authority: Authority, tmp_path: Path) -> None:
        file = Source("a.onnx", sha256(b"model").hexdigest(), 5, "")
        with serving(says(head("Content-Length: 5"), b"mo"), authority.server("localhost")) as port:
            here = replace(file, url=f"https://localhost:{port}/a.onnx")
            with pytest.raises(DownloadFailed, match=r"could not be read to its end: .*2 bytes read, 3 more expected"):
                fetch(here, tmp_path, partial(https, trust=authority.client()))
        assert list(tmp_path.glob("*a.onnx*")) == []

    def test_a_server_that_nobody_vouches_for_is_not_believed(self, authority: Authority, tmp_path: Path) -> None:
        file = Source("a.onnx", sha256(b"model").hexdigest(), 5, "")
        with serving(says(head("Content-Length: 5"), b"model"), authority.server("localhost")) as port:
            here = replace(file, url=f"https://localhost:{port}/a.onnx")
            with pytest.raises(DownloadFailed, match="certificate"):
                fetch(here, tmp_path, https)

    def test_an_answer_that_is_not_the_file_is_told_by_its_status(self, authority: Authority) -> None:
        gone = says(head("Content-Length: 0", status="404 Not Found"))
        with (
            serving(gone, authority.server("localhost")) as port,
            pytest.raises(DownloadFailed, match="answered HTTP 404") as caught,
        ):
            https(f"https://localhost:{port}/a.onnx", authority.client())
        assert not isinstance(caught.value.__cause__, UNREACHABLE)

    def test_what_a_silent_host_was_not_asked_for_is_said_by_its_own_address(self, folder: Path) -> None:
        """Both files' upstream lies at one host, which is waited for once."""
        for name in (EMBEDDING, HEAD_POSE):
            (folder / name).unlink()
        pages = Pages()
        details = [s.detail for s in pulling.pull(at(folder), folder, Web(pages, no_archive)) if s.detail]
        assert len(pages.asked) == 1
        assert [name in detail for detail in details for name in ("reidentification", "head-pose")] == [
            True,
            False,
            False,
            True,
        ]
        assert "storage.openvinotoolkit.org gave no answer before (no route to host)" in details[1]

    def test_a_host_that_lacks_one_file_is_asked_for_the_next(self, folder: Path) -> None:
        for name in (EMBEDDING, HEAD_POSE):
            (folder / name).unlink()
        asked: list[str] = []

        def not_found(url: str) -> IO[bytes]:
            asked.append(url)
            raise DownloadFailed(f"{url} could not be read: it answered HTTP 404")

        pulling.pull(at(folder), folder, Web(not_found, no_archive))
        assert len(asked) == 2


def small_pack(names: dict[str, bytes], folder: Path) -> Pack:
    """A pack of files that are downloaded as they are, each from an address of its own."""
    files = tuple(
        PackFile(name, sha256(data).hexdigest(), len(data), "MIT", "x", f"https://{name}/", True)
        for name, data in names.items()
    )
    pack = packs.at([folder])
    return replace(pack, manifest=replace(pack.manifest, files=files))


class TestAPackOfWhichAllIsWantedOrNothing:
    CONTENTS: ClassVar = {"a.onnx": b"a", "b.onnx": b"bb"}

    def test_it_comes_whole(self, tmp_path: Path) -> None:
        pack, target = small_pack(self.CONTENTS, tmp_path), tmp_path / "into"
        pages = Pages({f"https://{name}/": data for name, data in self.CONTENTS.items()})
        got = pulling.pull_complete(pack, target, Web(pages, no_archive))
        assert {(one.state, one.path) for one in got} == {(State.OK, target / name) for name in self.CONTENTS}
        assert {path.name: path.read_bytes() for path in target.iterdir()} == self.CONTENTS

    def test_nothing_of_it_stays_if_a_needed_file_cannot_be_had(self, tmp_path: Path) -> None:
        pack, target = small_pack({**self.CONTENTS, "c.onnx": b"c"}, tmp_path), tmp_path / "into"
        pages = Pages({"https://a.onnx/": b"a", "https://c.onnx/": b"c"})
        got = pulling.pull_complete(pack, target, Web(pages, no_archive))
        assert {one.state for one in got} == {State.MISSING}
        assert ["no route to host" in one.detail for one in got] == [False, True, False]
        assert pages.asked == ["https://a.onnx/", "https://b.onnx/"]
        assert list(tmp_path.iterdir()) == []

    def test_an_optional_file_that_cannot_be_had_is_left_out(self, tmp_path: Path) -> None:
        pack, target = small_pack(self.CONTENTS, tmp_path), tmp_path / "into"
        files = (replace(pack.files[0], optional=True), pack.files[1])
        pack = replace(pack, manifest=replace(pack.manifest, files=files))
        got = pulling.pull_complete(pack, target, Web(Pages({"https://b.onnx/": b"bb"}), no_archive))
        assert pulling.complete(got)
        assert [path.name for path in target.iterdir()] == ["b.onnx"]


class Registry:
    """Gives packages' archives, made of members and their contents; remembers which were asked for."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self.contents = contents
        self.asked: list[str] = []

    def __call__(self, package: Package, folder: Path) -> Path:
        self.asked.append(package.name)
        return archive_of(self.contents, folder / f"{len(self.asked)}.tgz")


def archive_of(contents: dict[str, bytes], path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def source(name: str, data: bytes) -> Source:
    return Source(name, sha256(data).hexdigest(), len(data), package="p", member=f"package/model/{name}")


class TestPackages:
    def test_the_registry_pack_comes_from_two_packages_each_fetched_once(self, registry: Pack, tmp_path: Path) -> None:
        """Without the packages themselves: nothing is asked of a registry but what the manifest names."""
        pack = packs.at([tmp_path], "registry")
        asked: list[str] = []

        def archive(package: Package, _folder: Path) -> Path:
            asked.append(f"{package.client} {package.name} {package.version}")
            raise PackageUnavailable("no route to host")

        statuses = pulling.pull(pack, tmp_path, Web(no_route, archive))
        assert asked == ["npm @vladmandic/face-api 1.7.15", "pip face_recognition_models 0.3.0"]
        assert {status.state for status in statuses} == {State.MISSING}
        assert {status.detail for status in statuses} == {"no route to host"}

    @pytest.mark.parametrize(
        ("said", "reason"),
        [
            (
                "npm error code ETARGET\nnpm error notarget No matching version found for p@1.\nnpm error more",
                "notarget No matching version found for p@1.",
            ),
            (
                "npm error code EACCES\nnpm error syscall mkdir\nnpm error path /x\nnpm error errno -13\n"
                "npm error Error: EACCES: permission denied, mkdir '/x'\nnpm error Log files were not written",
                "Error: EACCES: permission denied, mkdir '/x'",
            ),
            ("npm error code EUSAGE", "code EUSAGE"),
            ("a notice\nthe last word", "the last word"),
            ("", "it said nothing"),
        ],
    )
    def test_npm_is_asked_with_a_cache_of_its_own_and_why_it_failed_is_said(
        self, said: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        npm, into = tmp_path / "npm", tmp_path / "into"
        into.mkdir()
        npm.write_text(f"#!/bin/sh\necho \"$@\" > {tmp_path}/asked\ncat >&2 <<'END'\n{said}\nEND\nexit 1\n")
        npm.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        with pytest.raises(PackageUnavailable) as caught:
            packages.archive(Package("p", "1", "npm", "0" * 64), into)
        assert str(caught.value).endswith(f"failed: {reason}")
        assert f"--cache {into}" in (tmp_path / "asked").read_text()

    def test_a_members_bytes_are_checked(self, tmp_path: Path) -> None:
        path = archive_of({"package/model/a.bin": b"abc"}, tmp_path / "a.tgz")
        assert members(path, [source("a.bin", b"abc")]) == {"a.bin": b"abc"}
        with pytest.raises(PackageUnavailable, match="holds another package"):
            members(path, [source("a.bin", b"abd")])
        with pytest.raises(PackageUnavailable, match="cannot be read"):
            members(path, [source("b.bin", b"abc")])

    def test_an_archive_cut_short(self, tmp_path: Path) -> None:
        path = archive_of({"package/model/a.bin": b"abc" * 1000}, tmp_path / "a.tgz")
        path.write_bytes(path.read_bytes()[:40])
        with pytest.raises(PackageUnavailable, match="cannot be read"):
            members(path, [source("a.bin", b"abc" * 1000)])

    def test_a_conversion_that_gives_other_bytes_is_not_kept(self, default_pack: Pack, tmp_path: Path) -> None:
        """As after a change of the converter or of the library that writes ONNX."""
        pack = packs.at([tmp_path])
        sources = {"m.json": source("m.json", MANIFEST), "m.bin": source("m.bin", bytes(8))}
        file = PackFile(
            "a.onnx", "0" * 64, 9, "MIT", "x", "", False, convert="faceapi_age_gender", sources=tuple(sources)
        )
        package = Package("p", "1", "npm", "0" * 64)
        manifest = replace(pack.manifest, files=(file,), sources=sources, packages={"p": package})
        registry = Registry({"package/model/m.json": MANIFEST, "package/model/m.bin": bytes(7)})
        (status,) = pulling.pull(replace(pack, manifest=manifest), tmp_path, Web(no_route, registry))
        assert status.state is State.MISSING
        assert "another package/model/m.bin" in status.detail
        assert list(tmp_path.iterdir()) == []
        assert registry.asked == ["p"]
