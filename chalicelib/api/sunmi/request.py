"""A request: its parameters, read as leniently as the camera's documented examples need, and its
signer.

Names are trimmed and their first letter may have either case, `facdid` means `faceid`, and a list
may have typographic quotes or none. Signatures are checked on the text that was sent, before any of
this.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

from chalicelib.api.forms import (
    MAX_COMMAS,
    Form,
    Texts,
    collect_once,
    is_unicode,
    parse_whole,
)
from chalicelib.api.http import Part
from chalicelib.api.sunmi import DIALECT
from chalicelib.book.idempotency import RequestId
from chalicelib.domain.errors import InvalidInput, StaleRequest, TenantDisabled, WrongCredentials
from chalicelib.domain.model import Tenant
from chalicelib.services import Services

PUBLIC = frozenset({"app_id", "random", "timestamp", "sign", "sign_type", "sn"})
ITEMS = frozenset(f"item{number}" for number in range(1, 6))
"""Attributes of a group by place; addFace may also send them by name."""

ALIASES = {"facdid": "faceid"}
_LONGEST_ID = 250
"""Far longer than any id that exists, and 100 of them still fit into a stored answer."""
_DOUBLE_QUOTES = str.maketrans(dict.fromkeys("\u201c\u201d\uff02", '"'))
_QUOTES = str.maketrans(dict.fromkeys("\u201c\u201d\uff02\u2018\u2019'", '"'))
"""Typographic double, full-width and single quotes; also those of a list as Python prints it."""
_ANY_QUOTE = "\"\u201c\u201d\uff02\u2018\u2019'"
_COMMAS = re.compile("[,\uff0c]")
"""ASCII and full-width."""


def match_name(sent_name: str, names: Collection[str]) -> str:
    """Return our parameter's name that was meant, or the trimmed name if none was."""
    name = sent_name.strip()
    lowered = name[:1].lower() + name[1:]
    return lowered if lowered in names else name


def omit_empty_files(uploads: Iterable[Part]) -> list[Part]:
    """Return the files, without the empty ones that a browser sends for file fields left empty."""
    return [upload for upload in uploads if upload.filename or upload.data]


class Parameters(Texts, frozen=True):
    """Parameters and files by name.

    Unless a method says otherwise, an empty parameter counts as not sent.
    """

    files: Mapping[str, bytes]
    own_names: frozenset[str]
    """Names of this endpoint's parameters; others may be a group's attributes."""

    @classmethod
    def read(cls, form: Form, own_names: frozenset[str]) -> Parameters:
        """Read the parameters of a form.

        Raises InvalidInput if one name, leniently read, was sent twice.
        """
        known_names = (
            own_names | PUBLIC | {alias for alias, name in ALIASES.items() if name in own_names}
        )

        def parse_name(sent_name: str) -> str:
            name = match_name(sent_name, known_names)
            return ALIASES.get(name, name) if name in known_names else name

        fields = [(parse_name(name), value) for name, value in form.fields]
        files = [
            (parse_name(upload.name), upload.data) for upload in omit_empty_files(form.uploads)
        ]
        collect_once([*fields, *files])
        return cls(dict(fields), dict(files), own_names)

    def required_maybe_empty(self, name: str) -> str:
        if name not in self.values:
            raise InvalidInput(f"{name} is missing: it is required")
        return self.values[name]

    def read_texts(self, name: str) -> list[str]:
        """Read a required list of texts of any length."""
        return parse_list(name, self.required_text(name))

    def read_ids(self, name: str) -> list[str]:
        """Read a required list of texts of 1 to _LONGEST_ID characters."""
        items = self.read_texts(name)
        if not all(0 < len(item) <= _LONGEST_ID for item in items):
            raise InvalidInput(f"each text of {name} has 1 to {_LONGEST_ID} characters")
        return items

    def file(self, name: str) -> bytes | None:
        """Return the bytes of an uploaded file; None if there is none.

        Raises InvalidInput for a file sent as text.
        """
        if self.text(name) is not None:
            raise InvalidInput(f"{name} is sent as a file, in multipart/form-data with a file name")
        return self.files.get(name)

    def required_file(self, name: str) -> bytes:
        data = self.file(name)
        if data is None:
            raise InvalidInput(f"{name} is missing: send it as a file, in multipart/form-data")
        return data

    def list_others(self) -> dict[str, str]:
        """Return `itemN` and all names that are not the endpoint's own; they may be attributes of
        the group.

        Empty ones are included.
        """
        other_uses = (self.own_names - ITEMS) | PUBLIC
        return {name: value for name, value in self.values.items() if name not in other_uses}


