"""The page of runbooks that the board serves, generated from what docs/boards.md says of each alert."""

import re

from markdown_it import MarkdownIt

_HEAD = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>Runbooks of alerts – roistream</title>
  <link rel="icon" href="/static/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/static/board.css">
</head>
<body class="page">
<main>
<h1>Runbooks of alerts</h1>
"""
_TAIL = "</main>\n</body>\n</html>\n"
_LINK = re.compile(r"\[([^\]]+)\]\((?!#)[^)]*\)")


def page(document: str) -> str:
    """The page as HTML: a section for each alert under an address of its own (``#`` and the alert's name in small letters).

    Args:
        document: the text of docs/boards.md; what stands under its heading *Alerts* is taken. Links to other pages of the docs
            become their text, since the board does not serve these.
    """
    _, _, alerts = document.partition("\n## Alerts\n")
    alerts, _, _ = alerts.partition("\n## ")
    html = MarkdownIt("commonmark").enable("table").render(_LINK.sub(r"\1", alerts))
    return _HEAD + re.sub(r"<h3>(\w+)</h3>", _heading, html) + _TAIL


def _heading(found: re.Match[str]) -> str:
    return f'<h2 id="{found[1].lower()}">{found[1]}</h2>'
