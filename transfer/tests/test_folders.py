import os
from pathlib import Path

import pytest
from folders import people, pictures
from regulars_client.errors import DamagedFile, OperatorError
from regulars_transfer import sources


def test_a_folder_a_person(tmp_path: Path) -> None:
    source = sources.read_folder(
        pictures(
            tmp_path, "Ann Lee/b.JPG", "Ann Lee/a.png", "Bo/x.webp", "Bo/notes.txt", "Cy/no.txt"
        )
    )
    assert people(source) == {"Ann Lee": ["Ann Lee/a.png", "Ann Lee/b.JPG"], "Bo": ["Bo/x.webp"]}
    assert source.people[0].photos[0].read() == b"Ann Lee/a.png"


def test_pictures_beside_each_other_are_named_by_what_comes_before_the_last_underscore(
    tmp_path: Path,
) -> None:
    source = sources.read_folder(
        pictures(tmp_path, "ann_lee_1.jpg", "ann_lee_2.jpg", "bo.jpg", "README.md")
    )
    assert people(source) == {"ann_lee": ["ann_lee_1.jpg", "ann_lee_2.jpg"], "bo": ["bo.jpg"]}


def test_pictures_beside_the_folders_are_nobodys_and_are_counted(tmp_path: Path) -> None:
    source = sources.read_folder(
        pictures(tmp_path, "Ann/1.jpg", "IMG_1.jpg", "IMG_2.HEIC", "notes.txt")
    )
    assert people(source) == {"Ann": ["Ann/1.jpg"]}
    assert (
        source.about
        == f"{tmp_path}, a folder a person, without the 2 pictures beside the folders or deeper"
    )


def test_pictures_in_deeper_folders_are_nobodys_and_are_counted(tmp_path: Path) -> None:
    hidden = ("Ann/.thumbnails/1.jpg", ".cache/Ann/1/1.jpg")
    source = sources.read_folder(
        pictures(tmp_path, "Ann/1.jpg", "staff/Bo/1.jpg", "staff/2026/Cy/1.jpg", *hidden)
    )
    assert people(source) == {"Ann": ["Ann/1.jpg"]}
    assert (
        source.about
        == f"{tmp_path}, a folder a person, without the 2 pictures beside the folders or deeper"
    )


def test_names_that_are_no_utf8_are_shown_with_their_bytes(tmp_path: Path) -> None:
    inside = tmp_path / os.fsdecode(b"J\xfcrgen")
    inside.mkdir()
    (inside / os.fsdecode(b"b\xe4d.jpg")).write_bytes(b"picture")
    source = sources.read_folder(tmp_path)
    assert people(source) == {r"J\xfcrgen": [r"J\xfcrgen/b\xe4d.jpg"]}
    assert source.people[0].photos[0].read() == b"picture"


@pytest.mark.parametrize("place", ["", "clips/faces"])
def test_the_faces_of_frigate_without_those_that_nobody_named(tmp_path: Path, place: str) -> None:
    inside = "clips/faces"
    pictures(
        tmp_path,
        f"{inside}/ann/1.webp",
        f"{inside}/train/17-0.9-unknown.webp",
        "recordings/x/1.jpg",
    )
    assert people(sources.read_folder(tmp_path / place)) == {"ann": ["ann/1.webp"]}


def test_the_faces_of_double_take(tmp_path: Path) -> None:
    pictures(tmp_path, ".storage/train/ann/1.jpg", ".storage/matches/2.jpg", "other/3.jpg")
    assert people(sources.read_folder(tmp_path)) == {"ann": ["ann/1.jpg"]}


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    pictures(tmp_path, "notes.txt", "deep/er/a.jpg")
    with pytest.raises(
        OperatorError,
        match="nor has a folder right in it: name a folder that has one for each person",
    ):
        sources.read_folder(tmp_path)


def table(folder: Path, *lines: str) -> Path:
    file = folder / "people.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return file


def test_a_table_says_everything_of_a_person_once_or_in_each_line(tmp_path: Path) -> None:
    pictures(tmp_path, "p/1.jpg", "p/2.jpg", "p/3.jpg", "p/4.jpg")
    source = sources.read_table(
        table(
            tmp_path,
            "path;name;id;group;age;gender;note;label_a;hobby",
            "p/1.jpg;Ann;7;VIP;34;female;;till;tennis",
            'p/2.jpg;Bo;;Staff;;;"two; words";;',
            "p/3.jpg;Ann;7;;;;;;",
            "p/4.jpg;;;;;;;;",
        )
    )
    ann, bo, nobody = source.people
    assert [photo.name for photo in ann.photos] == ["p/1.jpg", "p/3.jpg"]
    assert (ann.id, ann.name, ann.group) == ("7", "Ann", "VIP")
    assert ann.other_fields == {
        "gender": "female",
        "age": 34,
        "labels": {"a": "till"},
        "attributes": {"hobby": "tennis"},
    }
    assert (bo.id, bo.group, bo.other_fields) == (None, "Staff", {"note": "two; words"})
    assert (nobody.name, nobody.group, nobody.other_fields) == ("", None, {})


