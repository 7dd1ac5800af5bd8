import re
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.book.week import Figures, Week, describe_week, format_message
from chalicelib.domain.texts import Texts
from chalicelib.storage import keys
from chalicelib.storage.ports import Put
from regulars.cli import main
from regulars.report import compose_mail, format_csv, format_text
from tests.support.book.book import MONDAY, Book, shot
from tests.support.inbox import Inbox, receiving_mail
from tests.support.web.certificate import certificate

DAYS = 24 * 60
TEXT = """\
shop: 02 March to 08 March 2026, UTC

4 visits by 2 people, 2 for the first time; nobody came the week before.

                  visits    people       new returning     known
Mon 02 Mar             2         2         2         0         0  ########################################
Tue 03 Mar             1         1         0         1         0  ####################
Wed 04 Mar             0         0         0         0         0
Thu 05 Mar             1         1         0         1         0  ####################
Fri 06 Mar             0         0         0         0         0
Sat 07 Mar             0         0         0         0         0
Sun 08 Mar             0         0         0         0         0
week                   4         2         2         2         0
week before            0         0         0         0         0

busiest hour: Monday, 02 March, 09:00, 2 visits
"""  # noqa: E501


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with closing(Book(tmp_path / "data")) as made:
        made.see(shot(0, 1), shot(10, 2), shot(DAYS + 30, 1), shot(3 * DAYS, 1))
        yield made


def test_a_week_is_told_by_day_with_its_busiest_hour(book: Book) -> None:
    week = book.services.sightings.weeks.count_week(book.tenant, MONDAY.date())
    assert format_text(week, book.tenant) == TEXT
    lines = format_csv(week, book.tenant).splitlines()
    assert (len(lines), lines[:3]) == (
        8,
        [
            '\ufeff"day","visits","people","new","returning","known"',
            '"2026-03-02","2","2","2","0","0"',
            '"2026-03-03","1","1","0","1","0"',
        ],
    )
    empty = format_text(
        book.services.sightings.weeks.count_week(book.tenant, MONDAY.date() - timedelta(7)),
        book.tenant,
    )
    assert "\nNobody came.\n" in empty


def test_days_are_those_of_the_tenants_zone(book: Book) -> None:
    book.services.tenants.change_settings("shop", {"time_zone": "Pacific/Auckland"})
    week = book.services.sightings.weeks.count_week(
        book.services.tenants.get_by_name("shop"), MONDAY.date()
    )
    assert [one.visits for _, one in week.days] == [2, 1, 0, 1, 0, 0, 0]
    assert week.busiest
    assert f"{week.busiest[0]:%H:%M %z}" == "22:00 +1300"


@pytest.mark.parametrize(
    ("visits", "before", "says"),
    [
        (4, 8, "4 visits by 2 people, 1 for the first time; 50 % fewer than the week before."),
        (9, 8, "9 visits by 2 people, 1 for the first time; 12 % more than the week before."),
        (8, 8, "8 visits by 2 people, 1 for the first time; as many as the week before."),
    ],
)
def test_a_week_in_a_sentence(visits: int, before: int, says: str) -> None:
    week = Week((), Figures(visits, 2, 1, 0, 0), Figures(before, 1, 1, 0, 0), None, 0)
    assert describe_week(week, Texts("en")) == says


