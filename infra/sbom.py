"""The bill of materials of a package or of wheels (CycloneDX 1.6): distributions, libraries,
models, with licences."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions, version
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from chalicelib.book.vision.packs.packs import Pack
from infra.dependencies import read_versions
from regulars.libraries import Library

COUNT_MANIFEST = (
    Path(__file__).parents[1] / "edge" / "src" / "regulars_edge" / "count" / "manifest.toml"
)
"""Of the model that counts people, which the uploader's wheel has."""

NAME = "sbom.cdx.json"
"""Its name in the zip, and beside the wheels."""
WHOLE = {"av": "BSD-3-Clause AND GPL-3.0-or-later"}
"""Licences of wheels of which their metadata do not say all (infra/licences)."""


def write_package_bill(
    file: Path, libraries: Path, chalice: Path, packs: Sequence[Pack], pages: Sequence[Library]
) -> None:
    """Write the bill of what is installed in `libraries`, of Chalice from its site-packages, of
    packs and pages.

    The same input gives the same bytes: the time is a fixed one, and the serial number comes from
    the content.
    """
    installed = [
        *distributions(path=[str(libraries)]),
        *distributions(name="chalice", path=[str(chalice)]),
    ]
    _write_bill(
        file,
        [
            *map(_make_distribution_component, installed),
            *_make_model_components(packs),
            *map(_make_library_component, pages),
        ],
    )


def write_wheels_bill(
    file: Path,
    wheels: Sequence[Path],
    locks: Sequence[Path],
    packs: Sequence[Pack],
    pages: Sequence[Library],
) -> None:
    """Write the bill of materials of wheels: of the packs and pages in them, and the libraries that
    pip adds.

    Libraries have the versions that `locks` name. A requirement that is in no lock has its range of
    versions.
    """
    locked = sorted({locked_version for lock in locks for locked_version in read_versions(lock)})
    names = {canonicalize_name(name) for name, _ in locked}
    our_distributions = [
        distribution for wheel in wheels for distribution in distributions(path=[str(wheel)])
    ]
    requirements = {
        text
        for distribution in our_distributions
        for text in distribution.requires or ()
        if not text.startswith("regulars")
    }
    unlocked = [
        text
        for text in sorted(requirements)
        if canonicalize_name(Requirement(text).name) not in names
    ]
    parts = [
        *(_make_locked_component(*name_and_version) for name_and_version in locked),
        *map(_make_requirement_component, unlocked),
    ]
    models = [*_make_model_components(packs), *_list_models_of_uploader()]
    _write_bill(file, [*parts, *models, *map(_make_library_component, pages)])


def _write_bill(file: Path, parts: Sequence[Component]) -> None:
    own_component = Component(
        name="regulars",
        version=version("regulars"),
        type=ComponentType.APPLICATION,
        bom_ref="regulars",
    )
    content = "\n".join(sorted(str(part.bom_ref.value) for part in (own_component, *parts)))
    bill = Bom(
        components=parts,
        metadata=BomMetaData(component=own_component, timestamp=datetime(1980, 1, 1, tzinfo=UTC)),
        serial_number=uuid5(NAMESPACE_URL, content),
    )
    bill.register_dependency(own_component, parts)
    file.write_text(JsonV1Dot6(bill).output_as_string(indent=1), encoding="utf-8")


def _make_distribution_component(distribution: Distribution) -> Component:
    """Make the bill's entry of an installed distribution, by its metadata."""
    purl = PackageURL(
        "pypi", name=canonicalize_name(distribution.name), version=distribution.version
    )
    metadata = distribution.metadata.json
    licence = metadata.get("license_expression") or metadata.get("license")
    return Component(
        name=distribution.name,
        version=distribution.version,
        purl=purl,
        licenses=_parse_licences(licence),
        bom_ref=str(purl),
    )


def _make_locked_component(name: str, version: str) -> Component:
    purl = PackageURL("pypi", name=canonicalize_name(name), version=version)
    return Component(
        name=name,
        version=version,
        purl=purl,
        licenses=_parse_licences(WHOLE.get(name)),
        bom_ref=str(purl),
    )


def _make_requirement_component(text: str) -> Component:
    """Make a component of what a wheel requires.

    Which version is installed, the user's pip decides.
    """
    name = Requirement(text).name
    purl = PackageURL("pypi", name=canonicalize_name(name))
    return Component(name=name, purl=purl, description=f"required: {text}", bom_ref=text)


def _make_library_component(library: Library) -> Component:
    name, version = library.package.name, library.package.version
    purl = PackageURL("npm", name=name, version=version)
    return Component(
        name=name,
        version=version,
        purl=purl,
        licenses=_parse_licences(library.licence),
        bom_ref=str(purl),
    )


def _make_model_components(packs: Sequence[Pack]) -> Iterator[Component]:
    """Yield the bill's entry of each file of the packs."""
    for pack in packs:
        for file in pack.files:
            yield Component(
                name=file.name,
                group=pack.manifest.name,
                version=pack.manifest.version,
                type=ComponentType.MACHINE_LEARNING_MODEL,
                description=file.upstream,
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file.sha256)],
                licenses=_parse_licences(file.licence),
                bom_ref=f"{pack.manifest.name}/{file.name}@{file.sha256}",
            )


def _list_models_of_uploader() -> Iterator[Component]:
    """Yield the bill's entry of each model that the uploader alone has."""
    for file in tomllib.loads(COUNT_MANIFEST.read_text(encoding="utf-8"))["file"]:
        yield Component(
            name=file["name"],
            group="regulars-edge",
            type=ComponentType.MACHINE_LEARNING_MODEL,
            version=file["sha256"][:8],
            description=file["upstream"],
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file["sha256"])],
            licenses=_parse_licences(file["licence"]),
            bom_ref=f"regulars-edge/{file['name']}@{file['sha256']}",
        )


def _parse_licences(text: Any) -> list[LicenseExpression | DisjunctiveLicense]:
    """Return the licence as an SPDX expression if it is one, else as its maker wrote it, first line
    only."""
    lines = (text or "").strip().splitlines()
    return [LicenseFactory().make_from_string(lines[0])] if lines else []
