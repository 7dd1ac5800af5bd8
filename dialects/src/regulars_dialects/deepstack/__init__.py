"""The face routes of DeepStack and CodeProject.AI: `/v1/vision/face*`, as forms with files, and a
key in them.

The page for users: docs/deepstack.md.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from chalicelib.api.dialect import Dialect, Keyless
from chalicelib.auth.roles import Role
from chalicelib.domain.audit_events import Kind, kinds_by_name
from chalicelib.domain.setting import setting
from chalicelib.privacy.reading import data_by_name
from chalicelib.settings import parse_networks

SERVICE = "deepstack"
PREFIX = "/v1/vision/"


class KeylessClients(Keyless, frozen=True):
    """Settings of clients that send no key."""

    tenant: str | None = setting(
        None,
        "tenant of DeepStack's clients that send no key: they use its oldest key of `--for "
        "deepstack`",
        name="deepstack_tenant",
        nothing="none",
    )
    networks: tuple[IPv4Network | IPv6Network, ...] = setting(
        (),
        "networks that such calls may come from, as 192.168.7.20 or 127.0.0.0/8",
        name="deepstack_networks",
        read=parse_networks,
        nothing="none",
    )


DIALECT = Dialect(
    __name__,
    "deepstack",
    "DeepStack",
    (PREFIX, "/v1/status/", "/v1/server/", "/v1/module/"),
    kinds_by_name({Kind.CHANGE: "register, delete", Kind.DECISION: "recognize, match"}),
    data_by_name(
        {
            "list_names, register": "names",
            "recognize": "names likeness",
        }
    ),
    services={SERVICE: Role.OPERATOR},
    settings=KeylessClients,
    face_sets="regulars_dialects.face_sets:UserSets",
)
