"""What CompreFace's clients send is answered to the letter, as they read it."""

import json
import uuid

import pytest
from regulars_dialects.compreface.routes import OPERATIONS
from regulars_dialects.subjects import Subjects

from chalicelib.api.dialects import SERVICES
from chalicelib.api.v1.wire import PICTURES
from chalicelib.auth.rate_limits import Rates
from chalicelib.domain.errors import Busy, RegularsError, StorageUnavailable
from chalicelib.domain.model import MAX_PICTURES, NewFace, Profile
from chalicelib.services import Services
from chalicelib.storage.items import FaceOrder
from compreface.conftest import made
from tests.support.api.compreface.client import RECOGNITION, Client, b64
from tests.support.api.gateway import MULTIPART, Part, Reply, multipart
from tests.support.api.stage import Failing, Stage
from tests.support.book.tenants import KEEPING
from tests.support.fakes import Person, picture

ANN, BOB, EVA = Person(1), Person(2), Person(3)
NO_FACE = "No face is found in the given image"
NO_SUCH = "11111111-2222-4333-8444-555555555555"


def photo(person: Person, number: int = 0) -> bytes:
    """One of a person's photos."""
    return picture(Person(person.seed, side_px=100.0 + number))


def refused(reply: Reply, status: int, code: int, message: str | None = None) -> None:
    assert (reply.status, reply.json["code"]) == (status, code), reply
    assert message is None or reply.json["message"] == message
    assert reply.headers["access-control-allow-origin"] == "*"


# --- keys
# --------------------------------------------------------------------------------------------------


def test_a_key_is_asked_for_in_their_words(home: Client, keys: dict[str, str]) -> None:
    path = f"{RECOGNITION}/subjects"
    refused(home.with_key(None).get(path), 400, 20, "Missing header: x-api-key")
    refused(home.with_key("no-key").get(path), 400, 26, "Service API key should be UUID")
    for key in (NO_SUCH, keys["detection"]):
        said = f"Recognition service with API Key {key} not found"
        refused(home.with_key(key).get(path), 404, 10, said)
    assert home.with_key(keys["recognition"].upper()).subjects() == []


def test_a_face_that_the_tenants_limits_turn_down_is_close_to_nobody(
    home: Client, verification: Client, services: Services
) -> None:
    id_ = home.add("Ann", photo(ANN))
    services.tenants.change_settings("home", {"least_liveness": 0.5, "min_age": 13.0})
    shown, child = picture(Person(1, liveness=0.1)), picture(Person(1, age=5.0))
    assert home.named(shown) == [{"subject": "Ann", "similarity": 0.0}]
    assert home.named(child) == []
    for refused_picture in (shown, child):
        assert (
            "x-regulars-score"
            not in home.form(f"{RECOGNITION}/recognize", file=refused_picture).headers
        )
        found = home.form(f"{RECOGNITION}/faces/{id_}/verify", file=refused_picture).json["result"]
        assert [one["similarity"] for one in found] == [0.0]
        for files in ((refused_picture, photo(ANN)), (photo(ANN), refused_picture)):
            named = dict(zip(("source_image", "target_image"), files, strict=True))
            (compared,) = verification.form("/api/v1/verification/verify", **named).json["result"]
            assert [one["similarity"] for one in compared["face_matches"]] == [0.0]
    entries = [one.leaf.content or {} for one in services.audit.chain.list_waiting("home")]
    said = [one for entry in entries for one in entry.get("decided", ())]
    assert {one.get("score", one.get("closeness")) for one in said} == {None, 0.0}


def test_a_key_reaches_its_own_group_only(home: Client, services: Services) -> None:
    home.add("Ann", photo(ANN))
    other = home.with_key(made(services, "home", "guests")["recognition"])
    assert other.subjects() == []
    assert other.named(photo(ANN, 1)) == []
    services.tenants.add("stranger", Profile.CLOUD, KEEPING)
    stranger = home.with_key(made(services, "stranger", "family")["recognition"])
    assert stranger.named(photo(ANN, 1)) == []


def test_a_key_of_a_disabled_tenant_or_of_a_group_that_is_gone_is_unknown(
    home: Client, services: Services
) -> None:
    services.tenants.disable("home")
    refused(home.get(f"{RECOGNITION}/subjects"), 404, 10)
    services.tenants.enable("home")
    services.deletion.groups.delete(services.tenants.get_by_name("home"), "family", by="test")
    refused(home.get(f"{RECOGNITION}/subjects"), 404, 10)


