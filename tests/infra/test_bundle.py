"""A zip that lacks something, or is too heavy, never reaches Lambda."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from chalicelib.book.vision.packs import manifest, packs
from infra import bundle, package
from infra.dependencies import Failed
from infra.target import Target
from tests.support.pictures.own_pack import MODEL as OWN_MODEL
from tests.support.pictures.own_pack import NAME, own_pack

ARM = Target("arm64", "3.13")


@pytest.fixture
def whole() -> dict[str, bytes]:
    """Contents of a zip that lacks nothing."""
    return dict.fromkeys([*bundle._OURS, "chalicelib/book/search/scan/kernel-aarch64.so"], b"")


def zipped(folder: Path, contents: dict[str, bytes]) -> Path:
    path = folder / "deployment.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def test_a_whole_bundle_tells_its_sizes(tmp_path: Path, whole: dict[str, bytes]) -> None:
    path = zipped(tmp_path, whole | {"big": bytes(1_000_000)})
    assert bundle.check_bundle(path, ARM, []) == "0.0 of 71 MB zipped, 1.0 of 167 MB unzipped"


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("app.py", "app.py"),
        ("console/index.html", "console"),
        ("chalice/app.py", "chalice"),
        ("chalicelib/bootstrap.py", "bootstrap"),
        ("chalicelib/book/search/scan/kernel-aarch64.so", "kernel"),
    ],
)
def test_a_bundle_without_a_part_is_refused(
    tmp_path: Path, whole: dict[str, bytes], lost: str, told: str
) -> None:
    assert whole.pop(lost) is not None
    with pytest.raises(Failed, match=told):
        bundle.check_bundle(zipped(tmp_path, whole), ARM, [])


def test_a_model_that_is_another_file_is_refused(tmp_path: Path) -> None:
    model = next(own_pack(tmp_path).glob("*.onnx"))
    other = bytes(model.stat().st_size)
    model.unlink()
    model.write_bytes(other)
    with pytest.raises(packs.MissingModel, match=f"{model.name} is damaged"):
        package._list_pack_files(packs.find(tmp_path, NAME))


def test_a_bundle_that_unzips_to_too_much_is_refused(
    tmp_path: Path, whole: dict[str, bytes]
) -> None:
    whole["big"] = bytes(bundle.MAX_UNZIPPED_BYTES + 1)
    with pytest.raises(Failed, match="bytes unzipped; the limit is 167,000,000"):
        bundle.check_bundle(zipped(tmp_path, whole), ARM, [])


def test_a_bundle_that_is_too_heavy_to_fetch_is_refused(
    tmp_path: Path, whole: dict[str, bytes]
) -> None:
    path = zipped(tmp_path, whole)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr("big", bytes(bundle.MAX_ZIPPED_BYTES))
    with pytest.raises(Failed, match="bytes zipped; the limit is 71,000,000"):
        bundle.check_bundle(path, ARM, [])


def test_a_pack_of_ones_own_may_make_the_bundle_larger(
    tmp_path: Path, whole: dict[str, bytes]
) -> None:
    own_pack(tmp_path)
    shipped = [packs.find(tmp_path, name) for name in (NAME, packs.DEFAULT_PACK)]
    said = bundle.check_bundle(zipped(tmp_path, whole), ARM, shipped)
    assert said == "0.0 of 101 MB zipped, 0.0 of 197 MB unzipped"


def unpacked(shipped: dict[str, Path], folder: Path) -> Path:
    """The packs as a function finds them; return their folder."""
    for name, file in shipped.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / name)
    return folder / "chalicelib" / "model_packs"


def test_a_pack_is_shipped_whole_with_what_was_measured_here(tmp_path: Path) -> None:
    curve = own_pack(tmp_path / "models") / packs.CALIBRATION
    (beside := tmp_path / "models" / packs.DEFAULT_PACK).mkdir()
    product = packs.read_pack().manifest
    entry = {**json.loads(curve.read_text())[OWN_MODEL], "usual": 0.5}
    (beside / packs.CALIBRATION).write_text(json.dumps({product.embedding.model: entry}))
    np.save(beside / packs.BESIDE_A_CURVE, product.parse_population().rows[:20])
    for name, people in ((NAME, 0), (packs.DEFAULT_PACK, 20)):
        pack = packs.find(tmp_path / "models", name)
        folder = unpacked(package._list_pack_files(pack), tmp_path / "zip") / name
        found = manifest.read_manifest(folder)
        own = pack.manifest
        assert replace(found, measured=own.measured, folder=own.folder) == own
        assert (found.impostor_curve, found.measured.usual) == (
            pack.manifest.impostor_curve,
            pack.manifest.measured.usual,
        )
        assert len(found.parse_population().rows) == people
        assert all(
            (folder / file.name).read_bytes() == pack.read_content(file.name) for file in pack.files
        )
    folder = (
        unpacked(package._list_pack_files(packs.read_pack()), tmp_path / "again")
        / packs.DEFAULT_PACK
    )
    assert (
        len(manifest.read_manifest(folder).parse_population().rows)
        == len(product.parse_population().rows)
        > 200
    )
