"""The pages of docs/tasks do what they say: their very blocks, against a real server."""

import base64
import json
import re
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path

import yaml
from regulars_client import Regulars
from regulars_edge import config

from regulars.cli import main
from regulars.clients import V1, Connection
from regulars.demo.run import wait_until_resolved
from testing.needs import needed
from tests.support.box.server import Server
from tests.support.box.session import DOCS, TASKS, Session, read, sees
from tests.support.examples import rest
from tests.support.mqtt.frigate import frigate
from tests.support.mqtt.mosquitto import listening, mosquitto
from tests.support.pictures import photos as at_hand
from tests.support.waiting import until
from tests.support.web.other_service import KEY, answering

pytestmark = rest


def test_a_folder_of_people_is_enrolled(server: Server, photos: Path) -> None:
    people = server.data.parent / "people"
    for number, (one, another) in enumerate(at_hand.PAIRS[:2]):
        (people / f"person {number}").mkdir(parents=True)
        for file in (one, another):
            shutil.copy(photos / file, people / f"person {number}")
    _, looked, done = Session.of("With the command line", TASKS / "enrol.md").output(server)
    assert looked.endswith("2 people with 4 pictures would be added, 0 refused")
    assert done.endswith("2 people with 4 pictures added, 0 refused")
    with Connection(server.url) as connection:
        faces = V1(connection, server.credentials("shop").api_key).call(
            "GET", "/v1/faces?group=regular"
        )
    assert {face["name"] for face in faces["faces"]} == {"person 0", "person 1"}


def test_the_people_of_compreface_come_along(server: Server, photos: Path) -> None:
    subjects = {f"person {number}": pair for number, pair in enumerate(at_hand.PAIRS[:2])}
    faces = [
        {"image_id": Path(one).stem, "subject": name}
        for name, pair in subjects.items()
        for one in pair
    ]
    listed = "/api/v1/recognition/faces"
    answers: dict[str, object] = {
        "/api/v1/recognition/subjects": {"subjects": [*subjects]},
        f"{listed}?page=0&size=1000": {"faces": faces},
        f"{listed}?page=1&size=1000": {"faces": []},
        **{
            f"{listed}/{Path(one).stem}/img": (photos / one).read_bytes()
            for pair in subjects.values()
            for one in pair
        },
    }
    key = server.data.parent / "compreface.key"
    key.touch(mode=0o600)
    key.write_text(KEY)
    with answering(answers) as url:
        done = Session.of("Moving in", DOCS / "coming-from.md").output(server, COMPREFACE=url)
    assert done[-1].endswith("2 people with 4 pictures added, 0 refused")


def test_a_folder_of_a_cameras_pictures_is_in_the_book(server: Server, photos: Path) -> None:
    pictures = server.data.parent / "pictures"
    pictures.mkdir()
    shutil.copy(photos / at_hand.PORTRAIT, pictures)
    Session.of("A folder, once", TASKS / "camera.md").output(server)
    with Connection(server.url) as connection:
        v1 = V1(connection, server.credentials("shop").api_key)
        wait_until_resolved(v1, ["door"], 1)
        [capture] = v1.call("GET", "/v1/captures?camera=door")["captures"]
    assert [sighting["resolution"] for sighting in capture["sightings"]] == ["stranger"]


def test_the_uploader_takes_the_file_for_a_stream() -> None:
    [block] = re.findall(r"```toml\n(.*?)```", read(TASKS / "camera.md"), re.DOTALL)
    [camera] = config.parse_config(tomllib.loads(block), environment={}).cameras
    assert (camera.name, camera.source, camera.send) == ("door", "rtsp", "best_shot")


def test_a_capture_sent_by_hand_is_in_the_book(server: Server, photos: Path) -> None:
    session = Session.of("By hand", TASKS / "camera.md")
    answers = session.answers(server, photos / at_hand.PORTRAIT, "sha256sum", "stat")
    captures, arrivals, statistics = map(json.loads, answers[-3:])
    [capture] = captures["captures"]
    assert (capture["state"], capture["camera"]) == ("resolved", "door")
    assert [sighting["resolution"] for sighting in capture["sightings"]] == ["stranger"]
    [arrival] = arrivals["arrivals"]
    assert (arrival["camera"], arrival["visit"]) == ("door", 1)
    assert {"door": 1} in [bucket["amounts"] for bucket in statistics["buckets"]]


def test_a_camera_that_sends_by_itself_is_in_the_book(server: Server, photos: Path) -> None:
    session = Session.of("Test it with curl", TASKS / "push.md")
    (line,) = session.output(server, "curl", "sed", picture=photos / at_hand.PORTRAIT)
    capture = json.loads(line)
    assert (capture["camera"], capture["state"]) == ("till", "stored")