def test_people_of_one_name_in_two_groups_are_two(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg")
    source = sources.read_table(
        table(tmp_path, "path,name,group", "1.jpg,Ann,VIP", "1.jpg,Ann,Staff", "1.jpg,Ann,VIP")
    )
    assert [(person.group, len(person.photos)) for person in source.people] == [
        ("VIP", 2),
        ("Staff", 1),
    ]
    assert len({person.key for person in source.people}) == 2


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["name,group", "Ann,VIP"], "no column `path`"),
        (["path,name", "1.jpg,Ann,more"], "line 2 .* cells"),
        (["path,name", "2.jpg,Ann"], "line 2 .* no picture '2.jpg'"),
        (["path,name", f"{'1' * 300}.jpg,Ann"], "line 2 .* no picture '1+.jpg'"),
        (["path,name", ",Ann"], "line 2 .* no picture ''"),
        (
            ["path,name,age", "1.jpg,Ann,34", "1.jpg,Ann,35"],
            "line 3 .* age '35', a line before '34'",
        ),
        (["path,name,age", "1.jpg,Ann,old"], "age 'old': an age is a whole number"),
        (
            ["path,name,age", "2.jpg,Ann,old", "1.jpg,Bo", "1.jpg,Cy,x"],
            "line 2 .*; line 2 .*'old'.*; line 4",
        ),
        (
            ["path,name", *(f"{n}.jpg,Ann" for n in range(2, 32))],
            "line 21 .* '21.jpg'; and 10 more$",
        ),
        (["photos,who", "1.jpg,Ann"], "no column `path`: .* says 'photos, who'"),
        (["path,name", '1.jpg,"Ann'], "no table"),
        ([""], "no column `path`"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_its_line(
    tmp_path: Path, lines: list[str], says: str
) -> None:
    pictures(tmp_path, "1.jpg")
    with pytest.raises(DamagedFile, match=says):
        sources.read_table(table(tmp_path, *lines))


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("utf-8", ["Zoë", "李小明"]),
        ("utf-8-sig", ["Zoë", "李小明"]),
        ("utf-16", ["Zoë", "李小明"]),
        ("gb18030", ["李小明", "朱镕基", "Ann"]),
        ("cp1252", ["Müller", "Zoë", "Søren O’Brien"]),
    ],
)
def test_a_table_is_read_in_the_encoding_in_which_a_spreadsheet_wrote_it(
    tmp_path: Path, encoding: str, names: list[str]
) -> None:
    pictures(tmp_path, "p/1.jpg")
    for end in ("\n", "\r\n"):
        lines = ["path;name", *(f"p\\1.jpg;{name}" for name in names), ""]
        (tmp_path / "x.csv").write_bytes(end.join(lines).encode(encoding))
        assert [person.name for person in sources.read_table(tmp_path / "x.csv").people] == names


