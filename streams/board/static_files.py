"""The page: plain files beside this module, read once, told by their content's hash. No build, no template."""

import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from aiohttp import web

from streams.board.middleware import Handler

_KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}


class _File(NamedTuple):
    body: bytes
    kind: str
    tag: str


def routes() -> list[web.RouteDef]:
    """The page at ``/`` and each of its files under ``/static/``; no other path is ever read."""
    found = _found(files("streams.board") / "static")
    index = found.pop("index.html")
    paths = {"/": index, **{f"/static/{name}": file for name, file in found.items()}}
    return [web.get(path, _handler(file)) for path, file in paths.items()]


def _found(folder: Traversable, prefix: str = "") -> dict[str, _File]:
    found: dict[str, _File] = {}
    for each in folder.iterdir():
        suffix = each.name[each.name.rfind(".") :]
        if each.is_dir():
            found |= _found(each, f"{prefix}{each.name}/")
        elif suffix in _KINDS:
            body = each.read_bytes()
            tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            found[prefix + each.name] = _File(body, _KINDS[suffix], tag)
    return found


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
