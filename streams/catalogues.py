"""Texts for people by language: the gettext catalogues of ``streams/locale``. English is the texts themselves.

A sentence that code makes of a text and its values is found again by the text: names in braces stand for any value.
"""

import atexit
import gettext
import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

ENGLISH = "en"
#: What says the language of a process, the first that is set (POSIX, XBD 8.2; ``LANGUAGE`` is GNU's).
_VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
_NAME = re.compile(r"\{(\w+)\}")
#: Words that depend on a value, in the order of the language's plural forms: ``{count} fichier{count||s}``.
_FORMS = re.compile(r"\{(\w+)((?:\|[^{}|]*){2,})\}")
#: A text with fewer letters than this beside its names fits nearly everything.
_LEAST_LETTERS = 8
#: How a share is written.
PERCENT = "{number}%"
#: The domain that Click and Typer ask for their own texts.
_DOMAIN = "messages"


@cache
def sources() -> dict[str, bytes]:
    """The catalogues that there are, by language."""
    found = (files("streams") / "locale").iterdir()
    return {each.name.removesuffix(".po"): each.read_bytes() for each in found if each.name.endswith(".po")}


@cache
def catalogue(language: str) -> "Catalog":
    """The catalogue of a language, as ``fr``.

    Raises:
        KeyError: when there is none.
    """
    from babel.messages.pofile import read_po  # noqa: PLC0415 - commands in English do without it

    return read_po(io.BytesIO(sources()[language]), locale=language)


def compiled(found: "Catalog") -> GNUTranslations:
    """A catalogue as gettext uses it."""
    from babel.messages.mofile import write_mo  # noqa: PLC0415

    buffer = io.BytesIO()
    write_mo(buffer, found)
    buffer.seek(0)
    return GNUTranslations(buffer)


@cache
def translations(language: str) -> NullTranslations:
    """The texts of a language, as ``fr``.

    Raises:
        KeyError: when there is no such catalogue.
    """
    return NullTranslations() if language == ENGLISH else compiled(catalogue(language))


def language_of(environment: Mapping[str, str]) -> str:
    """The language that a process speaks, of those that there are.

    >>> language_of({"LANG": "fr_CA.UTF-8"}), language_of({"LC_ALL": "C", "LANG": "fr_FR"}), language_of({})
    ('fr', 'en', 'en')
    """
    # GNU: LANGUAGE is a list, and counts only where a locale is set that is not C.
    places = [environment.get(name, "") for name in _VARIABLES]
    locale = next(filter(None, places[1:]), "")
    wanted = [*(places[0].split(":") if locale not in {"", "C", "POSIX"} else ()), locale]
    for each in wanted:
        language = re.split(r"[_.@-]", each)[0].lower()
        if language == ENGLISH or language in sources():
            return language
    return ENGLISH


class _Template(NamedTuple):
    """A text with names, as an expression that finds the values."""

    pattern: re.Pattern[str]
    letters: int
    text: str


@cache
def _templates(language: str) -> tuple[_Template, ...]:
    found = []
    for message in catalogue(language):
        if isinstance(message.id, str) and _NAME.search(message.id) and isinstance(message.string, str):
            literal = _NAME.sub("", message.id)
            letters = sum(each.isalpha() for each in literal)
            if letters >= _LEAST_LETTERS:
                found.append(
                    _Template(re.compile(_expression(message.id), re.DOTALL), letters, message.string)
                )
    return tuple(sorted(found, key=lambda each: -each.letters))


def _expression(text: str) -> str:
    parts, seen = [], set()
    for at, part in enumerate(_NAME.split(text)):
        if at % 2 == 0:
            parts.append(re.escape(part))
        elif part in seen:
            parts.append(f"(?P={part})")
        else:
            seen.add(part)
            parts.append(f"(?P<{part}>.*?)")
    return "".join(parts)


def translated(sentence: str, language: str) -> str:
    """A sentence in a language: by itself, or by the text that it was made of; as it is where no catalogue knows it.

    >>> translated("There is no campaign 'c-1' on the board.", "fr")
    "Il n’y a pas de campagne 'c-1' sur le tableau."
    >>> translated("1 editions written.", "fr"), translated("2 editions written.", "fr")
    ('1 édition écrite.', '2 éditions écrites.')
    """
    if language == ENGLISH:
        return sentence
    exact = translations(language).gettext(sentence) if sentence else ""
    if exact and exact != sentence:
        return exact
    return next(_filled(sentence, language), sentence)


