"""Texts for people by language: the gettext catalogues of ``streams/locale``, read once each. English is the texts themselves."""

import io
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

ENGLISH = "en"


def sources() -> dict[str, bytes]:
    """The catalogues that there are, by language."""
    found = (files("streams") / "locale").iterdir()
    return {each.name.removesuffix(".po"): each.read_bytes() for each in found if each.name.endswith(".po")}


def compiled(catalogue: Catalog) -> GNUTranslations:
    """A catalogue as gettext uses it."""
    buffer = io.BytesIO()
    write_mo(buffer, catalogue)
    buffer.seek(0)
    return GNUTranslations(buffer)


@cache
def translations(language: str) -> NullTranslations:
    """The texts of a language, as ``fr``.

    Raises:
        KeyError: when there is no such catalogue.
    """
    if language == ENGLISH:
        return NullTranslations()
    return compiled(read_po(io.BytesIO(sources()[language]), locale=language))
