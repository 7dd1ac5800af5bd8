import random
import threading
from collections import Counter
from dataclasses import dataclass, field

import pytest

from chalicelib.domain.model import Profile, Tenant
from chalicelib.domain.rules.decision import SearchRequest
from chalicelib.services import Services
from tests.support.book.recount import disagreements
from tests.support.fakes import RULES, Person, embedding_of, picture

pytestmark = pytest.mark.disk

WRITERS = SEARCHERS = 6
PEOPLE_A_WRITER = 12


@dataclass
class Visitor:
    """One person: `faceid` as it was acknowledged last (None: deleted, or never there), and how
    often it changed.

    `changes` is odd while a change is on its way, so a search knows whether it ran beside one.
    """

    seed: int
    faceid: str | None = None
    changes: int = 0


@dataclass
class Book:
    services: Services
    tenant: Tenant
    visitors: list[Visitor]
    wanted: int
    done: Counter[str] = field(default_factory=Counter)
    stale: list[str] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str) -> bool:
        """Whether there is more to do."""
        with self.lock:
            self.done[what] += 1
            return self.done.total() < self.wanted and not self.errors and not self.stale

    def write(self, visitors: list[Visitor], chance: random.Random) -> None:
        one = chance.choice(visitors)
        one.changes += 1
        if one.faceid is None:
            enrolled = self.services.enrolment.enrol_largest_face(
                self.tenant, "regular", picture(Person(one.seed)), RULES
            )
            one.faceid = enrolled.faceid
        else:
            self.services.deletion.delete_faces_of_group(self.tenant, "regular", [one.faceid])
            one.faceid = None
        one.changes += 1

    def search(self, chance: random.Random) -> None:
        one = chance.choice(self.visitors)
        changes, faceid = one.changes, one.faceid
        answer = self.services.ports.search.search(
            self.tenant.name, SearchRequest("fake", embedding_of(one.seed)[None])
        )
        best = answer.candidates[0][0] if answer.candidates[0] else None
        found = best.faceid if best and best.score > 0.6 else None
        if changes % 2 == 0 and one.changes == changes and found != faceid:
            self.stale.append(f"{one.seed}: {found}, not {faceid}, at seq {answer.seq}")


def test_search_that_begins_after_an_acknowledged_write_sees_it(
    services: Services, request: pytest.FixtureRequest
) -> None:
    made = services.tenants.add("shop", Profile.CAMERA)
    found = services.tenants.find_by_app_id(made.app_id)
    visitors = [Visitor(seed) for seed in range(WRITERS * PEOPLE_A_WRITER)]
    book = Book(services, found[0], visitors, request.config.getoption("--operations"))

    def work(number: int) -> None:
        chance = random.Random(number)
        own = visitors[number * PEOPLE_A_WRITER : (number + 1) * PEOPLE_A_WRITER]
        try:
            while book.count("write" if own else "search"):
                book.write(own, chance) if own else book.search(chance)
        except Exception as error:
            book.errors.append(error)

    threads = [
        threading.Thread(target=work, args=(number,)) for number in range(WRITERS + SEARCHERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (book.stale, book.errors) == ([], [])
    assert disagreements(services, book.tenant) == []
    print(f"\n{dict(book.done)}, 0 stale answers")
