import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from chalicelib.book.vision.machine import CpuSlots
from chalicelib.book.vision.packs import manifest, packs
from chalicelib.book.vision.packs.manifest import DamagedCalibration
from chalicelib.book.vision.packs.packs import MissingModel, Pack, State, UnknownPack
from chalicelib.book.vision.packs.session import LARGE, Sessions
from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.rules.decision import NO_ADDITION
from chalicelib.storage.ports import Vision
from regulars.cli import main
from tests.support.pictures.album import Album
from tests.support.pictures.own_pack import MODEL, NAME, NUMBER, own_pack
from tests.support.pictures.photos import PORTRAIT

PRODUCT = packs.PACKS / packs.DEFAULT_PACK
ROOT = Path(__file__).resolve().parents[3]
EMBEDS = {
    "face_reid_0095,dlib_resnet_v1+flip,256": "2117c4d245fe2fad",
    "face_reid_0095,dlib_resnet_v1+flip,mobilefacenet,384,4": "5694db828004e810",
}
"""A digest of all that makes a template, by its model's id. What embeds otherwise has another id,
and another row."""
SMALLER, SHIPPED = EMBEDS


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder of models with a pack of one's own."""
    own_pack(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def detector(pack: Pack) -> str:
    return pack.manifest.detector.file


@pytest.fixture
def embedding(pack: Pack) -> str:
    return pack.manifest.embedding.networks[0].file


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()  # it is a link
    path.write_bytes(data)


class TestFinding:
    def test_the_programs_own_is_the_one_that_is_used_if_nobody_names_another(
        self, models: Path
    ) -> None:
        for folder in (None, models):
            found = packs.find(folder)
            assert (found.manifest.name, found.folder) == ("face-pack-4", PRODUCT)
            assert set(packs.verify(found).values()) == {State.OK}

    def test_one_of_ones_own_is_found_by_its_name_and_by_its_model(self, models: Path) -> None:
        assert packs.list_names(models) == ["face-pack-4", "face-pack-2", NAME]
        for found in (packs.find(models, NAME), packs.find_by_model(MODEL, models)):
            assert (found.manifest.name, found.folder) == (NAME, models / NAME)
        assert (packs.find_number(MODEL, models), packs.find_number(MODEL, None)) == (NUMBER, 0)

    def test_the_smaller_one_uses_the_files_of_the_other(self) -> None:
        smaller = packs.find(None, "face-pack-2")
        assert set(packs.verify(smaller).values()) == {State.OK}
        assert smaller.find_path(smaller.manifest.detector.file).parent == PRODUCT
        assert packs.find_by_model(SMALLER, None) == smaller

    def test_one_of_ones_own_embeds_in_its_own_way(
        self, models: Path, album: Album, pack: Pack
    ) -> None:
        seen, vision = album.seen(PORTRAIT), FacePipeline(packs.find(models, NAME))
        assert vision.model == MODEL
        assert 0.9 < float(vision.embed(seen.image, seen.faces)[0] @ seen.embeddings[0]) < 0.999

    def test_a_role_that_it_lacks_is_unknown(self, tmp_path: Path, album: Album) -> None:
        own_pack(tmp_path, without=("liveness", "emotion", "head_pose"))
        seen, vision = album.seen(PORTRAIT), FacePipeline(packs.find(tmp_path, NAME))
        (estimates,) = vision.describe(seen.image, seen.faces)
        assert (estimates.liveness, estimates.emotion, estimates.age) == (
            None,
            None,
            seen.estimates[0].age,
        )

    def test_every_missing_file_is_named_with_its_folder(
        self, models: Path, detector: str, embedding: str
    ) -> None:
        for file in (detector, embedding):
            (models / NAME / file).unlink()
        with pytest.raises(MissingModel) as caught:
            packs.find(models, NAME)
        said = (
            f"the model pack {NAME} is not complete: {detector} is missing, {embedding} is "
            f"missing, in {models / NAME}"
        )
        assert str(caught.value) == f"{said}. Copy it there again"

    def test_a_named_folder_that_does_not_exist_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(
            MissingModel, match=f"no folder of models {tmp_path}/nope, which --models or REGULARS"
        ):
            packs.find(tmp_path / "nope")

    def test_a_pack_that_does_not_exist(self, models: Path) -> None:
        with pytest.raises(
            UnknownPack,
            match=f"no model pack 'nope': the packs are face-pack-4, face-pack-2, {NAME}",
        ):
            packs.find(models, "nope")
        with pytest.raises(
            UnknownPack, match="no model pack here makes embeddings of the model 'nope'"
        ):
            packs.find_by_model("nope", models)

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            (
                f'pack = "{NAME}"',
                'pack = "theirs"',
                f"its manifest calls it theirs, and the folder {NAME}",
            ),
            (f'model = "{MODEL}"', f'model = "{SMALLER}"', "has no curve in"),
            ("schema = 1\n", "", "its manifest lacks 'schema'"),
            ("schema = 1\n", "schema = \n", "Invalid value"),
            ("[role.detector]", "[role.detectors]", "its manifest lacks 'detector'"),
        ],
    )
    def test_one_that_is_wrong_is_told_with_its_folder(
        self, old: str, new: str, said: str, models: Path
    ) -> None:
        text = (models / NAME / "manifest.toml").read_text()
        assert old in text
        (models / NAME / "manifest.toml").write_text(text.replace(old, new))
        with pytest.raises(
            MissingModel, match=f"the model pack {models / NAME} cannot be used: .*{said}"
        ):
            packs.find(models, NAME)
        assert packs.find_by_model(SMALLER, models).manifest.name == "face-pack-2"

    def test_one_whose_embeddings_are_called_as_the_programs_is_refused(self, models: Path) -> None:
        for theirs in (packs.read_pack(), packs.read_pack(name="face-pack-2")):
            model = theirs.manifest.embedding.model
            for name in ("manifest.toml", "calibration.json"):
                file = models / model / NAME / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(
                    (models / NAME / name).read_text().replace(f'"{MODEL}"', f'"{model}"')
                )
            with pytest.raises(
                MissingModel,
                match=re.escape(f"the id of {theirs.manifest.name}'s, {model}: choose"),
            ):
                packs.find(models / model, NAME)


