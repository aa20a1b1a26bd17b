"""From what an address or a form says (UTM, click ids, any field) to a campaign and a channel. Pure.

A click id says which platform sent the visitor, and nothing of the campaign: no platform tells others what is in it. So the rules
that hold without a file take the platform from the click id and the campaign's id from ``utm_id`` or ``gad_campaignid``, under the
names that the mappings of connectors give (``google-123``), and else ``utm_campaign`` as it stands.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from string import Formatter
from typing import NamedTuple
from urllib.parse import unquote_plus

import msgspec

#: Parameters by which platforms mark a click: the beginning of the ids of their campaigns, and the channel.
CLICK_IDS = {
    "gclid": ("google", "search"),
    "gbraid": ("google", "search"),
    "wbraid": ("google", "search"),
    "msclkid": ("microsoft", "search"),
    "fbclid": ("meta", "social"),
    "ttclid": ("tiktok", "social"),
    "li_fat_id": ("linkedin", "social"),
    "twclid": ("x", "social"),
}
_MOST_PARAMETERS = 200
_LONGEST = 2_000
ANY = "*"


class CampaignPlace(NamedTuple):
    """Where something is counted; None where nothing says it."""

    campaign_id: str | None = None
    channel: str | None = None


_NOWHERE = CampaignPlace()


class CampaignRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The campaign of whatever has certain parameters.

    Attributes:
        when: by parameter a text or several, of which one must be its value; ``*`` stands for any text, and capitals do not count.
        campaign_id: the campaign; ``{utm_id}`` stands for the value of that parameter, and a rule whose parameter is absent does not hold.
        channel: its channel, written alike.
    """

    when: dict[str, str | list[str]]
    campaign_id: str | None = None
    channel: str | None = None

    def check(self) -> None:
        """Refuse a rule that says nothing, or names no parameter between braces.

        Raises:
            ValueError: with what to do.
        """
        if self.campaign_id is None and self.channel is None:
            raise ValueError("a rule says campaign_id, channel or both")
        for text in filter(None, (self.campaign_id, self.channel)):
            try:
                names = [part[1] for part in Formatter().parse(text)]
            except ValueError as error:
                raise ValueError(f"{text!r}: {error}") from error
            if any(name == "" or (name or "").strip("{}") != (name or "") for name in names):
                raise ValueError(f"{text!r}: between braces stands the name of a parameter, as in {{utm_id}}")

    def place(self, said: Mapping[str, str]) -> CampaignPlace | None:
        """What the rule makes of parameters; None where it does not hold.

        >>> CampaignRule({"utm_source": "News*"}, "mail-{utm_id}").place({"utm_source": "newsletter", "utm_id": "7"})
        CampaignPlace(campaign_id='mail-7', channel=None)
        """
        for name, wanted in self.when.items():
            value = said.get(name)
            if not value:
                return None
            if wanted != ANY and not _is_one_of(value.casefold(), wanted):
                return None
        try:
            return CampaignPlace(_filled(self.campaign_id, said), _filled(self.channel, said))
        except KeyError:
            return None


def _is_one_of(value: str, wanted: str | list[str]) -> bool:
    patterns = [wanted] if isinstance(wanted, str) else wanted
    return any(fnmatchcase(value, pattern.casefold()) for pattern in patterns)


@lru_cache(maxsize=4_096)
def _parts(template: str) -> tuple[tuple[str, str | None], ...]:
    return tuple((text, name) for text, name, _, _ in Formatter().parse(template))


def _filled(template: str | None, said: Mapping[str, str]) -> str | None:
    if template is None or ("{" not in template and "}" not in template):
        return template
    found = ""
    for text, name in _parts(template):
        found += text
        if name is not None:
            if not said.get(name):
                raise KeyError(name)
            found += said[name]
    return found


#: What holds where a file has no rules of its own.
DEFAULT_RULES: tuple[CampaignRule, ...] = (
    CampaignRule({"gad_campaignid": ANY}, "google-{gad_campaignid}", "search"),
    *(
        CampaignRule({click_id: ANY, "utm_id": ANY}, f"{platform}-{{utm_id}}", channel)
        for click_id, (platform, channel) in CLICK_IDS.items()
    ),
    *(
        CampaignRule({click_id: ANY, "utm_campaign": ANY}, "{utm_campaign}", channel)
        for click_id, (_, channel) in CLICK_IDS.items()
    ),
    CampaignRule({"utm_campaign": ANY, "utm_medium": ANY}, "{utm_campaign}", "{utm_medium}"),
    CampaignRule({"utm_campaign": ANY}, "{utm_campaign}"),
)


def place_of(rules: Sequence[CampaignRule], said: Mapping[str, str]) -> CampaignPlace:
    """The place by the first rule that holds; of none: nothing.

    >>> place_of(DEFAULT_RULES, {"fbclid": "IwAR0", "utm_id": "120"})
    CampaignPlace(campaign_id='meta-120', channel='social')
    >>> place_of(DEFAULT_RULES, {"fbclid": "IwAR0"})
    CampaignPlace(campaign_id=None, channel=None)
    """
    for rule in rules:
        place = rule.place(said)
        if place is not None:
            return place
    return _NOWHERE


def parameters(url: str | None) -> dict[str, str]:
    """The parameters of an address, of each name the first that is not empty; the first 200.

    >>> parameters("https://shop.example/a?utm_id=7&utm_id=8&gclid=#b")
    {'utm_id': '7'}
    """
    _, has_query, query = (url or "")[: 4 * _LONGEST].partition("?")
    if not has_query:
        return {}
    found: dict[str, str] = {}
    for pair in query.partition("#")[0].split("&", _MOST_PARAMETERS)[:_MOST_PARAMETERS]:
        name, _, value = pair.partition("=")
        if "%" in pair or "+" in pair:
            name, value = unquote_plus(name), unquote_plus(value)
        if value and len(value) <= _LONGEST:
            found.setdefault(name, value)
    return found
