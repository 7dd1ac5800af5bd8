"""Reports of names and of who is who, from users of other face services, replayed. The page:
docs/reported.md."""

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from chalicelib.domain.captures import sighting_id
from testing.reported import replays
from tests.support.api.compreface.client import RECOGNITION
from tests.support.fakes import RULES, Person, picture
from tests.support.house import House, b64, photo

ODD = [
    *(
        "[test]",
        "{test}",
        "a%20b",
        "a%2Fb",
        "C++",
        "what?",
        "#1",
        "..",
        "a/b",
        "a/b/c",
        "a\\b",
        "a;b",
        "o'neil",
        '"x"',
    ),
    *("a&b=c", "👩‍👩‍👧", "שלום", "山田 太郎", "100 %"),
]


@replays(1, "CompreFace 899")
@pytest.mark.parametrize("name", ODD)
def test_any_name_is_enrolled_renamed_and_deleted(box: House, name: str) -> None:
    key, path = box.key("recognition", box.group()), f"{RECOGNITION}/subjects"
    sent = {"file": b64(photo(1))}
    as_json = {"x_api_key": key, "Content_Type": "application/json"}
    added = box.http(
        "POST", f"{RECOGNITION}/faces?subject={quote(name, safe='')}", json.dumps(sent), **as_json
    )
    assert (added.status, added.json["subject"]) == (201, name)
    renamed = box.http(
        "PUT", f"{path}/{quote(name, safe='')}", json.dumps({"subject": "plain"}), **as_json
    )
    assert (renamed.status, renamed.json) == (200, {"updated": True})
    again = box.http(
        "POST", f"{RECOGNITION}/faces?subject={quote(name, safe='')}", json.dumps(sent), **as_json
    )
    assert again.status == 201
    assert box.http("DELETE", f"{path}/{quote(name, safe='')}", x_api_key=key).json == {
        "subject": name
    }


@replays(2, "deepface 1304", "deepface 1529")
def test_names_that_are_not_english_stay_as_they_are_written(box: House) -> None:
    client, names = box.compreface(), ["Gülşah Ağaoğlu", "Ελένη", "王小明", "דוד"]
    for seed, name in enumerate(names):
        client.add(quote(name), photo(seed))
    assert sorted(client.subjects()) == sorted(names)
    assert client.named(photo(0, 1))[0]["subject"] == names[0]


@replays(3, "osxphotos 1085", "FPVTracksideCore 75")
def test_a_letter_as_one_sign_or_as_two_is_one_person(box: House) -> None:
    client = box.compreface()
    client.add(quote("Jürgen"), photo(1))
    client.add(quote("Ju\u0308rgen"), photo(1, 1))
    assert client.subjects() == ["Jürgen"]


@replays(4, "photoprism 2397")
def test_two_people_with_nearly_the_same_name_are_two(box: House) -> None:
    client = box.compreface()
    client.add(quote("Anna Weiß"), photo(1))
    client.add("Anna%20Weiss", photo(2))
    client.delete(f"{RECOGNITION}/subjects/Anna%20Weiss")
    assert client.subjects() == ["Anna Weiß"]


@replays(5, "immich 31442")
def test_a_rename_may_change_the_case_alone_and_deepstack_counts_it(box: House) -> None:
    client, other = box.compreface(), box.deepstack()
    client.add("ann", photo(1))
    assert client.json(f"{RECOGNITION}/subjects/ann", {"subject": "Ann"}, "PUT").json == {
        "updated": True
    }
    assert client.named(photo(1, 1))[0]["subject"] == "Ann"
    other.register("ann", photo(1))
    other.register("Ann", photo(2))
    assert sorted(other.names()) == ["Ann", "ann"]


@replays(6, "double-take 66")
def test_a_name_with_a_space_is_meant_with_its_space(box: House) -> None:
    client = box.deepstack()
    client.register("Ann", photo(1))
    client.register("Ann ", photo(2))
    client.call("/delete", userid="Ann ")
    assert client.names() == ["Ann"]


@replays(7, "CompreFace 224", "CompreFace 252")
def test_a_name_stays_without_its_last_example(box: House) -> None:
    box.services.tenants.change_settings(
        "home", {"deletes_erase": False}
    )  # else the name is erased with its last photo
    client = box.compreface()
    client.delete(f"{RECOGNITION}/faces/{client.add('Ann', photo(1))}")
    assert client.named(photo(1, 1)) == []
    assert client.subjects() == ["Ann"]
    assert client.json(f"{RECOGNITION}/subjects", {"subject": "Ann"}).json["code"] == 43


@replays(8, "CompreFace 601")
def test_a_plugin_that_is_undefined_is_harmless(box: House) -> None:
    client = box.compreface()
    client.add("Ann", photo(1))
    assert client.named(photo(1, 1), "face_plugins=undefined")[0]["subject"] == "Ann"


@replays(9, "CompreFace 1310")
def test_spaces_between_plugins_unknown_ones_and_empty_values_are_harmless(box: House) -> None:
    query = (
        "face_plugins=age,%20pose,%20no_such&limit=&prediction_count=&det_prob_threshold=&status="
    )
    (face,) = (
        box.compreface().form(f"{RECOGNITION}/recognize?{query}", file=photo(1)).json["result"]
    )
    assert {"age", "pose"} <= face.keys()


