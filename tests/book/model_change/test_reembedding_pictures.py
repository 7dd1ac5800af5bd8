"""A tenant's model is changed: each picture of each face is embedded anew, whenever it is added or
taken away."""

from pathlib import Path

from chalicelib.book.model_change import CHUNK_FACES, GONE
from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from tests.book.model_change.two_models import change, enrol, found, open_folder, shop, tenant
from tests.support.book.recount import disagreements
from tests.support.fakes import RULES, FakeClock, Person, picture

__all__ = ["shop", "tenant"]


def add(services: Services, tenant: Tenant, faceid: str, seed: int, *numbers: int) -> list[str]:
    """More photos of the person; their ids."""
    photos = [picture(Person(seed, side_px=40.0 + number)) for number in numbers]
    now = services.tenants.get_by_name(tenant.name)
    return [services.enrolment.pictures.add_photo(now, faceid, photo, RULES).id for photo in photos]


def models(services: Services, tenant: Tenant, faceid: str) -> list[list[str]]:
    """Of each picture's templates."""
    pictures = services.faces.get(tenant, faceid).pictures
    return [[template.model for template in one.templates] for one in pictures]


def test_each_picture_is_embedded_anew_and_the_face_is_their_mean(
    shop: Services, tenant: Tenant
) -> None:
    people = enrol(shop, tenant, 1, 2)
    add(shop, tenant, people[1], 1, 0, 1)
    outcome = change(shop, tenant)
    assert (outcome.switched, outcome.embedded, outcome.failures) == (True, 2, {})
    assert models(shop, tenant, people[1]) == [["fake", "other"]] * 3
    assert {seed: found(shop, tenant, seed) for seed in people} == people
    assert disagreements(shop, tenant) == []


def test_a_picture_that_is_gone_is_named_and_the_face_is_found_by_the_others(
    shop: Services, tenant: Tenant
) -> None:
    people = enrol(shop, tenant, 1, 2, 3)
    add(shop, tenant, people[1], 1, 0, 1)
    blobs = shop.storage.blobs
    for faceid in (people[1], people[3]):
        blobs.delete(shop.faces.get(tenant, faceid).picture_key)
    outcome = change(shop, tenant)
    assert outcome.failures == {people[1]: GONE, people[3]: GONE}
    assert outcome.lost == {people[3]}
    assert models(shop, tenant, people[1]) == [["fake"], ["fake", "other"], ["fake", "other"]]
    assert [found(shop, tenant, seed) for seed in people] == [people[1], people[2], None]
    again = change(shop, tenant)
    assert (again.embedded, again.failures) == (0, outcome.failures)


def test_who_is_not_found_any_more_may_be_given_a_picture_that_somebody_vouches_for(
    shop: Services, tenant: Tenant
) -> None:
    people = enrol(shop, tenant, 1)
    shop.storage.blobs.delete(shop.faces.get(tenant, people[1]).picture_key)
    change(shop, tenant)
    shop.enrolment.pictures.add_photo(
        shop.tenants.get_by_name(tenant.name),
        people[1],
        picture(Person(1, side_px=70)),
        RULES,
        is_vouched_for=True,
    )
    assert found(shop, tenant, 1) == people[1]


def test_pictures_that_come_and_go_meanwhile_are_right_afterwards(
    shop: Services, tenant: Tenant
) -> None:
    people = enrol(shop, tenant, *range(CHUNK_FACES + 4))
    early, late = people[0], people[CHUNK_FACES + 3]
    for faceid, seed in ((early, 0), (late, CHUNK_FACES + 3)):
        add(shop, tenant, faceid, seed, 1)

    def meanwhile(seen: int, _faces: int) -> None:
        if seen == CHUNK_FACES:
            for faceid, seed in ((early, 0), (late, CHUNK_FACES + 3)):
                add(shop, tenant, faceid, seed, 2, 3)
                portrait, *_ = shop.faces.get(tenant, faceid).pictures
                shop.enrolment.pictures.remove_picture(tenant, faceid, portrait.id)

    outcome = change(shop, tenant, meanwhile)
    assert outcome.failures == {}
    assert [models(shop, tenant, faceid) for faceid in (early, late)] == [
        [["fake", "other"]] * 3
    ] * 2
    assert {seed: found(shop, tenant, seed) for seed in people} == people
    assert disagreements(shop, tenant) == []


def test_a_process_that_knew_the_old_model_adds_by_the_new_one(
    shop: Services, tenant: Tenant, tmp_path: Path, clock: FakeClock
) -> None:
    other = open_folder(tmp_path / "shop", clock)
    people = enrol(other, tenant, 1)
    change(shop, tenant)
    add(other, tenant, people[1], 1, 0)
    photo = picture(Person(2, side_px=60))
    other.enrolment.pictures.add_photo(
        other.tenants.get_by_name(tenant.name), people[1], photo, RULES, is_vouched_for=True
    )
    assert models(shop, tenant, people[1]) == [["fake", "other"], ["other"], ["other"]]
    other.close()