def test_a_key_of_a_service_is_none_of_v1(
    home: Client, services: Services, keys: dict[str, str]
) -> None:
    assert all(services.access.keys.find_by_api_key(key) is None for key in keys.values())
    held = services.access.keys.list_all(services.tenants.get_by_name("home"))
    assert {one.service: one.role for one in held if one.service} == dict(SERVICES)


# --- subjects
# --------------------------------------------------------------------------------------------------


def test_subjects_are_made_listed_renamed_and_deleted(home: Client) -> None:
    path = f"{RECOGNITION}/subjects"
    assert (home.json(path, {"subject": "Ann Lee"}).status, home.subjects()) == (201, ["Ann Lee"])
    refused(home.json(path, {"subject": "ANN LEE"}), 400, 43, "Subject already exists")
    changed = {"subject": "Änne [1]", "api_endpoint": "sent by the Python SDK"}
    assert home.json(f"{path}/Ann%20Lee", changed, "PUT").json == {"updated": True}
    assert home.json(f"{path}/Änne [1]", {"subject": "Änne [1]"}, "PUT").json == {"updated": False}
    assert home.json(f"{path}/ÄNNE [1]", "änne [1]", "PUT").json == {"updated": True}
    assert home.subjects() == ["änne [1]"]
    assert home.delete(f"{path}/Änne [1]").json == {"subject": "änne [1]"}
    refused(home.delete(f"{path}/Änne [1]"), 404, 42, "Subject Änne [1] not found")
    refused(
        home.json(f"{path}/nobody", {"subject": "x"}, "PUT"), 404, 42, "Subject nobody not found"
    )


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("", 26, "Subject name cannot be empty"),
        ("x" * 51, 26, "Subject name size must be between 1 and 50"),
        *(
            (name, 36, r"The name cannot contain the following special characters: ';', '/', '\'")
            for name in ("a;", "/", "\\")
        ),
    ],
)
def test_names_that_json_may_not_have(home: Client, name: str, code: int, said: str) -> None:
    refused(home.json(f"{RECOGNITION}/subjects", {"subject": name}), 400, code, said)


def test_broken_json_is_told_by_its_place_in_what_was_sent(home: Client) -> None:
    reply = home.send("POST", f"{RECOGNITION}/subjects", b"{", "application/json")
    assert reply.status == 400
    assert "line 1 column 2" in reply.json["message"]


def test_a_rename_to_a_name_that_is_there_unites_both_and_ids_stay_good(home: Client) -> None:
    ids = {
        home.add("Ann", photo(ANN)),
        home.add("Annie", photo(ANN, 1)),
        home.add("Annie", photo(ANN, 2)),
    }
    assert home.json(f"{RECOGNITION}/subjects/Annie", {"subject": "ann"}, "PUT").json == {
        "updated": True
    }
    assert home.subjects() == ["Ann"]
    assert len(home.examples("subject=Ann")) == 3
    assert home.named(photo(ANN, 5))[0]["subject"] == "Ann"
    for id_ in ids:
        assert home.get(f"{RECOGNITION}/faces/{id_}/img").body
    deleted = {home.delete(f"{RECOGNITION}/faces/{id_}").json["subject"] for id_ in ids}
    assert (deleted, home.examples()) == ({"Ann"}, [])


def test_a_subject_has_a_hundred_examples_and_the_next_is_refused_in_words(home: Client) -> None:
    for number in range(MAX_PICTURES):
        home.add("Ann", photo(ANN, number))
    reply = home.form(f"{RECOGNITION}/faces?subject=Ann", file=photo(ANN, MAX_PICTURES))
    refused(reply, 400, 0, "the face has 100 pictures, as many as can be: take one away first")
    assert home.get(f"{RECOGNITION}/faces?subject=Ann").json["total_elements"] == MAX_PICTURES


def test_names_with_slashes_and_blanks_are_reached(home: Client) -> None:
    home.add("a%2Fb%20", photo(ANN))
    assert home.json(f"{RECOGNITION}/subjects/a/b%20", {"subject": "ab"}, "PUT").json == {
        "updated": True
    }
    home.add("C%2B%2B", photo(BOB))
    assert home.delete(f"{RECOGNITION}/subjects/C++").json == {"subject": "C++"}
    assert home.subjects() == ["ab"]


# --- examples
# --------------------------------------------------------------------------------------------------


