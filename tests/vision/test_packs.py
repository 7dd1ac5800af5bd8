"""The model pack: found in its places, refused when damaged, fetched where it can be."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import IO
from urllib.request import Request

import pytest

from chalicelib.core.ports import Vision
from chalicelib.vision import manifest, packs
from chalicelib.vision.download import DownloadFailed, HttpsOnly, fetch, https
from chalicelib.vision.packs import MissingModel, Pack, State
from chalicelib.vision.pipeline import FacePipeline

DETECTOR, EMBEDDING = "yunet_s_dynamic.onnx", "face_reid_0095.onnx"


class Web:
    """Addresses and what they answer; remembers which were asked."""

    def __init__(self, pages: Mapping[str, bytes] | None = None) -> None:
        self.pages = dict(pages or {})
        self.asked: list[str] = []

    def __call__(self, url: str) -> IO[bytes]:
        self.asked.append(url)
        if url not in self.pages:
            raise OSError("no route to host")
        return io.BytesIO(self.pages[url])


@pytest.fixture
def folder(pack: Pack, tmp_path: Path) -> Path:
    """A folder of its own that holds the whole pack."""
    inside = tmp_path / "models" / "face-pack-1"
    inside.mkdir(parents=True)
    for file in pack.files:
        (inside / file.name).write_bytes(pack.content(file.name))
    return inside.parent


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


class TestFinding:
    def test_a_folder_that_holds_the_pack(self, folder: Path) -> None:
        assert packs.find(folder, places=[folder]).content(DETECTOR)

    def test_a_folder_that_holds_the_files(self, folder: Path) -> None:
        inside = folder / "face-pack-1"
        assert packs.find(inside, places=[inside]).content(DETECTOR)

    def test_files_in_two_places(self, folder: Path, tmp_path: Path) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (folder / "face-pack-1" / DETECTOR).rename(elsewhere / DETECTOR)
        pack = packs.find(folder, places=[folder, elsewhere])
        assert {status.state for status in packs.verify(pack)} == {State.OK}

    def test_places_are_the_named_one_the_manifests_own_beside_the_checkout_and_the_cache(self, tmp_path: Path) -> None:
        named, packaged, beside, cache = packs.default_places(tmp_path)
        assert named == tmp_path
        assert (packaged / "face-pack-1" / "manifest.toml").is_file()
        assert beside.parts[-2:] == ("shared", "models")
        assert cache == packs.cache_folder()
        assert packs.default_places(None) == (packaged, beside, cache)

    def test_every_missing_file_is_named_with_the_way_out(self, tmp_path: Path) -> None:
        with pytest.raises(MissingModel) as caught:
            packs.find(tmp_path, places=[tmp_path], opener=Web())
        for file in packs.at([tmp_path]).files:
            assert f"{file.name} is missing" in str(caught.value)
        assert str(tmp_path) in str(caught.value)
        assert "regulars models pull" in str(caught.value)

    def test_nothing_is_downloaded_where_that_cannot_complete_the_pack(self, tmp_path: Path) -> None:
        web = Web()
        with pytest.raises(MissingModel):
            packs.find(tmp_path, places=[tmp_path], opener=web)
        assert web.asked == []

    def test_the_one_file_that_can_be_had_is_downloaded(self, folder: Path, pack: Pack) -> None:
        (folder / "face-pack-1" / DETECTOR).unlink()
        web = Web({pack.file(DETECTOR).url: pack.content(DETECTOR)})
        found = packs.find(folder, places=[folder], opener=web)
        assert found.content(DETECTOR) == pack.content(DETECTOR)
        assert (folder / "face-pack-1" / DETECTOR).is_file()

    def test_without_a_network_the_message_is_the_same(self, folder: Path) -> None:
        (folder / "face-pack-1" / DETECTOR).unlink()
        with pytest.raises(MissingModel, match=f"{DETECTOR} is missing"):
            packs.find(folder, places=[folder], opener=Web())


class TestDamage:
    def test_a_changed_bit_is_refused_when_the_model_is_loaded(self, folder: Path) -> None:
        damage(folder / "face-pack-1" / EMBEDDING)
        vision = FacePipeline(packs.find(folder, places=[folder]))
        with pytest.raises(MissingModel, match=f"{EMBEDDING} is damaged"):
            vision.load()

    def test_a_file_cut_short_is_refused_at_once(self, folder: Path) -> None:
        path = folder / "face-pack-1" / EMBEDDING
        path.write_bytes(path.read_bytes()[:1000])
        with pytest.raises(MissingModel, match=f"{EMBEDDING} is damaged"):
            packs.find(folder, places=[folder], opener=Web())

    def test_a_good_copy_in_a_later_place_counts(self, folder: Path, tmp_path: Path, pack: Pack) -> None:
        damage(folder / "face-pack-1" / DETECTOR)
        second = tmp_path / "second"
        second.mkdir()
        (second / DETECTOR).write_bytes(pack.content(DETECTOR))
        assert packs.find(folder, places=[folder, second]).content(DETECTOR) == pack.content(DETECTOR)

    def test_verify_tells_each_files_state(self, folder: Path) -> None:
        (folder / "face-pack-1" / DETECTOR).unlink()
        damage(folder / "face-pack-1" / EMBEDDING)
        states = {status.file.name: status.state for status in packs.verify(packs.at([folder]))}
        assert states.pop(DETECTOR) is State.MISSING
        assert states.pop(EMBEDDING) is State.DAMAGED
        assert set(states.values()) == {State.OK}


class TestPulling:
    def test_what_is_there_is_left_alone(self, folder: Path) -> None:
        web = Web()
        assert {status.state for status in packs.pull(folder, places=[folder], opener=web)} == {State.OK}
        assert web.asked == []

    def test_a_damaged_file_is_replaced_and_progress_told(self, folder: Path, pack: Pack) -> None:
        damage(folder / "face-pack-1" / DETECTOR)
        web, told = Web({pack.file(DETECTOR).url: pack.content(DETECTOR)}), []
        statuses = packs.pull(
            folder, lambda name, done, size: told.append((name, done, size)), places=[folder], opener=web
        )
        assert {status.state for status in statuses} == {State.OK}
        size = pack.file(DETECTOR).size_bytes
        assert told[-1] == (DETECTOR, size, size)

    def test_a_file_without_an_address_says_where_it_belongs(self, folder: Path) -> None:
        (folder / "face-pack-1" / EMBEDDING).unlink()
        (status,) = (s for s in packs.pull(folder, places=[folder], opener=Web()) if s.state is not State.OK)
        assert (status.file.name, status.state) == (EMBEDDING, State.MISSING)
        assert str(folder / "face-pack-1") in status.detail

    def test_an_empty_folder_gets_what_can_be_had(self, tmp_path: Path, pack: Pack) -> None:
        web = Web({pack.file(DETECTOR).url: pack.content(DETECTOR)})
        statuses = packs.pull(tmp_path / "new", places=[tmp_path / "new"], opener=web)
        assert [status.file.name for status in statuses if status.state is State.OK] == [DETECTOR]
        assert (tmp_path / "new" / "face-pack-1" / DETECTOR).is_file()


class TestDownloading:
    @pytest.mark.parametrize("change", ["other bytes", "too long", "too short", "no answer"])
    def test_nothing_is_kept_of_other_bytes(self, change: str, tmp_path: Path, pack: Pack) -> None:
        file, data = pack.file(DETECTOR), pack.content(DETECTOR)
        pages = {
            "other bytes": {file.url: b"x" * len(data)},
            "too long": {file.url: data + b"x"},
            "too short": {file.url: data[:-1]},
            "no answer": {},
        }[change]
        with pytest.raises(DownloadFailed, match=file.url):
            fetch(file, tmp_path, Web(pages))
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("url", ["http://example.org/model.onnx", "file:///etc/passwd", "ftp://example.org/x"])
    def test_other_schemes_are_refused(self, url: str) -> None:
        with pytest.raises(DownloadFailed, match="https only"):
            https(url)

    def test_a_redirect_to_another_scheme_is_refused(self) -> None:
        request = Request("https://example.org/model.onnx")
        with pytest.raises(DownloadFailed, match="https only"):
            HttpsOnly().redirect_request(request, io.BytesIO(), 302, "Found", {}, "http://example.org/")  # type: ignore[arg-type]


class TestManifest:
    def test_every_role_has_its_file(self) -> None:
        pack = packs.at([])
        names = {file.name for file in pack.files}
        roles = [pack.manifest.detector, pack.manifest.embedding, *pack.manifest.crops.values()]
        assert {role.file for role in roles} == names
        assert set(pack.manifest.crops) == {"age", "gender", "emotion", "head_pose"}

    def test_another_schema_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "manifest.toml").write_text("schema = 2")
        with pytest.raises(ValueError, match="schema 1, not 2"):
            manifest.read(tmp_path)

    def test_the_outputs_are_those_of_the_models(self, vision: Vision, pack: Pack) -> None:
        assert vision.model == pack.manifest.embedding.model
        assert len(pack.manifest.embedding.points) == 5
