import hashlib
import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.packs.packs import Pack
from infra import sbom
from regulars.libraries import list_console_libraries


def installed(folder: Path, name: str, version: str, licence: str) -> Path:
    metadata = folder / f"{name}-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text(
        f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{licence}\n\nAbout it."
    )
    return folder


@pytest.fixture
def bill(tmp_path: Path) -> Path:
    libraries = installed(
        tmp_path / "libraries", "Some_Thing", "1.2", "License-Expression: Apache-2.0 OR MIT"
    )
    installed(libraries, "odd", "3", "License: As you like it")
    chalice = installed(tmp_path / "chalice", "chalice", "1.34", "License: Apache License 2.0")
    installed(chalice, "wheel", "1", "License: MIT")
    model = tmp_path / "models" / "small.onnx"
    model.parent.mkdir()
    model.write_bytes(b"weights")
    real = packs.read_pack()
    file = replace(
        real.files[0],
        name="small.onnx",
        sha256=hashlib.sha256(b"weights").hexdigest(),
        size_bytes=7,
    )
    pack = Pack(replace(real.manifest, files=(file,)), model.parent)
    pages = list_console_libraries()
    sbom.write_package_bill(tmp_path / sbom.NAME, libraries, chalice, [pack], pages)
    again = tmp_path / "again.json"
    sbom.write_package_bill(again, libraries, chalice, [pack], pages)
    assert again.read_bytes() == (tmp_path / sbom.NAME).read_bytes(), (
        "the same content is the same bytes"
    )
    return tmp_path / sbom.NAME


def test_it_follows_the_schema(bill: Path) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator  # its import takes a second

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill.read_text()) is None


def test_it_names_the_libraries_chalice_and_the_models_that_are_there(bill: Path) -> None:
    parts = {part["name"]: part for part in json.loads(bill.read_text())["components"]}
    assert parts.keys() == {"Some_Thing", "odd", "chalice", "small.onnx", "preact", "htm"}
    assert parts["preact"]["purl"].startswith("pkg:npm/preact@")
    assert parts["preact"]["licenses"] == [{"license": {"id": "MIT"}}]
    assert parts["Some_Thing"]["purl"] == "pkg:pypi/some-thing@1.2"
    assert parts["Some_Thing"]["licenses"] == [{"expression": "Apache-2.0 OR MIT"}]
    assert parts["odd"]["licenses"] == [{"license": {"name": "As you like it"}}]
    assert parts["small.onnx"]["hashes"] == [
        {"alg": "SHA-256", "content": hashlib.sha256(b"weights").hexdigest()}
    ]