def test_the_same_photo_of_a_subject_is_the_same_example(home: Client) -> None:
    one = home.add("Ann", photo(ANN))
    assert str(uuid.UUID(one)) == one
    sent = {"file": "data:image/jpeg;base64," + b64(photo(ANN))}
    again = home.json(f"{RECOGNITION}/faces?subject=Ann", sent)
    assert (again.status, again.json) == (201, {"image_id": one, "subject": "Ann"})
    assert home.add("Bob", photo(ANN)) != one


def test_what_is_missing_is_named_and_a_refused_example_makes_no_subject(home: Client) -> None:
    faces = f"{RECOGNITION}/faces"
    refused(home.form(faces, file=photo(ANN)), 400, 33, "Required parameter subject is missing")
    refused(
        home.form(f"{faces}?subject=x", picture=photo(ANN)),
        400,
        34,
        "Required part file is missing",
    )
    refused(home.form(f"{faces}?subject=%20", file=photo(ANN)), 400, 26, "Subject name is empty; ")
    refused(home.json(f"{faces}?subject=x", {}), 400, 5, "Field file cannot be empty")
    refused(home.json(f"{faces}?subject=x", {"file": "~"}), 400, 21, "Provided value is not Base64")
    refused(home.form(f"{faces}?subject=x", file=picture()), 400, 28, NO_FACE)
    refused(
        home.form(f"{faces}?subject=x", file=picture(ANN, BOB)),
        400,
        31,
        "More than one face in the source image",
    )
    poor = home.form(f"{faces}?subject=x", file=picture(Person(1, quality=5.0)))
    assert poor.json["message"].startswith(f"{NO_FACE}: the face is too poor to enrol")
    assert home.subjects() == []


def test_a_subject_may_be_several_people_with_any_number_of_photos(home: Client) -> None:
    ids = [home.add("Crew", photo(who, number)) for who in (ANN, BOB) for number in range(10)]
    assert len(set(ids)) == 20
    found = home.get(f"{RECOGNITION}/faces?size=8&page=2").json
    assert [
        found[name] for name in ("page_number", "page_size", "total_pages", "total_elements")
    ] == [2, 8, 3, 20]
    assert len(found["faces"]) == 4
    assert {home.named(photo(who, 20))[0]["subject"] for who in (ANN, BOB)} == {"Crew"}


def test_pages_that_are_no_numbers_count_as_not_sent(home: Client) -> None:
    for query, size in (
        ("page=x&size=-3&sort=a", 20),
        ("size=0", 20),
        ("size=5000", 2000),
        ("page=9", 20),
    ):
        found = home.get(f"{RECOGNITION}/faces?{query}").json
        assert (found["faces"], found["page_size"]) == ([], size)
    home.add("Ann", photo(ANN))
    assert len(home.examples("subject=")) == 1
    assert home.examples("subject=nobody") == []


def test_examples_are_deleted_by_id_by_ids_and_by_subject(home: Client) -> None:
    one, two, three = (home.add("Ann", photo(ANN, number)) for number in range(3))
    gone = {"image_id": one, "subject": "Ann"}
    assert home.delete(f"{RECOGNITION}/faces/{one}").json == gone
    refused(home.delete(f"{RECOGNITION}/faces/{one}"), 404, 44, f"Image {one} not found")
    refused(home.delete(f"{RECOGNITION}/faces/no-uuid"), 400, 0)
    many = home.json(f"{RECOGNITION}/faces/delete", [two, NO_SUCH, two, three])
    assert json.loads(many.body) == [{"image_id": id_, "subject": "Ann"} for id_ in (two, three)]
    assert (home.subjects(), home.named(photo(ANN))) == (["Ann"], [])
    home.add("Ann", photo(ANN))
    refused(home.delete(f"{RECOGNITION}/faces?subject="), 400, 26, "Subject name is empty; ")
    assert home.delete(f"{RECOGNITION}/faces?subject=ANN").json == {"deleted": 1}
    assert home.delete(f"{RECOGNITION}/faces?subject=ANN").json == {"deleted": 0}
    assert home.subjects() == []


def test_of_examples_of_which_one_is_held_none_goes(home: Client, services: Services) -> None:
    both = [home.add("Ann", photo(ANN)), home.add("Bob", photo(BOB))]
    tenant = services.tenants.get_by_name("home")
    bob = Subjects(services).get(tenant, services.groups.get_by_name(tenant, "family"), "Bob")
    services.faces.holds.set(tenant, bob.faceids[0], "case 7")
    refused(home.json(f"{RECOGNITION}/faces/delete", both), 400, 43)
    assert [one["image_id"] for one in home.examples()] == both


