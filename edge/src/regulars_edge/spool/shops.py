"""The owner of each picture: the shop that the box was set up for when it was taken. No other shop
receives it.

A shop is named by its book's id, as the service says it (X-Regulars-Book). Before the service has
said it, a name is made of URL and API key (`name_shop`); of the URL alone for a service of an older
version, which never says it, and for a key that the service does not know. The book's id takes that
name's place as soon as it is known. "" stands for a picture that an older uploader took: it is for
the shop that its camera is opened for next.

A picture that was seen at a shop was seen in one life of its book. A restored book has a new one,
and is asked anew.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from itertools import product

from regulars_edge.spool.model import Waiting, name_shop

log = logging.getLogger(__name__)

_BOOK = re.compile(r"([0-9a-f]{16})\.([0-9A-Za-z]{1,64})")
_NO_BOOK = "~*"

OF_ITS_SHOP = (
    "pictures.shop = coalesce((SELECT shop FROM cameras WHERE cameras.camera = "
    "pictures.camera), '')"
)
"""SQL: the picture is for the shop that its camera is opened for."""
SEEN_BEFORE = (
    "(state = 1 AND life IS NOT (SELECT life FROM shops WHERE shops.shop = pictures.shop LIMIT 1))"
)
"""SQL: the picture was seen at its shop, but in another life of the book than the one that answered
last."""


def find_shop(db: sqlite3.Connection, url: str, key: str) -> str:
    """Return the shop that this key opens at this URL, as far as it is known."""
    name = name_shop(url, key)
    return str(
        (db.execute("SELECT shop FROM shops WHERE name = ?", (name,)).fetchone() or (name,))[0]
    )


def find_shop_of_camera(db: sqlite3.Connection, camera: str) -> str:
    """Return the shop that the camera is opened for; empty: it was not opened."""
    return str(
        (db.execute("SELECT shop FROM cameras WHERE camera = ?", (camera,)).fetchone() or ("",))[0]
    )


def find_life(db: sqlite3.Connection, shop: str) -> str | None:
    """Return the life of the shop's book that answered last: "" if it named none; None: it has not
    answered."""
    row = db.execute("SELECT life FROM shops WHERE shop = ? LIMIT 1", (shop,)).fetchone()
    return row[0] if row else None


def find_answerer(
    db: sqlite3.Connection, url: str, key: str, header: str | None, *, opens: bool
) -> tuple[str, str | None]:
    """Return the shop that answered, and its book's life.

    Without a book, one URL is one shop, by whichever key.

    `opens`: whether the service knows the key. If it does not, the key says nothing of the shop.
    """
    if found := _BOOK.fullmatch(header or ""):
        return found[1], found[2]
    shop = find_shop(db, url, key)
    if shop in (name_shop(url), name_shop(url, key)):
        sql = "SELECT DISTINCT shop FROM shops WHERE url = ? AND shop NOT GLOB ?"
        books = db.execute(sql, (url, _NO_BOOK)).fetchall()
        shop = books[0][0] if opens and len(books) == 1 else name_shop(url)
    return shop, "" if opens else find_life(db, shop)


def keep_answerer(db: sqlite3.Connection, url: str, key: str, shop: str, life: str | None) -> None:
    """Keep whom a key opens, and give that shop what was taken before this was known."""
    name, unknown = name_shop(url, key), name_shop(url)
    others = db.execute(
        "SELECT 1 FROM shops WHERE shop = ? AND name <> ? AND life = ''", (unknown, name)
    ).fetchone()
    if shop == unknown and life is not None and others:
        log.warning(
            "%s does not say whose book it is: if its keys are of two shops, they cannot be told "
            "apart",
            url,
        )
    db.execute("INSERT OR REPLACE INTO shops VALUES (?, ?, ?, ?)", (name, url, shop, life))
    db.execute("UPDATE shops SET life = ? WHERE shop = ?", (life, shop))
    for former in {name, unknown} - {shop}:
        hand_over(db, former, shop)


def hand_over(db: sqlite3.Connection, former: str, shop: str, camera: str | None = None) -> None:
    """Let what is of `former` be the shop's; None: of all cameras.

    Of one that both have, the unsent row stays.
    """
    db.execute(
        "DELETE FROM pictures WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER "
        "(PARTITION BY camera, sha256, captured_at_ms ORDER BY state, id) AS number FROM pictures "
        "WHERE shop IN (?, ?) AND captured_at_ms IS NOT NULL AND camera = coalesce(?, camera)) "
        "WHERE number > 1)",
        (former, shop, camera),
    )
    for table in ("pictures", "counts", "films", "cameras"):
        sql = f"UPDATE {table} SET shop = ? WHERE shop = ? AND camera = coalesce(?, camera)"
        db.execute(sql, (shop, former, camera))


def open_camera(db: sqlite3.Connection, camera: str, url: str, key: str) -> None:
    """Let the camera be its shop's from now on: settings and a film of another one are forgotten.

    A key whose book is not known may be the same shop's if the URL is the same: they stay.
    """
    shop = find_shop(db, url, key)
    db.execute(
        "INSERT OR IGNORE INTO shops VALUES (?, ?, ?, NULL)", (name_shop(url, key), url, shop)
    )
    for former in ("",) if shop.startswith("~") else ("", name_shop(url), name_shop(url, key)):
        if db.execute(
            "SELECT 1 FROM pictures WHERE camera = ?1 AND shop = ?2 UNION ALL "
            "SELECT 1 FROM counts WHERE camera = ?1 AND shop = ?2 UNION ALL "
            "SELECT 1 FROM films WHERE camera = ?1 AND shop = ?2 LIMIT 1",
            (camera, former),
        ).fetchone():
            hand_over(db, former, shop, camera)
    is_anothers = (
        "shop <> ?2 AND NOT ((?2 GLOB ?3 OR shop GLOB ?3) AND "
        "?4 IN (SELECT url FROM shops AS known WHERE known.shop = cameras.shop))"
    )
    new = camera, shop, _NO_BOOK, url
    db.execute(
        "DELETE FROM settings WHERE camera IN "
        f"(SELECT camera FROM cameras WHERE camera = ?1 AND {is_anothers})",
        new,
    )
    is_film_anothers = is_anothers.replace("cameras.", "films.")
    db.execute(f"DELETE FROM films WHERE camera = ?1 AND {is_film_anothers}", new)
    db.execute("INSERT OR REPLACE INTO cameras VALUES (?, ?)", (camera, shop))


def find_rescued(db: sqlite3.Connection, camera: str, shop: str) -> str:
    """Return whom a copy is for whose row is gone: as its name says, else as its camera is
    opened."""
    known = db.execute("SELECT shop FROM shops WHERE name = ?", (shop,)).fetchone()
    return str(known[0]) if known else shop or find_shop_of_camera(db, camera)


def list_waiting(db: sqlite3.Connection) -> list[Waiting]:
    """List the unsent pictures and untold minutes that are for another shop than the one that their
    camera was opened for last."""
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    if "cameras" not in tables:
        return []  # no uploader of this version has opened the spool
    held = _UNSENT_PICTURES
    if "counts" in tables:
        held += f" UNION ALL {_UNTOLD_MINUTES}"
    rows = db.execute(
        "SELECT camera, sum(pictures), sum(minutes), sum(came_in), sum(went_out), held.shop, "
        "(SELECT max(url) FROM shops WHERE held.shop IN (name, shops.shop)) "
        f"FROM ({held}) AS held JOIN cameras USING (camera) "
        "WHERE held.shop NOT IN ('', cameras.shop) GROUP BY camera, held.shop"
    )
    return [Waiting(*row) for row in rows]


_UNSENT_PICTURES = (
    "SELECT camera, shop, count(*) AS pictures, 0 AS minutes, 0 AS came_in, 0 AS went_out "
    "FROM pictures WHERE state = 0 GROUP BY camera, shop"
)
_UNTOLD_MINUTES = (
    "SELECT camera, shop, 0, count(DISTINCT boot || ' ' || began_ms), sum(came_in), sum(went_out) "
    "FROM counts WHERE life IS NULL GROUP BY camera, shop"
)


def release_waiting(db: sqlite3.Connection, url: str) -> list[Waiting]:
    """Let what waits for the shops at `url` be for the shop that its camera is opened for next;
    return what that was. Films of those shops are deleted."""
    released = [one for one in list_waiting(db) if one.url == url]
    for one, (table, is_unsent) in product(released, _UNSENT.items()):
        sql = f"UPDATE {table} SET shop = '' WHERE camera = ? AND shop = ? AND {is_unsent}"
        db.execute(sql, (one.camera, one.shop))
    db.execute("DELETE FROM films WHERE shop IN (SELECT shop FROM shops WHERE url = ?)", (url,))
    return released


_UNSENT = {"pictures": "state = 0", "counts": "life IS NULL"}
"""SQL: what of a table no shop has."""
