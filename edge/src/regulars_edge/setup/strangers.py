"""XML and URLs that anything in the network may have written."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from urllib.parse import urlsplit

from regulars_edge.errors import SourceFailed

_LONGEST_TEXT, _LONGEST_URL = 200, 500


def parsed(data: bytes) -> ET.Element:
    """Parse XML without a document type, so that there are no entities. Raises SourceFailed.

    What is no UTF-8 is read as such all the same: cameras put names of any encoding into their answers.
    """
    text = data.decode("utf-8", "replace")
    if "<!DOCTYPE" in text:
        raise SourceFailed("its answer is XML with a document type, which SOAP forbids")
    try:
        return ET.fromstring(text)  # noqa: S314 - only a document type can declare what makes XML dangerous
    except ET.ParseError as error:
        raise SourceFailed(f"its answer is no XML: {error}") from error


def text_of(element: ET.Element, path: str) -> str:
    """Return the text at `path`, "" if there is none: one line without control characters, at most 200 characters."""
    return printable(element.findtext(path) or "")[:_LONGEST_TEXT]


def printable(text: str) -> str:
    """One line: a terminal obeys control characters."""
    return "".join(one if one.isprintable() else " " for one in text).strip()


def is_at(url: str, address: str, *schemes: str) -> bool:
    """Tell whether this is a URL of one of these schemes at this address itself."""
    if len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or set(url) & set(' "\\<>'):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and parts.hostname == address and parts.port != 0
    except ValueError:
        return False