def test_the_columns_of_another_program_are_known(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg")
    source = sources.read_table(table(tmp_path, "subject,file", "1.jpg,1.jpg"))
    assert people(source) == {"1.jpg": ["1.jpg"]}
    source = sources.read_table(table(tmp_path, "path,name,person", "1.jpg,Ann,x"))
    assert source.people[0].other_fields == {"attributes": {"person": "x"}}


@pytest.mark.parametrize(
    "path",
    [
        "../own.jpg",
        "..\\own.jpg",
        "p/../../own.jpg",
        "{outside}/own.jpg",
        "link.jpg",
        "folder/own.jpg",
        "{outside}/shop/../own.jpg",
    ],
)
def test_a_table_names_pictures_below_its_folder_only(tmp_path: Path, path: str) -> None:
    shop = pictures(tmp_path / "shop", "p/1.jpg")
    pictures(tmp_path, "own.jpg")
    (shop / "link.jpg").symlink_to(tmp_path / "own.jpg")
    (shop / "folder").symlink_to(tmp_path)
    with pytest.raises(DamagedFile, match=r"line 3 names .* not below the table's folder"):
        sources.read_table(
            table(shop, "path,name", "p/1.jpg,Ann", f"{path.format(outside=tmp_path)},Bo")
        )


def test_a_table_may_lie_in_a_folder_that_is_a_link_and_name_its_pictures_in_full(
    tmp_path: Path,
) -> None:
    pictures(tmp_path / "shop", "p/1.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "shop")
    source = sources.read_table(
        table(tmp_path / "link", "path,name", f"{tmp_path}/shop/p/1.jpg,Ann", "p/./1.jpg,Ann")
    )
    assert [person.name for person in source.people] == ["Ann"]


def test_a_picture_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(DamagedFile, match=r"1\.jpg is a picture: name the folder that has it"):
        sources.read_table(pictures(tmp_path, "1.jpg") / "1.jpg")


def test_bytes_that_are_no_text_are_no_table(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(b"path,name\n\xff\xfe\x00,\x00")
    with pytest.raises(DamagedFile, match="no table"):
        sources.read_table(file)


def genders(folder: Path, *cells: str) -> tuple[list[str | None], str]:
    """The genders that are sent of these cells, and what the last line says of others."""
    pictures(folder, *(f"{number}.jpg" for number in range(len(cells))))
    lines = [f"{number}.jpg;P{number};{cell}" for number, cell in enumerate(cells)]
    source = sources.read_table(table(folder, "path;name;Gender", *lines))
    return [person.other_fields.get("gender") for person in source.people], source.passed_over


FEMALE = (
    "female Female F f w W Frau weiblich Weiblich Femme Féminin FEMININO mujer Femenino donna "
    "Femmina femminile vrouw Vrouwelijk mulher feminina أنثى انثى 女 女性 woman f."
)
MALE = (
    "male Mann männlich MÄNNLICH maennlich ma\u0308nnlich homme Masculin varón masculino uomo "
    "maschile maschio man mannelijk homem ذكر 男 男性"
)


def test_a_gender_is_read_in_any_case_by_letter_and_in_nine_languages(tmp_path: Path) -> None:
    assert genders(tmp_path / "f", *FEMALE.split()) == (["female"] * len(FEMALE.split()), "")
    assert genders(tmp_path / "m", *MALE.split()) == (["male"] * len(MALE.split()), "")


def test_another_gender_is_unknown_and_counted_as_it_was_typed(tmp_path: Path) -> None:
    read, says = genders(tmp_path, "F", "diverse", "Männlich?", "unknown", "", "-", "diverse")
    assert read == ["female", "unknown", "unknown", "unknown", None, "unknown", "unknown"]
    assert says == "gender unknown of 3 people, of whom it says 'Männlich?', 'diverse'"


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        ("M", "m"),
        ("m M F", "m m f"),
        ("M W F d", "m f f ?"),
        ("H M m", "m f f"),
        ("H F", "m f"),
        ("M Mann weiblich", "m m f"),
        ("M V", "? ?"),
        ("V", "?"),
        ("V F", "? f"),
        ("H V", "m ?"),
        ("H M M M F", "m ? ? ? f"),
        ("H M M M V", "m ? ? ? ?"),
        ("H M W", "m ? f"),
        ("Mujer M", "f ?"),
        ("mulher M", "f ?"),
        ("Hombre M", "m ?"),
        ("Mujer M V", "f f m"),
        ("Varón M V", "m f m"),
        ("Mujer M H", "f f m"),
        ("homem M H", "m f m"),
        ("Mujer M H F", "f ? m f"),
        ("Hombre Femenino F M", "m f f m"),
        ("vrouw M V", "f m f"),
        ("man V M", "m f m"),
        ("Mannelijk H V", "m m f"),
        ("femme H M F", "f m m f"),
        ("maschio M", "m m"),
        ("vrouw Mujer M V", "f f ? ?"),
        ("女 男 F M", "f m f m"),
        ("أنثى m f", "f m f"),
    ],
)
def test_a_letter_that_may_be_of_either_gender_is_never_the_wrong_one(
    tmp_path: Path, cells: str, read: str
) -> None:
    said = {"m": "male", "f": "female", "?": "unknown"}
    found, says = genders(tmp_path, *cells.split())
    assert found == [said[one] for one in read.split()]
    unknown = read.count("?")
    assert says.startswith(f"gender unknown of {unknown} p" if unknown else "")
    assert bool(says) == bool(unknown)


def test_lines_of_one_person_may_write_a_gender_in_two_ways(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg", "2.jpg")
    lines = ("path;name;gender", "1.jpg;Ann;F", "2.jpg;Ann;female")
    [ann] = sources.read_table(table(tmp_path, *lines)).people
    assert ann.other_fields == {"gender": "female"}
    with pytest.raises(DamagedFile, match="line 3 says gender 'male'"):
        sources.read_table(table(tmp_path, *lines[:2], "2.jpg;Ann;M"))