class TestDamage:
    def test_a_changed_bit_is_refused_when_the_model_is_loaded(
        self, models: Path, embedding: str
    ) -> None:
        damage(models / NAME / embedding)
        vision = FacePipeline(packs.find(models, NAME))
        with pytest.raises(MissingModel, match=f"{embedding} is damaged"):
            vision.load()

    def test_a_file_cut_short_is_refused_at_once(self, models: Path, embedding: str) -> None:
        (models / NAME / embedding).unlink()
        (models / NAME / embedding).write_bytes(b"the beginning")
        with pytest.raises(MissingModel, match=f"{embedding} is damaged"):
            packs.find(models, NAME)

    def test_verify_tells_each_files_state(
        self, models: Path, detector: str, embedding: str
    ) -> None:
        (models / NAME / detector).unlink()
        damage(models / NAME / embedding)
        states = {
            file.name: state for file, state in packs.verify(packs.read_pack(models, NAME)).items()
        }
        assert states.pop(detector) is State.MISSING
        assert states.pop(embedding) is State.DAMAGED
        assert set(states.values()) == {State.OK}

    def test_a_damaged_file_of_the_program_is_got_by_installing_it_again(
        self, pack: Pack, embedding: str
    ) -> None:
        assert "install that again" in packs.describe_remedy(pack)


