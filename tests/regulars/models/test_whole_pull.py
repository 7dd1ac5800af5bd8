"""face-pack-1 as a machine with the internet gets it: every upstream address played here, with the real bytes."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import pytest

from chalicelib.vision.packs import packs
from chalicelib.vision.packs.pack_files import Package
from chalicelib.vision.packs.packs import Pack, State
from regulars.models import models, pulling
from regulars.models.download import https
from regulars.models.pulling import Web
from tests.adapters.web.certificates import Authority
from tests.regulars.models.test_pulling import archive_of
from tests.regulars.models.upstream import Hosts, proxy

LIVENESS, SECOND_EMOTION = "2.7_80x80_MiniFASNetV2.onnx", "fer2013_mini_xception_102_066.onnx"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def pages(given_models: Path) -> dict[str, bytes]:
    """What the addresses of face-pack-1 give: its files that are published, and the sources of the others."""
    manifest = packs.at([]).manifest
    files = {file.url: given_models / file.name for file in manifest.files if file.exact_upstream_bytes}
    sources = {one.url: given_models / "upstream" / one.name for one in manifest.sources.values() if one.url}
    return {url: path.read_bytes() for url, path in {**files, **sources}.items()}


@pytest.fixture
def web(authority: Authority, given_models: Path) -> Web:
    """Ways to fetch: https through the proxy of the environment, and a registry that has the one package."""

    def archive(package: Package, folder: Path) -> Path:
        wanted = [one for one in packs.at([]).manifest.sources.values() if one.package == package.name]
        contents = {one.member: (given_models / "upstream" / one.name).read_bytes() for one in wanted}
        return archive_of(contents, folder / "package.tgz")

    return Web(partial(https, trust=authority.client()), archive)


def whole(folder: Path) -> Pack:
    """The pack, looked for in this folder alone."""
    return packs.at([folder])


def test_a_pull_ends_with_every_file_and_nothing_beside_them(
    authority: Authority, pages: dict[str, bytes], web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = Hosts(authority, pages)
    with proxy(hosts) as address:
        monkeypatch.setenv("https_proxy", address)
        statuses = pulling.pull(whole(tmp_path), tmp_path, web)
    assert {status.file.name: (status.state, status.detail) for status in statuses} == {
        file.name: (State.OK, "") for file in whole(tmp_path).files
    }
    assert {status.state for status in packs.verify(whole(tmp_path))} == {State.OK}
    assert {path.name for path in tmp_path.iterdir()} == {file.name for file in whole(tmp_path).files}
    assert sorted(hosts.asked) == sorted(pages)


def test_an_answer_that_is_cut_off_twice_is_asked_for_again_and_a_third_time_is_told(
    authority: Authority, pages: dict[str, bytes], web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    liveness = whole(tmp_path).file(LIVENESS)
    hosts = Hosts(authority, pages, cut={liveness.url: 5})
    with proxy(hosts) as address:
        monkeypatch.setenv("https_proxy", address)
        told = {status.file.name: status for status in pulling.pull(whole(tmp_path), tmp_path, web)}
        assert (told[LIVENESS].state, hosts.cut[liveness.url]) == (State.MISSING, 2)
        assert "could not be read to its end" in told[LIVENESS].detail
        assert not list(tmp_path.glob(f"*{LIVENESS}*"))
        before = len(hosts.asked)
        again = pulling.pull(whole(tmp_path), tmp_path, web)
    assert {status.state for status in again} == {State.OK}
    assert set(hosts.asked[before:]) == {liveness.url}, "what was there is not asked for again"


def test_other_bytes_are_named_with_their_sha256_and_a_way_out(
    authority: Authority, pages: dict[str, bytes], web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = whole(tmp_path).file("yunet_s_dynamic.onnx")
    with proxy(Hosts(authority, {**pages, detector.url: b"x" * detector.size_bytes})) as address:
        monkeypatch.setenv("https_proxy", address)
        (told,) = (one for one in pulling.pull(whole(tmp_path), tmp_path, web) if one.state is not State.OK)
    assert told.file == detector
    assert f"{detector.url} did not give the bytes of {detector.name}" in told.detail
    assert f"not {detector.sha256}" in told.detail
    assert "copy the file from a machine that has it into a folder that `regulars models list` names" in told.detail


@pytest.mark.parametrize("name", [LIVENESS, SECOND_EMOTION])
def test_without_an_optional_file_the_pack_is_whole_and_what_does_not_work_is_said(
    name: str,
    authority: Authority,
    pages: dict[str, bytes],
    web: Web,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = whole(tmp_path).file(name)
    lost = {file.url, *(whole(tmp_path).manifest.sources[one].url for one in file.sources)}
    target = tmp_path / packs.DEFAULT_PACK
    with proxy(Hosts(authority, {url: data for url, data in pages.items() if url not in lost})) as address:
        monkeypatch.setenv("https_proxy", address)
        assert pulling.complete(pulling.pull_complete(whole(tmp_path), target, web))
    assert packs.find(None, places=[tmp_path]).manifest.name == packs.DEFAULT_PACK
    assert models.check([tmp_path], packs.DEFAULT_PACK) == 0
    assert f"without {name}, {file.without}" in capsys.readouterr().out


def test_what_a_killed_pull_left_is_removed_when_no_pull_can_be_under_way(
    given_models: Path, web: Web, tmp_path: Path
) -> None:
    for file in whole(tmp_path).files:
        (tmp_path / file.name).write_bytes((given_models / file.name).read_bytes())
    old, new = (tmp_path / f".{LIVENESS}.{name}" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half of it")
    an_hour_ago = time.time() - 3700
    os.utime(old, (an_hour_ago, an_hour_ago))
    pulling.pull(whole(tmp_path), tmp_path, web)
    assert (old.exists(), new.exists()) == (False, True)


def test_no_package_is_asked_for_unless_an_address_does_not_answer(
    authority: Authority, pages: dict[str, bytes], web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def archive(package: Package, folder: Path) -> Path:
        asked.append(package.name)
        return web.archive(package, folder)

    of_face_api = {url for url in pages if "face-api" in url}
    for missing, packages in ((set(), []), (of_face_api, ["@vladmandic/face-api"])):
        target = tmp_path / str(len(missing))
        given = {url: data for url, data in pages.items() if url not in missing}
        with proxy(Hosts(authority, given)) as address:
            monkeypatch.setenv("https_proxy", address)
            pulled = pulling.pull(whole(target), target, Web(web.opener, archive))
        assert ({status.state for status in pulled}, asked) == ({State.OK}, packages)
