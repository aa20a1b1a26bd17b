"""Texts that stand where a name is missing ("(not set)"), and spellings of the direct channel ("Direct Entry").

Exports write such a text instead of leaving the field out. Taken for a name, one "(not set)" makes one person of everybody.
Knows records, and no stage.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache, cached_property, lru_cache
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from metrics.records.events import DIRECT, NO_CAMPAIGN, Campaign
from metrics.values.errors import Reason, Rejection

E = TypeVar("E", bound=msgspec.Struct)

#: Google Analytics: medium "(none)" of visits whose source is "(direct)". HubSpot: "DIRECT_TRAFFIC". Adobe Analytics:
#: "Typed/Bookmarked". The others are what Matomo 5 calls direct entries in its languages, and the word itself.
DIRECT_NAMES = (
    *(DIRECT, "(none)", "direct entry", "direct entries", "direct traffic", "direct visit", "direct visits"),
    *("direct access", "direct load", "typed/bookmarked", "no referrer", "typein", "type in"),
    *("direkt", "direkte zugriffe", "direkter zugriff", "direktzugriff", "direktzugriffe", "direkteinstieg"),
    *("directe", "accès direct", "entrées directes", "entrée directe", "trafic direct"),
    *("directo", "entrada directa", "entradas directas", "tráfico directo", "acceso directo"),
    *("diretto", "ingressi diretti", "ingresso diretto", "traffico diretto", "accesso diretto"),
    *("direto", "entrada direta", "entradas diretas", "tráfego direto", "acesso direto"),
    *("direct bezoek", "direct verkeer", "directe toegang", "directe bezoeken"),
    *("direkte trafik", "direkttrafik", "direkte treff", "direkte vitjing", "direkte", "suoraan", "suora"),
    *("wejścia bezpośrednie", "bezpośredni", "bezpośrednie", "přímý vstup", "přímý", "priamy vstup"),
    *("közvetlen látogatás", "közvetlen", "intrare directă", "neposreden obisk", "direktni ulasci"),
    *(
        "tiesioginis apsilankymas",
        "tiešā ieeja",
        "otse sisenetud",
        "απευθείας είσοδος",
        "doğrudan giriş",
        "doğrudan",
    ),
    *("прямой вход", "прямые заходы", "прямой", "прямий вхід", "прамы ўваход", "директни посещения"),
    *(
        "直接アクセス",
        "ダイレクト",
        "直接",
        "ノーリファラー",
        "직접 입력",
        "직접",
        "直接链接",
        "直接流量",
        "直接访问",
    ),
    *("الوصول المباشر", "ورود مستقیم", "प्रत्यक्ष प्रवेश", "เข้าชมโดยตรง", "nhập trực tiếp", "entri langsung"),
)
#: Google Analytics: "(not set)", "(none)", "(other)", "(not provided)"; and the words for unknown, by language.
ABSENT_NAMES = (
    *(NO_CAMPAIGN, "(other)", "not set", "none", "not provided", "unspecified", "undefined", "null", "nil"),
    *("nan", "n/a", "(empty)", "(blank)", r"\n", "not available", "not applicable", "unassigned"),
    *("nicht festgelegt", "nicht gesetzt", "keine angabe", "nicht definiert", "non défini", "non définie"),
    *("indéfini", "no definido", "sin definir", "non impostato", "não definido", "niet ingesteld"),
    *("niet gedefinieerd", "nie ustawiono", "не задано", "未設定", "未设置"),
)
#: Words for unknown; a campaign may be called so, unless the word stands in brackets.
UNKNOWN_NAMES = (
    *(
        "unknown",
        "unbekannt",
        "inconnu",
        "inconnue",
        "desconocido",
        "desconocida",
        "sconosciuto",
        "sconosciuta",
    ),
    *("desconhecido", "desconhecida", "onbekend", "nieznany", "nieznane", "okänd", "ukendt", "ukjent"),
    *(
        "tuntematon",
        "neznámý",
        "ismeretlen",
        "неизвестно",
        "невідомо",
        "bilinmiyor",
        "不明",
        "未知",
        "알 수 없음",
    ),
)
#: What trackers write for a visitor, and shops for a customer, who is nobody.
NOBODY = ("anonymous", "00000000-0000-0000-0000-000000000000")
GUESTS = (*NOBODY, "0", "-1", "guest")

_DIGIT, _DIGITS = re.compile(r"[0-9]"), frozenset("0123456789")
_SEPARATORS = re.compile(r"[\s_\-]+")
_BRACKETS = {"(": ")", "[": "]", "<": ">", "{": "}"}
#: Channels have no longer spellings; ids may be longer and are not looked at then.
_LONGEST = 64


@lru_cache(maxsize=1 << 14)
def normal_form(text: str) -> str:
    """A name without what spellings of it differ in: case, compatibility forms, and separators.

    >>> normal_form("DIRECT_TRAFFIC "), normal_form("Ｄｉｒｅｃｔ")
    ('direct traffic', 'direct')
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _SEPARATORS.sub(" ", folded).strip()


