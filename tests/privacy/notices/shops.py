"""Shops of several kinds, whose notices and records differ."""

from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.book.cameras import CameraSettings
from chalicelib.domain.events import EventKind
from chalicelib.domain.tenant_settings import NONE_SAID, OF_NOTICE
from tests.support.book.book import Book
from tests.support.fakes import Person

OWN = {
    "controller": "Ann Lee Ltd, 1 High Street",
    "contact": "privacy@shop.example",
    "basis": "explicit consent, Articles 6(1)(a) and 9(2)(a)",
    "officer": "Ben May, dpo@shop.example",
    "authority": "ICO, Wycliffe House",
    "recipients": "Till Software Ltd (hosting)",
    "transfers": "USA, standard contractual clauses",
}


def _set(**changes: Any) -> Callable[[Book], None]:
    return lambda book: book.services.tenants.change_settings("shop", changes)


def _told(book: Book) -> None:
    """Hooks tell of people: one by a URL, one by a mailbox whose program speaks to a broker; two
    tell of nobody."""
    hooks = book.services.webhooks.hooks
    hooks.add("shop", "http://127.0.0.1:1999/told")
    hooks.add("shop", None, name="home", passes_to="broker.lan")
    hooks.add("shop", None, passes_to="ops.lan", kinds=(EventKind.CAMERA_SILENT,))
    hooks.add("shop", None, passes_to="off.lan", enabled=False)


def _forget(book: Book) -> None:
    """No camera that works keeps strangers, no picture is kept, nothing is estimated, and children
    are left out."""
    book.services.cameras.change(book.tenant, "door", {"keeps_strangers": False})
    book.services.cameras.add(book.tenant, "old", "old", CameraSettings(enabled=False))
    _set(
        keeps_pictures=False,
        min_age=14.0,
        attributes_off=frozenset({"age", "gender", "emotion", "beauty"}),
    )(book)


def _group(book: Book) -> None:
    """Two groups of its own, with days of their own, one of which has no pictures."""
    groups = book.services.groups
    vip, staff = (groups.create(book.tenant, name, None, "").id for name in ("vip", "staff"))
    for id_, days in ((vip, 700), (staff, 30)):
        groups.change_fields(book.tenant, id_, {"unseen_days": days})
    _set(
        no_pictures_of=frozenset({vip}),
        regular_days=1,
        learnt_days=50,
        capture_days=7,
        audit_days=500,
    )(book)


def _left(book: Book) -> None:
    """Strangers from before are there, though no camera keeps any more."""
    _forget(book)
    book.enrol(Person(1), "stranger")


def _forget_all(book: Book) -> None:
    """The tenant keeps no strangers, whatever its camera would, and one of before is still to be
    erased."""
    book.enrol(Person(1), "stranger")
    _set(strangers="forget")(book)


SHOPS: Mapping[str, tuple[Callable[[Book], None], ...]] = {
    "blank": (_set(basis=""),),
    "filled": (_set(**OWN), _told),
    "told and silent about it": (_set(basis=""), _told),
    "says nobody": (
        _set(**OWN | dict.fromkeys(("officer", "recipients", "transfers"), NONE_SAID)),
    ),
    "says nobody though some are told": (_set(**OWN | {"recipients": NONE_SAID}), _told),
    "forgets": (_set(**OWN), _forget),
    "nobody has chosen": (_set(**OWN), _set(strangers="undecided")),
    "forgets all": (_set(**OWN), _forget_all),
    "has forgotten to forget": (_set(**OWN), _left),
    "keeps for ever": (
        _set(
            basis="",
            stranger_days=None,
            observation_days=None,
            audit_days=None,
            regular_days=None,
        ),
    ),
    "has groups": (_set(**OWN), _group),
}

assert set(OWN) == set(OF_NOTICE)
