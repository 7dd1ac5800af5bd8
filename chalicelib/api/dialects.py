"""Discovery of dialects: entry points of the group `regulars.dialects` in installed distributions
(docs/dialects.md)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from chalicelib.api.dialect import ROOT, Dialect
from chalicelib.auth.roles import Role
from chalicelib.domain.model import SharedKey, Tenant
from chalicelib.domain.pictures import FEELINGS
from chalicelib.privacy import reading
from chalicelib.privacy.reading import Data
from chalicelib.settings import DialectSettings

if TYPE_CHECKING:
    from chalicelib.api.http import Answer, Provide
    from chalicelib.domain.face_sets import FaceSets
    from chalicelib.services import Services

GROUP = "regulars.dialects"


def list_entry_points(folders: Iterable[str]) -> dict[str, str]:
    """Return the entry points of dialects, `module:attribute` by name, that the distributions in
    these folders declare, if their names start with `regulars`.

    importlib.metadata would read all other distributions, too: 15 ms and more of a cold start. Of a
    distribution that is in two folders, the first counts, as for imports. Raises ImportError if two
    distributions name a dialect alike.
    """
    files: dict[str, Path] = {}
    for folder in folders:
        with suppress(OSError):
            for name in os.listdir(folder or "."):  # noqa: PTH208 -- Path.iterdir takes longer
                if name.startswith("regulars") and name.endswith(".dist-info"):
                    files.setdefault(name.partition("-")[0], Path(folder, name, "entry_points.txt"))
    found: dict[str, str] = {}
    for distribution in sorted(files):
        text = files[distribution].read_text("utf-8") if files[distribution].is_file() else ""
        own = dict(_parse_group(text))
        if twice := own.keys() & found.keys():
            raise ImportError(f"two distributions have the dialect {min(twice)!r}: uninstall one")
        found |= own
    return dict(sorted(found.items()))


def _parse_group(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and value of the entry points of GROUP in an entry_points.txt."""
    section = text.partition(f"[{GROUP}]\n")[2].partition("\n[")[0]
    for line in section.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            yield name.strip(), value.strip()


def _load(value: str) -> object:
    """Import `module:attribute`."""
    module, _, attribute = value.partition(":")
    return getattr(import_module(module), attribute)


DIALECTS: tuple[Dialect, ...] = tuple(
    cast(Dialect, _load(value)) for value in list_entry_points(sys.path).values()
)
"""All dialects but v1, which is asked for all that no other owns."""

NAMES = tuple(dialect.name for dialect in DIALECTS)

SETTINGS: DialectSettings = {one.name: one.settings for one in DIALECTS if one.settings is not None}

SHARED_KEYS: Mapping[str, SharedKey] = {
    one.name: one.shared_key for one in DIALECTS if one.shared_key is not None
}
"""The key that all clients of a dialect share, of those that have one."""

SERVICES: Mapping[str, Role] = {
    service: role for one in DIALECTS for service, role in one.services.items()
}
"""The services that have keys of their own, with the role of these."""

READS: Mapping[str, tuple[Data, ...]] = {
    **reading.READS,
    **{f"{one.name} {act}": kinds for one in DIALECTS for act, kinds in one.reads.items()},
}
"""Kinds of data about people that each act answers, by the act's name."""


def make_face_sets(services: Services) -> FaceSets:
    """Return the FaceSets of the dialect that keeps some. Raises ImportError if several do."""
    from chalicelib.domain.face_sets import FaceSets

    kinds = {one.face_sets for one in DIALECTS} - {""}
    if len(kinds) > 1:
        raise ImportError(f"of {' and '.join(sorted(kinds))} only one can keep face sets")
    return next((cast(type[Any], _load(kind))(services) for kind in kinds), FaceSets())


def find_dialect(name: str) -> Dialect:
    return next(dialect for dialect in DIALECTS if dialect.name == name)


def find_owner(path: str) -> Dialect | None:
    """Return the dialect that owns a path; None: v1 does."""
    return next((dialect for dialect in DIALECTS if dialect.owns(path)), None)


def describe_feelings(tenant: Tenant) -> str:
    """Return a sentence about the people whose emotion and beauty are estimated, with the command
    that changes it."""
    names = " and ".join(sorted(FEELINGS - tenant.attributes_off))
    command = f"regulars tenants set {tenant.name}"
    if not names:
        return "nobody's emotion or beauty is estimated"
    if tenant.feelings:
        return (
            f"{names}: estimated of each face, of nobody in a group of staff. In the EU it is "
            "forbidden to infer emotions at work and at school (Regulation 2024/1689, Article "
            f"5(1)(f)): `{command} --set feelings=no` ends it"
        )
    titles = " or ".join(dialect.title for dialect in DIALECTS if dialect.has_feelings)
    return (
        f"{names}: estimated only if a program asks by {titles}, whose answers have them. "
        f"`{command} --set attributes_off=beauty,emotion` ends that, too"
    )


def find_root_answer(provide: Provide) -> Answer | None:
    """Return the view that answers POST at the root; None if no dialect has one.

    Its modules are loaded at its first request.
    """
    dialect = find_owner(ROOT)
    return (
        None
        if dialect is None
        else lambda request: dialect.views.answers_by_path[ROOT]["POST"](provide, request)
    )
