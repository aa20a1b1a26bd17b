"""The file of recipients: what is wrong is said in one sentence that quotes no secret; and when a digest is due."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from metrics.values.errors import SettingError
from metrics.values.time import HOUR, MINUTE, to_millis
from streams.board.notifications.notices import digest_since, due_digest
from streams.board.notifications.recipients import read_recipients

SMTP = '[smtp]\nhost = "mail.example"\nfrom = "roistream@example.com"\n'
PARIS = ZoneInfo("Europe/Paris")


def at(text: str) -> int:
    return to_millis(datetime.fromisoformat(text).astimezone(UTC))


def test_a_file_as_the_page_shows_it_is_read(tmp_path):
    path = tmp_path / "recipients.toml"
    path.write_text(
        f'{SMTP}[recipients."Ana"]\nmail = "ana@example.com"\nlanguage = "fr-CA"\ndigest = "07:30"\nabout = ["waiting"]\n'
        '[recipients."the team"]\nslack = "https://hooks.example/secret"\n'
    )
    found = read_recipients(path)
    assert [(name, each.channel, each.digest_at) for name, each in found.recipients.items()] == [
        ("Ana", "mail", time(7, 30)),
        ("the team", "slack", None),
    ]
    assert found.smtp is not None
    assert found.smtp.port == 587


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[recipients."A"]\n', "it needs one of mail, slack, webhook, and has 0"),
        ('[recipients."A"]\nslack = "https://x/s3cret"\nwebhook = "https://x/s3cret"\n', "and has 2"),
        ('[recipients."A"]\nmail = "a@example.com"\n', "mail needs the table [smtp]"),
        (f'{SMTP}[recipients."A"]\nmail = "s3cret"\n', "mail is no address like"),
        ('[recipients."A"]\nslack = "ftp://s3cret"\n', "the address must begin with https://"),
        ('[recipients."A"]\nslack = "https://s3cret:port/"\n', "the address must begin with https://"),
        (
            '[recipients."A"]\nslack = "https://x/s3cret"\nlanguage = "tlh"\n',
            "language must be one of en, fr",
        ),
        (
            '[recipients."A"]\nslack = "https://x/s3cret"\ntimezone = "../etc"\n',
            "timezone is not an IANA time zone",
        ),
        ('[recipients."A"]\nslack = "https://x/s3cret"\ndigest = "7:30"\n', "cannot be used"),
        ('[recipients."A"]\nslack = "https://x/s3cret"\ndigset = "07:30"\n', "cannot be used"),
        ('[recipients."A"]\nslack = "https://x/s3cret"\nabout = ["all"]\n', "cannot be used"),
        (f'{SMTP}password = "s3cret"\n', "username and password go together"),
        (
            f'{SMTP}username = "a"\npassword = "s3cret"\nsecurity = "none"\n',
            "a password is not sent in the clear",
        ),
        ('board = "s3cret"\n', "it is no address like https://board.example"),
        ('slack = "s3cret\n', "cannot be used"),
    ],
)
def test_what_is_wrong_is_named_and_no_value_is_quoted(tmp_path, text, said):
    path = tmp_path / "recipients.toml"
    path.write_text(text)
    with pytest.raises(SettingError, match=r"^ROISTREAM_BOARD_NOTIFICATIONS: ") as caught:
        read_recipients(path)
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-11-22T07:29:59+01:00", None),
        ("2026-11-22T07:30:00+01:00", "digest|2026-11-22"),
        ("2026-11-22T11:29:59+01:00", "digest|2026-11-22"),
        ("2026-11-22T11:30:00+01:00", None),
        ("2026-07-22T07:30:00+02:00", "digest|2026-07-22"),
    ],
)
def test_a_digest_is_due_from_its_local_time_on_for_four_hours(now, due):
    assert due_digest(time(7, 30), PARIS, at(now)) == due


def test_on_the_days_on_which_clocks_change_there_is_one_digest():
    for day in ("2026-03-29", "2026-10-25"):
        begin = at(f"{day}T00:00:00+00:00") - 2 * HOUR
        found = [due_digest(time(2, 30), PARIS, begin + minute * MINUTE) for minute in range(26 * 60)]
        assert {each for each in found if each is not None} == {f"digest|{day}"}


def test_the_first_digest_tells_of_a_day_and_later_ones_since_the_one_before_a_week_at_most():
    now = at("2026-11-22T07:30:05+01:00")
    assert digest_since(None, time(7, 30), PARIS, now) == at("2026-11-21T07:30:00+01:00")
    assert digest_since(now - 49 * HOUR, time(7, 30), PARIS, now) == now - 49 * HOUR
    assert digest_since(now - 400 * HOUR, time(7, 30), PARIS, now) == now - 168 * HOUR