def test_who_came_today_is_told_by_command_and_by_call(server: Server, photos: Path) -> None:
    sees(server, photos / at_hand.OTHER)
    printed = "\n".join(Session.of("On the command line", TASKS / "today.md").output(server))
    assert "1 person came, 1 of them for the first time" in printed
    session = Session.of("In your program", TASKS / "today.md")
    arrivals, statistics = map(json.loads, session.answers(server, photos / at_hand.OTHER))
    assert [one["visit"] for one in arrivals["arrivals"]] == [1]
    assert {"stranger": 1} in [bucket["amounts"] for bucket in statistics["buckets"]]


def test_a_backup_is_tried_as_the_page_says(server: Server, photos: Path) -> None:
    sees(server, photos / at_hand.OTHER)
    printed = Session.of("Test a backup", TASKS / "backup.md").output(server)
    assert "it holds pictures, templates and keys" in printed[0]
    assert (server.data.parent / "tried" / "regulars.sqlite").exists()


def test_a_branch_is_opened_as_the_page_says(server: Server, photos: Path) -> None:
    sees(server, photos / at_hand.OTHER)
    Session.of("Copy the book", TASKS / "branch.md").output(server)
    lines = (server.data.parent / "branch-keys.json").read_text().splitlines()
    key = server.credentials("shop").api_key
    assert [line["tenant"] for line in map(json.loads, lines)] == ["shop"]
    assert key not in (server.data.parent / "branch" / "credentials.json").read_text()
    assert key in (server.data / "credentials.json").read_text()


def test_the_units_of_the_nightly_backup_are_right(tmp_path: Path) -> None:
    needed("systemd-analyze")
    units = re.findall(
        r"cat > /etc/systemd/system/(\S+) <<END\n(.*?)END\n", read(TASKS / "backup.md"), re.DOTALL
    )
    assert [name for name, _ in units] == ["regulars-backup.service", "regulars-backup.timer"]
    for name, text in units:
        (tmp_path / name).write_text(text.replace("/opt/regulars/bin/regulars", "/bin/true"))
    files = [tmp_path / name for name, _ in units]
    done = subprocess.run(
        ["systemd-analyze", "verify", *files], capture_output=True, text=True, check=False
    )
    assert [name for name, _ in units if name in done.stderr] == [], done.stderr


def test_the_unit_of_a_sealed_key_is_right(tmp_path: Path) -> None:
    needed("systemd-analyze")
    [drop_in] = re.findall(r"printf '(\[Service\].*?)' > ", read(DOCS / "edge.md"))
    [path] = re.findall(r'api_key_file = "(/run/credentials/\S+)"', read(DOCS / "edge.md"))
    text = (DOCS.parent / "edge" / "systemd" / "regulars-edge.service").read_text()
    unit = tmp_path / "regulars-edge.service"
    unit.write_text(re.sub(r"(?m)^ExecStart=.*", "ExecStart=/bin/true", text))
    (tmp_path / f"{unit.name}.d").mkdir()
    (tmp_path / f"{unit.name}.d" / "sealed.conf").write_text(drop_in.replace("\\n", "\n"))
    done = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )
    assert "sealed.conf" not in done.stderr
    assert "LoadCredentialEncrypted=api_key" in drop_in
    assert path == "/run/credentials/regulars-edge.service/api_key"


def test_all_shops_are_printed_one_below_the_other(server: Server, photos: Path) -> None:
    sees(server, photos / at_hand.OTHER)
    printed = "\n".join(Session.of("A book for each shop", TASKS / "shops.md").output(server))
    assert re.search(r"^shop: ", printed, re.MULTILINE)


def test_minutes_are_taken_back_and_given_back(server: Server, photos: Path) -> None:
    sees(server, photos / at_hand.OTHER)
    printed = Session.of("Exclude wrong counts", TASKS / "count.md").output(server)
    row = "door    2026-03-01T07:00:00.000Z  2026-03-01T09:30:00.000Z"
    assert printed == ["CAMERA  FROM                      TO", row] * 2


def test_a_merge_is_undone(server: Server, photos: Path) -> None:
    session = Session.of("In your program", TASKS / "correct.md")
    merges, undone, twin = map(json.loads, session.answers(server, photos / at_hand.PORTRAIT))
    assert [merge["other_name"] for merge in merges["merges"]] == ["A. Lee"]
    assert undone["state"] == "undone"
    assert twin["name"] == "A. Lee"