def test_without_a_subject_all_go(home: Client) -> None:
    home.add("Ann", photo(ANN))
    home.add("Bob", photo(BOB))
    assert home.delete(f"{RECOGNITION}/faces").json == {"deleted": 2}
    home.add("Eva", photo(EVA))
    assert home.delete(f"{RECOGNITION}/subjects").json == {"deleted": 1}
    assert home.subjects() == []


def test_a_picture_is_downloaded_by_both_paths(home: Client, keys: dict[str, str]) -> None:
    id_ = home.add("Ann", photo(ANN))
    static = f"/api/v1/static/{keys['recognition']}/images/{id_}"
    shown = [home.get(f"{RECOGNITION}/faces/{id_}/img"), home.with_key(None).get(static)]
    assert all(one.headers["content-type"] == "image/jpeg" and one.data for one in shown)
    assert home.named(shown[0].data)[0]["subject"] == "Ann"
    asked = home.send("HEAD", f"{RECOGNITION}/faces/{id_}/img")
    assert (asked.status, asked.headers["content-type"], asked.data) == (200, "image/jpeg", b"")
    nothing = [
        home.get(f"{RECOGNITION}/faces/{NO_SUCH}/img"),
        home.with_key(None).get(f"/api/v1/static/{NO_SUCH}/images/{id_}"),
        home.with_key(None).get(f"/api/v1/static/{keys['detection']}/images/{id_}"),
    ]
    assert [(one.status, one.data) for one in nothing] == [(200, b"")] * 3
    refused(home.with_key(None).get(f"{RECOGNITION}/faces/{id_}/img"), 400, 20)
    refused(home.get(f"{RECOGNITION}/faces/x/img"), 400, 0)


# --- recognition
# --------------------------------------------------------------------------------------------------


def test_each_face_has_the_likeliest_different_subjects(home: Client) -> None:
    for name, who in (("Ann", ANN), ("Bob", BOB)):
        for number in range(2):
            home.add(name, photo(who, number))
    reply = home.form(
        f"{RECOGNITION}/recognize?prediction_count=5", file=picture(BOB, Person(9, side_px=50.0))
    )
    assert reply.headers["x-regulars-gallery-size"] == "2"
    found = reply.json
    assert set(found) == {"result"}
    first, second = found["result"]
    assert set(first) == {"box", "subjects"}
    assert [one["subject"] for one in first["subjects"]] == ["Bob", "Ann"]
    assert first["subjects"][0]["similarity"] > 0.9 > 0.4 > first["subjects"][1]["similarity"]
    assert second["subjects"][0]["similarity"] < 0.4


def test_the_answer_names_somebody_unless_nobody_is_enrolled(home: Client) -> None:
    assert home.named(photo(ANN)) == []
    home.add("Ann", photo(ANN))
    assert [one["subject"] for one in home.named(photo(BOB))] == ["Ann"]


def test_a_face_of_another_dialect_is_answered_by_its_id(home: Client, services: Services) -> None:
    tenant = services.tenants.get_by_name("home")
    face = services.enrolment.enrol_largest_face(
        tenant, "family", photo(EVA), PICTURES, NewFace(faceid="guest-7")
    )
    assert home.named(photo(EVA, 1))[0]["subject"] == face.faceid
    assert (home.subjects(), home.examples()) == ([], [])


def test_a_subject_is_a_face_that_the_book_knows_by_its_name(
    home: Client, services: Services
) -> None:
    home.add("Ann Lee", photo(ANN))
    home.add("Ann Lee", photo(ANN, 1))
    tenant = services.tenants.get_by_name("home")
    (face,) = services.faces.lists.read_page(tenant, "family", FaceOrder.ENROLLED, 10).rows
    assert (face.name, face.labels.a, face.picture_count, face.arrive_count) == (
        "Ann Lee",
        "",
        2,
        0,
    )
    home.json(f"{RECOGNITION}/subjects/Ann%20Lee", {"subject": "Eve"}, "PUT")
    (face,) = services.faces.search_by_name(tenant, "eve", 10).rows
    assert face.name == "Eve"