def parse_list(name: str, text: str) -> list[str]:
    """Read a JSON array of texts, also with other quotes; a text that is not JSON is split at its
    commas.

    Raises InvalidInput, also for more commas than any list has.
    """
    if text.count(",") > MAX_COMMAS:
        raise InvalidInput(f"{name} has more than {MAX_COMMAS:,} commas: send fewer")
    # Single quotes last: within double ones they are apostrophes.
    for json_text in (text, text.translate(_DOUBLE_QUOTES), text.translate(_QUOTES)):
        try:
            parsed = json.loads(json_text, parse_int=str, parse_float=str, parse_constant=str)
        except (ValueError, RecursionError):
            continue
        if isinstance(parsed, list):
            return _check_texts(name, parsed)
        if isinstance(parsed, dict):
            raise InvalidInput(f'{name} is a list such as ["105"], not an object')
    inner = text.strip().removeprefix("[").removesuffix("]")
    return _check_texts(
        name, [item.strip().strip(_ANY_QUOTE).strip() for item in _COMMAS.split(inner)]
    )


def _check_texts(name: str, items: list[Any]) -> list[str]:
    for item in items:
        if not isinstance(item, str) or not is_unicode(item):
            raise InvalidInput(f'{name} is a list of texts such as ["105"]')
    return items


_REQUIRED = ("app_id", "random", "timestamp", "sign")
_RANDOM = re.compile(r"[0-9A-Za-z]{6,10}")
_DIGITS = re.compile(r"[0-9]+")
_MILLISECOND_DIGITS = 13
"""Digits of a timestamp in milliseconds, as some clients send it; in seconds it has 10."""


