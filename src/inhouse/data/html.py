"""HTML pages to readable Markdown: headings with their ids, paragraphs, lists, code, tables.

Scripts, styles, navigation and controls are dropped, links and emphasis are reduced to their text.
"""

from __future__ import annotations

import re
from collections import Counter

from selectolax.lexbor import LexborHTMLParser, LexborNode

from inhouse.core.errors import BadInput
from inhouse.data.blocks import fenced, heading, paragraph, table
from inhouse.data.text import decode

DECLARED = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
DROPPED = frozenset(
    "script style nav noscript template svg math canvas iframe object head title "  # noqa: SIM905
    "button select input textarea audio video -comment".split()
)
INLINE = frozenset(
    "a abbr b bdi bdo cite data del dfn em font i ins kbd label mark q s samp small "  # noqa: SIM905
    "span strong sub sup time tt u var wbr".split()
)
# A table that holds more than itself of these lays out the page and is walked like any block.
LAYOUT = ", ".join((*HEADINGS, "table", "pre"))
DEEPEST = 200
# Elements that stay open without an end take the parser time by the square of how many there are.
# These end by themselves, by the HTML standard's rules for tags that may be left out, or are empty.
ENDING = frozenset(
    "html head body p li dt dd tr td th thead tbody tfoot caption colgroup option a "  # noqa: SIM905
    "h1 h2 h3 h4 h5 h6 area base br col embed hr img input link meta source track wbr".split()
)
# Of these a "/>" is no end, as it is of what stands in a picture.
NESTING = INLINE | frozenset(
    "address article aside blockquote center details div dl fieldset figure footer "  # noqa: SIM905
    "form header main menu nav ol section summary table ul".split()
)
MOST_OPEN = 2000
MOST_TAGS = 500_000  # some seconds, and 200 MB of memory
TAG = re.compile(
    r"<(?:!--(?:-?>|.*?(?:--!?>|\Z))"  # what stands in comments and scripts is no tag
    r"|(script|style)\b(?![^>]*/>).*?(?:</\1|\Z)"
    r"|(?P<ends>/?)(?P<name>[a-z][^\s/>]*)[^>]*)",
    re.IGNORECASE | re.DOTALL,
)
BREAK = "\v"


def read_html(data: bytes) -> tuple[str, str]:
    """Return title and text of a page; the title is its first ``h1``, else its ``title``.

    Raises:
        BadInput: it is not text in the encoding it declares, or nested too deep to be a text.
    """
    declared = DECLARED.search(data[:2048])
    tree = tree_of(decode(data, declared[1].decode() if declared else None))
    headline = tree.css_first("h1") or tree.css_first("title")
    page = _Page()
    if tree.body:
        page.walk(tree.body, "", 0)
    return _line(headline) if headline else "", page.text()


def tree_of(html: str) -> LexborHTMLParser:
    """Return the elements of a page.

    Raises:
        BadInput: there are too many, or too many of them are open at once.
    """
    tags = html.count("<")
    if tags > MOST_OPEN:
        _check_ends(html)
    if tags > MOST_TAGS:
        raise BadInput(f"It has more than {MOST_TAGS:,} tags.", "Divide it.")
    return LexborHTMLParser(html)


def _check_ends(html: str) -> None:
    """Make sure that never more than 2,000 elements are open, without building them."""
    opened: Counter[str] = Counter()
    depth = 0
    for found in TAG.finditer(html):
        tag = (found["name"] or "").lower()
        if not tag or tag in ENDING:
            continue
        if found["ends"]:
            depth -= opened[tag] > 0
            opened[tag] = max(opened[tag] - 1, 0)
        elif tag in NESTING or not found[0].endswith("/"):
            opened[tag] += 1
            depth += 1
        if depth > MOST_OPEN:
            raise BadInput(f"It is nested deeper than {MOST_OPEN} elements.", "End each of them.")


class _Page:
    """Blocks of Markdown, gathered while walking down the tree."""

    def __init__(self) -> None:
        self._blocks: list[str] = []
        self._words: list[str] = []
        self._marker = ""
        self._listing = False

    def text(self) -> str:
        """Return all of it as one text."""
        self.flush("")
        return "".join(self._blocks).strip("\n") + "\n"

    def walk(self, node: LexborNode, indent: str, depth: int) -> None:
        """Gather what is in `node`, each line of a block but its first behind `indent`.

        Raises:
            BadInput: it is nested too deep.
        """
        if depth > DEEPEST:
            raise BadInput(f"It is nested deeper than {DEEPEST} elements.", "Simplify the page.")
        for child in node.iter(include_text=True):
            tag = child.tag or ""
            if child.is_text_node:
                self._words.append((child.text_content or "").replace(BREAK, " "))
            elif tag in INLINE:
                self.walk(child, indent, depth + 1)
            elif tag == "code":
                self._words.append(f"`{_line(child)}`")
            elif tag == "br":
                self._words.append(BREAK)
            elif tag == "img":
                self._words.append(child.attributes.get("alt") or "")
            elif tag not in DROPPED:
                self.flush(indent)
                self._block(child, tag, indent, depth + 1)
                self.flush(indent)

    def _block(self, node: LexborNode, tag: str, indent: str, depth: int) -> None:
        if tag in HEADINGS:
            self._marker = ""
            self._add(_heading(node), "")
        elif tag == "pre":
            self._add(fenced(node.text()), indent)
        elif tag == "table" and len(node.css(LAYOUT)) == 1:
            self._add(_table(node), indent)
        elif tag in ("ul", "ol"):
            self._list(node, tag == "ol", indent, depth)
        else:
            self.walk(node, indent, depth)

    def _list(self, node: LexborNode, numbered: bool, indent: str, depth: int) -> None:
        number = 0
        for item in node.iter():
            number += item.tag == "li"
            marker = f"{number}. " if numbered else "- "
            inner = indent + " " * len(marker)
            self._marker = marker
            self.walk(item, inner, depth + 1)
            self.flush(inner)
            self._marker = ""

    def flush(self, indent: str) -> None:
        """End the paragraph that is being gathered."""
        lines = (" ".join(line.split()) for line in "".join(self._words).split(BREAK))
        self._words.clear()
        self._add(paragraph("\n".join(lines)), indent)

    def _add(self, block: str, indent: str) -> None:
        """Put a block behind the marker of the list item it opens, or at its indent."""
        if not block:
            return
        start = indent.removesuffix(" " * len(self._marker)) + self._marker
        gap = "\n" if self._marker and self._listing else "\n\n"
        self._listing = bool(indent)
        self._marker = ""
        self._blocks.append(gap + start + block.replace("\n", "\n" + indent))


def _line(node: LexborNode) -> str:
    return " ".join(node.text().split()).rstrip(" ¶")


def _heading(node: LexborNode) -> str:
    anchor = node.attributes.get("id")
    if not anchor and node.parent and node.parent.tag == "section":
        anchor = node.parent.attributes.get("id")
    return heading(int((node.tag or "h1")[1]), _line(node), anchor or "")


def _table(node: LexborNode) -> str:
    return table([[_cell(cell) for cell in row.css("td, th")] for row in node.css("tr")])


def _cell(node: LexborNode) -> str:
    inside = _Page()
    inside.walk(node, "", 0)
    return inside.text()
