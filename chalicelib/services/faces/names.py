"""Names of faces: the items by which a face is found by its name, and the search in them.

The transaction that changes a face writes and deletes the terms of its name (core/names). So a name that was given is
found at once, and one that was erased is gone with its face.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice

from chalicelib.core import keys
from chalicelib.core.errors import InvalidInput
from chalicelib.core.items import every
from chalicelib.core.model import Face, Tenant
from chalicelib.core.names import is_found, prefix, terms, words
from chalicelib.core.page_tokens import ListPage, PageTokens, require_page_size
from chalicelib.core.ports import Action, Delete, Item, ItemStore, Put, equals
from chalicelib.services.faces.faces import Faces

_AT_ONCE = 100
"""Terms that are read at once, with their faces."""
_MOST_READ = 1_000
"""Terms that a page reads at most. All names may begin with the same word, such as Visitor."""


def name_puts(tenant: str, face: Face) -> list[Action]:
    """Return the actions that make a new face found by its name, for the transaction that stores it."""
    return [Put(keys.NAMES, name_item(tenant, face.faceid, term)) for term in terms(face.name)]


def renamed(tenant: str, before: Face, after: Face) -> list[Action]:
    """Return the actions that a changed name needs, for the transaction that stores the face."""
    if after.name == before.name:
        return []
    old, new = terms(before.name), terms(after.name)
    return [
        *(Delete(keys.NAMES, _key(tenant, before.faceid, term)) for term in old if term not in new),
        *(Put(keys.NAMES, name_item(tenant, after.faceid, term)) for term in new if term not in old),
    ]


def name_deletes(tenant: str, face: Face) -> list[Action]:
    """Return the actions that delete a face's terms, for the transaction that deletes the face."""
    return [Delete(keys.NAMES, _key(tenant, face.faceid, term)) for term in terms(face.name)]


def face_deletes(tenant: str, face: Face) -> list[Action]:
    """Return the actions that delete a face, its arrivals and its name, on condition that nobody changed the face."""
    same = (equals("version", face.version, "face-same"), equals("group", face.group_id, "face-same"))
    return [
        Delete(keys.FACES, (tenant, face.faceid), same),
        Delete(keys.ARRIVALS, (tenant, face.faceid)),
        *name_deletes(tenant, face),
    ]


def name_item(tenant: str, faceid: str, term: str) -> Item:
    """Make the item of one term of a face's name."""
    return {"tenant": tenant, "term": keys.name_term(term, faceid), "faceid": faceid}


class Names:
    def __init__(self, items: ItemStore, faces: Faces, *, most_read: int = _MOST_READ) -> None:
        self._items = items
        self._faces = faces
        self._most_read = most_read

    def page(self, tenant: Tenant, name: str, limit: int, token: str | None = None) -> ListPage[Face]:
        """Return a page of the faces in whose name each word of `name` begins a word, or is any part of a run of
        Chinese, Japanese or Korean.

        They come in the order of the term that the longest word finds. A page reads a thousand terms at most. Raises
        InvalidInput if `name` has no letter and no digit, the limit is not 1 to 100, or the token is damaged.
        """
        require_page_size(limit)
        wanted = words(name)
        if not wanted:
            raise InvalidInput(f"name has at least one letter or digit to search by, and {name[:40]!r} has none")
        pages = PageTokens(json.dumps(["faces by name", tenant.name, wanted]))
        behind = None if token is None else pages.place(token, _term_of)
        found: list[Face] = []
        last = ""
        for read, (place, face) in enumerate(self._read(tenant, wanted, behind)):
            if read == self._most_read or (face is not None and len(found) == limit):
                return pages.page(found, _place_of(last))
            last = place
            if face is not None:
                found.append(face)
        return pages.page(found, None)

    def _read(self, tenant: Tenant, wanted: list[str], behind: str | None) -> Iterator[tuple[str, Face | None]]:
        """Yield the terms that the longest word finds. Each face that all words find is with the first of its own."""
        begin = prefix(max(wanted, key=len))
        low, high = keys.name_terms_range(begin)
        low = low if behind is None else behind
        rows = every(self._items, keys.NAMES, tenant.name, low=low, high=high, page_size=_AT_ONCE)
        places = (row["term"] for row in rows if row["term"] != behind)
        while some := list(islice(places, _AT_ONCE)):
            leads = [(place, *keys.parts_of_name_term(place)) for place in some]
            faces = self._faces.by_id(tenant, list(dict.fromkeys(faceid for _, _, faceid in leads)))
            for place, term, faceid in leads:
                face = faces.get(faceid)  # None, or of another name, if it was changed just now
                is_wanted = face is not None and is_found(face.name, wanted) and term == _first(face, begin)
                yield place, face if is_wanted else None


def _first(face: Face, begin: str) -> str | None:
    return min((term for term in terms(face.name) if term.startswith(begin)), default=None)


def _key(tenant: str, faceid: str, term: str) -> tuple[str, str]:
    return tenant, keys.name_term(term, faceid)


def _place_of(key: str) -> str:
    return key.encode().hex()


def _term_of(place: str) -> str:
    return bytes.fromhex(place).decode()