class SignedForm(Struct, frozen=True):
    """A form that has its public parameters; none of them is verified yet.

    The checks raise, in the contract's order: InvalidInput if a public parameter is missing or
    empty, or a time stamp has other than digits; StaleRequest if random is malformed or the time
    stamp out of tolerance; WrongCredentials for app_id or sign; then TenantDisabled.
    """

    form: Form
    app_id: str
    random: str
    timestamp: str
    sign: str
    sign_type: SignType

    @classmethod
    def read(cls, form: Form) -> SignedForm:
        """Read the public parameters.

        Raises InvalidInput if one is missing or malformed, or any name was sent twice.

        With a name sent twice, it would be unclear which value is signed.
        """
        collect_once([*form.fields, *((upload.name, "") for upload in form.uploads)])
        named_fields = ((match_name(sent_name, PUBLIC), value) for sent_name, value in form.fields)
        public = collect_once((name, value) for name, value in named_fields if name in PUBLIC)
        for name in _REQUIRED:
            if not public.get(name):
                raise InvalidInput(
                    f"{name} is missing or empty: app_id, random, timestamp and sign are required "
                    "in the body"
                )
        if not _DIGITS.fullmatch(public["timestamp"]):
            raise InvalidInput("timestamp has digits only: seconds since 1970")
        app_id, random, timestamp, sign = (public[name] for name in _REQUIRED)
        return cls(
            form,
            app_id,
            random,
            timestamp,
            sign,
            _parse_sign_type(public.get("sign_type") or SignType.MD5),
        )

    def authenticate(self, services: Services) -> Tenant:
        """Return the tenant that signed the form.

        Raises StaleRequest, WrongCredentials, TenantDisabled.
        """
        if not _RANDOM.fullmatch(self.random):
            raise StaleRequest("random has 6 to 10 letters or digits")
        self._require_fresh(services.clock.now(), services.settings.clock_tolerance_s)
        tenant_and_key = services.tenants.find_by_app_id(self.app_id)
        if tenant_and_key is None:
            raise WrongCredentials(
                "this app_id is unknown: use the one of the tenant's credentials"
            )
        tenant, app_key = tenant_and_key
        if self.sign_type is SignType.MD5 and tenant.refuse_md5:
            raise WrongCredentials("this tenant refuses MD5: sign with sign_type=HMAC-SHA256")
        is_newest = self.is_signed_by(app_key)
        if not is_newest and not self._is_signed_by_old_key(services, tenant):
            raise WrongCredentials(f"sign is wrong: {self._explain_signing()}")
        if tenant.disabled:
            raise TenantDisabled("this tenant is not activated: ask its operator to enable it")
        services.tenants.note_use(tenant, DIALECT.name, is_old=not is_newest)
        return tenant

    def _is_signed_by_old_key(self, services: Services, tenant: Tenant) -> bool:
        old = services.tenants.read_old_app_key(tenant, DIALECT.name)
        return old is not None and self.is_signed_by(old)

    def is_signed_by(self, app_key: str) -> bool:
        return is_signed(self._list_signed_pairs(), app_key, self.sign, self.sign_type)

    @property
    def key(self) -> str:
        """Hash of the four parameters that identify a request."""
        return _compute_digest([self.app_id, self.random, self.timestamp, self.sign.upper()])

    def identify(self, path: str) -> RequestId:
        """Identify the request: equal keys mean the same attempt, equal digests the same content.

        The content is the path, the parameters and the files, in any order.
        """
        files = [
            (upload.name, hashlib.sha256(upload.data).hexdigest()) for upload in self.form.uploads
        ]
        return RequestId(
            key=self.key,
            digest=_compute_digest([path, sorted(self._list_signed_pairs()), sorted(files)]),
            reused="these random, timestamp and sign were used for another request: take a new "
            "random or timestamp and "
            "sign again",
        )

    def _explain_signing(self) -> str:
        """Say what the sign is made of, with the names that were sent, in their order."""
        text = "&".join(f"{name}=..." for name, _ in sorted(self._list_signed_pairs()))
        if self.sign_type is SignType.MD5:
            return f"it should be the MD5, in hex, of `{text}&key=APP_KEY`"
        return f"it should be the HMAC-SHA256, in hex, of `{text}` with the app_key"

    def _list_signed_pairs(self) -> list[tuple[str, str]]:
        return [pair for pair in self.form.fields if match_name(pair[0], PUBLIC) != "sign"]

    def _require_fresh(self, now: datetime, tolerance_s: int) -> None:
        signed_s = (parse_whole(self.timestamp) or 0) / (
            1000 if len(self.timestamp) == _MILLISECOND_DIGITS else 1
        )
        if abs(now.timestamp() - signed_s) > tolerance_s:
            raise StaleRequest(
                f"timestamp is more than {tolerance_s} s away from the service's clock, which "
                "shows "
                f"{int(now.timestamp())}: set the caller's clock"
            )


def _parse_sign_type(text: str) -> SignType:
    try:
        return SignType(text.upper())
    except ValueError:
        raise InvalidInput(f"sign_type is MD5 or HMAC-SHA256, not {text[:40]!r}") from None


def _compute_digest(parts: list[object]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


Pairs = Iterable[tuple[str, str]]
"""(name, value) of every parameter except `sign` and the files; the values are raw and decoded."""


class SignType(StrEnum):
    MD5 = "MD5"
    HMAC_SHA256 = "HMAC-SHA256"


def sign(pairs: Pairs, app_key: str, sign_type: SignType = SignType.MD5) -> str:
    """Sign the pairs: upper-case hex over `k=v` joined with `&`, names in ASCII order."""
    text = "&".join(f"{name}={value}" for name, value in sorted(pairs, key=lambda pair: pair[0]))
    if sign_type is SignType.HMAC_SHA256:
        return hmac.new(app_key.encode(), text.encode(), hashlib.sha256).hexdigest().upper()
    return hashlib.md5(f"{text}&key={app_key}".encode(), usedforsecurity=False).hexdigest().upper()


def is_signed(pairs: Pairs, app_key: str, claimed: str, sign_type: SignType = SignType.MD5) -> bool:
    """Tell, in constant time, whether `claimed` (hex in either case) is the signature of the pairs,
    with or without the empty ones."""
    all_pairs = list(pairs)
    filled_pairs = [pair for pair in all_pairs if pair[1]]
    claimed_bytes = claimed.encode().upper()
    matches = [
        hmac.compare_digest(sign(each, app_key, sign_type).encode(), claimed_bytes)
        for each in (all_pairs, filled_pairs)
    ]
    return any(matches)
