"""Parameters of an operation, from a form or a JSON object, and the picture that one of them
holds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from chalicelib.api.base64_text import clean_form_value, parse_base64
from chalicelib.api.forms import Form, Texts, collect_once, parse_form, parse_object
from chalicelib.api.http import JSON, MediaType
from chalicelib.domain.errors import FaceNotFound, InvalidInput, Unusable
from chalicelib.domain.local_time import LAST_SECOND
from chalicelib.domain.model import Labels, is_faceid

MAX_ENCODED = 2_097_152
"""Most characters of the base64 text, after URL-decoding."""

MAX_LABEL = 100
"""Characters of a label, as the cloud's contract says."""

_DIGITS = re.compile(r"[0-9]{1,20}")
_TIMES_ENCODED = 2
"""How often a parameter may be percent-encoded: some clients do it twice."""


class Parameters(Texts, frozen=True):
    """Parameters by name; an empty one counts as not sent."""

    def parse_labels(self) -> Labels:
        """Read LABLE_A to LABLE_D, which may also be spelled LABEL_A to LABEL_D."""
        return Labels(*(self._parse_label(letter) for letter in "ABCD"))

    def parse_token(self, name: str) -> str:
        """Read a PERSON_TOKEN. Raises FaceNotFound for a text that cannot be one."""
        token = self.required_text(name).strip()
        if not is_faceid(token):
            raise FaceNotFound(
                f"there is no face {token[:70]!r}: a PERSON_TOKEN has 1 to 64 letters, digits, `_` "
                "or `-`"
            )
        return token

    def parse_seconds(self, name: str) -> int:
        """Read a required time in UNIX seconds."""
        text = self.required_text(name)
        if not _DIGITS.fullmatch(text) or int(text) > LAST_SECOND:
            raise InvalidInput(
                f"{name} is a time in UNIX seconds, such as 1573441871 (no milliseconds, no date), "
                f"not {text[:40]!r}"
            )
        return int(text)

    def parse_flag(self, name: str) -> bool:
        text = self.text(name)
        if text not in (None, "0", "1"):
            raise InvalidInput(
                f"{name} is 1 (yes) or 0 (no, as when it is not sent), not {text[:40]!r}"
            )
        return text == "1"

    def _parse_label(self, letter: str) -> str:
        spelled = {
            value for name in (f"LABLE_{letter}", f"LABEL_{letter}") if (value := self.text(name))
        }
        if len(spelled) > 1:
            raise InvalidInput(
                f"LABLE_{letter} and LABEL_{letter} are one label, and they differ: send one of "
                "them"
            )
        label = spelled.pop() if spelled else ""
        if len(label) > MAX_LABEL:
            raise InvalidInput(f"LABLE_{letter} has up to {MAX_LABEL} characters, not {len(label)}")
        return label


def parse_parameters(media_type: MediaType, body: bytes) -> Parameters:
    """Read the parameters from the body of a form or a JSON object. Raises InvalidInput."""
    if media_type.name != JSON:
        return Parameters(collect_once(_list_pairs(parse_form(media_type, body))))
    sent_object = parse_object(
        body, media_type.codec, parse_int=str, parse_float=str
    )  # so that numbers keep their digits
    return Parameters({name: _parse_scalar(name, value) for name, value in sent_object.items()})


def decode_base64(sent_text: str) -> bytes:
    """Decode base64 text that may be URL-encoded once or twice more.

    Raises Unusable if it is none, or too large.
    """
    text = sent_text
    for _ in range(_TIMES_ENCODED):
        text = unquote(text) if "%" in text else text
    text = clean_form_value(text)
    if len(text) > MAX_ENCODED:
        raise Unusable(
            f"IMAGE has up to {MAX_ENCODED} characters of base64, not {len(text)}: send a smaller "
            "picture"
        )
    try:
        return parse_base64(text)
    except ValueError as error:
        raise Unusable(
            "IMAGE is not base64: encode the picture's bytes, then URL-encode the text in a form"
        ) from error


def _list_pairs(form: Form) -> Iterable[tuple[str, str]]:
    yield from form.fields
    for upload in form.uploads:
        try:
            yield upload.name, upload.data.decode("ascii")
        except UnicodeDecodeError as error:
            raise InvalidInput(
                f"{upload.name[:100]!r} is sent as text; a picture as base64"
            ) from error


def _parse_scalar(name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput(f"{name[:100]!r} is a text or a number")
    return value