@replays(10, "CompreFace 805")
def test_each_subject_is_named_once_the_likeliest_first(box: House) -> None:
    client = box.compreface()
    for seed in range(1, 6):
        client.add(f"P{seed}", photo(seed))
        client.add(f"P{seed}", photo(seed, 1))
    found = client.named(photo(3, 2), "prediction_count=100")
    assert sorted(one["subject"] for one in found) == ["P1", "P2", "P3", "P4", "P5"]
    assert found[0]["subject"] == "P3"
    assert [one["similarity"] for one in found] == sorted(
        (one["similarity"] for one in found), reverse=True
    )


@replays(11, "double-take 150", "skrashevich/double-take 614")
def test_twenty_photos_of_one_person_are_one_visitor(box: House) -> None:
    client = box.compreface()
    for number in range(20):
        client.add("Twenty", photo(1_100, number))
    seen = [
        box.see(Person(1_100, side_px=150.0 + day), days_ago=12 - day).sightings[0].faceid
        for day in range(12)
    ]
    assert len(set(seen)) == 1
    (face,) = box.services.faces.search_by_name(box.tenant, "twenty", 10).rows
    assert (face.faceid, face.arrive_count, len(client.examples("size=100"))) == (seen[0], 12, 20)


@replays(12, "HASS-Deepstack-face 55")
def test_a_photo_of_several_teaches_nobody(box: House) -> None:
    two = picture(Person(1), Person(2))
    refused = box.compreface().form(f"{RECOGNITION}/faces?subject=Ann", file=two)
    assert (refused.status, refused.json["code"]) == (400, 31)
    assert box.deepstack().call("/register", {"image": two}, userid="Ann").status == 400


@replays(13, "DeepStack 106")
def test_boxes_are_as_detected_while_nobody_is_enrolled(box: House) -> None:
    client, two = box.deepstack(), picture(Person(1), Person(2, side_px=70.0))
    sides = ("x_min", "y_min", "x_max", "y_max")
    found = [
        [
            [one[side] for side in sides]
            for one in client.call(path, {"image": two}).json["predictions"]
        ]
        for path in ("", "/recognize")
    ]
    assert found[0] == found[1] != []


@replays(14, "DeepStack 194")
def test_registrations_in_a_row_and_at_once_are_all_taken(box: House) -> None:
    client = box.deepstack()
    for number in range(20):
        client.register("Ann", photo(1, number))
    with ThreadPoolExecutor(6) as threads:
        assert (
            len(
                list(
                    threads.map(
                        lambda seed: client.register(f"P{seed}", photo(seed)), range(10, 22)
                    )
                )
            )
            == 12
        )
        assert (
            len(
                list(threads.map(lambda number: client.register("Bob", photo(2, number)), range(8)))
            )
            == 8
        )
    assert sorted(client.names()) == sorted(["Ann", "Bob", *(f"P{seed}" for seed in range(10, 22))])


@replays(15, "DeepStack 57")
def test_a_confidence_of_zero_is_taken_and_one_with_a_comma_is_told(box: House) -> None:
    client = box.deepstack()
    assert client.call("/recognize", {"image": photo(1)}, min_confidence="0").status == 200
    refused = client.call("/recognize", {"image": photo(1)}, min_confidence="0,8")
    assert (refused.status, refused.json["error"]) == (400, "Invalid value for min_confidence")


@replays(16, "viseron 411")
def test_a_stranger_is_far_below_a_match(box: House) -> None:
    client = box.compreface()
    client.add("Ann", photo(1))
    assert client.named(photo(2))[0]["similarity"] < 0.4


@replays(17, "immich 12921", "DeepStack 196", "recognize 376", "photoprism 5811")
def test_one_person_twice_in_a_picture_is_asked_about(box: House) -> None:
    box.services.enrolment.enrol_largest_face(box.tenant, "regular", photo(171), RULES)
    capture = box.see(Person(171, likeness=0.95), Person(171, side_px=90.0, likeness=0.8))
    assert len({one.faceid for one in capture.sightings}) == 1
    reviews = box.services.sightings.reviews.read_page(box.tenant, None, 100).rows
    assert [one.twice for one in reviews if one.sighting_id == sighting_id(capture.id, 1)] == [True]


@replays(40)
def test_one_person_in_two_groups_has_the_name_of_each(box: House) -> None:
    family, office = box.compreface(), box.compreface()
    family.add("Mum", photo(40))
    office.add("Dr.%20Lee", photo(40, 1))
    assert [one.named(photo(40, 2))[0]["subject"] for one in (family, office)] == ["Mum", "Dr. Lee"]


@replays(41, "frigate 23450")
def test_a_smear_is_no_example(box: House) -> None:
    refused = box.compreface().form(
        f"{RECOGNITION}/faces?subject=Ann", file=picture(Person(1, side_px=17.0))
    )
    assert (refused.status, "at least 32" in refused.json["message"]) == (400, True)