def test_plugins_and_status_add_their_members_and_nothing_is_null(home: Client) -> None:
    home.add("Ann", photo(ANN))
    query = "face_plugins=age,gender,pose,calculator,mask,undefined&status=True"
    found = home.form(f"{RECOGNITION}/recognize?&{query}", file=photo(ANN, 1)).json
    face = found["result"][0]
    assert face["age"] == {"probability": 1.0, "low": 28, "high": 38}
    assert set(face["pose"]) == {"pitch", "roll", "yaw"}
    assert (
        set(face["execution_time"])
        == set(found["plugins_versions"])
        == {"detector", "calculator", "age", "gender", "pose"}
    )
    assert "mask" not in face
    assert len(face["embedding"]) == 256
    again = home.json(
        f"{RECOGNITION}/embeddings/recognize", {"embeddings": [face["embedding"]]}
    ).json["result"][0]
    assert (again["embedding"], again["similarities"]) == (face["embedding"], face["subjects"])


def test_an_attribute_that_the_tenant_switched_off_is_left_out(
    detection: Client, services: Services
) -> None:
    services.tenants.change_settings("home", {"attributes_off": frozenset({"age"})})
    found = detection.form("/api/v1/detection/detect?face_plugins=age,pose", file=photo(ANN)).json[
        "result"
    ][0]
    assert set(found) == {"box", "pose"}


def test_the_javascript_sdks_queries_and_forms_are_read_as_meant(
    detection: Client, home: Client
) -> None:
    query = "det_prob_threshold=0.8?face_plugins=age?status=true"
    found = detection.form(
        f"/api/v1/detection/detect?{query}", MULTIPART.partition(";")[0], file=photo(ANN)
    ).json
    assert "age" in found["result"][0]
    assert "plugins_versions" in found
    assert (
        home.form(
            f"{RECOGNITION}/faces?subject=Joe%20Doe?det_prob_threshold=0.8", file=photo(ANN)
        ).json["subject"]
        == "Joe Doe"
    )


def test_a_text_part_is_a_parameter_and_the_query_wins(home: Client) -> None:
    parts = [Part("subject", b"Bob"), Part("subject", b"Eva"), Part("file", photo(BOB), "b.png")]
    assert (
        home.send("POST", f"{RECOGNITION}/faces", multipart(parts), MULTIPART).json["subject"]
        == "Bob"
    )
    assert (
        home.send("POST", f"{RECOGNITION}/faces?subject=Ann", multipart(parts), MULTIPART).json[
            "subject"
        ]
        == "Ann"
    )


@pytest.mark.parametrize(
    ("query", "code", "said"),
    [
        ("limit=-1", 26, "Limit should be equal or greater than 0; "),
        ("limit=-1&prediction_count=0", 26, None),
        ("det_prob_threshold=1.5", 26, None),
        ("limit=x", 0, None),
        ("prediction_count=1.5", 0, None),
        ("status=perhaps", 0, None),
        ("det_prob_threshold=nan", 0, None),
    ],
)
def test_values_that_are_none_are_refused(
    home: Client, query: str, code: int, said: str | None
) -> None:
    refused(home.form(f"{RECOGNITION}/recognize?{query}", file=photo(ANN)), 400, code, said)


def test_empty_values_count_as_not_sent(home: Client) -> None:
    query = "&".join(
        f"{name}=" for name in ("limit", "status", "face_plugins", "det_prob_threshold")
    )
    assert home.form(f"{RECOGNITION}/recognize?{query}", file=photo(ANN)).status == 200


def test_an_example_is_compared_with_a_picture_and_with_embeddings(home: Client) -> None:
    id_ = home.add("Ann", photo(ANN))
    path = f"{RECOGNITION}/faces/{id_}/verify"
    (own,) = home.form(path, file=photo(ANN, 1)).json["result"]
    assert (set(own), own["subject"]) == ({"box", "subject", "similarity"}, "Ann")
    assert own["similarity"] > 0.9
    assert home.form(path, file=photo(BOB)).json["result"][0]["similarity"] < 0.4
    refused(
        home.form(f"{RECOGNITION}/faces/{NO_SUCH}/verify", file=photo(ANN)),
        404,
        44,
        "Image Id is incorrect",
    )
    embeddings = f"{RECOGNITION}/embeddings/faces/{id_}/verify"
    refused(home.json(embeddings, {"embeddings": [[0.5, 0.5]]}), 400, 36)
    refused(home.json(embeddings, {"embeddings": [[0] * 256]}), 400, 36)
    refused(home.json(embeddings, {"embeddings": []}), 400, 5, "Field embeddings cannot be empty")


# --- verification and detection
# ---------------------------------------------------------------------------------------


