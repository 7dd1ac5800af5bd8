"""Whoever enrols a face chooses its id: erasing it takes the entries about the face, and no
others."""

import pytest

from chalicelib.privacy.audit_entries import entry_put, faces_of, new_entry
from chalicelib.storage.items import write
from tests.support.audit.desk import HOUR, TENANT, Desk, desk


def noted(book: Desk, what: str, by: str = "key 1", **more: object) -> None:
    write(book.items, [entry_put(TENANT, new_entry(book.clock, what, by, **more))])


@pytest.mark.parametrize(
    "chosen", ["sighting", "regulars", "1", "key", "door", "matched", "fake", "r-7"]
)
@pytest.mark.parametrize("closed", [False, True], ids=["waiting", "closed"])
def test_a_face_whose_id_is_another_word_of_the_audit_takes_only_its_own_entries(
    made: Desk, chosen: str, closed: bool
) -> None:
    noted(made, "sighting", "camera door", faces=["410"], model="fake", resolution="matched")
    noted(made, "POST /v1/keys/{id}/renew", "key 2", of="1", request="r-7")
    noted(made, "sweep retention", "regulars", deleted=["411"])
    noted(made, "PATCH /v1/cameras/{id}", of="door")
    noted(made, "PATCH /v1/faces/{id}", faces=[chosen])
    if closed:
        made.clock.advance(2 * HOUR)
        made.close()
    assert len(made.erasing.erase(TENANT, [chosen], "1")) == 1
    made.clock.advance(2 * HOUR)
    made.close()
    assert len([one for one in made.entries() if one["what"] != "audit erased"]) == 4


@pytest.mark.parametrize(
    "entry",
    [
        {"what": "POST /v1/reviews/{id}/done", "of": "promoted-410"},
        {"what": "POST /v1/duplicates/{id}/done", "of": "409.410"},
        {"what": "POST /v1/merges/{id}/undo", "of": "410.771"},
        {"what": "POST /v1/duplicates/{id}/done", "of": "410.ann-1"},
        {"what": "POST /v1/verify", "decided": [{"face": "410", "match": True}]},
        {"what": "DELETE /v1/faces/{id}", "deleted": ["410"]},
        {"what": "sighting", "faces": ["410"]},
    ],
    ids=lambda entry: entry["what"],
)
def test_an_entry_is_about_the_faces_in_whatever_it_names_them(entry: dict[str, object]) -> None:
    assert "410" in faces_of(entry)
    with desk() as book:
        noted(book, **entry)
        assert len(book.erasing.erase(TENANT, ["410"], "1")) == 1
        assert book.erasing.erase(TENANT, ["410"], "1") == []
