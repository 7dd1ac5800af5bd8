"""Which dialects are there? A further one is a folder beside this module, and its name in NAMES."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from chalicelib.api.dialect import ROOT, Dialect
from chalicelib.auth.roles import Role
from chalicelib.domain.model import SharedKey, Tenant
from chalicelib.domain.pictures import FEELINGS
from chalicelib.privacy import reading
from chalicelib.privacy.reading import Data
from chalicelib.settings import DialectSettings

if TYPE_CHECKING:
    from chalicelib.api.http import Answer, Provide

NAMES = (
    "sunmi",
    "icredit",
    "rekognition",
    "compreface",
    "deepstack",
)
"""Folders of all dialects but v1, which is asked for all that no other owns."""

DIALECTS: tuple[Dialect, ...] = tuple(
    import_module(f"{__package__}.{name}").DIALECT for name in NAMES
)

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


def find_dialect(name: str) -> Dialect:
    return next(dialect for dialect in DIALECTS if dialect.name == name)


def find_owner(path: str) -> Dialect | None:
    """Return the dialect that owns a path; None: v1 does."""
    return next((dialect for dialect in DIALECTS if dialect.owns(path)), None)


def describe_feelings(tenant: Tenant) -> str:
    """Say of whom emotion and beauty are estimated, and the command that changes it."""
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
    """Return what answers POST at the root; None: no dialect does.

    Its modules are loaded at its first request.
    """
    dialect = find_owner(ROOT)
    return (
        None
        if dialect is None
        else lambda request: dialect.views.answers_by_path[ROOT]["POST"](provide, request)
    )