def test_two_pictures_are_compared(verification: Client) -> None:
    path = "/api/v1/verification/verify"
    found = verification.form(
        path, source_image=photo(ANN), target_image=picture(BOB, Person(1, side_px=60.0))
    ).json
    (result,) = found["result"]
    assert (set(result), set(result["source_image_face"])) == (
        {"source_image_face", "face_matches"},
        {"box"},
    )
    first, second = (one["similarity"] for one in result["face_matches"])
    assert first < 0.4 < 0.9 < second
    refused(
        verification.form(path, source_image=picture(ANN, BOB), target_image=photo(ANN)), 400, 31
    )
    sent = {"source_image": b64(picture(ANN, BOB)), "target_image": b64(photo(ANN))}
    limited = verification.json(f"{path}?limit=1&status=true", sent).json["result"][0]
    assert "plugins_versions" in limited


def test_embeddings_are_compared_with_each_other(verification: Client, detection: Client) -> None:
    (face,) = detection.form(
        "/api/v1/detection/detect?face_plugins=calculator", file=photo(ANN)
    ).json["result"]
    far, near = [-one for one in face["embedding"]], [3 * one for one in face["embedding"]]
    sent = {"source": face["embedding"], "targets": [far, near]}
    found = verification.json("/api/v1/verification/embeddings/verify", sent).json["result"]
    assert [one["embedding"] for one in found] == [near, far]
    assert found[0]["similarity"] >= 0.99


def test_what_needs_no_key(home: Client) -> None:
    nobody = home.with_key(None)
    assert nobody.get("/api/v1/config").json["clientMaxBodySize"] == 4 * 1024 * 1024
    assert nobody.get("/core/healthcheck").json == {"status": "OK"}
    assert set(nobody.get("/core/status").json) == {
        "status",
        "build_version",
        "calculator_version",
        "available_plugins",
    }
    preflight = nobody.send("OPTIONS", f"{RECOGNITION}/recognize")
    assert (preflight.status, preflight.headers["access-control-max-age"]) == (204, "1728000")
    assert "x-api-key" in preflight.headers["access-control-allow-headers"]


# --- refusals
# --------------------------------------------------------------------------------------------------


def test_every_refusal_is_json_with_a_message_and_a_code(home: Client) -> None:
    refused(home.send("PATCH", f"{RECOGNITION}/subjects"), 405, 0)
    refused(home.send("POST", f"{RECOGNITION}/recognize", b"x", "text/plain"), 415, 0)
    refused(home.send("POST", f"{RECOGNITION}/subjects", b"{", "application/json"), 400, 0)
    refused(
        home.send("POST", f"{RECOGNITION}/recognize", b"x" * (4 * 1024 * 1024 + 1), MULTIPART),
        413,
        0,
    )
    refused(home.send("POST", f"{RECOGNITION}/recognize", b"x", MULTIPART), 400, 0)


@pytest.mark.parametrize(
    ("error", "status", "code", "begins"),
    [
        (Busy("wait"), 503, 41, "Error during synchronization between servers: wait"),
        (StorageUnavailable("gone"), 503, 41, "Error during synchronization between servers: gone"),
        (RegularsError("?"), 500, 0, "Something went wrong, please try again"),
        (KeyError("?"), 500, 0, "Something went wrong, please try again"),
    ],
)
def test_a_failure_is_told_in_their_words(
    stage: Stage, home: Client, error: Exception, status: int, code: int, begins: str
) -> None:
    stage.services.items = Failing(error)
    reply = home.get(f"{RECOGNITION}/subjects")
    refused(reply, status, code, begins)
    assert reply.headers.get("retry-after") == ("1" if status == 503 else None)


def test_a_key_may_send_as_much_as_one_of_v1(home: Client, services: Services) -> None:
    now = [0.0]
    services.access.__dict__["rates"] = Rates(100, 10, lambda: now[0])
    home.add("Ann", photo(ANN))
    looks = [home.form(f"{RECOGNITION}/recognize", file=photo(ANN, 1)) for _ in range(30)]
    assert [one.status for one in looks] == [200] * 20 + [429] * 10
    assert (looks[-1].json["code"], looks[-1].headers["retry-after"]) == (0, "1")
    lists = [home.get(f"{RECOGNITION}/subjects").status for _ in range(209)]
    assert lists == [200] * 199 + [429] * 10
    now[0] += 1
    assert home.form(f"{RECOGNITION}/recognize", file=photo(ANN)).status == 200


def test_each_operation_has_one_place() -> None:
    assert len({(one.method, one.path) for one in OPERATIONS}) == len(OPERATIONS)