@contextmanager
def inbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    with receiving_mail() as port:
        monkeypatch.setenv("REGULARS_SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("REGULARS_SMTP_PORT", str(port))
        yield Inbox.mails


def command(book: Book, *options: str) -> list[str]:
    return ["report", "--data", str(book.folder), "--week", "2026-03-05", *options]


def test_a_shops_name_writes_no_header(book: Book) -> None:
    book.services.tenants.change_settings(
        "shop", {"display_name": "=?utf-8?q?=0ABcc:_x@evil.example?="}
    )
    tenant = book.services.tenants.get_by_name("shop")
    mail = compose_mail(
        book.services.sightings.weeks.count_week(tenant, MONDAY.date()),
        tenant,
        "regulars@shop.example",
        "boss@shop.example",
    )
    assert "Bcc" not in message_from_bytes(mail.as_bytes())


def test_a_mail_asks_what_ended_before_a_restore(book: Book) -> None:
    tenant = book.services.tenants.get_by_name("shop")
    week = book.services.sightings.weeks.count_week(tenant, MONDAY.date())
    gap = "2026-03-02T10:00:00.000Z/2026-03-02T12:00:00.000Z"
    said = "What ended between 2026-03-02T10:00 and 2026-03-02T12:00 UTC is not known"
    for value, is_asked in ((gap, True), ("", False)):
        of_gap = replace(tenant, restore_gap=value)
        mail = compose_mail(week, of_gap, "regulars@shop.example", "boss@shop.example")
        body = mail.get_body(("plain",))
        assert body is not None
        assert (said in " ".join(body.get_content().split())) is is_asked
        assert (said in format_message(week, of_gap)) is is_asked


def test_a_report_is_mailed_with_the_table_beside_it(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGULARS_SMTP_FROM", "regulars@shop.example")
    with inbox(monkeypatch) as mails:
        assert main(command(book, "--to", "boss@shop.example")) == 0
    mail = message_from_bytes(mails[0], policy=policy.default)
    assert mail["Subject"] == "Visits of shop, 02 March to 08 March 2026"
    assert (mail["From"], mail["To"]) == ("regulars@shop.example", "boss@shop.example")
    text, table = mail.iter_parts()
    assert text.get_content().replace("\r\n", "\n") == TEXT
    assert (table.get_filename(), table.get_content().splitlines()[1]) == (
        "visits-2026-03-02.csv",
        '"2026-03-02","2","2","2","0","0"',
    )


def test_a_password_is_sent_to_no_server_without_tls(
    book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "password").write_text("secret\n")
    monkeypatch.setenv("REGULARS_SMTP_USER", "regulars@shop.example")
    monkeypatch.setenv("REGULARS_SMTP_PASSWORD_FILE", str(tmp_path / "password"))
    with inbox(monkeypatch) as mails:
        assert main(command(book, "--to", "boss@shop.example")) == 1
    assert "STARTTLS" in capsys.readouterr().err
    assert mails == []


def test_a_password_is_sent_to_a_server_whose_certificate_is_good_and_to_no_other(
    book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chain, key = certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain, key)
    monkeypatch.setattr(Inbox, "tls", tls)
    (tmp_path / "password").write_text("secret\n")
    monkeypatch.setenv("REGULARS_SMTP_USER", "regulars@shop.example")
    monkeypatch.setenv("REGULARS_SMTP_PASSWORD_FILE", str(tmp_path / "password"))
    with inbox(monkeypatch) as mails:
        assert main(command(book, "--to", "boss@shop.example")) == 1
        assert "certificate verify failed" in capsys.readouterr().err
        assert (mails, b"AUTH" in Inbox.heard) == ([], False)
        monkeypatch.setenv("SSL_CERT_FILE", str(chain))
        assert main(command(book, "--to", "boss@shop.example")) == 0
        assert (len(mails), b"AUTH" in Inbox.heard) == (1, True)


@pytest.mark.parametrize(
    ("set_", "options", "says"),
    [
        ({}, ["--to", "a@b.example"], "--to requires the setting smtp_host"),
        (
            {"REGULARS_SMTP_HOST": "mail.example"},
            ["--to", "a@b.example"],
            "--to requires the setting smtp_from",
        ),
        ({}, ["--to", "boss"], "--to must be an address such as boss@shop.example, not 'boss'"),
        (
            {},
            ["--to", "a@b.example\nc@d.example"],
            "--to must be an address such as boss@shop.example, not 'a@b.example",
        ),
        ({}, ["--to", ""], "--to must be an address such as boss@shop.example, not ''"),
        (
            {"REGULARS_SMTP_USER": "ann"},
            ["--to", "a@b.example"],
            "smtp_user and smtp_password_file are given together",
        ),
        ({}, ["--week", "March"], "'March' does not match the format '%Y-%m-%d'"),
        ({}, ["--week", "9999-12-27"], "--week must be in the years 1971 to 9998, not 9999-12-27"),
        ({}, ["--week", "1970-01-01"], "--week must be in the years 1971 to 9998, not 1970-01-01"),
        ({}, ["--month", "2026-02"], "--week and --month exclude each other"),
    ],
)
def test_what_cannot_be_mailed_says_why(
    book: Book,
    set_: dict[str, str],
    options: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in set_.items():
        monkeypatch.setenv(name, value)
    assert main(command(book, *options)) == 2
    assert says in capsys.readouterr().err


GERMAN = """\
shop: 2. März bis 8. März 2026, UTC

4 Besuche von 2 Personen, 2 zum ersten Mal; in der Woche davor war niemand da.

                 Besuche  Personen       neu wieder da   bekannt
Mo 02.03.              2         2         2         0         0  ########################################
Di 03.03.              1         1         0         1         0  ####################
Mi 04.03.              0         0         0         0         0
Do 05.03.              1         1         0         1         0  ####################
Fr 06.03.              0         0         0         0         0
Sa 07.03.              0         0         0         0         0
So 08.03.              0         0         0         0         0
Woche                  4         2         2         2         0
Woche davor            0         0         0         0         0

stärkste Stunde: Montag, 2. März, 9 Uhr, 2 Besuche
"""  # noqa: E501


def test_a_german_shop_is_mailed_a_german_report_with_a_table_of_semicolons(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.services.tenants.change_settings("shop", {"language": "de"})
    monkeypatch.setenv("REGULARS_SMTP_FROM", "regulars@shop.example")
    with inbox(monkeypatch) as mails:
        assert main(command(book, "--to", "boss@shop.example")) == 0
    mail = message_from_bytes(mails[0], policy=policy.default)
    assert mail["Subject"] == "Besuche: shop, 2. März bis 8. März 2026"
    text, table = mail.iter_parts()
    assert text.get_content().replace("\r\n", "\n") == GERMAN
    assert table.get_content().splitlines()[:2] == [
        '\ufeff"Tag";"Besuche";"Personen";"neu";"wieder da";"bekannt"',
        '"2026-03-02";"2";"2";"2";"0";"0"',
    ]


def test_a_report_is_printed_in_the_language_that_is_asked_for(
    book: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(book, "--language", "de")) == 0
    assert capsys.readouterr().out == GERMAN
    assert main(command(book, "--language", "zh", "--csv")) == 0
    assert (
        capsys.readouterr().out.splitlines()[0]
        == '\ufeff"日期","到访","人数","新客","再次到访","已知"'
    )


def test_columns_stand_below_each_other_in_wide_letters(book: Book) -> None:
    book.services.tenants.change_settings("shop", {"language": "zh"})
    week = book.services.sightings.weeks.count_week(book.tenant, MONDAY.date())
    rows = format_text(week, book.services.tenants.get_by_name("shop")).splitlines()[4:14]
    widths = {
        sum(2 if ord(letter) > 0x2E7F else 1 for letter in row.split("  #")[0]) for row in rows
    }
    assert len(widths) == 1


def test_a_language_that_nobody_has_written_is_refused(
    book: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(book, "--language", "xx")) != 0
    assert "'en', 'ar', 'de'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("begins", "first"),
    [("language", "2026-03-02"), ("sunday", "2026-03-01"), ("saturday", "2026-02-28")],
)
def test_a_report_is_of_a_week_of_the_shop_in_whatever_language(
    book: Book, capsys: pytest.CaptureFixture[str], begins: str, first: str
) -> None:
    """Arabic weeks begin on Saturday, and the shop's language is English."""
    book.services.tenants.change_settings("shop", {"week_begins": begins})
    assert main(command(book, "--language", "ar", "--csv")) == 0
    _, *days = capsys.readouterr().out.splitlines()
    assert days[0].startswith(f'"{first}"')
    assert (len(days), sum(int(day.split(",")[1].strip('"')) for day in days)) == (7, 4)


def read_month(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[str, str]:
    """Print March, and return the sheet and what stands beside it."""
    assert main(["report", "--data", str(folder), "--month", "2026-03", *options]) == 0
    printed = capsys.readouterr()
    return printed.out, printed.err


def test_a_closed_month_is_printed_byte_for_byte_also_from_a_backup(
    book: Book, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--data", str(book.folder), "--month", "2026-03"]) == 2
    assert "2026-03 was not closed" in capsys.readouterr().err
    book.clock.advance(datetime(2026, 4, 1, 1, tzinfo=UTC) - book.clock.now())
    book.sweep()
    sheet, proof = read_month(book.folder, capsys)
    assert sheet.startswith(
        "shop: 02 March to 31 March 2026, UTC\n\n4 visits by 2 people, 2 for the first time.\n"
    )
    assert "\nmonth                  4         2         2         2         0\n" in sheet
    assert re.fullmatch(
        r"signed at 2026-04-01T01:00:00\.000Z by the key \w{64}; SHA-256 \w{64}, in the audit\n",
        proof,
    )
    table, _ = read_month(book.folder, capsys, "--csv")
    assert (len(table.splitlines()), table.splitlines()[1]) == (
        31,
        '"2026-03-02","2","2","2","0","0"',
    )
    german, _ = read_month(book.folder, capsys, "--language", "de")
    assert "4 Besuche von 2 Personen, 2 zum ersten Mal.\n" in german
    book.services.audit.chain.close_hours("shop")
    backup, restored = tmp_path / "backup.tar", tmp_path / "restored"
    assert main(["backup", str(backup), "--data", str(book.folder)]) == 0
    book.see(shot(5 * DAYS, 1))
    again = ["restore", str(backup), "--data", str(restored)]
    assert main(again) == 0
    capsys.readouterr()
    assert read_month(restored, capsys) == (sheet, proof)
    later, beside = read_month(book.folder, capsys)
    assert (later, beside.splitlines()[1:]) == (
        sheet,
        [
            "4 visits when the month was closed, now 5",
            "2 returning when the month was closed, now 3",
        ],
    )


@pytest.mark.parametrize(
    ("options", "row", "came"),
    [
        (
            ["--day", "2026-03-16"],
            "Mon 16 Mar             2         2         2         0         0  " + 40 * "#",
            "2 visits when the day was closed, now 3",
        ),
        (
            ["--week", "2026-03-18", "--closed"],
            "week                   3         2         2         1         0",
            "3 visits when the week was closed, now 4",
        ),
    ],
)
def test_a_closed_day_and_week_are_printed_again(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    row: str,
    came: str,
) -> None:
    with closing(Book(tmp_path / "data")) as book:
        book.see(*(shot(14 * DAYS - minute, who) for minute, who in ((60, 1), (30, 2))))
        book.clock.advance(datetime(2026, 3, 17, 1, tzinfo=UTC) - book.clock.now())
        book.sweep()
        book.see(shot(15 * DAYS - 60, 1))
        book.clock.advance(datetime(2026, 3, 23, 1, tzinfo=UTC) - book.clock.now())
        book.sweep()
        command = ["report", "--data", str(book.folder), *options]
        assert main(command) == 0
        sheet, proof = capsys.readouterr()
        assert row in sheet.splitlines()
        assert (proof.count("in the audit"), proof.count("\n")) == (1, 1)
        book.see(shot(14 * DAYS, 3))
        assert main(command) == 0
        again, proof = capsys.readouterr()
        assert (again, proof.splitlines()[1]) == (sheet, came)


def test_a_closed_week_is_found_by_each_of_its_days_though_weeks_begin_on_another_now(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(Book(tmp_path / "data")) as book:
        book.see(shot(14 * DAYS - 60, 1))
        book.clock.advance(datetime(2026, 3, 23, 1, tzinfo=UTC) - book.clock.now())
        book.sweep()
        command = ["report", "--data", str(book.folder), "--closed", "--week"]
        assert main([*command, "2026-03-16"]) == 0
        printed = capsys.readouterr().out
        book.services.tenants.change_settings("shop", {"week_begins": "sunday"})
        for day in range(16, 23):
            assert main([*command, f"2026-03-{day}"]) == 0
            assert capsys.readouterr().out == printed
        assert main([*command, "2026-03-15"]) == 2


def test_a_live_week_says_on_stderr_of_its_table_what_came_since(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(Book(tmp_path / "data")) as book:
        book.see(shot(14 * DAYS - 60, 1))
        book.clock.advance(datetime(2026, 3, 23, 1, tzinfo=UTC) - book.clock.now())
        book.sweep()
        book.see(shot(14 * DAYS - 30, 2))
        command = ["report", "--data", str(book.folder), "--week", "2026-03-18"]
        assert main([*command, "--csv"]) == 0
        changes = "since the week was closed: visits: was 1, now 2; people: was 1, now 2"
        assert capsys.readouterr().err.startswith(changes)
        assert main([*command, "--language", "de"]) == 0
        text = "seit dem Abschluss der Woche: Besuche: waren 1, jetzt 2; Personen: waren 1, jetzt 2"
        assert text in capsys.readouterr().out


def test_a_month_that_was_changed_beside_the_service_is_refused(
    book: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    book.clock.advance(datetime(2026, 4, 1, 1, tzinfo=UTC) - book.clock.now())
    book.sweep()
    place = keys.closed_periods("shop", "month"), "202603"
    item = {**(book.storage.items.get(keys.SUMMARIES, place) or {})}
    document = item["document"].replace('"visits":4', '"visits":5')
    book.storage.items.transact([Put(keys.SUMMARIES, {**item, "document": document})])
    assert main(["report", "--data", str(book.folder), "--month", "2026-03"]) == 1
    assert "2026-03 are not those that the audit has the SHA-256 of" in capsys.readouterr().err