def test_a_consent_is_written_down_and_listed(server: Server, photos: Path) -> None:
    session = Session.of("Record consent", TASKS / "consent.md")
    read, written, listed = map(json.loads, session.answers(server, photos / at_hand.PORTRAIT))
    assert read == written
    assert listed["consents"] == [written]


def test_what_is_held_about_somebody_is_written_by_face_and_by_photo(
    server: Server, photos: Path
) -> None:
    page, (enrolled, sent) = TASKS / "asked.md", at_hand.PAIRS[0]
    folder = server.data.parent
    with Connection(server.url) as connection:
        v1 = V1(connection, server.credentials("shop").api_key)
        picture = base64.b64encode((photos / enrolled).read_bytes()).decode()
        v1.call(
            "POST",
            "/v1/faces",
            {"id": "ann", "group": "regular", "name": "Ann", "picture": picture},
        )
    shutil.copy(photos / sent, folder / "letter.jpg")
    for section, file in (
        ("With the command line", "ann"),
        ("Search by a photo", "answer"),
    ):
        [printed] = Session.of(section, page).output(server)
        assert re.fullmatch(
            rf"{file}\.zip  face ann, [\d,]+ bytes; give it to this person "
            r"only",
            printed,
        )
        with zipfile.ZipFile(folder / f"{file}.zip") as archive:
            document = json.loads(archive.read("everything.json"))
            assert {"index.html", "pictures/0.jpg"} <= {*archive.namelist()}
    listed = re.findall(r"^\| (`.*`) \| ", read(page), re.MULTILINE)
    assert {name for row in listed for name in re.findall(r"`(\w+)`", row)} == set(document)


def test_a_photo_is_compared_in_all_shops_of_a_chain(server: Server, photos: Path) -> None:
    enrolled, sent = at_hand.PAIRS[0]
    assert (
        main(["tenants", "add", "shop-12", "--strangers", "forget", "--data", str(server.data)])
        == 0
    )
    picture = base64.b64encode((photos / enrolled).read_bytes()).decode()
    for name, faceid in (("shop", "ann"), ("shop-12", "21")):
        with Connection(server.url) as connection:
            V1(connection, server.credentials(name).api_key).call(
                "POST", "/v1/faces", {"id": faceid, "group": "regular", "picture": picture}
            )
    shutil.copy(photos / sent, server.data.parent / "letter.jpg")
    printed = Session.of("Requests to a chain", TASKS / "asked.md").output(server)
    assert [line.partition(",")[0] for line in printed] == [
        "chain-shop.zip  face ann",
        "chain-shop-12.zip  face 21",
    ]
    erase = Session.of("In all shops of a chain", TASKS / "forget.md")
    looked = Session(erase.block.replace("--yes", "--dry-run")).output(server)
    assert [line.partition(",")[0] for line in looked] == ["shop: ann", "shop-12: 21"]


def test_the_runbooks_say_what_lay_there_and_renew_it(server: Server, photos: Path) -> None:
    page, folder = TASKS / "lost.md", server.data.parent
    sees(server, photos / at_hand.OTHER)
    with Connection(server.url) as connection:
        v1 = V1(connection, server.credentials("shop").api_key)
        status = {"box": "9f" * 8, "box_name": "till", "spooled": 9}
        v1.call("POST", "/v1/cameras/door/heartbeat", {"status": status})
        invited = v1.call("POST", "/v1/members", {"name": "Mona", "role": "operator"})
        invitation = invited["url"].partition("#invitation=")[2]
        sent = {"invitation": invitation, "password": "four words that fit"}
        v1.call("POST", "/v1/session", sent)
    key = server.credentials("shop").api_key
    box = Session.of("A stolen box", page).output(server, "curl", REGULARS_API_KEY=key)
    assert box[0] == "shop: what lay at most on the box till, in UTC"
    assert box[1].startswith("pictures door: 9 waited; an unknown number were refused")
    phone = Session.of("A lost phone", page).output(server)
    assert re.fullmatch(r"browser  session \w+, signed in since .*: operator reads .*", phone[0])
    with Connection(server.url) as connection:
        v1 = V1(connection, server.credentials("shop").api_key)
        assert v1.call("GET", "/v1/members")["members"] == []
    assert main(["backup", str(folder / "night.tar"), "--data", str(server.data)]) == 0
    backup = Session.of("A leaked backup", page).output(server)
    assert "people   1 with templates" in backup[2]
    assert (folder / "renewed" / "regulars.sqlite").exists()
    assert key not in (folder / "renewed" / "credentials.json").read_text()
    assert key not in (folder / "new-secrets.txt").read_text()


