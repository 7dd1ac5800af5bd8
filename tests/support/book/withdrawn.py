"""Somebody who withdrew, and what a book has of everybody else."""

from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.model import Face
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from tests.support.book.book import Book
from tests.support.fakes import RULES, FakeVision, Person, picture

EVA, FINN, GUS = 1, 2, 7
DAY = timedelta(days=1)


def embed(look: Person) -> NDArray[np.float32]:
    vision, image = FakeVision(), FakeVision().read_picture(picture(look), RULES)
    return vision.embed(image, vision.detect(image))[0]


def withdraw(book: Book, faceid: str) -> None:
    book.services.consents.withdraw_consent(book.tenant, faceid)


def shown(book: Book) -> list[Face]:
    return [face for face in book.faces() if face.restriction is None]


def count_nobodies(book: Book) -> int:
    found = walk_items(book.storage.items, keys.DIRECTORY, "shop", between=keys.NOBODIES)
    return sum(int(item["number"]) for item in found)


def sweep_for_a_day(book: Book) -> None:
    for _ in range(24):
        book.clock.advance(timedelta(hours=1))
        book.sweep()