class ReservedNames(msgspec.Struct, frozen=True, dict=True):
    """Which texts mean that a name is missing, and which channels are direct.

    Attributes:
        direct: spellings of the direct channel, besides ``DIRECT_NAMES``; one with ``!`` before it is taken out of them.
        absent: texts that stand for a missing name, besides ``ABSENT_NAMES``; ``!`` as above.
        aliases: other spellings of campaign ids, each with the id that it stands for.

    >>> names = ReservedNames(absent=("tbd", "!unknown"))
    >>> [names.is_absent(text) for text in ("TBD", "(Not Set)", "unknown", "other", "(other)")]
    [True, True, False, False, True]
    >>> names.channel("Direct Entry"), names.channel("(not set)"), names.channel("Search")
    ('direct', None, 'Search')
    """

    direct: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()

    def campaign(self, campaign_id: str) -> str:
        """The campaign that an id stands for."""
        return self._campaigns.get(campaign_id, campaign_id) if self.aliases else campaign_id

    def is_absent(self, text: str) -> bool:
        """Whether a text stands for a missing name."""
        return len(text) <= _LONGEST and self._is_among(text, self._absent)

    def is_no_campaign(self, text: str) -> bool:
        """Whether a text stands for a missing campaign."""
        return self.is_absent(text) and normal_form(text) not in self._unknown

    def are_no_campaigns(self, texts: Iterable[str]) -> list[bool]:
        """The same of each of many texts; most end in a digit, so most are not looked at.

        >>> ReservedNames().are_no_campaigns(["c-17", "(not set)", "Search", "(none)"])
        [False, True, False, True]
        """
        is_quick = not self.has_digits
        return [not (is_quick and text[-1:] in _DIGITS) and self.is_no_campaign(text) for text in texts]

    def is_nobody(self, text: str) -> bool:
        """Whether a text stands where the id of a visitor is missing."""
        return text in NOBODY or self.is_absent(text)

    def is_guest(self, text: str) -> bool:
        """Whether a text stands where the id of a customer is missing."""
        return text in GUESTS or self.is_absent(text)

    def usual_spellings(self) -> list[str]:
        """The texts of a missing name and of nobody as exports usually write them, for columns of hashes."""
        found = {*NOBODY}
        for name in self._absent:
            bare = _unbracketed(name)
            forms = {bare, bare.upper(), bare.title(), bare.capitalize()}
            forms |= {form.replace(" ", joint) for form in forms for joint in "_-"}
            if bare in self._absent:
                found |= forms
            pairs = _BRACKETS.items() if bare in self._absent else [(name[0], name[-1])]
            found |= {f"{left}{form}{right}" for form in forms for left, right in pairs}
        return sorted(found)

    def channel(self, text: str | None) -> str | None:
        """A channel, spelt as models know it; None where a text says that there is none."""
        if text is None or len(text) > _LONGEST:
            return text
        if self._is_among(text, self._direct):
            return DIRECT
        return None if self._is_among(text, self._absent) else text

    def cleared(self, event: E) -> E:
        """An event without the texts that stand for missing names.

        Raises:
            Rejection: ``missing_field``, where the event cannot be without the name.
        """
        changed: dict[str, str | None] = {}
        is_quick = not self.has_digits
        fields, texts_of = _looked_at(event.__class__)
        for (field, is_required), text in zip(fields, texts_of(event), strict=True):
            if field == "campaign_id" and text in self._campaigns:
                changed[field] = self._campaigns[text]
                continue
            if text is None or (text[-1:] in _DIGITS and is_quick and text not in GUESTS):
                continue
            known = self.channel(text) if field == "channel" else None if _TESTS[field](self, text) else text
            if known == text:
                continue
            if is_required:
                raise Rejection(Reason.MISSING_FIELD, missing(field, text))
            changed[field] = known
        return msgspec.structs.replace(event, **changed) if changed else event

    def registered(self, campaign: Campaign) -> Campaign:
        """A campaign as registered, without the texts that stand for a missing channel, target, offer or objective.

        Raises:
            Rejection: ``missing_field``, where its id is such a text.
        """
        if self.is_no_campaign(campaign.campaign_id):
            raise Rejection(Reason.MISSING_FIELD, missing("campaign_id", campaign.campaign_id))
        named = {name: getattr(campaign, name) for name in ("channel", "target", "offer", "objective")}
        changed = {name: None for name, text in named.items() if text is not None and self.is_absent(text)}
        return msgspec.structs.replace(campaign, **changed) if changed else campaign

    @cached_property
    def has_digits(self) -> bool:
        """Whether a text with a digit may be one of the names; no known one has any, and most ids do."""
        return any(_DIGIT.search(text) for text in (*self.direct, *self.absent))

    def _is_among(self, text: str, names: frozenset[str]) -> bool:
        if _DIGIT.search(text) and not self.has_digits:
            return False
        form = normal_form(text)
        return form in names or _unbracketed(form) in names

    @cached_property
    def _campaigns(self) -> dict[str, str]:
        return dict(self.aliases)

    @cached_property
    def _direct(self) -> frozenset[str]:
        return _names(DIRECT_NAMES, self.direct)

    @cached_property
    def _absent(self) -> frozenset[str]:
        return _names((*ABSENT_NAMES, *UNKNOWN_NAMES), self.absent)

    @cached_property
    def _unknown(self) -> frozenset[str]:
        return _names(UNKNOWN_NAMES, ())


