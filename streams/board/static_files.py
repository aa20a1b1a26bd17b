"""The page: plain files beside this module, read once, told by their content's hash. No build.

The page names its languages and all of its modules, so that a browser asks for these at once and not one after the other; a
language's texts are its catalogue (gettext), as JSON.
"""

import hashlib
import io
from collections.abc import Callable, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

import msgspec
from aiohttp import web
from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from streams.board.middleware import Handler
from streams.catalogues import compiled, sources

_KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".json": "application/json",
}
_NUMBER = "number of the form"
#: Paths that show the page; it looks at the address itself.
_PLACES = ("/", "/board", "/customers", "/past", "/forecast", "/campaigns/{campaign_id}")


class _File(NamedTuple):
    body: bytes
    kind: str
    tag: str


def routes() -> list[web.RouteDef]:
    """The page at its places and each of its files under ``/static/``; no other path is ever read."""
    found = _found(files("streams.board") / "static")
    languages = page_catalogues()
    found |= {f"messages/{name}.json": _file(body, ".json") for name, body in languages.items()}
    index = found.pop("index.html")
    page = _file(_completed(index.body, ["en", *sorted(languages)], sorted(found)), ".html")
    paths = {
        **dict.fromkeys(_PLACES, page),
        **{f"/static/{name}": file for name, file in found.items()},
    }
    return [web.get(path, _handler(file)) for path, file in paths.items()]


def page_catalogues() -> dict[str, bytes]:
    """The texts of the page by language, as ``catalogue`` gives them."""
    found = _found(files("streams.board") / "static")
    shown = "\n".join(each.body.decode() for name, each in found.items() if name.endswith((".js", ".html")))
    return {name: catalogue(name, source, shown) for name, source in sources().items()}


def catalogue(language: str, source: bytes, shown: str | None = None) -> bytes:
    """A gettext catalogue as the page reads it.

    Args:
        language: its code, as ``fr``.
        source: the ``.po`` file.
        shown: what the page is made of; only texts that stand in it are taken. None: all are.

    Returns:
        JSON: ``texts`` by their English (a form for each plural), ``forms`` the form of each plural category of the language (CLDR).
    """
    found = read_po(io.BytesIO(source), locale=language)
    page = None if shown is None else " ".join(shown.split())
    texts = {
        message.id[0] if isinstance(message.id, tuple) else message.id: (
            message.string if isinstance(message.string, tuple) else (message.string,)
        )
        for message in found
        if message.id and _stands(message.id, page)
    }
    category = Locale.parse(language).plural_form
    form = _forms(found)
    forms = {category(count): form(count) for count in (*range(200), 1_000_000)}
    return msgspec.json.encode({"texts": texts, "forms": forms})


def _stands(text: str | Sequence[str], page: str | None) -> bool:
    first = " ".join((text if isinstance(text, str) else text[0]).split())
    return page is None or first in page or first.replace('"', '\\"') in page


def _forms(found: Catalog) -> Callable[[int], int]:
    """Which plural form of a catalogue goes with a count: asked of gettext by a message whose forms are their own numbers."""
    found.add((_NUMBER, _NUMBER), tuple(map(str, range(found.num_plurals))))
    translations = compiled(found)
    return lambda count: int(translations.ngettext(_NUMBER, _NUMBER, count))


def _completed(index: bytes, languages: list[str], names: list[str]) -> bytes:
    modules = "".join(
        f'<link rel="modulepreload" href="/static/{name}">' for name in names if name.endswith(".js")
    )
    text = index.decode().replace('data-languages="en"', f'data-languages="{" ".join(languages)}"')
    return text.replace("</head>", f"{modules}</head>").encode()


def _found(folder: Traversable, prefix: str = "") -> dict[str, _File]:
    found: dict[str, _File] = {}
    for each in folder.iterdir():
        suffix = each.name[each.name.rfind(".") :]
        if each.is_dir():
            found |= _found(each, f"{prefix}{each.name}/")
        elif suffix in _KINDS:
            found[prefix + each.name] = _file(each.read_bytes(), suffix)
    return found


def _file(body: bytes, suffix: str) -> _File:
    return _File(body, _KINDS[suffix], f'"{hashlib.sha256(body).hexdigest()[:16]}"')


def _handler(file: _File) -> Handler:
    async def get(request: web.Request) -> web.Response:
        # Asked again each time, so that a page and its parts are always of one version.
        headers = {"Cache-Control": "no-cache", "ETag": file.tag}
        if request.headers.get("If-None-Match") == file.tag:
            return web.Response(status=304, headers=headers)
        response = web.Response(body=file.body, content_type=file.kind, charset="utf-8", headers=headers)
        response.enable_compression()
        return response

    return get