def test_pictures_are_switched_off(server: Server) -> None:
    printed = "\n".join(Session.of("Keep no pictures", TASKS / "consent.md").output(server))
    assert re.search(r"^keeps_pictures +no$", printed, re.MULTILINE)


def test_the_notice_says_who_is_responsible(server: Server) -> None:
    printed = "\n".join(Session.of("Complete the settings", TASKS / "notice.md").output(server))
    assert "Ann Lee Ltd, 1 High Street" in printed
    assert "privacy@shop.example" in printed
    assert "____" not in printed
    whole, sheet = (
        (server.data.parent / name).read_text(encoding="utf-8")
        for name in ("notice.html", "door.html")
    )
    assert '<html lang="de"' in whole
    assert '<svg class="qr"' in sheet
    assert "no TLS: plain http" in (server.data.parent / "record.md").read_text(encoding="utf-8")


def test_every_command_of_the_uploader_that_docs_name_is_there() -> None:
    pages = [read(page) for page in [*DOCS.glob("*.md"), *TASKS.glob("*.md")]]
    told = [
        line
        for text in pages
        for line in re.findall(r"(?:^|`|\n)regulars-edge ([a-z]+\b[^`\n#]*)", text)
    ]
    program = Path(sys.executable).with_name("regulars-edge")
    usages: dict[str, str] = {}
    for line in told:
        name = line.split()[0]
        if name not in usages:
            done = subprocess.run(
                [program, name, "--help"], capture_output=True, text=True, timeout=60, check=False
            )
            assert done.returncode == 0, f"regulars-edge {name}: {done.stderr}"
            usages[name] = done.stdout
        assert all(option in usages[name] for option in re.findall(r"--[a-z-]+", line)), line
    assert {"upload", "setup", "check", "run"} <= set(usages)


def test_an_arrival_is_told_to_a_broker_as_the_page_says(
    server: Server, photos: Path, tmp_path: Path
) -> None:
    page = TASKS / "mqtt.md"
    with mosquitto(tmp_path / "mosquitto") as broker, listening(broker) as listener:
        with Session.of("Start it", page).running(server, BROKER=f"mqtt://127.0.0.1:{broker.port}"):
            with Regulars(server.url, api_key=server.credentials("shop").api_key) as client:
                client.get_session()
                book = client.book.id
            until(lambda: listener.retained.get(f"regulars/{book}/available") == "online")
            sees(server, photos / at_hand.OTHER)
            until(lambda: len(listener.events(f"regulars/{book}/cameras/door")) == 2)
        events = listener.events(f"regulars/{book}/cameras/door")
    told = read(page).split("| `regulars/BOOK/cameras/CAMERA` |")[1].split("\n")[0]
    for event in events:
        assert all(f"`{name}`" in told for name in event), event
        assert (event["group"], event["visit"]) == ("stranger", 1)
    assert {event["event_type"] for event in events} == {"stranger.created", "face.arrived"}


def test_a_person_whom_frigate_sees_is_named_there(
    server: Server, photos: Path, tmp_path: Path
) -> None:
    (one, other), seen = at_hand.PAIRS[0], "1607123955.475377-mxklsc"
    folder = tmp_path / "people" / "Ann Lee"
    folder.mkdir(parents=True)
    (folder / "1.jpg").write_bytes((photos / one).read_bytes())
    key = server.credentials("shop").api_key
    Session(f"REGULARS_API_KEY={key} regulars import people --url $URL --group regular").output(
        server
    )
    with (
        mosquitto(tmp_path / "mosquitto") as broker,
        listening(broker) as listener,
        frigate() as stand_in,
    ):
        session = Session.of("Start it", TASKS / "frigate.md")
        with session.running(
            server, BROKER=f"mqtt://127.0.0.1:{broker.port}", FRIGATE=stand_in.url
        ):
            until(lambda: bool(stand_in.asked))
            stand_in.sees(listener, seen, time.time(), (photos / other).read_bytes(), kind="end")
            until(lambda: bool(stand_in.labels))
    [(event, name, _score)] = stand_in.labels
    assert (event, name) == (seen, "Ann Lee")
    with Connection(server.url) as connection:
        [capture] = V1(connection, key).call("GET", "/v1/captures?camera=front_door")["captures"]
    assert capture["track"] == seen


def test_the_settings_of_frigate_that_are_shown_are_yaml() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", read(TASKS / "frigate.md"), re.DOTALL)
    shown = yaml.safe_load(block)
    assert shown["snapshots"]["bounding_box"] is False
    assert shown["face_recognition"]["enabled"] is False