def missing(field: str, text: str) -> str:
    """What is wrong with a record whose required name is missing."""
    return (
        f"{field} {text!r} stands for a missing name; send the name, or where it is one, add "
        f"!{text} to ROISTREAM_ABSENT_NAMES"
    )


#: Of each field that is looked at besides the channel, whether a text stands for a missing one.
_TESTS: dict[str, Callable[[ReservedNames, str], bool]] = {
    **dict.fromkeys(
        ("event_id", "report_id", "order_id", "ad_id", "lead_id", "ticket_id", "subscription_id"),
        ReservedNames.is_absent,
    ),
    "campaign_id": ReservedNames.is_no_campaign,
    "visitor_id": ReservedNames.is_nobody,
    **dict.fromkeys(("customer_id", "referrer_id"), ReservedNames.is_guest),
}
_LOOKED_AT = (*_TESTS, "channel")


@cache
def _looked_at(shape: Any) -> tuple[tuple[tuple[str, bool], ...], Callable[[Any], tuple[str | None, ...]]]:
    """The fields of a record that are looked at, whether the record cannot be without them, and what reads all of them."""
    fields = {each.name: each.required for each in msgspec.structs.fields(shape)}
    names = [name for name in _LOOKED_AT if name in fields]
    return tuple((name, fields[name]) for name in names), attrgetter(*names)


def _names(known: Iterable[str], given: Iterable[str]) -> frozenset[str]:
    names = set(map(normal_form, known))
    for each in given:
        if each.startswith("!"):
            names.discard(normal_form(each[1:]))
        else:
            names.add(normal_form(each))
    return frozenset(names)


def _unbracketed(form: str) -> str:
    if len(form) > 2 and _BRACKETS.get(form[0]) == form[-1]:
        return form[1:-1].strip()
    return form
