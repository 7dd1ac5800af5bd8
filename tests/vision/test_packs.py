"""Model packs: found in their places, refused when damaged, made of roles that their manifests name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from chalicelib.core.ports import Vision
from chalicelib.vision.packs import manifest, packs
from chalicelib.vision.packs.calibration import DamagedCalibration
from chalicelib.vision.packs.packs import MissingModel, Pack, State, UnknownPack
from chalicelib.vision.pipeline import FacePipeline
from regulars.cli import main
from tests.photos import PORTRAIT
from tests.vision.album import Album


@pytest.fixture
def folder(pack: Pack, tmp_path: Path) -> Path:
    """A folder of its own that holds the whole pack."""
    inside = tmp_path / "models" / pack.manifest.name
    inside.mkdir(parents=True)
    for file in pack.files:
        (inside / file.name).write_bytes(pack.content(file.name))
    return inside.parent


@pytest.fixture
def name(pack: Pack) -> str:
    return pack.manifest.name


@pytest.fixture
def detector(pack: Pack) -> str:
    return pack.manifest.detector.file


@pytest.fixture
def embedding(pack: Pack) -> str:
    return pack.manifest.embedding.file


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


class TestFinding:
    def test_a_folder_that_holds_the_pack(self, folder: Path, name: str, detector: str) -> None:
        assert packs.find(folder, name, places=[folder]).content(detector)

    def test_a_folder_that_holds_the_files(self, folder: Path, name: str, detector: str) -> None:
        inside = folder / name
        assert packs.find(inside, name, places=[inside]).content(detector)

    def test_a_pack_is_whole_without_its_optional_files_and_lacks_their_roles(
        self, folder: Path, name: str, album: Album
    ) -> None:
        optional = [file for file in packs.at([folder], name).files if file.optional]
        if not optional:
            pytest.skip(f"all files of the pack {name} are needed")
        for file in optional:
            (folder / name / file.name).unlink()
        vision = FacePipeline(packs.find(folder, name, places=[folder]))
        vision.load()
        seen = album.seen(PORTRAIT)
        (estimates,) = vision.describe(seen.image, seen.faces)
        assert (estimates.liveness, estimates.age) == (None, pytest.approx(seen.estimates[0].age))
        assert estimates.emotion == "neutral"
        assert estimates.emotion_score != seen.estimates[0].emotion_score

    def test_files_in_two_places(self, folder: Path, tmp_path: Path, name: str, detector: str) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (folder / name / detector).rename(elsewhere / detector)
        pack = packs.find(folder, name, places=[folder, elsewhere])
        assert {status.state for status in packs.verify(pack)} == {State.OK}

    def test_places_are_the_named_one_the_manifests_own_beside_the_checkout_and_the_cache(self, tmp_path: Path) -> None:
        named, packaged, beside, cache = packs.default_places(tmp_path)
        assert named == tmp_path
        assert (packaged / "face-pack-1" / "manifest.toml").is_file()
        assert beside.parts[-2:] == ("shared", "models")
        assert cache == packs.cache_folder()
        assert packs.default_places(None) == (packaged, beside, cache)

    @pytest.mark.parametrize("wanted", packs.NAMES)
    def test_every_missing_file_is_named_with_the_way_out(self, wanted: str, tmp_path: Path) -> None:
        with pytest.raises(MissingModel) as caught:
            packs.find(tmp_path, wanted, places=[tmp_path])
        for file in packs.at([tmp_path], wanted).files:
            assert (f"{file.name} is missing" in str(caught.value)) != file.optional
        assert str(tmp_path) in str(caught.value)
        assert f"Run: regulars models pull --pack {wanted}" in str(caught.value)

    def test_without_a_name_it_is_the_first_that_is_whole(self, folder: Path, name: str) -> None:
        assert packs.find(folder, places=[folder]).manifest.name == name

    def test_without_a_name_and_any_whole_pack_the_default_one_is_missed(self, tmp_path: Path) -> None:
        with pytest.raises(MissingModel, match=f"model pack {packs.DEFAULT_PACK} is not complete"):
            packs.find(tmp_path, places=[tmp_path])

    def test_the_pack_of_a_templates_model(self, folder: Path, pack: Pack) -> None:
        assert packs.of_model(pack.manifest.embedding.model, folder, places=[folder]).manifest == pack.manifest

    def test_a_named_folder_that_does_not_exist_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(MissingModel, match=f"no folder of models {tmp_path}/nope, which --models or REGULARS"):
            packs.find(tmp_path / "nope")

    def test_a_pack_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownPack, match="no model pack 'nope': the packs are face-pack-1, registry"):
            packs.find(tmp_path, "nope")
        with pytest.raises(UnknownPack, match="no model pack of this version makes embeddings of the model 'nope'"):
            packs.of_model("nope", tmp_path)


class TestDamage:
    def test_an_optional_file_that_is_damaged_is_done_without(self, folder: Path, name: str) -> None:
        optional = [file for file in packs.at([folder], name).files if file.optional]
        if not optional:
            pytest.skip(f"all files of the pack {name} are needed")
        for file in optional:
            damage(folder / name / file.name)
        found = packs.find(folder, name, places=[folder])
        assert packs.lacking(found) == optional
        FacePipeline(found).load()

    def test_a_changed_bit_is_refused_when_the_model_is_loaded(self, folder: Path, name: str, embedding: str) -> None:
        damage(folder / name / embedding)
        vision = FacePipeline(packs.find(folder, name, places=[folder]))
        with pytest.raises(MissingModel, match=f"{embedding} is damaged"):
            vision.load()

    def test_a_file_cut_short_is_refused_at_once(self, folder: Path, name: str, embedding: str) -> None:
        path = folder / name / embedding
        path.write_bytes(path.read_bytes()[:1000])
        with pytest.raises(MissingModel, match=f"{embedding} is damaged"):
            packs.find(folder, name, places=[folder])

    def test_a_good_copy_in_a_later_place_counts(
        self, folder: Path, tmp_path: Path, pack: Pack, name: str, detector: str
    ) -> None:
        damage(folder / name / detector)
        second = tmp_path / "second"
        second.mkdir()
        (second / detector).write_bytes(pack.content(detector))
        assert packs.find(folder, name, places=[folder, second]).content(detector) == pack.content(detector)

    def test_verify_tells_each_files_state(self, folder: Path, name: str, detector: str, embedding: str) -> None:
        (folder / name / detector).unlink()
        damage(folder / name / embedding)
        states = {status.file.name: status.state for status in packs.verify(packs.at([folder], name))}
        assert states.pop(detector) is State.MISSING
        assert states.pop(embedding) is State.DAMAGED
        assert set(states.values()) == {State.OK}


NAMED = pytest.mark.parametrize("name", packs.NAMES)


class TestManifest:
    @NAMED
    def test_every_file_has_its_role_and_its_licence(self, name: str) -> None:
        manifest = packs.at([], name).manifest
        of_crops = {model.file for role in manifest.crops.values() for model in role.models}
        roles = {*manifest.detector.files, manifest.embedding.file, *of_crops}
        assert roles == {file.name for file in manifest.files}
        allowed = ("MIT", "Apache-2.0", "CC0-1.0")
        assert all(file.licence.startswith(allowed) for file in manifest.files)

    @NAMED
    def test_every_file_can_be_downloaded_or_converted(self, name: str) -> None:
        manifest = packs.at([], name).manifest
        for file in manifest.files:
            assert file.exact_upstream_bytes != bool(file.convert)
            assert file.optional == bool(file.without)
            assert file.url.startswith("https://") or file.sources
        for source in manifest.sources.values():
            assert source.url.startswith("https://") or (source.package in manifest.packages and source.member)

    def test_the_weaker_packs_say_what_they_cost_as_docs_do(self) -> None:
        page = (Path(__file__).resolve().parents[2] / "docs" / "models.md").read_text()
        best, weak = (packs.at([], name) for name in packs.NAMES)
        assert f"| {best.manifest.fnir} | {weak.manifest.fnir} |" in page
        assert packs.weakness(best) is None
        said = packs.weakness(weak)
        assert said is not None
        assert "miss 69% of the visits" in said
        assert "face-pack-1 misses 8%" in said
        assert "`regulars models pull --pack face-pack-1`" in said

    @NAMED
    def test_docs_list_every_weight_with_its_licence(self, name: str) -> None:
        page = (Path(__file__).resolve().parents[2] / "docs" / "models.md").read_text()
        rows = [line for line in page.splitlines() if line.startswith("|")]
        for file in packs.at([], name).manifest.files:
            assert any(f"`{file.name}`" in row and file.licence.split(";")[0] in row for row in rows), file.name

    def test_the_model_ids_are_different(self) -> None:
        models = [packs.at([], name).manifest.embedding.model for name in packs.NAMES]
        assert len(set(models)) == len(models)

    def test_another_schema_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "manifest.toml").write_text("schema = 2")
        with pytest.raises(ValueError, match="schema 1, not 2"):
            manifest.read(tmp_path)

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ('channels = "BGR"', 'channels = "GBR"', "RGB or BGR, not GBR"),
            ('channels = "L"', 'channels = "Y"', "role emotion are RGB or BGR or L, not Y"),
            ('decode = "yunet"', 'decode = "ssd"', "yunet or ssd_mobilenet_v1, not ssd"),
            ('"angry", "disgust"', '"cross", "disgust"', "same labels; of emotion, .* and fer2013.* cross, disgust"),
            ('client = "npm"', 'client = "cargo"', "npm or pip, not by cargo"),
            ('name = "yunet_s_dynamic.onnx"', 'name = "other.onnx"', "names yunet_s_dynamic.onnx and has no ..file"),
            ('name = "age_gender_model.bin"', 'name = "b.bin"', "names age_gender_model.bin and has no ..source"),
            ('model = "face_reid_0095+flip"', 'model = "new"', "the embedding new has no curve in .*calibration.json"),
            ('channels = "BGR"\nsize_px = 128', 'channels = "L"\nsize_px = 128', "embedding are RGB or BGR, not L"),
        ],
    )
    def test_a_wrong_entry_is_named(self, old: str, new: str, said: str, tmp_path: Path) -> None:
        shipped = packs.PACKS / "face-pack-1"
        text = (shipped / "manifest.toml").read_text()
        assert old in text
        (tmp_path / "manifest.toml").write_text(text.replace(old, new, 1))
        (tmp_path / "calibration.json").write_bytes((shipped / "calibration.json").read_bytes())
        with pytest.raises(ValueError, match=said):
            manifest.read(tmp_path)

    def test_the_outputs_are_those_of_the_models(self, vision: Vision, pack: Pack) -> None:
        assert vision.model == pack.manifest.embedding.model
        assert len(pack.manifest.embedding.points) == 5


def test_a_curve_measured_by_the_operator_is_used_for_its_own_model_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shipped = packs.at(())
    folder = tmp_path / shipped.manifest.name
    folder.mkdir()
    curve = {
        "points": [{"fmr": 0.1, "threshold": 0.2}, {"fmr": 0.001, "threshold": 0.5}],
        "tail": {"above": 0.5, "fmr_at": 0.001, "rate": 20.0},
    }
    (folder / packs.CALIBRATION).write_text(json.dumps({shipped.manifest.embedding.model: curve}))
    assert packs.at((tmp_path,)).manifest.impostor_curve.threshold_at(0.001) == 0.5

    (folder / packs.CALIBRATION).write_text(json.dumps({"another": curve}))
    assert packs.at((tmp_path,)).manifest.impostor_curve == shipped.manifest.impostor_curve
    assert "regulars calibrate" in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"a":',
        b"\xff\xfe",
        b"\xe9{}",
        b"[]",
        b"[" * 100_000,
        b'{"face_reid_0095+flip": 7}',
        b'{"face_reid_0095+flip": {"points": []}}',
        b'{"face_reid_0095+flip": {"points": [{"fmr": 0.1}], "tail": {}}}',
        b'{"face_reid_0095+flip": {"points": [], "tail": {"above": 0.5, "fmr_at": 0.001, "rate": 20}}}',
        b'{"face_reid_0095+flip": {"points": [{"fmr": "x", "threshold": 1}], "tail": {}}}',
    ],
)
def test_a_damaged_curve_is_one_line_that_names_its_file_and_the_way_out(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / packs.DEFAULT_PACK / packs.CALIBRATION
    file.parent.mkdir()
    file.write_bytes(content)
    assert main(["models", "list", "--models", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"regulars: {file} is damaged: ")
    assert "Move the file away" in line


def test_the_pack_brings_a_population_and_an_operators_own_counts_with_its_curve(tmp_path: Path) -> None:
    shipped = packs.at(()).manifest
    assert shipped.population().rows.shape == (256, shipped.embedding.dimensions)
    model, folder = shipped.embedding.model, tmp_path / "face-pack-1"
    folder.mkdir()
    entry = json.loads((packs.PACKS / "face-pack-1" / "calibration.json").read_text())[model]
    (folder / "calibration.json").write_text(json.dumps({model: {**entry, "usual": 0.5}}))
    with_the_packs = packs.at((tmp_path,)).manifest.population()
    assert (with_the_packs.usual, len(with_the_packs.rows)) == (0.5, 256)
    np.save(folder / "population.npy", shipped.population().rows[:20])
    assert len(packs.at((tmp_path,)).manifest.population().rows) == 20
    np.save(folder / "population.npy", shipped.population().rows[:20, :5])
    with pytest.raises(DamagedCalibration, match="10 rows or more of 256 numbers"):
        packs.at((tmp_path,)).manifest.population()
    del entry["usual"]
    (folder / "calibration.json").write_text(json.dumps({model: entry}))
    assert len(packs.at((tmp_path,)).manifest.population().rows) == 0
