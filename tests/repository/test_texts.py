"""Texts for people (page, notifications, command line, dashboards, alerts): each is in every catalogue, with the same names in braces."""

import inspect
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import typer
from babel.messages.pofile import read_po
from typer.testing import CliRunner

from streams import catalogues
from streams.__main__ import app
from streams.board.static_files import catalogue, page_catalogues
from streams.catalogues import translated
from tests.support import page_texts, spoken_texts

LANGUAGES = sorted(path.stem for path in page_texts.CATALOGUES.glob("*.po"))
NAMES = re.compile(r"\{\w+\}")
#: The name that words of a text depend on, with its braces.
FORMS = re.compile(r"\{\w+(?=\|)")
#: What stands alike in every language: the product's name and keys.
ALIKE = {"roistream board", "roistream", "Enter"}


def read(language: str):
    source = (page_texts.CATALOGUES / f"{language}.po").read_bytes()
    return {each.id: each.string for each in read_po(io.BytesIO(source), locale=language) if each.id}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_has_every_text_and_no_other(language):
    wanted = {text if many is None else (text, many) for text, many in page_texts.texts().items()}
    found = set(read(language))
    assert sorted(map(str, (wanted | spoken_texts.every()) - found)) == []
    assert sorted(map(str, found - wanted - spoken_texts.every())) == []


def test_what_the_library_of_the_command_line_says_is_in_its_source():
    folder = Path(inspect.getfile(typer)).parent
    source = "\n".join(path.read_text() for path in folder.rglob("*.py"))
    for text in spoken_texts.LIBRARIES:
        assert f'_("{text}")' in source or f'help="{text}"' in source, text


def test_a_sentence_is_found_again_by_the_text_it_was_made_of():
    for text in spoken_texts.every():
        names = NAMES.findall(text)
        if (
            sum(each.isalpha() for each in NAMES.sub("", text)) < 8
            or "{{" in text
            or "!r}" in text
            or "[blue]" in text
        ):
            continue
        said = text
        for number, name in enumerate(dict.fromkeys(names)):
            said = said.replace(name, f"V{number}")
        told = translated(said, "fr")
        assert told == said or all(f"V{number}" in told for number in range(len(set(names)))), text
    assert translated("--window 2h is not on campaign-kpis; choose 1h, 24h.", "fr").startswith(
        "--window 2h n’existe pas sur"
    )
    assert translated("a sentence of nobody", "fr") == "a sentence of nobody"


def test_words_that_depend_on_a_count_have_the_form_of_the_language():
    said = "{} files of the folder are not read by the mapping"
    assert [translated(said.format(count), "fr") for count in ("0", "1", "2", "1,200")] == [
        "0 fichier du dossier n’est pas lu par la correspondance",
        "1 fichier du dossier n’est pas lu par la correspondance",
        "2 fichiers du dossier ne sont pas lus par la correspondance",
        "1,200 fichiers du dossier ne sont pas lus par la correspondance",
    ]
    assert translated("1,200 rows of 1 files", "fr") == "1,200 lignes de 1 fichier"