class TestManifest:
    @pytest.mark.parametrize("name", ["face-pack-2", "face-pack-4"])
    def test_what_embeds_otherwise_has_another_id(self, name: str) -> None:
        of_pack = packs.read_pack(name=name)
        role = of_pack.manifest.embedding
        networks = [
            (one.channels, one.size_px, one.points, one.mirrored, one.weight)
            for one in role.networks
        ]
        made = networks, [of_pack.find_file(file).sha256 for file in role.files]
        assert EMBEDS[role.model] == hashlib.sha256(repr(made).encode()).hexdigest()[:16]

    def test_every_file_has_its_role_its_licence_and_what_it_was_made_of(self, pack: Pack) -> None:
        of_crops = {file for role in pack.manifest.crops.values() for file in role.files}
        of_mask = {pack.manifest.mask.rule} if pack.manifest.mask else set()
        roles = {pack.manifest.detector.file, *pack.manifest.embedding.files, *of_crops, *of_mask}
        beside = {file.name for file in PRODUCT.iterdir() if file.suffix in (".onnx", ".npy")} - {
            packs.BESIDE_A_CURVE
        }
        assert roles == {file.name for file in pack.files} == beside
        assert all(
            file.licence.startswith(("MIT", "Apache-2.0", "CC0-1.0", "CC BY 4.0"))
            for file in pack.files
        )
        sources = tomllib.loads((PRODUCT / "manifest.toml").read_text())["source"]
        for file in (file for file in pack.files if file.name.endswith(".onnx")):
            of_it = [one for one in sources if one["gives"] == file.name]
            assert any(one.get("url", "").startswith("https://") for one in of_it)
            assert all(len(one["sha256"]) == 64 for one in of_it)

    def test_every_licence_is_there_whole(self) -> None:
        texts = {file.name: file.read_text() for file in PRODUCT.glob("LICENSE.*")}
        notice = (ROOT / "NOTICE").read_text()
        assert len(texts) == 9
        for name, text in texts.items():
            assert any(
                licence in text
                for licence in ("Apache License", "MIT License", "CC0 1.0 Universal")
            )
            assert name in notice

    def test_docs_list_every_weight_with_its_licence(self, pack: Pack) -> None:
        page = (ROOT / "docs" / "models.md").read_text()
        rows = [line for line in page.splitlines() if line.startswith("|")]
        for file in pack.files:
            assert any(
                f"`{file.name}`" in row and file.licence.split(";")[0] in row for row in rows
            ), file.name

    def test_another_schema_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "manifest.toml").write_text("schema = 2")
        with pytest.raises(ValueError, match="schema 1, not 2"):
            manifest.read_manifest(tmp_path)

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ('channels = "BGR"', 'channels = "GBR"', "RGB or BGR, not GBR"),
            (
                'channels = "L"',
                'channels = "Y"',
                "role emotion .* channels is RGB or BGR or L, not Y",
            ),
            (
                "canvas_px = 640\n",
                "",
                "role detector of the manifest is wrong: .*required field `canvas_px`",
            ),
            (
                "canvas_px = 640\n",
                "canvas_px = 640\nzoom = 2\n",
                "role detector .*unknown field `zoom`",
            ),
            ('decode = "yunet"', 'decode = "ssd"', "decode is yunet, not ssd"),
            (
                '"angry", "disgust"',
                '"cross", "disgust"',
                "same labels; of emotion, .* and fer2013.* cross, disgust",
            ),
            (
                'name = "yunet_s_dynamic.onnx"',
                'name = "other.onnx"',
                "names yunet_s_dynamic.onnx and has no ..file",
            ),
            (
                'model = "face_reid_0095,dlib_resnet_v1+flip,mobilefacenet,384,4"',
                'model = "new"',
                "the embedding new has no curve in .*calibration.json",
            ),
            (
                'channels = "BGR"\nsize_px = 128',
                'channels = "L"\nsize_px = 128',
                "embedding .* RGB or BGR, not L",
            ),
        ],
    )
    def test_a_wrong_entry_is_named(self, old: str, new: str, said: str, tmp_path: Path) -> None:
        text = (PRODUCT / "manifest.toml").read_text()
        assert old in text
        (tmp_path / "manifest.toml").write_text(text.replace(old, new, 1))
        (tmp_path / "calibration.json").write_bytes((PRODUCT / "calibration.json").read_bytes())
        with pytest.raises(ValueError, match=said):
            manifest.read_manifest(tmp_path)

    def test_the_outputs_are_those_of_the_models(self, vision: Vision, pack: Pack) -> None:
        assert vision.model == pack.manifest.embedding.model
        assert all(len(network.points) == 5 for network in pack.manifest.embedding.networks)


