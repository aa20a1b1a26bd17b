#!/usr/bin/env bash
# Babel 2.19.0: a French catalogue that is made by Babel has three plural forms, so two translated forms leave "5" untranslated.
#
# Guess: French has two plural forms in gettext (nplurals=2, n > 1), as in the files of most projects, so two translations are whole.
# Seen: `Catalog(locale="fr")` follows CLDR: form 0 for 0 and 1, form 1 for whole millions ("many"), form 2 for all the rest. A message that is added
#   with two forms is written with `msgstr[2] ""` and compiled without a word; only who asks `Message.check` is told. gettext answers 5 with the English
#   text, and 1 000 000 with the French plural. A file that declares `nplurals=2` itself keeps its two forms when it is read, whatever `locale` is passed.
# Why it matters: a page in French shows English words for nearly every number, and a test of one and of a million passes. (A catalogue of roistream
#   declares its forms, and a test holds every form of every text to be there.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check babel==2.19.0 || exit 2
"$folder/venv/bin/python" - <<'PY'
import io
from gettext import GNUTranslations

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po


def answers(catalog):
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    buffer.seek(0)
    translations = GNUTranslations(buffer)
    return [translations.ngettext("{n} card", "{n} cards", count) for count in (1, 5, 1_000_000)]


made = Catalog(locale="fr")
message = made.add(("{n} card", "{n} cards"), ("{n} carte", "{n} cartes"))
written = io.BytesIO()
write_po(written, made, omit_header=True)
declared = b'''msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=2; plural=(n > 1);\\n"

msgid "{n} card"
msgid_plural "{n} cards"
msgstr[0] "{n} carte"
msgstr[1] "{n} cartes"
'''
read = read_po(io.BytesIO(declared), locale="fr")
print("made by Babel:", made.num_plurals, "forms; 1, 5 and 1 000 000:", answers(made))
print(written.getvalue().decode().strip())
print("declared in the file:", read.num_plurals, "forms; 1, 5 and 1 000 000:", answers(read))
assert made.num_plurals == 3
assert answers(made) == ["{n} carte", "{n} cards", "{n} cartes"], answers(made)
assert 'msgstr[2] ""' in written.getvalue().decode()
assert [str(error) for error in message.check(made)] == ["Wrong number of plural forms (expected 3)"]
assert read.num_plurals == 2
assert answers(read) == ["{n} carte", "{n} cartes", "{n} cartes"], answers(read)
PY