def test_the_command_line_speaks_the_language_of_the_shell():
    def said(*arguments: str, **variables: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "streams", *arguments],
            env={**os.environ, "LANGUAGE": "", "LC_ALL": "", "TERM": "dumb", "COLUMNS": "200", **variables},
            capture_output=True, text=True, check=False, cwd=page_texts.CATALOGUES.parents[1],
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    code, help_page = said("explain", "--help", LANG="fr_FR.UTF-8")
    assert code == 0
    for text in (
        "Dire pourquoi une campagne est où elle est",
        "L’identifiant de la campagne.",
        "obligatoire",
        "Afficher cette aide.",
    ):
        assert text in help_page
    code, complaint = said("customers", "nowhere.csv", "--horizon", "0", LC_ALL="fr_CA.UTF-8")
    assert (code, complaint) == (
        2,
        "roistream: --horizon est un nombre de mois au-dessus de 0, au plus 120.\n",
    )
    code, complaint = said("replay", "nowhere.csv", LANG="fr_FR.UTF-8")
    assert (code, complaint) == (2, "replay: nowhere.csv n’existe pas ; donnez un fichier ou un dossier.\n")
    code, complaint = said("nothing", LANG="fr_FR.UTF-8")
    assert (code, "Il n’y a pas de commande 'nothing'." in complaint) == (2, True)
    assert "Say why a campaign stands" in said("explain", "--help", LANG="de_DE.UTF-8")[1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_form_of_a_text_is_there_and_names_what_the_english_names(language):
    for text, told in read(language).items():
        english = text if isinstance(text, tuple) else (text,)
        forms = told if isinstance(told, tuple) else (told,)
        assert all(form.strip() for form in forms), text
        wanted = {name for each in english for name in NAMES.findall(each)}
        for form in forms:
            assert set(NAMES.findall(form)) == wanted, form
            assert {f"{each}}}" for each in FORMS.findall(form)} <= wanted, form
            # The page and notifications count by ``n``.
            assert not FORMS.search(form) or text not in page_texts.texts(), form


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_says_how_many_plural_forms_it_has_and_every_message_has_them(language):
    source = (page_texts.CATALOGUES / f"{language}.po").read_bytes()
    assert b'"Plural-Forms: nplurals=' in source
    found = read_po(io.BytesIO(source), locale=language)
    assert [(each.id, errors) for each in found if each.id and (errors := each.check(found))] == []


def test_no_text_of_the_page_is_written_beside_the_catalogue():
    assert list(page_texts.outside()) == []
    assert set(page_texts.document_without()) == ALIKE


#: Prose of the controller that is no sentence: a name in an error, the speaker without a name, names of rules.
NO_REASON = {"time of a reading", "an operator", "hold expired"}


def test_the_page_and_notifications_find_every_reason_of_the_controller_again():
    known = [NAMES.sub("{}", each) for each in page_texts.reasons_of_the_page()]
    lost = [
        each for each in page_texts.reasons_of_the_controller() - NO_REASON
        if not any(each.strip("; ").removeprefix("{}") in sentence for sentence in known)
    ]  # fmt: skip
    assert lost == []
    assert translated("the figures are stale: their watermark is 7 min old", "fr").endswith("7 min")


#: Terms of the glossary that are words of everyday English or names of fields and options too.
OF_SEVERAL_SENSES = {
    "budget", "campaign", "channel", "column", "evidence", "flight", "hold", "mapping", "pace", "revenue", "spend", "target",
}  # fmt: skip


def terms_in_french() -> dict[str, str]:
    """The terms of the glossary that have one sense, with what each is called in French."""
    page = (page_texts.CATALOGUES.parents[1] / "docs/glossary.md").read_text()
    part = re.sub(r" \([^)]*\)", "", page.partition("\n## In French\n")[2].partition("\n## ")[0])
    found = {}
    for english, french in re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", part, flags=re.MULTILINE)[1:]:
        found |= dict(zip(english.split(", "), french.split(", "), strict=True))
    return {term: called for term, called in found.items() if term not in OF_SEVERAL_SENSES}


def called_otherwise(texts: dict, terms: dict[str, str]) -> list[tuple[str, str]]:
    """Terms that a translation does not have as they are called, each with its text; singular and plural are one."""
    found = []
    for key, string in texts.items():
        text, said = (" ".join(each) if isinstance(each, tuple) else each for each in (key, string))
        for term, called in terms.items():
            words = r"\w* ".join(re.escape(word.removesuffix("s")) for word in called.split())
            if re.search(rf"(?<![\w.-]){term}s?(?![\w-])", text, re.IGNORECASE) and not re.search(
                words, said, re.IGNORECASE
            ):
                found.append((term, text))
    return found


def test_a_term_has_one_name_in_french():
    terms = terms_in_french()
    assert len(terms) > 20
    assert called_otherwise(read("fr"), terms) == []
    assert called_otherwise({"Checkpoints written": "Checkpoints écrits"}, terms) == [
        ("checkpoint", "Checkpoints written")
    ]


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


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_told_every_text_that_it_asks_for(language):
    told = msgspec.json.decode(page_catalogues()[language])["texts"]
    assert sorted(set(page_texts.of_the_page()) - set(told)) == []


@pytest.mark.parametrize("path", spoken_texts.PRINTERS)
def test_no_text_that_a_command_prints_is_written_beside_the_catalogue(path):
    source = (page_texts.CATALOGUES.parents[1] / path).read_text()
    assert set(spoken_texts.outside(source)) - spoken_texts.every() == set()
    assert list(
        spoken_texts.outside('"""Doc of it."""\nprint("Nothing is known", words.t("Nothing is done"))')
    ) == ["Nothing is known"]


@pytest.mark.parametrize(("text", "arguments"), spoken_texts.COMPLAINTS.items())
def test_what_the_library_says_about_a_wrong_usage_is_said_in_the_readers_language(
    text, arguments, monkeypatch
):
    def complaint() -> str:
        done = CliRunner().invoke(app, list(arguments), env={"TERM": "dumb", "COLUMNS": "300"})
        assert done.exit_code == 2
        return done.output

    literal = max(NAMES.split(text), key=len)
    assert literal in complaint()
    monkeypatch.setattr(catalogues._Spoken, "language", "fr")
    assert literal not in complaint()
    assert max(NAMES.split(translated(text, "fr")), key=len) in complaint()
