"""Texts of the board's page: each is in every catalogue, with the same names in braces, and none is written beside them."""

import io
import re

import msgspec
import pytest
from babel.messages.pofile import read_po

from streams.board.static_files import catalogue
from tests.support import page_texts

LANGUAGES = sorted(path.stem for path in page_texts.CATALOGUES.glob("*.po"))
NAMES = re.compile(r"\{\w+\}")
#: What stands alike in every language: the product's name and keys.
ALIKE = {"roistream board", "roistream", "Enter"}


def read(language: str):
    source = (page_texts.CATALOGUES / f"{language}.po").read_bytes()
    return {each.id: each.string for each in read_po(io.BytesIO(source), locale=language) if each.id}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_has_every_text_and_no_other(language):
    wanted = {text if many is None else (text, many) for text, many in page_texts.texts().items()}
    assert set(read(language)) == wanted


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_form_of_a_text_is_there_and_names_what_the_english_names(language):
    for text, told in read(language).items():
        english = text if isinstance(text, tuple) else (text,)
        forms = told if isinstance(told, tuple) else (told,)
        assert all(form.strip() for form in forms), text
        wanted = {name for each in english for name in NAMES.findall(each)}
        for form in forms:
            assert set(NAMES.findall(form)) == wanted, form


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_says_how_many_plural_forms_it_has_and_every_message_has_them(language):
    source = (page_texts.CATALOGUES / f"{language}.po").read_bytes()
    assert b'"Plural-Forms: nplurals=' in source
    found = read_po(io.BytesIO(source), locale=language)
    assert [(each.id, errors) for each in found if each.id and (errors := each.check(found))] == []


def test_no_text_of_the_page_is_written_beside_the_catalogue():
    assert list(page_texts.outside()) == []
    assert set(page_texts.document_without()) == ALIKE


def test_no_text_of_a_notification_is_written_beside_the_catalogue():
    for path in page_texts.WRITERS:
        assert list(page_texts.unwritten(path.read_text())) == []
    assert list(page_texts.unwritten('say("Nothing is known", words.t("Nothing is done"))')) == [
        "Nothing is known"
    ]


def test_a_string_beside_the_catalogue_would_be_found(tmp_path, monkeypatch):
    (tmp_path / "js").mkdir()
    (tmp_path / "js/some.js").write_text(
        'setText(node, "Nothing is done about it");\nh("p", {}, t("Nothing is known"));\n'
    )
    monkeypatch.setattr(page_texts, "PAGE", tmp_path)
    assert list(page_texts.outside()) == [("some.js", "Nothing is done about it")]


def test_a_catalogue_is_told_to_the_page_with_its_plural_forms():
    source = (page_texts.CATALOGUES / "fr.po").read_bytes()
    told = msgspec.json.decode(catalogue("fr", source))
    assert told["forms"]["one"] == 0
    assert told["forms"]["other"] == told["forms"]["many"] == 1
    assert told["texts"]["{count} campaign"] == ["{count} campagne", "{count} campagnes"]
    assert told["texts"]["cost per lead"] == ["coût par lead"]