def _filled(sentence: str, language: str) -> Iterator[str]:
    for template in _templates(language):
        found = template.pattern.fullmatch(sentence)
        if found is not None:
            values = {name: translated(value, language) for name, value in found.groupdict().items()}
            yield _put(template.text, values, language)


def _put(text: str, values: Mapping[str, object], language: str) -> str:
    """A text with its values, and of words that depend on one the form that the language has for it."""
    counted = translations(language)

    def form(found: re.Match[str]) -> str:
        forms = found[2].split("|")[1:]
        digits = re.sub(r"[\s,.\u202f\u00a0]", "", str(values.get(found[1], "")))
        number = int(digits) if digits.isdecimal() else 2
        # The plural rule of a catalogue is what gettext compiles of its header.
        return forms[min(counted.plural(number), len(forms) - 1)]  # type: ignore[attr-defined]

    return _NAME.sub(lambda name: str(values.get(name[1], name[0])), _FORMS.sub(form, text))


class _Spoken:
    """The language that this process speaks; English until ``speak``."""

    language = ENGLISH


def t(text: str, /, **values: object) -> str:
    """A text in the language of the process; names in braces are replaced by values."""
    return _put(translations(_Spoken.language).gettext(text), values, _Spoken.language)


def said(sentence: str) -> str:
    """A sentence that code has made, in the language of the process."""
    return translated(sentence, _Spoken.language)


def number(value: float, digits: int = 0) -> str:
    """A number as the language of the process writes it.

    >>> number(1234.5, 2)
    '1,234.50'
    """
    if _Spoken.language == ENGLISH:
        return f"{value:,.{digits}f}"
    from babel.numbers import format_decimal  # noqa: PLC0415

    pattern = f"#,##0.{'0' * digits}" if digits else "#,##0"
    return str(format_decimal(value, pattern, locale=_Spoken.language))


def figure(value: float, digits: int = 4) -> str:
    """A figure with so many significant digits, as the language of the process writes it.

    >>> figure(0.123456), figure(20_000.0), figure(12.0)
    ('0.1235', '2e+04', '12')
    """
    plain = f"{value:.{digits}g}"
    if _Spoken.language == ENGLISH or "e" in plain or "n" in plain:
        return plain
    return number(value, len(plain.partition(".")[2]))


def percent(value: float, digits: int = 0, *, is_signed: bool = False) -> str:
    """A share as the language of the process writes it.

    >>> percent(0.256), percent(0.5, is_signed=True), percent(-1234.5, 1)
    ('26%', '+50%', '-123,450.0%')
    """
    sign = "+" if is_signed and value >= 0 else ""
    return sign + t(PERCENT, number=number(value * 100, digits))


def moment(instant: str | None) -> str:
    """An RFC 3339 instant for a person: as it is in English, else date and time of the language, in UTC; a dash for none.

    >>> moment("2026-11-30T08:30:00Z")
    '2026-11-30T08:30:00Z'
    """
    if instant is None or _Spoken.language == ENGLISH:
        return instant or "–"
    from babel.dates import format_datetime  # noqa: PLC0415

    found = datetime.fromisoformat(instant).astimezone(UTC)
    return f"{format_datetime(found, 'd MMM y HH:mm', locale=_Spoken.language)} UTC"


def moment_in_words(instant: str | None) -> str:
    """As ``moment``, for the middle of a sentence: after a preposition French wants the time before the day."""
    if instant is None or _Spoken.language == ENGLISH:
        return moment(instant)
    from babel.dates import format_datetime  # noqa: PLC0415

    found = datetime.fromisoformat(instant).astimezone(UTC)
    day, time = (format_datetime(found, form, locale=_Spoken.language) for form in ("d MMM y", "HH:mm 'UTC'"))
    return t("{day}, {time}", day=day, time=time)


def speak(environment: Mapping[str, str] = os.environ) -> str:
    """Let gettext, and with it the libraries of the command line, speak the language of the environment; which one it is."""
    language = _Spoken.language = language_of(environment)
    if language != ENGLISH:
        from babel.messages.mofile import write_mo  # noqa: PLC0415

        # gettext looks for the file at each text, so the folder stays until the process ends.
        place = tempfile.mkdtemp(prefix="roistream-locale-")
        atexit.register(shutil.rmtree, place, ignore_errors=True)
        path = Path(place) / language / "LC_MESSAGES" / f"{_DOMAIN}.mo"
        path.parent.mkdir(parents=True)
        with path.open("wb") as file:
            write_mo(file, catalogue(language))
        gettext.bindtextdomain(_DOMAIN, place)
    return language
