"""Confluence's storage format to Markdown: macros, links and tasks become plain HTML, then text."""

from __future__ import annotations

import re
from html import escape

from inhouse.data.html import read_html

CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
BARE_LINK = re.compile(
    r"<ac:link\b[^<>]*>\s*<ri:(?:page|blog-post)\b[^<>]*?"
    r"content-title=\"([^\"<>]*)\"[^<>]*?(?:/>|>\s*</ri:[\w-]+>)\s*</ac:link>"
)
TAG = re.compile(r"<(/?)((?:ac|ri|at):[\w-]+)[^<>]*?(/?)>")
TIME = re.compile(r"<time\b[^<>]*?datetime=\"([^\"<>]*)\"[^<>]*?/?>")
TITLED = re.compile(r"<ac:parameter\b[^<>]*?ac:name=\"title\"[^<>]*>([^<>]*)</ac:parameter>")

# What stands for each tag; what is not named here is kept with what it holds.
TAGS = {
    "ac:plain-text-body": "pre",
    "ac:rich-text-body": "div",
    "ac:layout": "div",
    "ac:layout-section": "div",
    "ac:layout-cell": "div",
    "ac:task-list": "ul",
    "ac:task": "li",
    "ac:parameter": "template",
    "ac:task-id": "template",
    "ac:task-uuid": "template",
    "ac:task-status": "template",
    "ac:placeholder": "template",
    "ac:image": "template",
    "ac:adf-node": "template",
    "ac:adf-attribute": "template",
}


def read_storage(body: str) -> str:
    """Return the Markdown of a page's body.

    Raises:
        BadInput: it is nested too deep to be a text.
    """
    body = CDATA.sub(lambda data: escape(data[1]), body)
    body = BARE_LINK.sub(r"\1", body)
    body = TIME.sub(r"\1", body)
    body = TITLED.sub(r"<span>\1</span> ", body)
    return read_html(f"<body>{TAG.sub(_tag, body)}</body>".encode("utf-8", "replace"))[1]


def _tag(found: re.Match[str]) -> str:
    ends, name, alone = found.groups()
    return "" if alone else f"<{ends}{TAGS.get(name, 'span')}>"