def test_a_curve_measured_by_the_operator_is_used_for_its_own_model_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shipped = packs.read_pack()
    folder = tmp_path / shipped.manifest.name
    folder.mkdir()
    curve = {
        "points": [{"fmr": 0.1, "threshold": 0.2}, {"fmr": 0.001, "threshold": 0.5}],
        "tail": {"above": 0.5, "fmr_at": 0.001, "rate": 20.0},
    }
    (folder / packs.CALIBRATION).write_text(json.dumps({shipped.manifest.embedding.model: curve}))
    assert packs.read_pack(tmp_path).manifest.impostor_curve.threshold_at(0.001) == 0.5

    (folder / packs.CALIBRATION).write_text(json.dumps({"another": curve}))
    assert packs.read_pack(tmp_path).manifest.impostor_curve == shipped.manifest.impostor_curve
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
        b'{"MODEL": 7}',
        b'{"MODEL": {"points": []}}',
        b'{"MODEL": {"points": [{"fmr": 0.1}], "tail": {}}}',
        b'{"MODEL": {"points": [], "tail": {"above": 0.5, "fmr_at": 0.1, "rate": 9}}}',
        b'{"MODEL": {"points": [{"fmr": "x", "threshold": 1}], "tail": {}}}',
    ],
)
def test_a_damaged_curve_is_one_line_that_names_its_file_and_the_way_out(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / packs.DEFAULT_PACK / packs.CALIBRATION
    file.parent.mkdir()
    file.write_bytes(content.replace(b"MODEL", SHIPPED.encode()))
    assert main(["models", "--models", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"regulars: {file} is damaged: ")
    assert "Move the file away" in line


def test_the_pack_brings_a_population_and_an_operators_own_counts_with_its_curve(
    tmp_path: Path,
) -> None:
    shipped = packs.read_pack().manifest
    assert shipped.parse_population().rows.shape == (405, shipped.embedding.dimensions)
    model, folder = shipped.embedding.model, tmp_path / packs.DEFAULT_PACK
    folder.mkdir()
    entry = json.loads((packs.PACKS / packs.DEFAULT_PACK / "calibration.json").read_text())[model]
    (folder / "calibration.json").write_text(json.dumps({model: {**entry, "usual": 0.5}}))
    with_the_packs = packs.read_pack(tmp_path).manifest.parse_population()
    assert (with_the_packs.usual, len(with_the_packs.rows)) == (0.5, 405)
    np.save(folder / "population.npy", shipped.parse_population().rows[:20])
    assert len(packs.read_pack(tmp_path).manifest.parse_population().rows) == 20
    np.save(folder / "population.npy", shipped.parse_population().rows[:20, :5])
    with pytest.raises(DamagedCalibration, match="10 rows or more of 384 numbers"):
        packs.read_pack(tmp_path).manifest.parse_population()
    del entry["usual"], entry["one_masked"]
    (folder / "calibration.json").write_text(json.dumps({model: entry}))
    unmeasured = packs.read_pack(tmp_path).manifest.parse_population()
    assert len(unmeasured.rows) == 0
    assert unmeasured.mask_rule is not None
    assert with_the_packs.mask_rule is not None
    one, both = with_the_packs.mask_rule.one, with_the_packs.mask_rule.both
    assert (unmeasured.mask_rule.one, unmeasured.mask_rule.both) == (NO_ADDITION, both)
    assert one[0][1] < 0 < both[0][1]
    for points in (one, both):
        scores, additions = np.array(points).T
        judged_scores = scores - additions
        assert all((np.diff(each) > 0).all() for each in (scores, additions, judged_scores)), (
            "a higher score is lowered less, and stays the higher one"
        )


LOADS = """
from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.packs.session import Sessions

pack = packs.read_pack()
Sessions(pack).load(pack.manifest.detector.file)
"""


def test_it_leaves_nothing_in_the_home_folder_and_calls_nobody(tmp_path: Path) -> None:
    """onnxruntime would keep a device's id and a queue of events there, and send them to its
    makers."""
    home = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run(
        [sys.executable, "-c", LOADS],
        env={k: v for k, v in home.items() if k != "ORT_DISABLE_TELEMETRY"},
        check=True,
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_run_on_two_threads_has_the_answer_of_a_run_on_one(pack: Pack) -> None:
    file, two = pack.manifest.detector.file, CpuSlots(2)
    batch = np.random.default_rng(1).uniform(0, 255, (1, 3, 640, 640)).astype(np.float32)
    assert batch.size >= LARGE
    alone, together = Sessions(pack), Sessions(pack, two)
    with two.take_slot():
        answers = together.run(file, batch)
    assert [threads for _, threads in together._sessions] == [2]
    for name, one in alone.run(file, batch).items():
        assert np.array_equal(answers[name], one)


def test_what_the_runtime_writes_at_its_start_is_in_the_log_of_a_function_as_json(
    tmp_path: Path,
) -> None:
    """On arm64 in Lambda, onnxruntime's C code writes of what is not in /sys.

    This runtime does nothing else.
    """
    (tmp_path / "onnxruntime.py").write_text(
        r"import os; os.write(2, b'Error in cpuinfo: no list\nand no other')"
    )
    program = """
import logging, os
logging.basicConfig()
from chalicelib.api import observability
observability.log_as_json(os.environ)
import chalicelib.book.vision.packs.session
os.write(2, b'the end')
"""
    environ = {
        **os.environ,
        "AWS_LAMBDA_FUNCTION_NAME": "ingest",
        "PYTHONPATH": f"{tmp_path}:{Path.cwd()}",
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
    )
    *lines, end = done.stderr.split("\n")
    assert [json.loads(line)["message"] for line in lines if line] == [
        "onnxruntime: Error in cpuinfo: no list",
        "onnxruntime: and no other",
    ]
    assert end == "the end"
