"""MDX files: Markdown among the components of a web site.

What is code of the site is left out: imports and exports, tags, comments. What stands between tags
is text, and so are expressions in braces. Examples of code stay as written.
"""

from __future__ import annotations

import re

from inhouse.data.markdown import parted, title_of
from inhouse.data.text import decode

# Bounds and possessive repeats (+) keep any text from taking long.
FENCE = (
    r"^[ \t]*(?:(?:[-*+>]|\d+[.)])[ \t]+)*(?P<fence>`{3,}|~{3,})[^`\n]*$"
    r"(?:.*?^[ \t>]*(?P=fence)[`~]*[ \t]*$|.*)"
)
SPAN = r"(?<!`)(?P<ticks>`+)(?!`)(?:(?!\n[ \t]*\n).)+?(?<!`)(?P=ticks)(?!`)"
BRACKETS = r"[\[({][^][(){}]{0,2000}+[\])}]"
for _ in range(4):  # as deep as they are read inside each other
    BRACKETS = rf"[\[({{](?:[^][(){{}}]|{BRACKETS}){{0,2000}}+[\])}}]"
IMPORT = r"import\s+(?:[\w*{$][\w\s,*{}$]{0,2000}?\bfrom\s*)?[\"'][^\"'\n]+[\"'][^\n]*"
EXPORT = (
    r"export\s+(?:(?:default|const|let|var|function|class|async|type|interface)\b|(?=[{*]))"
    rf"(?:[^][(){{}}\n]|{BRACKETS})*+[^\n]*"
)
STATEMENTS = rf"^(?<!\S\n)(?:(?:{IMPORT}|{EXPORT})(?:\n|\Z))+"
COMMENT = r"\{\s*/\*.{0,2000}?\*/\s*\}"
VALUE = rf"\"[^\"]{{0,2000}}\"|'[^']{{0,2000}}'|{BRACKETS}|[^\"'<>{{}}]"
TAG = rf"</?(?:[A-Za-z][\w.-]*+(?:\s(?:{VALUE}){{0,2000}}+|/)?)?>"
CODE = re.compile(
    rf"(?P<example>{FENCE}|{SPAN})|{STATEMENTS}|{COMMENT}|{TAG}", re.MULTILINE | re.DOTALL
)


def read_mdx(data: bytes) -> tuple[str, str]:
    """Return title and text of an MDX file, as `read_markdown` does, without the site's code.

    Raises:
        BadInput: it is not UTF-8 text.
    """
    front, text = parted(decode(data))
    text = CODE.sub(lambda code: code["example"] or "", text)
    return title_of(front, text), text
