"""reStructuredText to Markdown: titles, code, lists, tables and quotes. Directives stay as text.

Only the shape of a text is read: nothing is included, substituted or run.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from textwrap import dedent, indent

from inhouse.core.errors import BadInput
from inhouse.data.blocks import escaped, fenced, heading
from inhouse.data.text import decode

DEEPEST = 60

RULE = re.compile(r"([!-/:-@\[-`{-~])\1+\s*\Z")
SHORTEST = 4  # of the rules that stand alone
EXPLICIT = re.compile(r"\.\.(?:\s|\Z)|__\s")
FIELDS = re.compile(r"\A(?:[A-Z][\w-]*:(?:[ \t].*)?\n(?:[ \t]+\S.*\n)*){2,}(?=\s*\n|\Z)")
TITLE = re.compile(r"^Title:[ \t]*(\S.*(?:\n[ \t]+\S.*)*)", re.MULTILINE)
ITEM = re.compile(r"([-*+•]|(?:\d{1,9}|#|[A-Za-z])[.)]|\((?:\d{1,9}|[A-Za-z#])\))(?:[ \t]+|\Z)")
BULLETS = "-*+•"
DIRECTIVE = re.compile(r"\.\.[ \t]+(?:\|[^|]+\|[ \t]+)?([\w:.-]+?)::(?:[ \t]+(.*))?\Z")
NOTE = re.compile(r"\.\.[ \t]+(?:(\[[^\]]+\][ \t].*)|_([^:]+|`[^`]+`):[ \t]+(\S.*))\Z")
CODE = frozenset(("code", "code-block", "sourcecode", "parsed-literal", "productionlist", "math"))
SILENT = frozenset(("image", "index", "highlight", "contents", "raw", "meta", "role", "only"))
OPTION = re.compile(r":[\w-]+:(?:\s|\Z)")
SIMPLE_TABLE = re.compile(r"=+(?:[ \t]+=+)+[ \t]*\Z")
GRID_TABLE = re.compile(r"\+[-=+]+\+[ \t]*\Z")

ROLE = re.compile(r"(?<![\w`]):([\w:.+-]+):`([^`]+)`")
NUMBERED = ("pep", "rfc")
NOTE_NUMBER = re.compile(r"(?<=\w\])_(?!\w)")
LINK = re.compile(r"(?<!`)`([^`<>]*[^`<>\s])\s+<([^<>`\s]+)>`__?")
INDENT = re.compile(r"^[^\S\n]+", re.MULTILINE)
REFERENCE = re.compile(r"(?<!`)`([^`<>]+)`__?(?!`)")
NOT_IN_ID = re.compile(r"[^a-z0-9]+")


def read_rst(data: bytes) -> tuple[str, str]:
    """Return title and text; the title is that of the fields at the start, else the first heading.

    Headings carry the ids that Docutils gives them.

    Raises:
        BadInput: it is not UTF-8 text, or nested too deep to be one.
    """
    text = decode(data).replace("\f", "").expandtabs(8)
    text = INDENT.sub(lambda found: " " * len(found[0]), text)
    fields = FIELDS.match(text)
    page = _Page()
    start: list[str] = []
    if fields:
        start = [*fields[0].strip().split("\n"), ""]
        text = text[fields.end() :]
    blocks = list(page.blocks(text.split("\n"), 0))
    named = TITLE.search(fields[0]) if fields else None
    return named[1] if named else page.title, "\n".join((*start, *blocks)).strip("\n") + "\n"


@dataclass(slots=True)
class _Page:
    """Lines of Markdown, and what the whole text knows: the kinds of rule around its headings."""

    title: str = ""
    _rules: list[tuple[str, bool]] = field(default_factory=list)

    def blocks(self, lines: list[str], depth: int) -> Iterator[str]:
        """Yield the lines of Markdown that `lines` make, code as one; no two empty in a row."""
        if depth > DEEPEST:
            raise BadInput(f"It is nested deeper than {DEEPEST} blocks.", "Simplify the file.")
        at, last = 0, ""
        while at < len(lines):
            made: Iterable[str] = ("",)
            if lines[at].strip():
                at, made = self._block(lines, at, depth)
            else:
                at += 1
            for line in made:
                if line or last:
                    yield line
                last = line

    def _block(self, lines: list[str], at: int, depth: int) -> tuple[int, Iterator[str]]:
        """Return the block at `at` as Markdown, and the number of the line behind it."""
        line = lines[at]
        if line[0] == " ":
            end = _indented(lines, at)
            return end, self._within(lines[at:end], depth)
        if depth == 0 and (title := _title(lines, at)):
            words, rule, end = title
            return end, iter((self._heading(words, rule), ""))
        if RULE.match(line) and len(line.strip()) >= SHORTEST:
            return at + 1, iter(("", "---", ""))
        if EXPLICIT.match(line):
            end = _indented(lines, at + 1)
            return end, self._explicit(lines[at:end], depth)
        if item := ITEM.match(line):
            end = _indented(lines, at + 1, item.end())
            return end, self._item(item, lines[at:end], depth)
        return _table(lines, at) or self._paragraph(lines, at, depth)

    def _within(self, lines: list[str], depth: int) -> Iterator[str]:
        return self.blocks(dedent("\n".join(lines)).split("\n"), depth + 1)

    def _heading(self, words: str, rule: tuple[str, bool]) -> str:
        if rule not in self._rules:
            self._rules.append(rule)
        words = " ".join(LINK.sub(r"\1", words).replace("`", "").split())
        self.title = self.title or words
        return heading(self._rules.index(rule) + 1, words, _identifier(words))

    def _item(self, item: re.Match[str], lines: list[str], depth: int) -> Iterator[str]:
        mark = "-" if item[1] in BULLETS else item[1].strip("().") + "."
        mark = "1." if mark == "#." else mark
        deep = min((len(_) - len(_.lstrip()) for _ in lines[1:] if _.strip()), default=0)
        inner = [lines[0][item.end() :], *(line[deep:] for line in lines[1:])]
        made = list(self.blocks(inner, depth + 1))
        text = "\n".join(made).strip("\n")
        yield f"{mark} " + indent(text, " " * (len(mark) + 1)).lstrip()

    def _explicit(self, lines: list[str], depth: int) -> Iterator[str]:
        """Yield what stands behind two dots: a directive, a footnote, a link; no comment."""
        directive, note = DIRECTIVE.match(lines[0]), NOTE.match(lines[0])
        if note:
            yield _inline(note[1] or f"{note[2]}: {note[3]}")
            yield from self._within(lines[1:], depth)
        if not directive:
            yield ""
            return
        name, words = directive[1].rpartition(":")[2] or directive[1], directive[2] or ""
        body = lines[1:]
        while body and OPTION.match(body[0].strip()):
            body.pop(0)
        if name in CODE:
            language = re.sub(r"[^\w+#-]", "", words) if "code" in name else ""
            code = "" if "code" in name else words + "\n"
            yield from ("", fenced(code + dedent("\n".join(body)), language), "")
        elif name not in SILENT:
            yield from ("", f"{name.replace('-', ' ').capitalize()}: {_inline(words)}".rstrip())
            yield from ("", *self._within(body, depth), "")

    def _paragraph(self, lines: list[str], at: int, depth: int) -> tuple[int, Iterator[str]]:
        end = at + 1
        while end < len(lines) and lines[end].strip() and lines[end][0] != " ":
            if depth == 0 and _title(lines, end):
                break
            end += 1
        words = _inline("\n".join(lines[at:end]))
        behind = _indented(lines, end)
        if words.endswith("::") and any(line.strip() for line in lines[end:behind]):
            words = "" if words == "::" else words[:-1].replace(" :", "")
            code = fenced(dedent("\n".join(lines[end:behind])))
            return behind, iter((*_plain(words), "", code, ""))
        return end, iter((*_plain(words), *([""] if end < behind else [])))


def _title(lines: list[str], at: int) -> tuple[str, tuple[str, bool], int] | None:
    """Return a title that starts at `at`, its kind of rule and the line behind it, if one does."""
    line, *more = (line.rstrip() for line in lines[at : at + 3])
    if RULE.match(line) and len(more) == 2 and more[1] == line and not RULE.match(more[0]):
        fits = more[0].strip() and len(line) >= _width(more[0].strip())
        return (more[0].strip(), (line[0], True), at + 3) if fits else None
    if not more or line[0] == " " or not RULE.match(more[0]) or RULE.match(line):
        return None
    # A short rule is a mistake that Docutils forgives from four characters on.
    fits = len(more[0]) >= min(_width(line), 4) and (at == 0 or not lines[at - 1].strip())
    return (line, (more[0][0], False), at + 2) if fits else None


def _width(text: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(char) in "WF") for char in text)


def _indented(lines: list[str], at: int, least: int = 1) -> int:
    """Return the line behind those that are empty or indented by at least `least` spaces."""
    end = last = at
    while end < len(lines) and (not lines[end].strip() or lines[end][:least].isspace()):
        end += 1
        last = end if lines[end - 1].strip() else last
    return last


def _table(lines: list[str], at: int) -> tuple[int, Iterator[str]] | None:
    """Return a table as it is drawn; one of rules ends with its third, or its second and a gap."""
    grid = bool(GRID_TABLE.match(lines[at]))
    if not grid and not SIMPLE_TABLE.match(lines[at]):
        return None
    rules, end = 0, at
    while end < len(lines) and rules < 3:
        if not lines[end].strip() and (grid or rules == 2):
            break
        rules += not grid and bool(SIMPLE_TABLE.match(lines[end]))
        end += 1
    return end, iter(("", fenced("\n".join(lines[at:end])), ""))


def _inline(text: str) -> str:
    """Return a paragraph with its links and references as Markdown has them, roles as words."""
    text = NOTE_NUMBER.sub("", text)
    if "`" not in text:
        return text
    text = ROLE.sub(_role, text)
    return REFERENCE.sub(r"\1", LINK.sub(r"[\1](\2)", text))


def _role(found: re.Match[str]) -> str:
    name, words = found.groups()
    shown, _, target = words.partition(" <")
    return f"{name.upper()} {shown}" if name in NUMBERED and not target else shown


def _plain(text: str) -> list[str]:
    lines = text.split("\n") if text else []
    return [line if line.startswith("[") and "](" in line else escaped(line) for line in lines]


def _identifier(words: str) -> str:
    """Return the id that Docutils makes of a title."""
    letters = unicodedata.normalize("NFKD", words.lower()).encode("ascii", "ignore").decode()
    return NOT_IN_ID.sub("-", letters).strip("-").lstrip("0123456789-")
