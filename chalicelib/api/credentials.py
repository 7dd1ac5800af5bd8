"""Credentials: the key or signature that identifies a request's caller.

One box looks at them before it reads the body, and counts the request to that tenant.

A credential decides nothing about rights: whether the credentials are good for the request, its
views say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec import Struct

from chalicelib.api.http import HttpRequest
from chalicelib.domain.model import Tenant
from chalicelib.services import Services

_LOOKS = 4
"""Places in a body at which a key's name is looked for; a longer search would cost more than it
finds."""
_VALUE = re.compile(rb'(?:=|"\r\n(?:[^\r\n]{1,80}\r\n)?\r\n)([0-9A-Za-z-]{16,36})')


class Head(Protocol):
    """A request, or its head: then the body is empty.

    `headers`: by lower-case name. `client`: the sender's address.
    """

    @property
    def path(self) -> str: ...
    @property
    def query(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...
    @property
    def client(self) -> str: ...


FindTenant = Callable[[Services, str], Tenant | None]
"""Finds the tenant of a key."""
FindSigner = Callable[[Services, HttpRequest], tuple[str, Tenant]]
"""Checks the signature of a whole request, and returns the id that signed it, with its tenant.
Raises Exception."""
Recognise = Callable[[HttpRequest], bool]
"""Tells whether a request is signed by a secret at hand: nothing is read, and nothing decided.
Raises Exception."""


class KeyCredential(Struct, frozen=True):
    """A key in a request. `find`: returns the key's owner.

    `tenant`: whose the request is without a key. `in_body`: whether the body has the key.
    """

    find: FindTenant
    key: str
    tenant: str | None = None
    in_body: bool = False


class SignatureCredential(Struct, frozen=True):
    """The id of the key that a request claims to be signed with.

    `find`: proves it by the whole request.

    `remember`: takes a tenant's secret, by which its next requests are told from those that only
    name the id.
    """

    find: FindSigner
    id: str
    remember: Callable[[Services, Tenant], Recognise]


Credential = KeyCredential | SignatureCredential


def find_by_service_key(services: Services, key: str) -> Tenant | None:
    """Return the owner of a service's key."""
    tenant_and_key = services.access.keys.find_by_service_key(key)
    return None if tenant_and_key is None else tenant_and_key[0]


def find_nobody(_services: Services, _key: str) -> None:
    """Return no owner."""


NOBODY = KeyCredential(find_nobody, "")


def parse_form_value(name: bytes, body: bytes) -> str:
    """Return an id or a key from a form, at any position of its field; "" if it is missing or
    malformed."""
    start = -1
    for _ in range(_LOOKS):
        start = body.find(name, start + 1)
        if start < 0:
            break
        if value_match := _VALUE.match(body, start + len(name)):
            return value_match[1].decode("ascii")
    return ""
