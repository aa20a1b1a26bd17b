"""Time zones by the names that reports of ad platforms give them. Pure: texts in, names of the tz database out."""

import re
from zoneinfo import available_timezones

#: Microsoft Advertising's own names (ReportTimeZone), as its accounts have them; its reports write the same words with signs between.
MICROSOFT = {
    "Alaska": "America/Anchorage",
    "AmsterdamBerlinBernRomeStockholmVienna": "Europe/Berlin",
    "Arizona": "America/Phoenix",
    "AtlanticTimeCanada": "America/Halifax",
    "AucklandWellington": "Pacific/Auckland",
    "BelgradeBratislavaBudapestLjubljanaPrague": "Europe/Prague",
    "Brasilia": "America/Sao_Paulo",
    "Brisbane": "Australia/Brisbane",
    "BrusselsCopenhagenMadridParis": "Europe/Paris",
    "Bucharest": "Europe/Bucharest",
    "CanberraMelbourneSydney": "Australia/Sydney",
    "CentralTimeUSCanada": "America/Chicago",
    "ChennaiKolkataMumbaiNewDelhi": "Asia/Kolkata",
    "EasternTimeUSCanada": "America/New_York",
    "GreenwichMeanTimeDublinEdinburghLisbonLondon": "Europe/London",
    "Hawaii": "Pacific/Honolulu",
    "HelsinkiKyivRigaSofiaTallinnVilnius": "Europe/Helsinki",
    "MountainTimeUSCanada": "America/Denver",
    "Newfoundland": "America/St_Johns",
    "PacificTimeUSCanadaTijuana": "America/Los_Angeles",
    "SarajevoSkopjeWarsawZagreb": "Europe/Warsaw",
}
_SAID = re.compile(r"""^\W*time zone: *(.+?)[\s"]*$""", re.IGNORECASE | re.MULTILINE)
_OFFSET = re.compile(r"^\((?:GMT|UTC)[^)]*\) *")


def zone_said(before: str) -> str | None:
    r"""What the lines before the names of a file call its time zone; None where they name none.

    >>> zone_said("Rows: 2\nTime Zone: (GMT-08:00) Pacific Time (US & Canada); Tijuana")
    '(GMT-08:00) Pacific Time (US & Canada); Tijuana'
    """
    found = _SAID.search(before)
    return None if found is None else found[1]


def zone_called(text: str) -> str | None:
    """The zone that a text means; None where that is not known.

    >>> zone_called("(GMT-08:00) Pacific Time (US & Canada); Tijuana"), zone_called("Europe/Paris"), zone_called("Mars")
    ('America/Los_Angeles', 'Europe/Paris', None)
    """
    name = _OFFSET.sub("", text)
    return MICROSOFT.get(re.sub(r"[^A-Za-z]", "", name)) or (name if name in available_timezones() else None)
